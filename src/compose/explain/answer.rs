//! The answer to `config --explain`: a path of the model with all who say something of it, one that only files have, or
//! a variable.

use std::path::Path;

use serde_json::Value;

use super::origin::{Files, Origins};
use super::reading::Reading;
use super::source::{Explanation, Kind, Role, Source, on_one_line, shown};
use super::standing::{add_below, put_above, ranked, stands};
use super::subject::{self, Missing, Part, Step, as_keys, find, leading_keys, parse};
use crate::compose::error::{Error, ErrorKind};
use crate::compose::load::{LoadOptions, load};
use crate::compose::settle::implied;
use crate::model::Project;

/// Explains a path of the model, as in `services.web.image`, or a variable by its name.
///
/// # Errors
/// The project does not load, or has nothing at the path.
pub fn explain(options: &LoadOptions, subject: &str) -> Result<Explanation, Error> {
    let all = LoadOptions {
        profiles: vec!["*".to_owned()],
        services: Vec::new(),
        ..options.clone()
    };
    let parts = parse(subject)?;
    // What only a service has wrong that is off hinders nobody.
    let (all, project) = match load(&all) {
        Ok(project) => (all, project),
        Err(error) => match load(options) {
            Ok(project) => (options.clone(), project),
            Err(_) => return Err(error),
        },
    };
    // A project is plain data; it has no keys that are not strings.
    let model = serde_json::to_value(&project).unwrap_or_default();
    let mut answer = Answer {
        options: &all,
        project: &project,
        reading: Reading::of(&project, Origins::of(&all, &project)?),
    };
    let missing = match find(&model, &parts) {
        Ok((steps, value)) => return Ok(answer.path(&steps, value)),
        Err(missing) => missing,
    };
    // It is what the project is called, whoever says so.
    if subject == "COMPOSE_PROJECT_NAME" {
        let name = answer.path(&[Step::Key("name".to_owned())], &model["name"]);
        return Ok(Explanation {
            subject: subject.to_owned(),
            kind: Kind::Variable,
            ..name
        });
    }
    if let Some(absent) = answer.absent(&parts, &missing) {
        return Ok(absent);
    }
    if is_variable(subject) {
        return Ok(answer.variable(subject));
    }
    Err(ErrorKind::NothingAt {
        subject: subject.to_owned(),
        above: subject::shown(&missing.above),
        asked: missing.asked,
        known: missing.known,
    }
    .into())
}

fn is_variable(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

struct Answer<'a> {
    options: &'a LoadOptions,
    project: &'a Project,
    reading: Reading<'a>,
}

impl Answer<'_> {
    /// A variable: of the project, or else of what it includes.
    fn variable(&mut self, name: &str) -> Explanation {
        let root = self.reading.root();
        let mut value = root.value(name).map(on_one_line);
        let mut sources = root.sources(name);
        if value.is_none() {
            let project = self.project;
            for way in project.included.iter() {
                let origins = self.reading.origins(&way.file);
                let Some(origins) = origins.filter(|origins| origins.value(name).is_some()) else {
                    continue;
                };
                value = value.or_else(|| origins.value(name).map(on_one_line));
                let file = way.file.file_name().unwrap_or(way.file.as_os_str());
                let text = format!("for `{}`, which is included", file.display());
                for source in origins.sources(name) {
                    let role = match source.role {
                        Role::Says if !sources.is_empty() => Role::Adds,
                        role => role,
                    };
                    sources.push(Source {
                        role,
                        ..meaning(source, &text)
                    });
                }
            }
        }
        Explanation {
            subject: name.to_owned(),
            value,
            sources,
            kind: Kind::Variable,
        }
    }

    /// A path that the model has.
    fn path(&mut self, steps: &[Step], value: &Value) -> Explanation {
        let mut sources = ranked(self.reading.events(steps));
        self.complete(&mut sources, steps, value);
        // What removes nothing is nobody's loss.
        sources.pop_if(|last| last.role == Role::Removes);
        if !sources.iter().any(stands) {
            let of_item = self.of_item(steps);
            sources.splice(0..0, of_item);
        }
        Explanation {
            subject: subject::shown(steps),
            value: shown(value),
            sources,
            kind: Kind::Value,
        }
    }

    /// Of what no file says of an item of a list: where the item is written, else where items of that list are.
    fn of_item(&mut self, steps: &[Step]) -> Vec<Source> {
        let is_item = |step: &Step| matches!(step, Step::Item(..));
        let Some(item) = steps.iter().rposition(is_item) else {
            return Vec::new();
        };
        let sources = ranked(self.reading.events(&steps[..=item]));
        if sources.iter().any(stands) {
            return sources;
        }
        let mut lists = ranked(self.reading.events(&steps[..item]));
        lists.retain(stands);
        if lists.len() > 1 {
            let lists = lists.into_iter();
            return lists
                .map(|source| meaning(source, "or another of these"))
                .collect();
        }
        lists
    }

    /// What the files do not say of a path.
    fn complete(&mut self, sources: &mut Vec<Source>, steps: &[Step], value: &Value) {
        match leading_keys(steps)[..] {
            ["name"] => {
                let root = self.reading.root();
                put_above(sources, root.project_name(self.options, sources.is_empty()));
            }
            ["services", service, "environment"] => {
                add_below(
                    sources,
                    Files::of_variables(self.options, self.project, service).whole(),
                );
            }
            ["services", service, "labels"] => {
                add_below(sources, Files::of_labels(self.project, service).whole());
            }
            ["services", service, "environment", name] => {
                let lookup = self.reading.root();
                let files = Files::of_variables(self.options, self.project, service);
                below(sources, files.defining(name, &lookup.lookup()));
                self.asked_for(sources, name, value);
            }
            ["services", service, "labels", name] => {
                let files = Files::of_labels(self.project, service);
                below(sources, files.defining(name, &|_| None));
            }
            ["services", _, "build", "args", name] => self.asked_for(sources, name, value),
            ["services", _, "platform"] if sources.is_empty() => {
                let name = "DOCKER_DEFAULT_PLATFORM";
                let defaults = self.reading.root().sources(name);
                sources.extend(
                    defaults
                        .into_iter()
                        .map(|source| meaning(source, &format!("by `{name}`"))),
                );
            }
            ["services", service, "deploy", "replicas"] if sources.is_empty() => {
                *sources = self.following(service, "scale");
            }
            ["services", service, "depends_on"] => {
                let implied = self.implying(service, None);
                add_below(sources, implied);
            }
            ["services", service, "depends_on", name, ..] if sources.is_empty() => {
                *sources = self.implying(service, Some(name));
            }
            _ => {}
        }
    }

    /// What another attribute of a service says, from which it follows.
    fn following(&mut self, service: &str, attribute: &str) -> Vec<Source> {
        let keys = ["services", service, attribute];
        let steps = keys.map(|key| Step::Key(key.to_owned()));
        let sources = ranked(self.reading.events(&steps)).into_iter();
        sources
            .map(|source| meaning(source, &format!("by `{attribute}`")))
            .collect()
    }

    /// The attributes that imply that a service waits where no `depends_on` says so, for `name` if there is one.
    fn implying(&mut self, service: &str, name: Option<&str>) -> Vec<Source> {
        let Some(definition) = self.project.services.get(service) else {
            return Vec::new();
        };
        let mut implied = implied(definition);
        implied.retain(|one| {
            let keys = ["services", service, "depends_on", &one.name];
            let steps = keys.map(|key| Step::Key(key.to_owned()));
            name.is_none_or(|name| one.name == name) && self.reading.events(&steps).is_empty()
        });
        let mut attributes: Vec<_> = implied.into_iter().map(|one| one.attribute).collect();
        attributes.dedup();
        let sources = attributes.into_iter();
        sources
            .flat_map(|attribute| self.following(service, attribute))
            .collect()
    }

    /// Of a variable that is named without a value: who has it.
    fn asked_for(&mut self, sources: &mut Vec<Source>, name: &str, value: &Value) {
        let Some(first) = sources.first_mut() else {
            return;
        };
        if first.role != Role::Says || first.written.is_some() || value.is_null() {
            return;
        }
        let file = first.place.as_ref().map(|place| place.file.clone());
        let is_env_file = |file: &Path| !self.project.texts.iter().any(|(own, _)| own == file);
        let origins = match file {
            Some(file) if !is_env_file(&file) => self.reading.origins(&file),
            _ => Some(self.reading.root()),
        };
        let values = origins.map(|origins| origins.sources(name));
        let values = values.unwrap_or_default();
        if !values.is_empty() {
            first.role = Role::Asks;
            put_above(sources, values);
        }
    }

    /// A path that files write, or remove, and the model does not have.
    fn absent(&mut self, parts: &[Part], missing: &Missing) -> Option<Explanation> {
        let written = self.reading.written(parts);
        let steps = written.unwrap_or_else(|| as_keys(parts));
        // An item has another number in the model's list than in that of a file.
        let keys = leading_keys(&steps).len();
        if keys < steps.len() && missing.above.len() >= keys {
            return None;
        }
        let sources = ranked(self.reading.events(&steps));
        let first = sources.first()?;
        let reason = match first.role {
            Role::Removes => None,
            _ => self
                .reason(&leading_keys(&steps))
                .or_else(|| says_nothing(first)),
        };
        Some(Explanation {
            subject: subject::shown(&steps),
            value: None,
            sources,
            kind: Kind::Absent(reason),
        })
    }

    /// Why the model does not have what files write.
    fn reason(&self, keys: &[&str]) -> Option<String> {
        let unused = |has: bool| (!has).then(|| "no service uses it".to_owned());
        match keys {
            ["services", service, "env_file", ..] => {
                let own = self.project.services.get(*service)?;
                (!own.environment.is_empty()).then(|| {
                    format!("the variables in its files are in `services.{service}.environment`")
                })
            }
            ["services", service, "label_file", ..] => {
                let own = self.project.services.get(*service)?;
                (!own.labels.is_empty())
                    .then(|| format!("the labels in its files are in `services.{service}.labels`"))
            }
            ["services", service, "extends", ..] => Some(format!(
                "what `{service}` takes over is in `services.{service}`"
            )),
            ["include", ..] => Some("what its files define is part of the model".to_owned()),
            ["version"] => Some("it means nothing any more".to_owned()),
            ["networks", name, ..] => unused(self.project.networks.contains_key(*name)),
            ["volumes", name, ..] => unused(self.project.volumes.contains_key(*name)),
            ["configs", name, ..] => unused(self.project.configs.contains_key(*name)),
            ["secrets", name, ..] => unused(self.project.secrets.contains_key(*name)),
            _ => None,
        }
    }
}

/// Of what is dropped as it changes nothing (`omit_empty`).
fn says_nothing(source: &Source) -> Option<String> {
    let nothing = ["", "false", "0", "[]", "{}"];
    let written = source.written.as_deref().unwrap_or_default();
    let changes_nothing = nothing.contains(&written);
    changes_nothing.then(|| "it says no more than the default".to_owned())
}

/// Adds the lines of env or label files, which count where no Compose file says it.
fn below(sources: &mut Vec<Source>, mut files: Vec<Source>) {
    let is_said = sources
        .first()
        .is_some_and(|first| first.role == Role::Says);
    let overridden = files.iter_mut().skip(usize::from(!is_said));
    overridden.for_each(|source| source.role = Role::Overridden);
    if is_said {
        sources.extend(files);
    } else {
        sources.splice(0..0, files);
    }
}

/// A source with one more thing to know of it.
fn meaning(source: Source, more: &str) -> Source {
    let what = match source.what {
        Some(what) => format!("{what}, {more}"),
        None => more.to_owned(),
    };
    Source {
        what: Some(what),
        ..source
    }
}
