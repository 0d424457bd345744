//! What a run goes by, resolved once: flags, then the environment, then `x-larder` in the Compose file, then
//! the default. Reads no environment itself: it is given one.

mod cache;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

pub use cache::{Cache, CacheError, Caches, TypedCaches};

/// The environment of this process: names and values that are UTF-8.
pub type Environment = BTreeMap<String, String>;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// `tty` on a terminal, `plain` elsewhere.
    #[default]
    Auto,
    /// One live line per service; `plain` where there is no terminal that can show it.
    Tty,
    /// A line when something begins and when it ends.
    Plain,
    /// One JSON object per line, on standard output.
    Json,
    /// Nothing but errors.
    Quiet,
}

impl Progress {
    /// Whether nothing is written for a person beside errors and warnings.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Json | Self::Quiet)
    }
}

/// Who is asked to build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Builder {
    /// Dagger builds dependency images where it answers, the engine's BuildKit all the rest.
    #[default]
    Auto,
    /// Dagger builds everything.
    Dagger,
    /// The engine's BuildKit builds everything.
    Docker,
}

/// Which ports of the host are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Ports {
    /// Those that the Compose file says.
    #[default]
    Fixed,
    /// Another one in place of each that is taken.
    Auto,
}

/// What was typed; `None` where nothing was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed {
    /// `--progress`.
    pub progress: Option<Progress>,
    /// `--builder`.
    pub builder: Option<Builder>,
    /// `--timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `--frozen`.
    pub frozen: bool,
    /// `--parallel`.
    pub parallel: Option<NonZeroUsize>,
}

/// What a run goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who builds.
    pub builder: Builder,
    /// Whether somebody said so.
    pub builder_is_said: bool,
    /// How progress is shown; never `Auto`.
    pub progress: Progress,
    /// Where caches are kept; `None` where there is no home for them.
    pub cache: Option<PathBuf>,
    /// How long each wait may take; `None` for as long as the health check itself takes.
    pub timeout: Option<Duration>,
    /// Whether every base image must be locked.
    pub frozen: bool,
    /// How many pulls, builds and starts go on at once; `None` for as many as there are.
    pub parallel: Option<NonZeroUsize>,
    /// Which ports of the host are published, where a command does not say it.
    pub ports: Ports,
    /// Of which steps no progress is shown.
    pub muted: Muted,
    /// Where images of others lie, and those of this run go.
    pub caches: Caches,
}

/// Steps whose progress is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Muted {
    /// Pulls.
    pub pulls: bool,
    /// Builds.
    pub builds: bool,
}

/// A variable has a value that its setting cannot have. What `x-larder` says was checked when the file was read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is `{value}`, which is none of {allowed}")]
pub struct Error {
    variable: &'static str,
    value: String,
    allowed: &'static str,
}

impl Settings {
    /// Resolves the settings. `extension` is the project's `x-larder`; `terminal` says whether standard
    /// error is one.
    ///
    /// # Errors
    /// The environment says something that is no value of a setting.
    pub fn resolve(
        typed: Typed,
        environment: &Environment,
        extension: Option<&Value>,
        terminal: bool,
    ) -> Result<Self, Error> {
        let builder = builder(typed.builder, environment, extension)?;
        Ok(Self {
            builder: builder.unwrap_or_default(),
            builder_is_said: builder.is_some(),
            progress: progress(typed.progress, environment, terminal),
            cache: cache(environment),
            timeout: timeout(typed.timeout, extension),
            frozen: typed.frozen || frozen(environment, extension)?,
            parallel: parallel(typed.parallel, environment)?,
            muted: Muted::default(),
            ports: ports(environment, extension)?,
            caches: Caches::default(),
        })
    }
}

fn builder(
    typed: Option<Builder>,
    environment: &Environment,
    extension: Option<&Value>,
) -> Result<Option<Builder>, Error> {
    if typed.is_some() {
        return Ok(typed);
    }
    // An empty variable is one that is not set, as in the shell's `${X:-}`.
    if let Some(value) = non_empty(environment, "LARDER_BUILDER") {
        return Builder::from_str(value, false)
            .map(Some)
            .map_err(|_| Error {
                variable: "LARDER_BUILDER",
                value: value.to_owned(),
                allowed: "`auto`, `dagger`, `docker`",
            });
    }
    let own = extension.and_then(|own| own.get("builder")?.as_str());
    Ok(own.and_then(|name| Builder::from_str(name, false).ok()))
}

fn frozen(environment: &Environment, extension: Option<&Value>) -> Result<bool, Error> {
    match non_empty(environment, "LARDER_FROZEN") {
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        Some(value) => Err(Error {
            variable: "LARDER_FROZEN",
            value: value.to_owned(),
            allowed: "`1`, `true`, `0`, `false`",
        }),
        None => Ok(extension.is_some_and(|own| own.get("frozen") == Some(&Value::Bool(true)))),
    }
}

/// `COMPOSE_PARALLEL_LIMIT` is docker compose's own; what is below 1 bounds nothing there.
fn parallel(
    typed: Option<NonZeroUsize>,
    environment: &Environment,
) -> Result<Option<NonZeroUsize>, Error> {
    const VARIABLE: &str = "COMPOSE_PARALLEL_LIMIT";
    if typed.is_some() {
        return Ok(typed);
    }
    let Some(value) = non_empty(environment, VARIABLE) else {
        return Ok(None);
    };
    let limit: i64 = value.parse().map_err(|_| Error {
        variable: VARIABLE,
        value: value.to_owned(),
        allowed: "the whole numbers",
    })?;
    Ok(usize::try_from(limit).ok().and_then(NonZeroUsize::new))
}

fn ports(environment: &Environment, extension: Option<&Value>) -> Result<Ports, Error> {
    if let Some(value) = non_empty(environment, "LARDER_PORTS") {
        return Ports::from_str(value, false).map_err(|_| Error {
            variable: "LARDER_PORTS",
            value: value.to_owned(),
            allowed: "`auto`, `fixed`",
        });
    }
    let own = extension.and_then(|own| own.get("ports")?.as_str());
    let own = own.and_then(|name| Ports::from_str(name, false).ok());
    Ok(own.unwrap_or_default())
}

/// The mode in which progress is shown, before a project is known.
pub fn progress(typed: Option<Progress>, environment: &Environment, terminal: bool) -> Progress {
    match typed.unwrap_or_default() {
        Progress::Auto | Progress::Tty if terminal && !is_dumb(environment) => Progress::Tty,
        Progress::Auto | Progress::Tty => Progress::Plain,
        chosen => chosen,
    }
}

fn timeout(typed: Option<u64>, extension: Option<&Value>) -> Option<Duration> {
    let own = || extension.and_then(|own| own.get("timeout")?.as_u64());
    typed.or_else(own).map(Duration::from_secs)
}

/// `$XDG_CACHE_HOME/larder`, else `~/.cache/larder`. A relative path there is invalid and ignored (XDG Base
/// Directory Specification).
pub fn cache(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let own = non_empty(environment, "XDG_CACHE_HOME")
        .map(PathBuf::from)
        .and_then(absolute);
    own.or_else(|| {
        non_empty(environment, "HOME")
            .map(|home| Path::new(home).join(".cache"))
            .and_then(absolute)
    })
    .map(|folder| folder.join("larder"))
}

/// Whether to write in colour to a stream. `NO_COLOR` switches it off whatever its value, unless empty
/// (no-color.org).
pub fn colour(environment: &Environment, terminal: bool) -> bool {
    terminal && non_empty(environment, "NO_COLOR").is_none() && !is_dumb(environment)
}

fn is_dumb(environment: &Environment) -> bool {
    environment.get("TERM").is_some_and(|term| term == "dumb")
}

fn non_empty<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let set = environment(&[("LARDER_BUILDER", "dagger")]);
        let file = json!({"builder": "docker"});
        let typed = Some(Builder::Auto);
        assert_eq!(builder(typed, &set, Some(&file)), Ok(Some(Builder::Auto)));
        assert_eq!(builder(None, &set, Some(&file)), Ok(Some(Builder::Dagger)));
        let empty = environment(&[("LARDER_BUILDER", "")]);
        assert_eq!(
            builder(None, &empty, Some(&file)),
            Ok(Some(Builder::Docker))
        );
        assert_eq!(builder(None, &empty, None), Ok(None));
    }

    #[test]
    fn a_value_that_is_none_names_its_origin() {
        let set = environment(&[("LARDER_BUILDER", "podman")]);
        let error = builder(None, &set, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "LARDER_BUILDER is `podman`, which is none of `auto`, `dagger`, `docker`"
        );
        let odd = environment(&[("LARDER_FROZEN", "yes")]);
        let error = frozen(&odd, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "LARDER_FROZEN is `yes`, which is none of `1`, `true`, `0`, `false`"
        );
        let file = json!({"frozen": true});
        let set = environment(&[("LARDER_FROZEN", "0")]);
        assert_eq!(frozen(&set, Some(&file)), Ok(false));
        assert_eq!(frozen(&environment(&[]), Some(&file)), Ok(true));
        let file = json!({"ports": "auto"});
        assert_eq!(ports(&environment(&[]), Some(&file)), Ok(Ports::Auto));
        let set = environment(&[("LARDER_PORTS", "fixed")]);
        assert_eq!(ports(&set, Some(&file)), Ok(Ports::Fixed));
        let file = json!({"timeout": 9});
        assert_eq!(timeout(None, Some(&file)), Some(Duration::from_secs(9)));
        assert_eq!(timeout(Some(3), Some(&file)), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_limit_below_one_bounds_nothing() {
        let limit = |value| parallel(None, &environment(&[("COMPOSE_PARALLEL_LIMIT", value)]));
        assert_eq!(limit("3"), Ok(NonZeroUsize::new(3)));
        assert_eq!(limit("-1"), Ok(None));
        assert_eq!(limit(""), Ok(None));
        assert!(limit("many").is_err());
    }

    #[test]
    fn progress_is_live_only_where_a_person_looks() {
        let none = environment(&[]);
        let dumb = environment(&[("TERM", "dumb")]);
        assert_eq!(progress(None, &none, true), Progress::Tty);
        assert_eq!(progress(None, &none, false), Progress::Plain);
        assert_eq!(progress(None, &dumb, true), Progress::Plain);
        assert_eq!(progress(Some(Progress::Tty), &none, false), Progress::Plain);
        assert_eq!(progress(Some(Progress::Json), &none, true), Progress::Json);
    }

    #[test]
    fn colour_needs_a_terminal_that_wants_it() {
        assert!(colour(&environment(&[("NO_COLOR", "")]), true));
        assert!(!colour(&environment(&[("NO_COLOR", "1")]), true));
        assert!(!colour(&environment(&[("TERM", "dumb")]), true));
        assert!(!colour(&environment(&[]), false));
    }

    #[test]
    fn a_relative_cache_folder_is_not_used() {
        let set = environment(&[("XDG_CACHE_HOME", "here"), ("HOME", "/home/me")]);
        assert_eq!(cache(&set), Some("/home/me/.cache/larder".into()));
        assert_eq!(cache(&environment(&[])), None);
    }
}
