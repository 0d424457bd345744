//! What is typed at a command line in the forms that Compose files have: ports, mounts, a command as one text, files of
//! variables.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::dotenv::Meter;
use super::error::Error;
use super::resolve::Against;
use super::{dotenv, mounts, ports, text, words};
use crate::model::{Mount, MountKind, Port};

/// The ports that `[[IP:][HOST]:]CONTAINER[/PROTOCOL]` stands for.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn typed_ports(text: &str) -> Result<Vec<Port>, String> {
    ports::parse(text)?.into_iter().map(read).collect()
}

/// The mount that `[SOURCE:]TARGET[:OPTIONS]` stands for; a path in it is read against `folder`.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn typed_mount(text: &str, folder: &Path, home: Option<&str>) -> Result<Mount, String> {
    let mut mount: Mount = read(mounts::volume(text)?)?;
    if let (MountKind::Bind, Some(source)) = (mount.kind, &mut mount.source) {
        let against = Against {
            folder,
            home,
            as_written: false,
        };
        *source = against.absolute(source);
    }
    if !mount.target.starts_with('/') {
        return Err(format!(
            "`{}` is no absolute path in the container",
            mount.target
        ));
    }
    Ok(mount)
}

/// The words of a command.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn typed_command(text: &str) -> Result<Vec<String>, String> {
    words::split(text).map_err(ToOwned::to_owned)
}

/// The variables that a file defines; those that it asks for are looked up in `known` first.
///
/// # Errors
/// It is missing, or has a line that cannot be read.
pub fn typed_variables(
    path: &Path,
    known: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    let text = text::read_env(path)?;
    let lookup = |name: &str| known.get(name).cloned();
    let mut all = BTreeMap::new();
    dotenv::parse(&text, &mut all, &lookup, &Meter::default()).map_err(|bad| bad.of(path))?;
    Ok(all)
}

fn read<T: DeserializeOwned>(tree: Value) -> Result<T, String> {
    serde_json::from_value(tree).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_against_the_folder() {
        let folder = Path::new("/work/hub");
        let mount = |text: &str| typed_mount(text, folder, Some("/home/me"));
        let source = |text: &str| mount(text).unwrap().source;
        assert_eq!(source("./src:/app").as_deref(), Some("/work/hub/src"));
        assert_eq!(source("~/x:/app:ro").as_deref(), Some("/home/me/x"));
        assert_eq!(source("data:/app").as_deref(), Some("data"));
        assert!(mount("./src:/app:ro").unwrap().read_only);
        assert_eq!(
            mount("data:b").unwrap_err(),
            "`b` is no absolute path in the container"
        );
    }
}
