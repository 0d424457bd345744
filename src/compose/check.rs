//! What must hold between the parts of a project: names that are used are defined, nothing waits for itself, no
//! two attributes contradict each other (compose-go `checkConsistency`).

use std::collections::BTreeMap;

use super::check_service;
use super::error::{Error, ErrorKind};
use super::path::TreePath;
use crate::model::{Cycle, Project, Service, start_order};

/// Checks a settled project; `off` has the profiles of the services that are switched off.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn check(project: &Project, off: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
    for (name, service) in &project.services {
        check_service::check(project, off, name, service)?;
    }
    replicas(project)?;
    resources(project)?;
    cycles(project)
}

/// So many containers may a project have: a plan has steps for each.
const CONTAINERS: u64 = 30_000;

pub(super) fn replicas(project: &Project) -> Result<(), Error> {
    let mut all = 0;
    for (name, service) in &project.services {
        all += u64::from(service.replicas());
        if all > CONTAINERS {
            let text = format!("with service `{name}` there are more than {CONTAINERS} containers");
            let attribute = if service.scale.is_some() {
                "scale"
            } else {
                "deploy"
            };
            let path = TreePath::of(&["services", name, attribute]);
            return Err(Error::from(ErrorKind::Rule(text)).at(path));
        }
    }
    Ok(())
}

fn resources(project: &Project) -> Result<(), Error> {
    for (kind, objects) in [("configs", &project.configs), ("secrets", &project.secrets)] {
        for (name, object) in objects {
            let sources = [&object.file, &object.environment, &object.content];
            let given = sources.iter().filter(|source| source.is_some()).count();
            // A secret's variable has a name; that of a config is not looked at.
            let nameless = object.environment.as_deref() == Some("") && kind == "secrets";
            let path = TreePath::of(&[kind, name]);
            if object.file.as_deref().is_some_and(str::is_empty) {
                let (path, reason) = (path.and("file"), "it is empty".to_owned());
                return Err(ErrorKind::Invalid { path, reason }.into());
            }
            let reason = match given {
                1 if nameless && !object.external => "names no variable",
                0 if !object.external => "says nothing of where it is from",
                0 | 1 => continue,
                _ => "comes from more than one place",
            };
            let places = match kind {
                "configs" => "`file`, `environment` or `content`",
                _ => "`file` or `environment`",
            };
            let reason = format!("it {reason}: {places}");
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    for (name, volume) in &project.volumes {
        let more =
            volume.driver.is_some() || !volume.driver_opts.is_empty() || !volume.labels.is_empty();
        if volume.external && more {
            let path = TreePath::of(&["volumes", name]);
            let reason = "an external volume has a `name` and nothing else".to_owned();
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    Ok(())
}

fn cycles(project: &Project) -> Result<(), Error> {
    let edges = |service: &Service| service.depends_on.keys().cloned().collect();
    let graph = project
        .services
        .iter()
        .map(|(name, service)| (name.clone(), edges(service)))
        .collect();
    match start_order(&graph) {
        Ok(_) => Ok(()),
        Err(Cycle(mut names)) => {
            let path = TreePath::of(&[
                "services",
                &names[0],
                "depends_on",
                names.get(1).unwrap_or(&names[0]),
            ]);
            names.push(names[0].clone());
            Err(Error::from(ErrorKind::Cycle(names)).at(path))
        }
    }
}
