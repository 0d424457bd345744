//! The command line: what can be typed. What it means is each command's own.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::{Builder, Progress};

const EXIT_CODES: &str = "\
Exit codes:
    0  everything asked for is done
    1  a service or a build failed
    2  the command line or a Compose file is wrong
    3  the engine, Dagger or a registry is out of reach
   70  larder itself is wrong
  130  interrupted";

/// Starts a Compose stack in about the time its containers need: never stale, never rebuilt for nothing.
#[derive(Debug, Parser)]
#[command(name = "larder", version, after_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that go for every command. Those that may be repeated, and those whose letter a command has for
/// itself, stand in front of the command only, as with docker compose. In a command's help they stand behind its own.
#[derive(Args, Debug)]
pub struct Global {
    /// A Compose file; more than one are merged in order [env: COMPOSE_FILE]
    #[arg(display_order = 101, short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The project's name, in place of the folder's [env: COMPOSE_PROJECT_NAME]
    #[arg(display_order = 102, short, long, value_name = "NAME", global = true)]
    pub project_name: Option<String>,
    /// The folder that relative paths are read against, in place of the first file's
    #[arg(display_order = 103, long, value_name = "DIR", global = true)]
    pub project_directory: Option<PathBuf>,
    /// A file of variables, in place of `.env`
    #[arg(display_order = 104, long = "env-file", value_name = "FILE")]
    pub env_files: Vec<PathBuf>,
    /// Switches on the services of a profile [env: COMPOSE_PROFILES]
    #[arg(display_order = 105, long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// How progress is shown
    #[arg(
        display_order = 106,
        long,
        value_enum,
        value_name = "MODE",
        global = true,
        hide_possible_values = true
    )]
    #[arg(help = "How progress is shown: auto, tty, plain, json or quiet")]
    pub progress: Option<Progress>,
    /// Who builds
    #[arg(
        display_order = 107,
        long,
        value_enum,
        value_name = "BUILDER",
        global = true,
        hide_possible_values = true
    )]
    #[arg(help = "Who builds: auto, dagger or docker [env: LARDER_BUILDER]")]
    pub builder: Option<Builder>,
    /// Take only base images that larder.lock pins [env: LARDER_FROZEN]
    #[arg(display_order = 108, long, global = true)]
    pub frozen: bool,
    /// Plain lines, with what Dagger prints and what could not be cached; twice: all calls to the engine, too
    #[arg(display_order = 109, short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start services, and return when every one is ready
    Up(Up),
    /// Show what `up` would do and why; changes nothing
    Plan(Plan),
    /// Show what each image is keyed by
    Fingerprint(Fingerprint),
    /// Show what changed since a service's image was made
    Why(Why),
    /// Build images, and nothing else
    Build(Services),
    /// Write larder.lock, which pins base images to digests
    Lock(Lock),
    /// Show the resolved Compose model
    Config(Config),
    /// List the project's containers
    Ps(Ps),
    /// Show what containers print
    Logs(Logs),
    /// Restart services, those they depend on first
    Restart(Services),
    /// Stop services, those that depend on them first
    Stop(Services),
    /// Start services that were stopped, those they depend on first
    Start(Services),
    /// Run a command in a service's container
    Exec(Exec),
    /// Stop and remove the project's containers and networks
    Down(Down),
}

/// Services by name.
#[derive(Args, Debug)]
pub struct Services {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

/// `larder up`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Up {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Accepted and changes nothing: larder always returns
    #[arg(short, long)]
    pub detach: bool,
    /// Follow the logs once every service is ready
    #[arg(short, long, conflicts_with = "detach")]
    pub attach: bool,
    /// Accepted and changes nothing: larder always builds what changed
    #[arg(long)]
    pub build: bool,
    /// Accepted and changes nothing: larder always waits
    #[arg(long, conflicts_with = "no_wait")]
    pub wait: bool,
    /// Return when every service is started, ready or not
    #[arg(long)]
    pub no_wait: bool,
    /// Give up when a service takes longer than this to become ready
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
}

/// `larder plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
    /// Show the chain of each image that is built here
    #[arg(short, long)]
    pub verbose: bool,
}

/// `larder why`.
#[derive(Args, Debug)]
pub struct Why {
    /// The service
    pub service: String,
    /// The image to compare with, by its ID, name or fingerprint; that of the service's container, or the one that has
    /// its name, when none is given
    #[arg(long, value_name = "IMAGE")]
    pub against: Option<String>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
    /// Name every file
    #[arg(short, long)]
    pub verbose: bool,
}

/// `larder fingerprint`.
#[derive(Args, Debug)]
pub struct Fingerprint {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Report,
}

/// `larder lock`.
#[derive(Args, Debug)]
pub struct Lock {
    /// Take what the registry has now, for these images or for all
    #[arg(long, value_name = "IMAGE", num_args = 0..)]
    pub upgrade: Option<Vec<String>>,
}

/// `larder config`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Config {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub only: Vec<String>,
    /// The format
    #[arg(long, value_enum)]
    pub format: Option<Document>,
    /// Only check the files, and print nothing but lists
    #[arg(short, long)]
    pub quiet: bool,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say where a value, as in `services.web.image`, or a variable comes from, and what it overrode
    #[arg(long, value_name = "PATH|VAR", conflicts_with_all = [
        "only", "format", "output", "quiet", "services", "volumes", "networks", "profiles", "images", "hash", "variables",
        "environment", "no_interpolate", "resolve_image_digests", "lock_image_digests",
    ])]
    pub explain: Option<String>,
    /// List the services
    #[arg(long)]
    pub services: bool,
    /// List the volumes
    #[arg(long)]
    pub volumes: bool,
    /// List the networks
    #[arg(long)]
    pub networks: bool,
    /// List the profiles that services have, active or not
    #[arg(long)]
    pub profiles: bool,
    /// List the image of each service
    #[arg(long)]
    pub images: bool,
    /// List docker compose's hash of each service; `*` for all, or names with commas
    #[arg(long, value_name = "SERVICES")]
    pub hash: Option<String>,
    /// List the variables that the files ask for, with their defaults
    #[arg(long)]
    pub variables: bool,
    /// List the variables that there are
    #[arg(long)]
    pub environment: bool,
    /// Leave variables as they are written, and defaults unsaid
    #[arg(long, conflicts_with_all = ["only", "hash", "resolve_image_digests", "lock_image_digests"])]
    pub no_interpolate: bool,
    /// Leave env files of services unread
    #[arg(long)]
    pub no_env_resolution: bool,
    /// Pin images to the digests that their registries have now
    #[arg(long)]
    pub resolve_image_digests: bool,
    /// The same, and print nothing but images: a file to be merged over
    #[arg(long)]
    pub lock_image_digests: bool,
}

/// `larder ps`.
#[derive(Args, Debug)]
pub struct Ps {
    /// List stopped containers too
    #[arg(short, long)]
    pub all: bool,
    /// The format
    #[arg(long, value_enum, default_value_t)]
    pub format: Listing,
}

/// `larder logs`.
#[derive(Args, Debug)]
pub struct Logs {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Go on printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each container; `all` for all of them
    #[arg(short = 'n', long, value_name = "N", default_value = "all", value_parser = tail)]
    pub tail: Tail,
    /// Show when each line was printed
    #[arg(short, long)]
    pub timestamps: bool,
}

/// `larder exec`.
#[derive(Args, Debug)]
pub struct Exec {
    /// No terminal for the command; the default when standard input is none
    #[arg(short = 'T', long = "no-tty")]
    pub no_tty: bool,
    /// Accepted and changes nothing: a terminal is lent where there is one
    #[arg(short, long)]
    pub interactive: bool,
    /// Accepted and changes nothing: a terminal is lent where there is one
    #[arg(short, long)]
    pub tty: bool,
    /// The user that the command runs as, in place of the container's
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// A variable for the command; with its name alone, the value that it has here
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = variable)]
    pub env: Vec<String>,
    /// The folder that the command starts in, in place of the container's
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The service
    pub service: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// `larder down`.
#[derive(Args, Debug)]
pub struct Down {
    /// Remove the project's volumes too, and all data in them
    #[arg(short, long)]
    pub volumes: bool,
    /// Remove containers of services that no Compose file defines
    #[arg(long)]
    pub remove_orphans: bool,
}

/// For a person or for a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Report {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
}

/// The language of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// Columns.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// How many of the last lines; `None` for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail(pub Option<usize>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => number
            .parse()
            .map(|lines| Tail(Some(lines)))
            .map_err(|_| "neither a number of lines nor `all`".to_owned()),
    }
}

fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('=') {
        return Err("the variable has no name".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_letter_means_what_its_place_says() {
        let cli = parse("larder -f a.yaml -f b.yaml -v logs -f --tail 5 api");
        assert_eq!(cli.global.files.len(), 2);
        assert_eq!(cli.global.verbose, 1);
        let Command::Logs(logs) = cli.command else {
            panic!("not logs")
        };
        assert!(logs.follow);
        assert_eq!(logs.tail, Tail(Some(5)));
        let Command::Down(down) = parse("larder down -v").command else {
            panic!("not down")
        };
        assert!(down.volumes);
    }

    #[test]
    fn single_global_options_may_follow_the_command() {
        let cli = parse("larder up -p hub --progress json --builder docker");
        assert_eq!(cli.global.project_name.as_deref(), Some("hub"));
        assert_eq!(cli.global.progress, Some(Progress::Json));
        assert_eq!(cli.global.builder, Some(Builder::Docker));
    }

    #[test]
    fn what_follows_execs_command_is_the_commands() {
        let Command::Exec(exec) = parse("larder exec -T db psql -U me --help").command else {
            panic!("not exec")
        };
        assert!(exec.no_tty);
        assert_eq!(exec.command, ["psql", "-U", "me", "--help"]);
        let line = "larder exec -u me -e A=b=c --env HOME -w /srv db env -e X=y";
        let Command::Exec(exec) = parse(line).command else {
            panic!("not exec")
        };
        assert_eq!(exec.user.as_deref(), Some("me"));
        assert_eq!(exec.env, ["A=b=c", "HOME"]);
        assert_eq!(exec.workdir.as_deref(), Some("/srv"));
        assert_eq!(exec.command, ["env", "-e", "X=y"]);
    }
}
