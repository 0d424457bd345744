//! The project's name: who may give it, and what a name is (compose-go `projectName`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::files::Sources;
use super::interpolate::{Scope, substitute};
use super::path::TreePath;

/// `-p`, else `COMPOSE_PROJECT_NAME`, else the last `name:` of the files, else the folder's name. The first two
/// must be names as they stand; the others are made into one.
///
/// # Errors
/// The given one is not a name, or nothing is left of the folder's.
pub(super) fn choose(
    given: Option<&str>,
    files: &[PathBuf],
    folder: &Path,
    environment: &Environment,
    sources: &mut Sources,
) -> Result<String, Error> {
    let given = given
        .or_else(|| environment.get("COMPOSE_PROJECT_NAME"))
        .filter(|name| !name.is_empty());
    if let Some(given) = given {
        if normalised(given) != given {
            return Err(ErrorKind::ProjectName(given.to_owned()).into());
        }
        return Ok(given.to_owned());
    }
    if let Some(name) = named_in(files, environment, sources)? {
        return Ok(name);
    }
    let name = folder
        .file_name()
        .map(|name| normalised(&name.to_string_lossy()))
        .unwrap_or_default();
    if name.is_empty() {
        Err(ErrorKind::NoProjectName.into())
    } else {
        Ok(name)
    }
}

/// The last `name:` over all files and documents, its variables replaced.
fn named_in(
    files: &[PathBuf],
    environment: &Environment,
    sources: &mut Sources,
) -> Result<Option<String>, Error> {
    let mut last = None;
    for file in files {
        let number = sources.open(file)?;
        for document in sources.documents(number) {
            if let Some(Value::String(name)) = document.tree.get("name")
                && !name.is_empty()
            {
                last = Some((file, name.clone()));
            }
        }
    }
    let Some((file, written)) = last else {
        return Ok(None);
    };
    let lookup = environment.lookup();
    let in_place = |error: Error| error.at(TreePath::of(&["name"])).in_file(file);
    let scope = Scope::new(&lookup);
    let name = normalised(&substitute(&written, &scope).map_err(in_place)?);
    if name.is_empty() {
        let unset = scope.take_unset().into_iter().next();
        let note = unset.map(|name| format!("the variable `{name}` is not set"));
        let error = in_place(ErrorKind::ProjectName(written).into());
        return Err(Error { note, ..error });
    }
    Ok(Some(name))
}

/// Lower-case letters, digits, `-` and `_`, with a letter or digit first; everything else left out.
pub(crate) fn normalised(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_what_is_usable_of_its_name() {
        assert_eq!(normalised("My Proj.Name_"), "myprojname_");
        assert_eq!(normalised("_-x"), "x");
        let choose = |given, folder: &str| {
            choose(
                given,
                &[],
                Path::new(folder),
                &Environment::default(),
                &mut Sources::default(),
            )
        };
        assert_eq!(choose(None, "/a/B c").unwrap(), "bc");
        assert_eq!(choose(Some("x-1"), "/a").unwrap(), "x-1");
        assert!(
            choose(Some("X"), "/a")
                .unwrap_err()
                .to_string()
                .starts_with("`X` is not a project name")
        );
        let none = choose(None, "/日本").unwrap_err();
        assert!(none.hints()[0].starts_with("`-p NAME`"));
    }
}
