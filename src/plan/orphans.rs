//! Containers under the project's name whose service no Compose file of it defines: which of them are its own, left from an
//! earlier state of its files, and which somebody else's who took the same name. And when they go.

use super::decide::Draft;
use super::observed::Container;
use super::step::StepId;
use crate::model::{Project, labels};

/// Why what other files made goes.
pub const OF_OTHERS: &str = "other Compose files made it, and `--remove-orphans` asks for it";

/// Containers whose service no file defines. One-off ones are not among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orphans<'a> {
    /// Made from these files: their services were defined here once.
    pub own: Vec<&'a Container>,
    /// Made from other files, in this folder or in another one.
    pub foreign: Vec<&'a Container>,
}

/// The containers that no file of the project speaks of. One is the project's own when it says that it was made from the
/// same files in the same folder, and when it says neither and larder made it.
pub fn orphans<'a>(project: &Project, containers: &'a [Container]) -> Orphans<'a> {
    let stray = containers.iter().filter(|container| {
        !container.one_off
            && !project.services.contains_key(&container.service)
            && !project.disabled.contains(&container.service)
    });
    let mut all: Vec<&Container> = stray.collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let (own, foreign) = all
        .into_iter()
        .partition(|container| is_own(project, container));
    Orphans { own, foreign }
}

/// Whether a container was made from the project's own files.
pub fn is_own(project: &Project, container: &Container) -> bool {
    let folder = container.labels.get(labels::WORKING_DIR);
    let files = container.labels.get(labels::CONFIG_FILES);
    if folder.is_none() && files.is_none() {
        return container.labels.contains_key(labels::CONFIG);
    }
    let own: Vec<_> = project.files.iter().map(|f| f.to_string_lossy()).collect();
    folder.is_some_and(|folder| *folder == project.working_dir.to_string_lossy())
        && files.is_some_and(|files| *files == own.join(","))
}

/// What is said of containers that are somebody else's: which files made them, as far as they say.
pub fn made_by_others(foreign: &[&Container]) -> String {
    let told = foreign.iter().map(|container| {
        let name = &container.name;
        match container.labels.get(labels::CONFIG_FILES) {
            Some(files) if !files.is_empty() => format!("`{name}` (of `{files}`)"),
            _ => format!("`{name}`"),
        }
    });
    let told: Vec<String> = told.collect();
    let were = if told.len() == 1 { "was" } else { "were" };
    format!(
        "{} {were} made from other Compose files under this project's name",
        told.join(", ")
    )
}

/// What is said of those that stay, and how they go.
pub fn foreign_warning(foreign: &[&Container]) -> String {
    let stay = if foreign.len() == 1 { "stays" } else { "stay" };
    format!(
        "{}, and {stay}: another name (`-p`) keeps them apart, `--remove-orphans` removes them",
        made_by_others(foreign)
    )
}

impl Draft<'_> {
    /// The removals that the making of a container waits for: of who has its name.
    pub(super) fn in_the_way(&self, name: &str) -> Vec<StepId> {
        let gone = self.gone.iter().filter(|(own, _)| own.name == name);
        gone.map(|(_, removed)| *removed).collect()
    }

    /// Containers of the project that no Compose file speaks of any more: its own go where all of it is started, those of
    /// other files where that is asked for. Not before there are `images` of what may come in their place, as a service may
    /// only have another name; and no container starts before they are gone.
    pub(super) fn strangers(&mut self, images: &[StepId]) {
        let (wanted, observed) = (self.wanted, self.observed);
        let mut services = wanted.project.services.values();
        let whole = wanted.services.len() == wanted.project.services.len()
            && services.all(|service| service.one_off.is_none());
        let found = orphans(wanted.project, &observed.containers);
        let asked = wanted.asked.remove_orphans;
        if asked || whole {
            for own in found.own {
                let cause = format!("no Compose file defines `{}` any more", own.service);
                let gone = self.remove(&own.service, own, cause, images.iter().copied());
                self.gone.push((own, gone));
            }
        }
        if asked {
            for foreign in found.foreign {
                let gone = self.remove(
                    &foreign.service,
                    foreign,
                    OF_OTHERS.to_owned(),
                    images.iter().copied(),
                );
                self.gone.push((foreign, gone));
            }
        } else if !found.foreign.is_empty() {
            self.plan.warnings.push(foreign_warning(&found.foreign));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::{ImageId, Service};
    use crate::plan::State;

    fn container(service: &str, said: &[(&str, &str)]) -> Container {
        let said = said.iter();
        Container {
            id: format!("id-{service}"),
            name: format!("hub-{service}-1"),
            service: service.to_owned(),
            number: 1,
            one_off: false,
            image: ImageId(String::new()),
            image_name: String::new(),
            state: State::Created,
            status: String::new(),
            created: 0,
            started: None,
            labels: said.map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            shares: BTreeSet::new(),
            cut_off: None,
            ports: Vec::new(),
        }
    }

    fn project() -> Project {
        Project {
            name: "hub".to_owned(),
            services: [("web".to_owned(), Service::default())].into(),
            disabled: ["debug".to_owned()].into(),
            working_dir: "/src/hub".into(),
            files: vec!["/src/hub/a.yaml".into(), "/src/hub/b.yaml".into()],
            ..Project::default()
        }
    }

    fn names<'a>(containers: &[&'a Container]) -> Vec<&'a str> {
        containers.iter().map(|own| own.service.as_str()).collect()
    }

    const HERE: (&str, &str) = (labels::WORKING_DIR, "/src/hub");
    const FILES: (&str, &str) = (labels::CONFIG_FILES, "/src/hub/a.yaml,/src/hub/b.yaml");
    const LARDER: (&str, &str) = (labels::CONFIG, "00");

    #[test]
    fn what_these_files_made_is_own_and_everything_else_is_foreign() {
        let fewer = (labels::CONFIG_FILES, "/src/hub/a.yaml");
        let clone = (labels::WORKING_DIR, "/src/clone");
        let all = [
            container("same", &[HERE, FILES]),
            container("by-larder", &[LARDER]),
            container("fewer", &[HERE, fewer, LARDER]),
            container("clone", &[clone, FILES, LARDER]),
            container("half", &[HERE]),
            container("nobody", &[]),
        ];
        let found = orphans(&project(), &all);
        assert_eq!(names(&found.own), ["by-larder", "same"]);
        assert_eq!(names(&found.foreign), ["clone", "fewer", "half", "nobody"]);
    }

    #[test]
    fn what_a_file_defines_is_no_orphan_and_what_run_made_neither() {
        let mut once = container("once", &[HERE, FILES]);
        once.one_off = true;
        let all = [container("web", &[]), container("debug", &[]), once];
        assert_eq!(orphans(&project(), &all), Orphans::default());
    }

    #[test]
    fn a_warning_names_the_files_that_they_are_of() {
        let one = container("old", &[(labels::CONFIG_FILES, "/src/clone/a.yaml")]);
        let other = container("nobody", &[]);
        let warning = foreign_warning(&[&one, &other]);
        let expected = "`hub-old-1` (of `/src/clone/a.yaml`), `hub-nobody-1` were made";
        assert!(warning.starts_with(expected), "{warning}");
        assert!(foreign_warning(&[&one]).contains(" was made"));
    }
}
