//! The variables a project is read with: the process environment, then what env files add to it. Given as
//! data; this room never asks the process itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::dotenv::Meter;
use super::error::Error;
use super::notice::Notices;
use super::{dotenv, text};
use crate::model::FileObject;

/// How the names of docker compose's own variables begin.
const OF_COMPOSE: &str = "COMPOSE_";

/// Names and values: the process environment first, then what was added. What is the same is shared by those of included
/// projects, of which there may be a thousand.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    layers: Vec<Rc<BTreeMap<String, String>>>,
    /// The env files that were added, as often as some were added together; the first win.
    files: Vec<Vec<PathBuf>>,
    meter: Rc<Meter>,
}

impl Environment {
    pub(super) fn new(variables: BTreeMap<String, String>) -> Self {
        Self {
            layers: vec![Rc::new(variables)],
            ..Self::default()
        }
    }

    pub(super) fn into_variables(self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for layer in self.layers.into_iter().rev() {
            all.extend(Rc::unwrap_or_clone(layer));
        }
        all
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.layers.iter().find_map(|layer| layer.get(name));
        found.map(String::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let set = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        self.layers.insert(0, Rc::new(set));
    }

    /// The variables of docker compose itself.
    pub(super) fn of_compose(&self) -> BTreeMap<String, String> {
        let all = self.layers.iter().rev().flat_map(|layer| layer.iter());
        let own = all.filter(|(name, _)| name.starts_with(OF_COMPOSE));
        own.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Forgets what `before` does not have, but for the variables of docker compose itself.
    pub(super) fn keep_own_of_compose(&mut self, before: &Self) {
        for layer in &mut self.layers {
            Rc::make_mut(layer)
                .retain(|name, _| name.starts_with(OF_COMPOSE) || before.get(name).is_some());
        }
    }

    /// A look-up for who replaces variables.
    pub(super) fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.get(name).map(str::to_owned)
    }

    /// The env files that were added: the first win, and of those that were added together the last.
    pub(super) fn files(&self) -> &[Vec<PathBuf>] {
        &self.files
    }

    /// What env files of the project may still hold.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Gives their values to what a canonical tree takes from here: variables of services that have none, and
    /// configs and secrets that name a variable (compose-go `ResolveEnvironment`).
    pub(super) fn fill(&self, tree: &mut Value) {
        for service in entries(tree, "services") {
            let variables = service.get_mut("environment");
            let variables = variables.and_then(Value::as_object_mut);
            for (name, value) in variables.into_iter().flatten() {
                if let (true, Some(found)) = (value.is_null(), self.get(name)) {
                    *value = found.into();
                }
            }
        }
        for kind in ["configs", "secrets"] {
            for object in entries(tree, kind) {
                let variable = object.get("environment").and_then(Value::as_str);
                if let Some(value) = variable.and_then(|name| self.get(name)) {
                    object
                        .entry(FileObject::VALUE)
                        .or_insert_with(|| value.into());
                }
            }
        }
    }

    /// Adds what the files define and nothing defines yet; of two files the later wins.
    ///
    /// # Errors
    /// A file is missing or has a line that cannot be read.
    pub(super) fn add_files(
        &mut self,
        paths: &[PathBuf],
        notices: &mut Notices,
    ) -> Result<(), Error> {
        let mut added = BTreeMap::new();
        for path in paths {
            let text = text::read_env(path)?;
            let lookup = self.lookup();
            let holes = dotenv::parse(&text, &mut added, &lookup, self.meter())
                .map_err(|bad| bad.of(path))?;
            notices.holes(holes, path);
        }
        added.retain(|name, _| self.get(name).is_none());
        self.layers.push(Rc::new(added));
        if !self.files.iter().any(|known| known == paths) {
            self.files.push(paths.to_vec());
        }
        Ok(())
    }

    /// Adds the folder's own `.env`, when there is one.
    ///
    /// # Errors
    /// It has a line that cannot be read.
    pub(super) fn add_default_file(
        &mut self,
        folder: &Path,
        notices: &mut Notices,
    ) -> Result<(), Error> {
        let path = folder.join(".env");
        match path.metadata() {
            Ok(metadata) if !metadata.is_dir() => self.add_files(&[path], notices),
            _ => Ok(()),
        }
    }
}

fn entries<'a>(
    tree: &'a mut Value,
    kind: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let section = tree.get_mut(kind).and_then(Value::as_object_mut);
    let entries = section.into_iter().flatten();
    entries.filter_map(|(_, entry)| entry.as_object_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_wins_then_the_later_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = [file("1", "A=1\nB=1\nC=$B"), file("2", "B=2\nD=$A$B")];
        let mut environment = Environment::new(BTreeMap::from([("A".to_owned(), "0".to_owned())]));
        let mut notices = Notices::default();
        environment.add_files(&files, &mut notices).unwrap();
        let values: Vec<_> = ["A", "B", "C", "D"]
            .map(|name| environment.get(name).unwrap())
            .to_vec();
        assert_eq!(values, ["0", "2", "1", "02"]);
        let missing = environment
            .add_files(&[folder.path().join("3")], &mut notices)
            .unwrap_err();
        assert!(missing.to_string().ends_with("3` does not exist"));
    }
}
