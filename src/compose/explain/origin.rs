//! Where the variables of a load have their values from: the environment, or a line of an env file; the same of what
//! services have from env and label files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::source::{Role, Source, Used, on_one_line};
use crate::compose::dotenv::{self, Definition};
use crate::compose::environment::Environment;
use crate::compose::error::Error;
use crate::compose::files::Sources;
use crate::compose::load::{LoadOptions, load_with, variables_of};
use crate::compose::notice::Notices;
use crate::compose::text;
use crate::model::{Included, Project};

const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// The variables that files are read with, and the env files that define some of them.
pub(super) struct Origins {
    environment: Environment,
    process: BTreeMap<String, String>,
    /// What env files define that were looked into.
    read: RefCell<HashMap<PathBuf, Rc<[Definition]>>>,
}

impl Origins {
    /// # Errors
    /// As [`load_with`].
    pub(super) fn of(options: &LoadOptions, project: &Project) -> Result<Self, Error> {
        Ok(Self {
            environment: variables_of(options, Sources::of(project)?)?,
            process: options.environment.clone(),
            read: RefCell::default(),
        })
    }

    /// Those of a file that a project with these variables includes.
    pub(super) fn of_included(&self, file: &Included) -> Option<Self> {
        let mut environment = self.environment.clone();
        let known = self.environment.files();
        for files in file.env_files.iter().filter(|files| !known.contains(files)) {
            environment.add_files(files, &mut Notices::default()).ok()?;
        }
        Some(Self {
            environment,
            process: self.process.clone(),
            read: self.read.clone(),
        })
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.environment.get(name)
    }

    /// A variable that a value asks for.
    pub(super) fn used(&self, name: String) -> Used {
        Used {
            value: self.value(&name).map(on_one_line),
            sources: self.sources(&name),
            name,
        }
    }

    /// Who defines a variable, the last word first.
    pub(super) fn sources(&self, name: &str) -> Vec<Source> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let elsewhere = |what| vec![Source::elsewhere(what, Some(on_one_line(value)))];
        if name == PROJECT_NAME && self.process.get(name).is_none_or(|own| own != value) {
            return elsewhere("the project's name");
        }
        let mut sources = self.defined(name);
        if sources.is_empty() && name == "PWD" {
            return elsewhere("the folder that larder is called in");
        }
        for source in sources.iter_mut().skip(1) {
            source.role = Role::Overridden;
        }
        sources
    }

    fn defined(&self, name: &str) -> Vec<Source> {
        let process = self.process.get(name);
        let process =
            process.map(|value| Source::elsewhere("the environment", Some(on_one_line(value))));
        let files = self.environment.files().iter();
        let files = files.flat_map(|together| together.iter().rev());
        let nobody = |_: &str| None;
        let in_files = files.filter_map(|file| {
            let mut read = self.read.borrow_mut();
            let all = read.entry(file.clone());
            let all = all.or_insert_with(|| definitions(file, Format::Dotenv).into());
            defined_in(file, all, name, &nobody)
        });
        process.into_iter().chain(in_files).collect()
    }

    /// Who gives the project its name in place of the files; the folder where they are `silent`.
    pub(super) fn project_name(&self, options: &LoadOptions, silent: bool) -> Vec<Source> {
        if let Some(name) = &options.project_name {
            return vec![Source::elsewhere("`-p`", Some(name.clone()))];
        }
        let mut sources = self.defined(PROJECT_NAME);
        sources.retain(|source| source.written.as_ref().is_some_and(|name| !name.is_empty()));
        sources.truncate(1);
        if sources.is_empty() && silent {
            sources.push(Source::elsewhere("the folder's name", None));
        }
        sources
    }

    /// Looks a variable up.
    pub(super) fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        self.environment.lookup()
    }
}

/// How the lines of an env file are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Dotenv,
    Raw,
}

/// What a file defines; nothing where it cannot be read again.
fn definitions(file: &Path, format: Format) -> Vec<Definition> {
    let text = text::read_env(file).unwrap_or_default();
    match format {
        Format::Dotenv => dotenv::definitions(&text),
        Format::Raw => dotenv::raw_definitions(&text),
    }
}

/// Where a file that defines these defines a variable; of several lines the last. One that has no value counts where
/// `lookup` has one.
fn defined_in(
    file: &Path,
    all: &[Definition],
    name: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Option<Source> {
    let mut all = all.iter().rev();
    let (line, _, written) =
        all.find(|(_, key, written)| key == name && (written.is_some() || lookup(name).is_some()))?;
    let written = written.as_deref().map(on_one_line);
    Some(Source::written(file, Some((*line, 1)), written))
}

/// The files that give a service variables, the last word first.
pub(super) struct Files(Vec<(PathBuf, Format)>);

impl Files {
    /// The env files of a service.
    pub(super) fn of_variables(options: &LoadOptions, project: &Project, service: &str) -> Self {
        let options = LoadOptions {
            keep_env_files: true,
            ..options.clone()
        };
        let named = Sources::of(project).and_then(|sources| load_with(&options, sources));
        let Ok(project) = named else {
            return Self(Vec::new());
        };
        let service = project.services.get(service);
        let files = service.and_then(|service| service.other.get("env_file"));
        let files = files.and_then(Value::as_array).into_iter().flatten();
        let files = files.filter_map(|file| {
            let path = file.as_str().or_else(|| file.get("path")?.as_str())?;
            let format = match file.get("format").and_then(Value::as_str) {
                Some("raw") => Format::Raw,
                _ => Format::Dotenv,
            };
            Some((PathBuf::from(path), format))
        });
        Self(files.rev().collect())
    }

    /// The label files of a service.
    pub(super) fn of_labels(project: &Project, service: &str) -> Self {
        let prefix = format!("services.{service}.label_file[");
        let named = project.named.iter().rev();
        let named = named.filter(|named| {
            named.service.as_deref() == Some(service) && named.by.starts_with(&prefix)
        });
        Self(
            named
                .map(|named| (named.file.clone(), Format::Dotenv))
                .collect(),
        )
    }

    /// The lines that define a variable.
    pub(super) fn defining(
        &self,
        name: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Source> {
        let files = self.0.iter();
        files
            .filter_map(|(file, format)| {
                defined_in(file, &definitions(file, *format), name, lookup)
            })
            .collect()
    }

    /// The files as a whole.
    pub(super) fn whole(&self) -> Vec<Source> {
        let files = self.0.iter().filter(|(file, _)| file.exists());
        files
            .map(|(file, _)| Source::written(file, None, None))
            .collect()
    }
}
