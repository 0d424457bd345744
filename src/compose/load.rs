//! The door: options in, a project out. Tells the load as one line; every step has a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::Error;
use super::files::{self, STDIN, Sources};
use super::layers::Loader;
use super::notice::{Notices, not_carried_out};
use super::resolve::Against;
use super::{assemble, check, mounts, project_name, settle};
use crate::model::Project;

/// What a project is loaded from. All of it is data: nothing is asked of the process.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where the command runs; absolute.
    pub working_dir: PathBuf,
    /// The files of `-f`, in order; `-` is standard input. Empty: `COMPOSE_FILE`, or a search.
    pub files: Vec<PathBuf>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// The files of `--env-file`, in place of `.env`.
    pub env_files: Vec<PathBuf>,
    /// The profiles of `--profile`, in place of `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// The services named on the command line, whose profiles count as active.
    pub services: Vec<String>,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
}

/// Loads the project that `options` describe, as docker compose 2.40 does (compose-go `loader`).
///
/// # Errors
/// Whatever makes the files no project: see [`Error`], which knows the place and what may help.
pub fn load(options: &LoadOptions) -> Result<Project, Error> {
    let mut sources = Sources::default();
    run(options, &mut sources).map_err(|error| sources.locate(error))
}

fn run(options: &LoadOptions, sources: &mut Sources) -> Result<Project, Error> {
    let mut environment = Environment::new(options.environment.clone());
    let env_files = env_files(options, &environment);
    let first_folder = project_folder(options, &options.files);
    add_env(&mut environment, &env_files, &first_folder)?;
    let chosen = files::choose(
        &options.files,
        &options.working_dir,
        &first_folder,
        &environment,
    )?;
    let folder = project_folder(options, &chosen.files);
    add_env(&mut environment, &env_files, &folder)?;

    for file in &chosen.files {
        sources.open(file)?;
    }
    let name = project_name::choose(
        options.project_name.as_deref(),
        &chosen.files,
        &folder,
        &environment,
        sources,
    )?;
    environment.set("COMPOSE_PROJECT_NAME", &name);

    let mut notices = Notices::default();
    chosen.notes.into_iter().for_each(|note| notices.say(note));
    let home = options.environment.get("HOME").map(String::as_str);
    let against = Against {
        folder: &folder,
        home,
    };
    let mut loader = Loader {
        sources,
        notices: &mut notices,
        home,
    };
    let tree = loader.model(&chosen.files, against, &environment, &mut Vec::new())?;

    let profiles = active_profiles(options, &environment);
    let parts = assemble::Parts::of(tree, &profiles, &options.services)?;
    not_carried_out(&parts, &mut notices)?;
    let off = parts.off.clone();
    let mut project = parts.project(&environment)?;
    project.name = name;
    project.working_dir = folder;
    project.files = chosen.files;
    project.env_files = env_files;
    settle::settle(&mut project, &environment, &mut notices);
    check::check(&project, &off)?;
    settle::drop_unused(&mut project);
    project.warnings = notices.located(sources);
    Ok(project)
}

/// The folder that relative paths are read against: `--project-directory`, else the first file's.
fn project_folder(options: &LoadOptions, files: &[PathBuf]) -> PathBuf {
    let first = files.iter().find(|file| *file != Path::new(STDIN));
    let folder = match (&options.project_directory, first) {
        (Some(folder), _) => folder.clone(),
        (None, Some(file)) => file.parent().map(Path::to_owned).unwrap_or_default(),
        (None, None) => PathBuf::new(),
    };
    let folder = options.working_dir.join(folder);
    folder
        .to_str()
        .map_or(folder.clone(), |text| PathBuf::from(mounts::clean(text)))
}

/// The files of `--env-file`, else of `COMPOSE_ENV_FILES`; absolute.
fn env_files(options: &LoadOptions, environment: &Environment) -> Vec<PathBuf> {
    let listed = environment.get("COMPOSE_ENV_FILES").unwrap_or_default();
    let listed = listed
        .split(',')
        .filter(|file| !file.is_empty())
        .map(PathBuf::from);
    let files = if options.env_files.is_empty() {
        listed.collect()
    } else {
        options.env_files.clone()
    };
    files
        .into_iter()
        .map(|file: PathBuf| options.working_dir.join(file))
        .collect()
}

/// Adds the env files, or the folder's `.env` where none is named and `COMPOSE_DISABLE_ENV_FILE` allows it.
fn add_env(
    environment: &mut Environment,
    env_files: &[PathBuf],
    folder: &Path,
) -> Result<(), Error> {
    let disabled = environment.get("COMPOSE_DISABLE_ENV_FILE");
    let disabled =
        disabled.is_some_and(|text| matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True"));
    match (env_files.is_empty(), disabled) {
        (false, _) => environment.add_files(env_files),
        (true, false) => environment.add_default_file(folder),
        (true, true) => Ok(()),
    }
}

fn active_profiles(options: &LoadOptions, environment: &Environment) -> Vec<String> {
    if !options.profiles.is_empty() {
        return options.profiles.clone();
    }
    let list = environment.get("COMPOSE_PROFILES").unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
