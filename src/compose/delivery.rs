//! What docker compose leaves out without an error when it puts configs and secrets into containers; larder does
//! the same, and says so.

use std::collections::BTreeSet;

use super::notice::Notices;
use super::path::TreePath;
use crate::model::{FileObject, FileReference, Project};

/// Warns of it in a settled project.
pub(super) fn warn(project: &Project, notices: &mut Notices) {
    for (name, service) in &project.services {
        for (kind, references, objects) in [
            ("configs", &service.configs, &project.configs),
            ("secrets", &service.secrets, &project.secrets),
        ] {
            for (index, reference) in references.iter().enumerate() {
                let is_file = objects
                    .get(&reference.source)
                    .is_some_and(|object| object.file.is_some());
                let path = || {
                    let list = TreePath::of(&["services", name, kind]);
                    list.and_item(index, &reference.source)
                };
                for part in owner_and_mode(reference).filter(|_| is_file) {
                    let path = path().and(part);
                    let text = format!(
                        "`{path}` has no effect: what comes from a file is mounted as it lies there"
                    );
                    notices.say_at(text, path, None);
                }
            }
        }
    }
    for (kind, objects) in [("configs", &project.configs), ("secrets", &project.secrets)] {
        for (name, object) in objects {
            empty(kind, name, object, notices);
        }
    }
    let builds = project
        .services
        .values()
        .filter_map(|service| service.build.as_ref());
    let of_builds: BTreeSet<&String> = builds
        .flat_map(|build| &build.secrets)
        .map(|secret| &secret.source)
        .collect();
    for name in of_builds {
        unset(name, &project.secrets[name], notices);
    }
}

fn owner_and_mode(reference: &FileReference) -> impl Iterator<Item = &'static str> {
    let parts = [
        ("uid", reference.uid.is_some()),
        ("gid", reference.gid.is_some()),
        ("mode", reference.mode.is_some()),
    ];
    parts
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
}

fn empty(kind: &str, name: &str, object: &FileObject, notices: &mut Notices) {
    if let (Some(variable), true) = (&object.environment, object.is_empty_variable()) {
        let text = format!(
            "`{kind}.{name}` is the variable `{variable}`, which is empty: containers get no file of it"
        );
        notices.say_at(text, TreePath::of(&[kind, name, "environment"]), None);
    }
}

fn unset(name: &str, secret: &FileObject, notices: &mut Notices) {
    if let (Some(variable), None) = (&secret.environment, &secret.value) {
        let text = format!(
            "`secrets.{name}` is the variable `{variable}`, which is not set: builds get no such secret"
        );
        notices.say_at(text, TreePath::of(&["secrets", name, "environment"]), None);
    }
}
