//! Which Compose files a command works on, and their text: searched, read within a limit, parsed once. Keeps
//! the texts, so that an error or a warning can be given its line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::place::Places;
use super::text::{LIMIT, read, read_from};
use super::tree::{Document, parse};
use super::weight::Budget;
use crate::model::{Included, Inherited, Named, Project};

/// The names looked for in a folder and those above it, best first (compose-go `DefaultFileNames`).
pub(super) const DEFAULT_NAMES: &[&str] = &[
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDE_NAMES: &[&str] = &[
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Standard input, as `-f -` names it.
pub(super) const STDIN: &str = "-";

/// What was found, and what a person should know about it.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) files: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
    /// The variable that names them.
    pub(super) origin: Option<&'static str>,
}

/// The files named by `-f`, by `COMPOSE_FILE`, or found from `search` upwards.
///
/// # Errors
/// None is found.
pub(super) fn choose(
    named: &[PathBuf],
    working_dir: &Path,
    search: &Path,
    environment: &Environment,
) -> Result<Chosen, Error> {
    let absolute = |file: &Path| {
        if file == Path::new(STDIN) {
            file.to_owned()
        } else {
            working_dir.join(file)
        }
    };
    if !named.is_empty() {
        return Ok(Chosen {
            files: named.iter().map(|file| absolute(file)).collect(),
            ..Chosen::default()
        });
    }
    if let Some(list) = environment
        .get("COMPOSE_FILE")
        .filter(|list| !list.is_empty())
    {
        let separator = environment
            .get("COMPOSE_PATH_SEPARATOR")
            .filter(|text| !text.is_empty())
            .unwrap_or(":");
        if list.split(separator).any(str::is_empty) {
            let text = format!("`COMPOSE_FILE` is `{list}`, which names a file without a name");
            return Err(ErrorKind::Rule(text).into());
        }
        let files = list
            .split(separator)
            .map(|file| absolute(Path::new(file)))
            .collect();
        return Ok(Chosen {
            files,
            origin: Some("COMPOSE_FILE"),
            ..Chosen::default()
        });
    }
    found_above(search).ok_or_else(|| ErrorKind::NoFile(search.to_owned()).into())
}

/// The files with known names in the nearest folder that has one, from `search` upwards.
fn found_above(search: &Path) -> Option<Chosen> {
    for folder in search.ancestors() {
        let mut chosen = Chosen::default();
        for names in [DEFAULT_NAMES, OVERRIDE_NAMES] {
            let mut found = names
                .iter()
                .map(|name| folder.join(name))
                .filter(|file| file.exists());
            let Some(file) = found.next() else { break };
            if let Some(passed) = found.next() {
                chosen.notes.push(format!(
                    "`{}` is used, not `{}`",
                    file.display(),
                    passed.display()
                ));
            }
            chosen.files.push(file);
        }
        if !chosen.files.is_empty() {
            return Some(chosen);
        }
    }
    None
}

/// Every file that was read for a project.
#[derive(Default)]
pub(super) struct Sources {
    files: Vec<Source>,
    numbers: HashMap<PathBuf, usize>,
    budget: Budget,
    inherited: Vec<Inherited>,
    merged: Vec<PathBuf>,
    named: Vec<Named>,
    included: Vec<Included>,
}

struct Source {
    file: PathBuf,
    text: String,
    /// Handed out once; parsed anew for who comes later.
    documents: Option<Vec<Document>>,
}

impl Sources {
    /// Reads and parses a file, once however often it is named.
    pub(super) fn open(&mut self, file: &Path) -> Result<usize, Error> {
        if let Some(known) = self.numbers.get(file) {
            return Ok(*known);
        }
        let text = if file == Path::new(STDIN) {
            read_from(std::io::stdin().lock(), file, LIMIT)
        } else {
            read(file, LIMIT)
        }?;
        self.add(file, text)
    }

    /// The files of a project that was loaded, standard input among them, which can be read but once.
    ///
    /// # Errors
    /// None that the first load did not have.
    pub(super) fn of(project: &Project) -> Result<Self, Error> {
        let mut sources = Self::default();
        for (file, text) in project.texts.iter() {
            sources.add(file, text.clone())?;
        }
        Ok(sources)
    }

    /// A file by its text.
    pub(super) fn add(&mut self, file: &Path, text: String) -> Result<usize, Error> {
        let kept = self.budget.keep(&text);
        kept.map_err(|kind| Error::from(kind).in_file(file))?;
        let number = self.files.len();
        self.numbers.insert(file.to_owned(), number);
        self.files.push(Source {
            file: file.to_owned(),
            text,
            documents: None,
        });
        self.files[number].documents = Some(self.parse(number)?);
        Ok(number)
    }

    fn parse(&mut self, number: usize) -> Result<Vec<Document>, Error> {
        let source = &self.files[number];
        parse(&source.text, &mut self.budget).map_err(|error| error.in_file(&source.file))
    }

    /// A file's documents, for reading.
    pub(super) fn documents(&self, number: usize) -> &[Document] {
        self.files[number].documents.as_deref().unwrap_or_default()
    }

    /// A file's documents, to keep.
    pub(super) fn take(&mut self, number: usize) -> Result<Vec<Document>, Error> {
        match self.files[number].documents.take() {
            Some(documents) => Ok(documents),
            None => self.parse(number),
        }
    }

    /// A service of a file extends one of this or another file.
    pub(super) fn inherited(&mut self, by: Inherited) {
        self.inherited.push(by);
    }

    /// A file is merged over those before.
    pub(super) fn merged(&mut self, file: &Path) {
        self.merged.push(file.to_owned());
    }

    /// An attribute names a file that is read.
    pub(super) fn named(&mut self, by: Named) {
        self.named.push(by);
    }

    /// A file is part of an included project.
    pub(super) fn included(&mut self, file: Included) {
        if !self.included.contains(&file) {
            self.included.push(file);
        }
    }

    /// Every file that was read, in that order.
    pub(super) fn files(&self) -> impl DoubleEndedIterator<Item = &Path> {
        self.files.iter().map(|source| source.file.as_path())
    }

    /// For finding the places of paths.
    pub(super) fn places(&self) -> Places<'_> {
        let files = self.files.iter();
        let files = files.map(|source| (source.file.as_path(), source.text.as_str()));
        Places::of(files, &self.inherited)
    }

    /// Gives a project what finds places later.
    pub(super) fn keep_in(self, project: &mut Project) {
        let files = self.files.into_iter();
        project.texts = files.map(|source| (source.file, source.text)).collect();
        project.inherited = self.inherited.into();
        project.layers = self.merged;
        project.named = self.named.into();
        project.included = self.included.into();
    }

    /// Gives an error the line that it is about.
    pub(super) fn locate(&self, error: Error) -> Error {
        self.places().locate(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        files: &[&str],
        environment: &[(&str, &str)],
        from: &str,
    ) -> Result<Vec<String>, Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let environment = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let search = folder.path().join(from);
        let chosen = choose(&[], &search, &search, &Environment::new(environment))?;
        let relative = |file: &PathBuf| {
            file.strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string()
        };
        Ok(chosen.files.iter().map(relative).collect())
    }

    #[test]
    fn the_nearest_folder_with_a_known_name_wins() {
        let files = [
            "compose.yaml",
            "docker-compose.yml",
            "compose.override.yml",
            "sub/docker-compose.yaml",
        ];
        assert_eq!(
            chosen(&files, &[], "sub/deep").unwrap(),
            ["sub/docker-compose.yaml"]
        );
        assert_eq!(
            chosen(&files[..3], &[], "sub/deep").unwrap(),
            ["compose.yaml", "compose.override.yml"]
        );
    }

    #[test]
    fn compose_file_names_a_list() {
        let list = [
            ("COMPOSE_FILE", "a.yml;b.yml"),
            ("COMPOSE_PATH_SEPARATOR", ";"),
        ];
        assert_eq!(
            chosen(&["compose.yaml"], &list, "").unwrap(),
            ["a.yml", "b.yml"]
        );
    }

    #[test]
    fn the_names_looked_for_are_in_the_hint() {
        let error = choose(
            &[],
            Path::new("/nowhere"),
            Path::new("/nowhere"),
            &Environment::default(),
        );
        let error = error.map(|chosen| chosen.files).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no Compose file in `/nowhere` or a folder above it"
        );
        assert!(error.hints()[0].contains("`compose.yaml`, `compose.yml`"));
    }
}
