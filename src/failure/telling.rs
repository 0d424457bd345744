//! What a person is told of a failure: its words, the place in a file, and what may help.

use std::collections::BTreeMap;
use std::path::Path;

use super::Failure;
use super::kind::{Kind, step};
use crate::model::{ImageRef, Place, UnknownService};
use crate::plan::{Action, BuilderKind};
use crate::runtime::{self, BuildError, EngineError, StepError};
use crate::term::{Message, Screen};
use crate::{compose, plan, settings};

impl Failure {
    /// What a person is told: a message per thing that failed.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Steps(failures) => failures.iter().map(of_step).collect(),
            Self::Bases { failures, locked } => {
                failures.iter().map(|own| of_base(own, locked)).collect()
            }
            Self::Ports(conflicts) => of_ports(conflicts),
            // The hint goes for all of them.
            Self::Fingerprint(error) if !error.apart().is_empty() => {
                let each = error.apart();
                let last = each.len() - 1;
                let told = each.into_iter().enumerate().map(|(at, error)| Message {
                    place: error.place(),
                    hints: if at == last {
                        error.hints()
                    } else {
                        Vec::new()
                    },
                    ..Message::of(&error)
                });
                told.collect()
            }
            Self::Interrupted => Vec::new(),
            _ => vec![Message {
                place: self.place(),
                hints: self.hints(),
                ..Message::of(self)
            }],
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Compose(error) => error.place().cloned(),
            Self::Fingerprint(error) => error.place(),
            Self::Unbuildable { place, .. } => place.clone(),
            Self::Registry { place, .. }
            | Self::NotInRegistry { place, .. }
            | Self::NoDigest { place, .. }
            | Self::Kept { place, .. } => place.as_deref().cloned(),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Compose(error) => error.hints(),
            Self::Fingerprint(error) => error.hints(),
            Self::Plan(error) => error.hints(),
            Self::Engine(error) | Self::Build(BuildError::Engine(error)) => error.hints(),
            Self::Build(error) => build_hints(error),
            Self::Unbuildable { error, .. } => build_hints(error),
            Self::NoServices { off: true } => {
                vec!["`--profile NAME` activates those of a profile; a service that is named is active, too".to_owned()]
            }
            Self::NoJob(name) => vec![format!(
                "`larder restart {name}` starts it anew, whatever it is"
            )],
            Self::Unbuilt(_) => vec!["`larder build` builds images alone".to_owned()],
            Self::NoServices { off: false } => {
                vec!["it needs `services:` with at least one service".to_owned()]
            }
            Self::Service(UnknownService { name, known }) => {
                vec![compose::named_here("services", name, known)]
            }
            Self::NoBase { name, known } => vec![compose::named_here("base images", name, known)],
            Self::Registry { source, .. } => source.hints(),
            Self::NotInRegistry { .. } => {
                vec!["`docker login` where it needs an account, or build it as a service of this project".to_owned()]
            }
            Self::NoDigest { .. } => {
                vec!["only an image that a registry has, and gives to you (`docker login`), can be pinned".to_owned()]
            }
            Self::Frozen => {
                vec!["leave out `--frozen`, or unset LARDER_FROZEN, to write it".to_owned()]
            }
            Self::OtherCheckout {
                project,
                removed: true,
                ..
            } => vec![format!(
                "`larder -p {project} down` removes it all the same"
            )],
            Self::OtherCheckout {
                project, beside, ..
            } => vec![
                format!("`larder -p {beside} up --ports auto` starts this one beside it"),
                format!("`larder -p {project} up` replaces it"),
            ],
            Self::Fell { service, .. } => {
                vec![format!("`larder logs {service}` shows what it printed")]
            }
            Self::Undone { .. } => {
                vec!["another command changes this project at the same time".to_owned()]
            }
            Self::NotRunning(service) => vec![format!("start it with `larder up {service}`")],
            Self::Theirs(_) => {
                vec!["`--force` writes over it, another path beside it".to_owned()]
            }
            Self::NobodyToAsk => vec!["`-f` removes without asking".to_owned()],
            Self::Nowhere(_) => vec![
                "`--cache-to REPOSITORY` does, or `x-larder: {cache: REPOSITORY}` in the Compose file".to_owned(),
            ],
            Self::OfRegistry { source, .. } => source.hint().into_iter().collect(),
            Self::NoIndex { service, .. } => {
                vec![format!(
                    "`larder ps -a` lists the containers of `{service}`"
                )]
            }
            Self::NotPublished { known, .. } if known.is_empty() => {
                vec!["it publishes none: `ports` in the Compose file does that".to_owned()]
            }
            Self::NotPublished { known, .. } => vec![format!("it publishes {}", known.join(", "))],
            Self::NoContainer(service) => vec![format!("`larder up {service}` creates it")],
            Self::NoContainers(_) => vec!["`larder up` creates them".to_owned()],
            Self::Template(error) => error.hints("--template "),
            Self::Untold { hint, .. }
            | Self::Halted { hint, .. }
            | Self::Unexported { hint, .. }
            | Self::Uncopied { hint, .. }
            | Self::Kept { hint, .. } => vec![hint.clone()],
            Self::Broke(_) | Self::Print { .. } => vec![REPORT.to_owned()],
            _ => Vec::new(),
        }
    }
}

/// What to do about a bug.
pub const REPORT: &str =
    "this is a bug in larder: please report this text, the command and `larder --version`";

/// Tells of larder's own fault; the exit code.
pub fn panicked(what: &str) -> u8 {
    let message = Message {
        text: what.to_owned(),
        hints: vec![REPORT.to_owned()],
        ..Message::default()
    };
    // The screen that a run has may be the thing that is broken.
    let screen = Screen::new(&settings::Environment::new());
    message.error(&screen, Path::new("/"));
    Kind::Bug.code()
}

fn of_step(failure: &runtime::Failure) -> Message {
    let error = &failure.error;
    let mut hints = error.hints();
    match error {
        StepError::Engine(error) | StepError::Build(BuildError::Engine(error)) => {
            hints.extend(error.hints());
            hints.extend(of_lost_network(failure, error));
        }
        StepError::Build(error) => hints.extend(build_hints(error)),
        StepError::Broken { .. } => hints.push(REPORT.to_owned()),
        _ => {}
    }
    let mut message = Message::of(error);
    let mut place = None;
    if let StepError::Build(BuildError::Instruction { file, line, .. }) = error {
        place = file.as_deref().map(|file| Place {
            file: file.to_owned(),
            at: line.map(|line| (line, 1)),
        });
        for cause in &mut message.causes {
            *cause = ended(cause).unwrap_or_else(|| std::mem::take(cause));
        }
    }
    Message {
        place,
        output: error.output().to_vec(),
        hints,
        ..message
    }
}

/// What helps a container that the engine does not start as its network was removed.
fn of_lost_network(failure: &runtime::Failure, error: &EngineError) -> Option<String> {
    let starts = matches!(failure.step.action, Action::Start { .. });
    let service = failure
        .step
        .service
        .as_ref()
        .filter(|_| starts && error.is_of_lost_network())?;
    Some(format!(
        "its network was removed: `larder up {service}` makes the container anew"
    ))
}

/// A message for each port, and what helps with all of them at the end.
fn of_ports(conflicts: &[(plan::Conflict, Option<Place>)]) -> Vec<Message> {
    let told = conflicts.iter().map(|(conflict, place)| Message {
        text: conflict.to_string(),
        place: place.clone(),
        hints: vec![conflict.hint()],
        ..Message::default()
    });
    let mut told: Vec<Message> = told.collect();
    // What is typed is published as it is.
    let mut written = conflicts.iter().filter(|(own, _)| !own.is_typed());
    if let (Some((first, _)), Some(last)) = (written.next(), told.last_mut()) {
        let once = first.once && written.all(|(own, _)| own.once);
        let how = if once {
            "LARDER_PORTS=auto"
        } else {
            "larder up --ports auto"
        };
        let auto = format!("`{how}` publishes free ports in place of taken ones");
        last.hints.push(auto);
    }
    told
}

/// A pull of a base image, with the line of the lock that asks for it.
fn of_base(failure: &runtime::Failure, locked: &BTreeMap<String, (ImageRef, Place)>) -> Message {
    let mut message = of_step(failure);
    let Action::Pull { image, .. } = &failure.step.action else {
        return message;
    };
    if let Some((image, place)) = locked.get(image) {
        message.place = Some(place.clone());
        if step(failure) == Kind::Failed {
            message.hints.push(format!(
                "`larder lock --upgrade {image}` pins what the registry has now"
            ));
        }
    }
    message
}

/// BuildKit's words for a command that failed repeat all of the command, which the error above has told (buildkit
/// `solver/llbsolver/ops/exec.go`): `process "…" did not complete successfully: exit code: 3`.
fn ended(cause: &str) -> Option<String> {
    let repeats = [
        "executor failed running [",
        "process \"",
        "failed to solve: process \"",
    ];
    let (_, code) = cause.rsplit_once("exit code: ")?;
    let code: u8 = code.trim().parse().ok()?;
    let known = repeats.iter().any(|words| cause.starts_with(words));
    known.then(|| format!("the command ended with code {code}"))
}

fn build_hints(error: &BuildError) -> Vec<String> {
    let hint = match error {
        BuildError::Instruction { output, .. } if !output.is_empty() => {
            "the last lines it printed are above"
        }
        BuildError::InputMoved { .. } => {
            "run the command again: the new content gets its own fingerprint"
        }
        BuildError::Unsupported {
            builder: BuilderKind::Docker,
            ..
        } => "leave it out, or build the image with `docker build` and name it in `image`",
        BuildError::Unsupported { .. } => "`--builder auto` lets the engine's BuildKit build it",
        BuildError::RemoteContext { .. } => "clone it, and name the folder as `context`",
        BuildError::AdditionalContext { .. } => {
            "a folder, an image (`docker-image://NAME`) or another service's image (`service:NAME`) can be taken in"
        }
        BuildError::NoAgent { .. } => {
            "`eval $(ssh-agent)` starts an agent, `ssh-add KEY` gives it a key, and `ssh: [default]` is that one"
        }
        BuildError::BaseMoved { .. } => {
            "run the command again: the new image gets its own fingerprint"
        }
        BuildError::BaseBeside { .. } => {
            "the Dockerfile or a trigger names it where a digest cannot be put in its place: `docker tag IMAGE@DIGEST \
              IMAGE` gives that name to the image that was fingerprinted"
        }
        BuildError::Unreachable { .. } => "`--builder docker` does without it",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_failed_is_not_told_twice() {
        let told = |words| ended(words).unwrap_or_default();
        let old = "executor failed running [/bin/sh -c make]: exit code: 2";
        let new = "process \"/bin/sh -c echo exit code: 1 && make\" did not complete successfully: exit code: 2";
        assert_eq!(told(old), "the command ended with code 2");
        assert_eq!(told(new), "the command ended with code 2");
        assert_eq!(told("something else: exit code: 2"), "");
        assert_eq!(told("process \"make\" did not complete: killed"), "");
    }
}
