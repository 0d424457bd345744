//! What must hold of attributes that an engine reads only when a container is made: it would refuse them half of a stack
//! later.

use super::error::{Error, ErrorKind};
use super::path::TreePath;
use crate::model::{Owner, Service};

/// Checks a service.
///
/// # Errors
/// The first thing that does not hold.
pub(super) fn check(name: &str, service: &Service) -> Result<(), Error> {
    let path = TreePath::of(&["services", name]);
    for (index, entry) in service.volumes_from.iter().enumerate() {
        if let Some(reason) = wrong_volumes(entry) {
            let path = path.clone().and("volumes_from").and_item(index, entry);
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    let modes = [
        ("ipc", &service.ipc),
        ("network_mode", &service.network_mode),
        ("pid", &service.pid),
    ];
    for (attribute, mode) in modes {
        if mode.as_deref() == Some("container:") {
            let (path, reason) = (path.and(attribute), "it names no container".to_owned());
            return Err(ErrorKind::Invalid { path, reason }.into());
        }
    }
    Ok(())
}

/// What is wrong with an entry of `volumes_from` (moby `volumemounts.ParseVolumesFrom`). docker compose drops the mode
/// without looking at it.
fn wrong_volumes(entry: &str) -> Option<String> {
    let (owner, mode) = Owner::of_volumes(entry);
    if owner == Owner::Container("") {
        return Some(format!("`{entry}` names no container"));
    }
    let known = |mode: &str| matches!(mode, "ro" | "rw" | "z" | "Z");
    let mode = mode.filter(|mode| !mode.split(',').all(known))?;
    Some(format!("`{mode}` is neither `ro` nor `rw`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_taken_to_read_or_to_write() {
        for entry in ["db", "db:ro", "db:rw,z", "container:x", "container:x:ro"] {
            assert_eq!(wrong_volumes(entry), None, "{entry}");
        }
        for entry in ["db:zz", "db:", "db:ro:rw", "container:", "container:x:y"] {
            assert!(wrong_volumes(entry).is_some(), "{entry}");
        }
    }
}
