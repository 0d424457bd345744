//! Two folders with projects of one name: whose containers an `up` would replace.

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
    pub(super) fn check_checkouts(
        &self,
        invocation: &Invocation,
        plan: &Plan,
    ) -> Result<Option<String>, Failure> {
        let Some(other) = self.other_checkout(plan) else {
            return Ok(None);
        };
        let side = beside(&self.project);
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
            beside: beside(project),
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
        let other = is_other(folder, &project.working_dir) && has_files(own);
        other.then(|| (own, folder.to_owned()))
    });
    elsewhere.collect()
}

/// Whether a folder is there and is another one than the project's.
fn is_other(folder: &Path, own: &Path) -> bool {
    if folder == own {
        return false;
    }
    let real = |folder: &Path| fs_err::canonicalize(folder).ok();
    let there = real(folder);
    there.is_some() && there != real(own)
}

/// Whether a file that a container was made from is still there.
fn has_files(container: &Container) -> bool {
    let files = container.labels.get(labels::CONFIG_FILES);
    let mut files = files.into_iter().flat_map(|files| files.split(','));
    files.any(|file| Path::new(file).is_file())
}

/// A project's name for a checkout beside another: with the folder's name behind it.
fn beside(project: &Project) -> String {
    let folders = project.working_dir.ancestors().take(2);
    let names = folders.filter_map(|folder| Some(folder.file_name()?.to_string_lossy()));
    let mut names = names.map(|name| compose::normalised(&name));
    let other = names.find(|name| !name.is_empty() && *name != project.name);
    let other = other.unwrap_or_else(|| "2".to_owned());
    format!("{}-{other}", project.name)
}
