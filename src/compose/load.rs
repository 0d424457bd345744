//! The door: options in, a project out. Tells the load as one line; every step has a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::Environment;
use super::error::{Error, ErrorKind};
use super::files::{self, STDIN, Sources};
use super::layers::Loader;
use super::notice::{Notices, not_carried_out};
use super::resolve::Against;
use super::{assemble, check, clash, delivery, interpolate, ports, project_name, required, settle};
use crate::model::{Project, clean};

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
    /// Leaves the files of `env_file` and `label_file` unread: a command on containers that are there needs none of them,
    /// as with docker compose.
    pub without_env_files: bool,
    /// Keeps `env_file` in place of what the files say, as docker compose does for `--no-env-resolution` and for
    /// `config --hash`.
    pub keep_env_files: bool,
    /// The process environment.
    pub environment: BTreeMap<String, String>,
}

/// Loads the project that `options` describe, as docker compose 2.40 does (compose-go `loader`).
///
/// # Errors
/// Whatever makes the files no project: see [`Error`], which knows the place and what may help.
pub fn load(options: &LoadOptions) -> Result<Project, Error> {
    load_with(options, Sources::default())
}

/// Whether the files of a project say the same when they are read once more: standard input, and pipes, say it once.
pub fn can_be_read_again(project: &Project) -> bool {
    let mut files = project.files.iter();
    files.all(|file| file.is_absolute() && file.is_file())
}

/// The same of one text, whatever files are named.
#[cfg(any(test, fuzzing))]
pub(super) fn load_text(options: &LoadOptions, text: &str) -> Result<Project, Error> {
    let file = options.working_dir.join(files::DEFAULT_NAMES[0]);
    let mut sources = Sources::default();
    sources.add(&file, text.to_owned())?;
    let files = vec![file];
    load_with(
        &LoadOptions {
            files,
            ..options.clone()
        },
        sources,
    )
}

/// The same where files were read already.
pub(super) fn load_with(options: &LoadOptions, mut sources: Sources) -> Result<Project, Error> {
    let mut notices = Notices::default();
    let loaded = run(options, &mut sources, &mut notices);
    loaded
        .map_err(|error| sources.locate(error).with_hole(&notices))
        .map(|mut project| {
            project.warnings = notices.located(&sources);
            sources.keep_in(&mut project);
            project
        })
}

/// The variables that a project's files are read with: the process environment, and what env files add to it.
///
/// # Errors
/// The Compose files are not found, or an env file cannot be read.
pub fn environment(options: &LoadOptions) -> Result<BTreeMap<String, String>, Error> {
    Ok(variables_of(options, Sources::default())?.into_variables())
}

/// The same where there may be no Compose files.
///
/// # Errors
/// An env file cannot be read.
pub fn environment_alone(options: &LoadOptions) -> Result<BTreeMap<String, String>, Error> {
    let (environment, _) = first_variables(options, &mut Notices::default())?;
    Ok(environment.into_variables())
}

/// As [`environment`], with the env files that were read for it. `sources` are the files that were read already.
///
/// # Errors
/// As [`environment`].
pub(super) fn variables_of(
    options: &LoadOptions,
    mut sources: Sources,
) -> Result<Environment, Error> {
    let ground = ground(options, &mut sources, &mut Notices::default());
    let ground = ground.map_err(|error| sources.locate(error))?;
    Ok(ground.environment)
}

fn run(
    options: &LoadOptions,
    sources: &mut Sources,
    notices: &mut Notices,
) -> Result<Project, Error> {
    let ground = ground(options, sources, notices)?;
    let mut tree = model(options, &ground, sources, notices, false)?;
    let Ground {
        files,
        folder,
        env_files,
        name,
        environment,
    } = ground;
    environment.fill(&mut tree);
    required::check(&tree)?;

    let profiles = active_profiles(options, &environment);
    let mut parts = assemble::Parts::of(tree, &profiles, &options.services)?;
    if options.without_env_files {
        parts.leave_files_unread();
    }
    if options.keep_env_files {
        parts.keep_env_files();
    }
    for named in parts.files() {
        sources.named(named);
    }
    not_carried_out(&parts, notices)?;
    let off = parts.off.clone();
    let profiles = parts.profiles();
    let mut project = parts.project(&environment, notices)?;
    project.name = name;
    project.working_dir = folder;
    project.files = files;
    project.env_files = env_files;
    project.profiles = profiles;
    project.compose_variables = environment.of_compose();
    settle::settle(&mut project, &environment, notices);
    check::check(&project, &off)?;
    project.drop_unused();
    delivery::warn(&project, notices);
    clash::warn(&project, notices);
    Ok(project)
}

/// All files in one canonical tree, with or without values for their variables.
pub(super) fn model(
    options: &LoadOptions,
    ground: &Ground,
    sources: &mut Sources,
    notices: &mut Notices,
    as_written: bool,
) -> Result<Value, Error> {
    let home = options.environment.get("HOME").map(String::as_str);
    let against = Against {
        folder: &ground.folder,
        home,
        as_written,
    };
    let mut loader = Loader {
        sources,
        notices,
        home,
        included: 0,
        as_written,
        variables: interpolate::EXPANSION,
        ports: ports::PORTS,
    };
    loader.model(&ground.files, against, &ground.environment, &mut Vec::new())
}

/// What a load starts from: which files, where, and with which variables.
pub(super) struct Ground {
    files: Vec<PathBuf>,
    folder: PathBuf,
    env_files: Vec<PathBuf>,
    pub(super) name: String,
    pub(super) environment: Environment,
}

pub(super) fn ground(
    options: &LoadOptions,
    sources: &mut Sources,
    notices: &mut Notices,
) -> Result<Ground, Error> {
    let (mut environment, env_files) = first_variables(options, notices)?;
    let first_folder = project_folder(options, &options.files);
    let chosen = files::choose(
        &options.files,
        &options.working_dir,
        &first_folder,
        &environment,
    )?;
    let folder = project_folder(options, &chosen.files);
    // Those that are named were read: a pipe cannot be read twice.
    if env_files.is_empty() {
        add_env(&mut environment, &env_files, &folder, notices)?;
    }
    for file in &chosen.files {
        sources.open(file).map_err(|error| match chosen.origin {
            Some(origin) => error.named_by(origin),
            None => error,
        })?;
    }
    let name = project_name::choose(
        options.project_name.as_deref(),
        &chosen.files,
        &folder,
        &environment,
        sources,
    )?;
    environment.set("COMPOSE_PROJECT_NAME", &name);
    chosen.notes.into_iter().for_each(|note| notices.say(note));
    Ok(Ground {
        files: chosen.files,
        folder,
        env_files,
        name,
        environment,
    })
}

/// The variables before it is known which Compose files there are, and the env files that are named.
fn first_variables(
    options: &LoadOptions,
    notices: &mut Notices,
) -> Result<(Environment, Vec<PathBuf>), Error> {
    let mut environment = Environment::new(options.environment.clone());
    if environment.get("PWD").is_none() {
        environment.set("PWD", &options.working_dir.to_string_lossy());
    }
    let env_files = env_files(options, &environment);
    let folder = project_folder(options, &options.files);
    add_env(&mut environment, &env_files, &folder, notices)?;
    Ok((environment, env_files))
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
        .map_or(folder.clone(), |text| PathBuf::from(clean(text)))
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
    notices: &mut Notices,
) -> Result<(), Error> {
    match (env_files.is_empty(), without_default(environment)?) {
        (false, _) => environment.add_files(env_files, notices),
        (true, true) => Ok(()),
        (true, false) => {
            let mut more = environment.clone();
            more.add_default_file(folder, notices)?;
            // The file may say that it counts for nothing: docker compose has its own variables from it before it asks.
            if without_default(&more)? {
                more.keep_own_of_compose(environment);
            }
            *environment = more;
            Ok(())
        }
    }
}

/// Whether `COMPOSE_DISABLE_ENV_FILE` says that `.env` is not read.
fn without_default(environment: &Environment) -> Result<bool, Error> {
    let name = "COMPOSE_DISABLE_ENV_FILE";
    match environment.get(name) {
        None | Some("" | "0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(other) => {
            let text = format!("the variable `{name}` is `{other}`, and not `true` or `false`");
            Err(ErrorKind::Rule(text).into())
        }
    }
}

pub(super) fn active_profiles(options: &LoadOptions, environment: &Environment) -> Vec<String> {
    if !options.profiles.is_empty() {
        return options.profiles.clone();
    }
    let list = environment.get("COMPOSE_PROFILES").unwrap_or_default();
    // Of no text at all one profile without a name is left, which `profiles: [""]` asks for (compose-go
    // `WithDefaultProfiles`).
    let names = list.split(',').map(str::trim);
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Warning;

    /// A folder with files, loaded from there.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        fn load(&self, change: impl FnOnce(&mut LoadOptions)) -> Result<Project, Error> {
            let mut options = LoadOptions {
                working_dir: self.0.path().to_owned(),
                ..Default::default()
            };
            options.project_name = Some("test".to_owned());
            change(&mut options);
            load(&options)
        }

        fn shown(&self, text: &impl ToString) -> String {
            text.to_string()
                .replace(&format!("{}/", self.0.path().display()), "")
        }
    }

    #[test]
    fn what_is_not_carried_out_is_said_with_its_place() {
        let folder = Folder::with(&[(
            "compose.yaml",
            "version: '3'
services:
  api:
    image: api
    build: {context: ., isolation: default}
    hostname: $NOBODY
    labels: {a: $NOBODY}
    volumes: ['v:/data']
    develop: {watch: []}
    gpus: all
  off: {build: {context: ., isolation: default}, profiles: [p]}
",
        )]);
        let project = folder.load(|_| {}).unwrap();
        let warning = |warning: &Warning| {
            let place = warning.place.as_ref().map(|place| folder.shown(&place));
            format!("{} ({})", warning.text, place.unwrap_or_default())
        };
        let warnings: Vec<_> = project.warnings.iter().map(warning).collect();
        let later = "is valid Compose, but larder does not carry it out yet";
        assert_eq!(
            warnings,
            [
                "the variable `NOBODY` is not set: empty text stands in its place (compose.yaml:6:5)".to_owned(),
                "`version` means nothing any more: leave it out (compose.yaml:1:1)".to_owned(),
                format!("`services.api.build.isolation` {later} (compose.yaml:5:25)"),
                "`v:/data` is read as a path on a Windows drive: a volume's name needs two letters here \
                 (compose.yaml:8:15)".to_owned(),
            ]
        );
    }

    #[test]
    fn holes_in_env_files_are_told_once_with_their_line() {
        let folder = Folder::with(&[
            (
                "compose.yaml",
                "services: {a: {image: a, env_file: e.env}, b: {image: b, env_file: e.env}}",
            ),
            (".env", "# c\nHASH=$2y$10$abc\n"),
            ("e.env", "A=x$yz\n"),
        ]);
        let project = folder.load(|_| {}).unwrap();
        let places = project.warnings.iter().map(|warning| {
            assert!(warning.text.contains("single quotes"), "{}", warning.text);
            folder.shown(warning.place.as_ref().unwrap())
        });
        assert_eq!(places.collect::<Vec<_>>(), [".env:2:1", "e.env:1:1"]);
    }

    #[test]
    fn a_variable_that_a_shell_may_be_meant_to_know_is_told_of() {
        let text = "services: {a: {image: a, command: 'echo $A', healthcheck: {test: [CMD-SHELL, $B]}, hostname: h$C}}";
        let folder = Folder::with(&[("compose.yaml", text)]);
        let project = folder.load(|_| {}).unwrap();
        let warnings = project.warnings.iter();
        let told = warnings.map(|warning| warning.text.contains("is written `$$`"));
        assert_eq!(told.collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn an_empty_source_of_a_mount_is_told_with_its_variable() {
        let mount = |mount: &str| {
            let text = format!("services: {{a: {{image: a, volumes: [{mount}]}}}}");
            let folder = Folder::with(&[("compose.yaml", &text)]);
            let error = folder.load(|_| {}).unwrap_err();
            format!("{error}; {}", error.hints().join("; "))
        };
        let empty = "`services.a.volumes[0].source`: it is empty; ";
        let unset = "the variable `X` is not set";
        assert_eq!(mount("{type: bind, source: '', target: /a}"), empty);
        let long = mount("{type: bind, source: $X, target: /a}");
        assert_eq!(long, format!("{empty}{unset}"));
        let short = mount("'${X}:/a'");
        assert!(
            short.contains("its source, in front of the colon, is empty"),
            "{short}"
        );
        assert!(short.ends_with(unset), "{short}");
        let null = mount("{type: bind, source: , target: /a}");
        assert!(null.contains("must be text, not empty"), "{null}");
    }

    #[test]
    fn a_hole_in_a_value_explains_the_error() {
        let folder = Folder::with(&[("compose.yaml", "services: {a: {image: 'a:$TAG'}}")]);
        let error = folder.load(|_| {}).unwrap_err();
        assert_eq!(error.to_string(), "service `a`: `a:` is not an image name");
        assert_eq!(error.hints(), ["the variable `TAG` is not set"]);
    }

    #[test]
    fn what_is_out_of_scope_is_refused_when_it_is_on() {
        let services = "services: {a: {provider: {type: x}, profiles: [p]}, b: {image: b}}";
        let folder = Folder::with(&[("compose.yaml", services)]);
        assert!(folder.load(|_| {}).is_ok());
        let error = folder
            .load(|options| options.profiles = vec!["p".to_owned()])
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`services.a.provider` asks for a provider"),
            "{error}"
        );
    }

    #[test]
    fn naming_a_service_switches_it_on() {
        let text = "services: {a: {image: a, profiles: [p]}, b: {image: b, profiles: [p]}, c: {image: c, profiles: [q]}}";
        let folder = Folder::with(&[("compose.yaml", text)]);
        let project = folder
            .load(|options| options.services = vec!["a".to_owned()])
            .unwrap();
        assert_eq!(project.services.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(project.disabled.iter().collect::<Vec<_>>(), ["c"]);
        let error = folder
            .load(|options| options.services = vec!["aa".to_owned()])
            .unwrap_err();
        assert_eq!(
            error.hints(),
            ["did you mean `a`? services here: `a`, `b`, `c`"]
        );
    }

    #[test]
    fn an_error_in_an_extended_file_is_shown_there() {
        let folder = Folder::with(&[
            (
                "compose.yaml",
                "services: {a: {extends: {file: sub/base.yaml, service: b}}}",
            ),
            ("sub/base.yaml", "services:\n  b:\n    imag: x\n"),
        ]);
        let error = folder.load(|_| {}).unwrap_err();
        assert_eq!(folder.shown(&error.place().unwrap()), "sub/base.yaml:3:5");
    }

    #[test]
    fn env_files_that_cannot_be_read_are_named_with_their_line() {
        let folder = Folder::with(&[
            ("compose.yaml", "services: {a: {image: a, env_file: e.env}}"),
            ("e.env", "A=1\nB='\n"),
        ]);
        let error = folder.load(|_| {}).unwrap_err();
        assert_eq!(
            folder.shown(&error),
            "the env file has a line that cannot be read: the quote of `B` has no end"
        );
        assert_eq!(error.hints()[0], "service `a` names this file");
        assert_eq!(folder.shown(&error.place().unwrap()), "e.env:2:1");
    }

    #[test]
    fn env_files_are_not_read_where_nobody_needs_them() {
        let folder = Folder::with(&[(
            "compose.yaml",
            "services: {a: {image: a, env_file: gone.env, label_file: gone, environment: {A: b}}}",
        )]);
        assert!(folder.load(|_| {}).is_err());
        let project = folder
            .load(|options| options.without_env_files = true)
            .unwrap();
        assert_eq!(project.services["a"].environment.len(), 1);
    }

    #[test]
    fn bases_of_a_long_chain_and_many_services_load() {
        let service =
            |number: usize| format!("  s{number}: {{image: x, depends_on: [s{}]}}\n", number + 1);
        let chain: String = (0..3000).map(service).collect();
        let folder = Folder::with(&[(
            "compose.yaml",
            &format!("services:\n{chain}  s3000: {{image: x}}\n"),
        )]);
        let project = folder.load(|_| {}).unwrap();
        assert_eq!(project.services.len(), 3001);
        assert_eq!(
            project.with_dependencies(&["s0".to_owned()]).unwrap().len(),
            3001
        );
    }
}
