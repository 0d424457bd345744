//! Two folders with projects of one name: whose containers an `up` would replace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::compose;
use crate::failure::Failure;
use crate::model::{Project, labels};
use crate::plan::{Action, Container, Plan};

/// Another folder whose project has the name of this one, with containers that run.
struct Other<'a> {
    folder: PathBuf,
    /// One of its containers.
    container: &'a Container,
    /// Whether the plan stops some.
    replaced: bool,
}

impl Prepared {
    /// What a person is to know of containers that run from another checkout. Refuses to replace one, unless the name of the
    /// project was asked for. A folder that was moved is gone, and one behind a link is the same: containers from there are this
    /// project's own.
    pub(super) async fn check_checkouts(
        &self,
        invocation: &Invocation,
        plan: &Plan,
    ) -> Result<Option<String>, Failure> {
        let Some(other) = self.other_checkout(plan) else {
            return Ok(None);
        };
        let side = beside(&self.project, &self.names_of_others().await);
        if other.replaced && invocation.project_name().is_none() {
            return Err(Failure::OtherCheckout {
                removed: false,
                project: self.project.name.clone(),
                folder: other.folder,
                container: other.container.name.clone(),
                beside: side,
            });
        }
        let folder = other.folder.display();
        let name = &self.project.name;
        Ok(Some(if other.replaced {
            format!("containers of project `{name}` from `{folder}` are replaced")
        } else {
            format!(
                "containers of project `{name}` run from `{folder}`, as they would from here; `-p {side}` starts others beside them"
            )
        }))
    }

    /// The names that projects on the engine have, but for those that run from this folder alone: by their containers, and by
    /// networks and volumes that are left of them. It is advice: an engine that does not tell has none.
    async fn names_of_others(&self) -> BTreeSet<String> {
        let own = &self.project.working_dir;
        let listed = self.engine.list(None, true).await.unwrap_or_default();
        let (here, elsewhere): (Vec<_>, Vec<_>) = listed.iter().partition(|listed| {
            let folder = listed.container.labels.get(labels::WORKING_DIR);
            folder.is_some_and(|folder| !is_other(Path::new(folder), own, false))
        });
        let here: BTreeSet<&String> = here.into_iter().map(|listed| &listed.project).collect();
        let all = self.observed.networks.iter().chain(&self.observed.volumes);
        let left = all.filter_map(|resource| resource.labels.get(labels::PROJECT));
        let left = left.filter(|name| !here.contains(name));
        let elsewhere = elsewhere.into_iter().map(|listed| &listed.project);
        elsewhere.chain(left).cloned().collect()
    }

    fn other_checkout(&self, plan: &Plan) -> Option<Other<'_>> {
        let elsewhere = elsewhere(&self.project, self.observed.containers.iter());
        let stops = |own: &Container| {
            let mut steps = plan.steps.iter();
            steps.any(|step| matches!(&step.action, Action::Stop { container, .. } if *container == own.id))
        };
        let replaced = elsewhere.iter().find(|(own, _)| stops(own));
        let (container, folder) = replaced.or(elsewhere.first())?;
        Some(Other {
            folder: folder.clone(),
            container,
            replaced: replaced.is_some(),
        })
    }
}

/// Refuses to remove containers that run from another checkout, unless the name of the project was asked for.
pub(super) fn check_removal(
    invocation: &Invocation,
    project: Option<&Project>,
    gone: &[&Container],
) -> Result<(), Failure> {
    let Some(project) = project.filter(|_| invocation.project_name().is_none()) else {
        return Ok(());
    };
    match elsewhere(project, gone.iter().copied()).into_iter().next() {
        None => Ok(()),
        Some((container, folder)) => Err(Failure::OtherCheckout {
            removed: true,
            project: project.name.clone(),
            folder,
            container: container.name.clone(),
            beside: beside(project, &BTreeSet::new()),
        }),
    }
}

/// The containers among these that run from another checkout, with its folder.
fn elsewhere<'a>(
    project: &Project,
    containers: impl Iterator<Item = &'a Container>,
) -> Vec<(&'a Container, PathBuf)> {
    let running = containers.filter(|own| own.state.is_running() && !own.one_off);
    let elsewhere = running.filter_map(|own| {
        let folder = Path::new(own.labels.get(labels::WORKING_DIR)?);
        let other = is_other(folder, &project.working_dir, true) && has_files(own);
        other.then(|| (own, folder.to_owned()))
    });
    elsewhere.collect()
}

/// Whether a folder is another one than the project's; one that is not there any more where it need not be there.
fn is_other(folder: &Path, own: &Path, there: bool) -> bool {
    if folder == own {
        return false;
    }
    let real = |folder: &Path| fs_err::canonicalize(folder).ok();
    match real(folder) {
        None => !there,
        found => found != real(own),
    }
}

/// Whether a file that a container was made from is still there.
fn has_files(container: &Container) -> bool {
    let files = container.labels.get(labels::CONFIG_FILES);
    let mut files = files.into_iter().flat_map(|files| files.split(','));
    files.any(|file| Path::new(file).is_file())
}

/// A project's name for a checkout beside another, which no other project has: with the folder's name behind it, with that of
/// the folder above in between, or with a number.
fn beside(project: &Project, taken: &BTreeSet<String>) -> String {
    let folders = project.working_dir.ancestors();
    let names = folders.filter_map(|folder| Some(folder.file_name()?.to_string_lossy()));
    let names = names.map(|name| compose::normalised(&name));
    let mut names = names.filter(|name| !name.is_empty() && *name != project.name);
    let own = &project.name;
    let mut proposed = Vec::new();
    let mut stem = own.clone();
    if let Some(folder) = names.next() {
        stem = format!("{own}-{folder}");
        proposed.push(stem.clone());
        proposed.extend(names.next().map(|above| format!("{own}-{above}-{folder}")));
    }
    let numbered = (2_u32..).map(|number| format!("{stem}-{number}"));
    let mut proposed = proposed.into_iter().chain(numbered);
    let free = proposed.find(|name| !taken.contains(name));
    free.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_another_is_one_that_nobody_has() {
        let beside = |name: &str, folder: &str, taken: &[&str]| {
            let project = Project {
                name: name.to_owned(),
                working_dir: folder.into(),
                ..Project::default()
            };
            let taken = taken.iter().map(|name| (*name).to_owned()).collect();
            super::beside(&project, &taken)
        };
        assert_eq!(beside("hub", "/b/app", &[]), "hub-app");
        assert_eq!(beside("hub", "/b/app", &["hub-app"]), "hub-b-app");
        let both = ["hub-app", "hub-b-app", "hub-app-2"];
        assert_eq!(beside("hub", "/b/app", &both), "hub-app-3");
        assert_eq!(beside("app", "/src/b/app", &[]), "app-b");
        assert_eq!(beside("app", "/src/b/app", &["app-b"]), "app-src-b");
        assert_eq!(beside("app", "/app", &["app"]), "app-2");
    }
}
