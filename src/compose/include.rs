//! `include`: another project's resources brought into this one, read with that project's own folder and
//! `.env` (compose-go `loader/include.go`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::files::Sources;
use super::layers::{Loader, default_contexts, local};
use super::path::TreePath;
use super::resolve::{Against, resolve};
use crate::model::{Included, Named, Place};

/// How deep files may include each other.
const DEPTH: usize = 32;
/// How many files a project may include: two that each include the next one twice are four loads, and so on.
const FILES: usize = 1000;

/// What is imported (`importResources`); names, versions and extensions are not.
pub(super) const RESOURCES: [&str; 5] = ["services", "volumes", "networks", "secrets", "configs"];

/// One item of the list.
pub(super) struct Entry {
    path: TreePath,
    files: Vec<String>,
    env_files: Vec<String>,
    project_directory: Option<String>,
}

/// The items of an `include` list in its long form.
///
/// # Errors
/// One names no file.
pub(super) fn entries(list: &Value) -> Result<Vec<Entry>, Error> {
    let texts = |item: &Value, key: &str| {
        let list = item.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    let read = |(index, item): (usize, &Value)| {
        let path = TreePath::of(&["include"]).and_index(index);
        let entry = Entry {
            path: path.clone(),
            files: texts(item, "path"),
            env_files: texts(item, "env_file"),
            project_directory: texts(item, "project_directory").pop(),
        };
        if entry.files.is_empty() {
            let path = path.and("path");
            return Err(ErrorKind::Required { path }.into());
        }
        Ok(entry)
    };
    let items = list.as_array().into_iter().flatten();
    items.enumerate().map(read).collect()
}

/// Loads what `entry` names and imports it into `tree`.
///
/// # Errors
/// A file that cannot be loaded, files that include each other, a name that both define differently.
pub(super) fn apply(
    loader: &mut Loader<'_>,
    tree: &mut Value,
    entry: &Entry,
    against: Against<'_>,
    environment: &Environment,
    above: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let here = |error: Error| error.at(entry.path.clone());
    let files: Vec<PathBuf> = entry
        .files
        .iter()
        .map(|file| local(file, against))
        .collect::<Result<_, _>>()
        .map_err(here)?;
    if above.len() >= DEPTH || files.iter().any(|file| above.contains(file)) {
        let names = above
            .iter()
            .chain(&files[..1])
            .map(|file| format!("`{}`", file.display()))
            .collect();
        return Err(here(ErrorKind::IncludeCycle(names).into()));
    }
    names(loader, entry, &files, "");
    loader.included += files.len();
    if loader.included > FILES {
        return Err(here(ErrorKind::Includes(FILES).into()));
    }
    let folder = match &entry.project_directory {
        Some(folder) => PathBuf::from(against.absolute(folder)),
        None => files[0].parent().map(Path::to_owned).unwrap_or_default(),
    };
    let own = own_environment(loader, entry, environment, &folder, against)?;
    for file in &files {
        loader.sources.included(Included {
            file: file.clone(),
            env_files: own.files().to_vec(),
        });
    }
    let inner = Against {
        folder: &folder,
        home: loader.home,
        as_written: loader.as_written,
    };
    let opened = loader.sources.files().count();
    let mut imported = loader.model(&files, inner, &own, above).map_err(here)?;
    let as_written = loader.as_written;
    if !as_written {
        // What it takes from its environment comes from the included project's.
        own.fill(&mut imported);
    }
    let imported = import(tree, imported, |own| {
        default_contexts(own);
        resolve(own, against)?;
        if !as_written {
            environment.fill(own);
        }
        Ok(())
    });
    imported.map_err(|error| {
        let new = loader.sources.files().skip(opened);
        let included: Vec<&Path> = new.chain(files.iter().map(PathBuf::as_path)).collect();
        let here = above.last().map(PathBuf::as_path);
        both_places(error, loader.sources, here, &included, against.folder)
    })
}

/// The variables that an included project is read with: its env files', or those of the `.env` in its folder, too.
fn own_environment(
    loader: &mut Loader<'_>,
    entry: &Entry,
    environment: &Environment,
    folder: &Path,
    against: Against<'_>,
) -> Result<Environment, Error> {
    let mut own = environment.clone();
    if entry.env_files.is_empty() {
        own.add_default_file(folder, loader.notices)?;
        return Ok(own);
    }
    let files = entry.env_files.iter();
    let files: Vec<PathBuf> = files.map(|file| against.absolute(file).into()).collect();
    names(loader, entry, &files, ".env_file");
    let added = own.add_files(&files, loader.notices);
    added.map_err(|error| error.at(entry.path.clone()))?;
    Ok(own)
}

/// Says of a name that is defined twice where that is: in `here` or a file that came before, and in one of `included`.
fn both_places(
    mut error: Error,
    sources: &Sources,
    here: Option<&Path>,
    included: &[&Path],
    folder: &Path,
) -> Error {
    let ErrorKind::IncludeConflict { path, other } = error.kind.as_mut() else {
        return error;
    };
    let mut places = sources.places();
    let others = sources
        .files()
        .rev()
        .filter(|file| !included.contains(file));
    error.place = here
        .into_iter()
        .chain(others)
        .find_map(|file| places.exactly(path, file));
    *other = included
        .iter()
        .rev()
        .find_map(|file| places.exactly(path, file));
    if let Some(Place { file, .. }) = other
        && let Ok(relative) = file.strip_prefix(folder)
    {
        *file = relative.to_owned();
    }
    error
}

/// Notes the files that an entry names.
fn names(loader: &mut Loader<'_>, entry: &Entry, files: &[PathBuf], attribute: &str) {
    for file in files {
        loader.sources.named(Named {
            file: file.clone(),
            by: format!("{}{attribute}", entry.path),
            service: None,
        });
    }
}

/// Brings in what `tree` does not have. What both define must be the same, once `finish` has made of a definition here
/// what the included ones are already.
fn import(
    tree: &mut Value,
    mut imported: Value,
    finish: impl Fn(&mut Value) -> Result<(), Error>,
) -> Result<(), Error> {
    for kind in RESOURCES {
        let Some(Value::Object(from)) = imported.get_mut(kind).map(Value::take) else {
            continue;
        };
        let into = &mut tree[kind];
        if into.is_null() {
            *into = Value::Object(serde_json::Map::new());
        }
        for (name, value) in from {
            match into.get(&name) {
                Some(own) => {
                    let mut own = json!({ kind: { &name: own } });
                    finish(&mut own)?;
                    if own[kind][&name] != value {
                        let path = TreePath::of(&[kind, &name]);
                        let other = None;
                        return Err(ErrorKind::IncludeConflict { path, other }.into());
                    }
                }
                None => into[&name] = value,
            }
        }
    }
    Ok(())
}
