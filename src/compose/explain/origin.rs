//! Where the variables of a load have their values from: the environment, or a line of an env file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::explain::{Source, Used};
use super::load::{LoadOptions, load, variables_of};
use super::{dotenv, text};

/// The variables of a load, and the files that define some of them.
pub(super) struct Origins {
    variables: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    /// Weakest first.
    files: Vec<PathBuf>,
}

impl Origins {
    /// # Errors
    /// As [`load`].
    pub(super) fn of(options: &LoadOptions) -> Result<Self, Error> {
        let (variables, files) = variables_of(options)?;
        Ok(Self {
            variables,
            environment: options.environment.clone(),
            files,
        })
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable that a value asks for.
    pub(super) fn used(&self, name: String) -> Used {
        Used {
            value: self.value(&name).map(str::to_owned),
            sources: self.sources(&name),
            name,
        }
    }

    /// Who defines a variable, the last word first.
    pub(super) fn sources(&self, name: &str) -> Vec<Source> {
        let from_process = self.environment.get(name);
        let from_process =
            from_process.map(|value| Source::elsewhere("the environment", Some(value.clone())));
        let from_files = self.files.iter().rev();
        let from_files = from_files.filter_map(|file| defined_in(file, name));
        let mut sources: Vec<_> = from_process.into_iter().chain(from_files).collect();
        if sources.is_empty() && name == "COMPOSE_PROJECT_NAME" {
            let value = self.value(name).map(str::to_owned);
            sources.push(Source::elsewhere("the project's name", value));
        }
        sources
    }

    /// Who gives the project its name in place of the files; the folder where they are `silent`.
    pub(super) fn project_name(&self, options: &LoadOptions, silent: bool) -> Vec<Source> {
        const VARIABLE: &str = "COMPOSE_PROJECT_NAME";
        let in_variable =
            || self.environment.contains_key(VARIABLE) || self.in_files(VARIABLE).is_some();
        match &options.project_name {
            Some(name) => vec![Source::elsewhere("`-p`", Some(name.clone()))],
            None if in_variable() => {
                let mut sources = self.sources(VARIABLE);
                sources.truncate(1);
                sources
            }
            None if silent => vec![Source::elsewhere("the folder's name", None)],
            None => Vec::new(),
        }
    }

    fn in_files(&self, name: &str) -> Option<Source> {
        self.files
            .iter()
            .rev()
            .find_map(|file| defined_in(file, name))
    }
}

/// Where an env file defines a variable; of several lines the last.
fn defined_in(file: &Path, name: &str) -> Option<Source> {
    let text = text::read_env(file).ok()?;
    let definitions = dotenv::definitions(&text).into_iter();
    let (line, _, written) = definitions.rev().find(|(_, key, _)| key == name)?;
    Some(Source::line(file, Some(line), written))
}

/// The env files of a service, weakest first; with a `name` the lines that define that variable.
pub(super) fn in_env_files(
    options: &LoadOptions,
    service: &str,
    name: Option<&str>,
) -> Vec<Source> {
    let named = load(&LoadOptions {
        keep_env_files: true,
        ..options.clone()
    });
    let Ok(project) = named else {
        return Vec::new();
    };
    let service = project.services.get(service);
    let files = service.and_then(|service| service.other.get("env_file"));
    let files = files.and_then(Value::as_array).into_iter().flatten();
    let paths = files.filter_map(|file| file.as_str().or_else(|| file.get("path")?.as_str()));
    let sources = paths.filter_map(|path| {
        if let Some(name) = name {
            return defined_in(Path::new(path), name);
        }
        let source = Source::line(Path::new(path), None, None);
        Some(Source {
            adds: true,
            ..source
        })
    });
    sources.collect()
}
