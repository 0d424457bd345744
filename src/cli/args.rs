//! The command line: what can be typed for every command. What one command takes, and what it means, is in its own file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::attach::Attach;
use super::completion::Completion;
use super::config::Config;
use super::cp::Cp;
use super::create::Create;
use super::doctor::Doctor;
use super::down::Down;
use super::events::Events;
use super::exec::Exec;
use super::export::Export;
use super::fingerprint::Fingerprint;
use super::gc::Gc;
use super::images::Images;
use super::init::Init;
use super::kill::Kill;
use super::load::Load;
use super::lock::LockArgs;
use super::logs::Logs;
use super::ls::Ls;
use super::man::ManPages;
use super::number::at_least;
use super::one_off::Run;
use super::plan::Plan;
use super::port::Port;
use super::prewarm::Prewarm;
use super::ps::Ps;
use super::pull::Pull;
use super::restart::Restart;
use super::rm::Rm;
use super::scale::ScaleArgs;
use super::stop::Stop;
use super::top::Top;
use super::up::Up;
use super::volumes::Volumes;
use super::wait::Wait;
use super::why::Why;
use crate::model::Repository;
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
    #[arg(display_order = 102, short, long, value_name = "NAME")]
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
    /// Where images are looked for that are not on the engine; may be repeated [env: LARDER_CACHE_FROM]
    #[arg(display_order = 107, long, value_name = "REPOSITORY", global = true)]
    pub cache_from: Vec<Repository>,
    /// Where the images that are built are pushed [env: LARDER_CACHE_TO]
    #[arg(display_order = 107, long, value_name = "REPOSITORY", global = true)]
    pub cache_to: Option<Repository>,
    /// How many pulls, builds and starts go on at once [env: COMPOSE_PARALLEL_LIMIT]
    #[arg(display_order = 108, long, value_name = "N", global = true)]
    #[arg(value_parser = at_least::<1, NonZeroUsize>)]
    pub parallel: Option<NonZeroUsize>,
    /// Take only base images that larder.lock pins [env: LARDER_FROZEN]
    #[arg(display_order = 109, long, global = true)]
    pub frozen: bool,
    /// The command, as it was typed.
    #[arg(skip)]
    pub word: String,
    /// Plain lines, with what Dagger prints and what could not be cached; twice: all calls to the engine, too
    #[arg(display_order = 110, short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start services, and return when every one is ready
    Up(Up),
    /// Create containers, and start none
    Create(Create),
    /// Change how many containers services have
    Scale(ScaleArgs),
    /// Show what `up` would do and why; changes nothing
    Plan(Plan),
    /// Show what each image is keyed by
    Fingerprint(Fingerprint),
    /// Show what changed since a service's image was made
    Why(Why),
    /// Build images, and nothing else
    Build(Services),
    /// Put the images of all services into a registry, before anybody starts them
    Prewarm(Prewarm),
    /// Put the images of a bundle onto the engine
    Load(Load),
    /// Pull the images that services name
    Pull(Pull),
    /// Write larder.lock, which pins base images to digests
    Lock(LockArgs),
    /// Write Dockerfiles for folders that have none, or a job for continuous integration
    Init(Init),
    /// Show the resolved Compose model
    Config(Config),
    /// Write a Compose file that needs no larder: every image pinned, nothing built
    Export(Export),
    /// List the project's containers
    Ps(Ps),
    /// List the projects on the engine
    Ls(Ls),
    /// List the images that the project's containers were made from
    Images(Images),
    /// List the project's volumes
    Volumes(Volumes),
    /// Show what happens to containers
    Events(Events),
    /// Show what containers print
    Logs(Logs),
    /// Restart services, those they depend on first
    Restart(Restart),
    /// Stop services, those that depend on them first
    Stop(Stop),
    /// Start services that were stopped, those they depend on first
    Start(Services),
    /// Send a signal to services: SIGKILL, where it is not said
    Kill(Kill),
    /// Freeze services
    Pause(Services),
    /// Let services go on that were paused
    Unpause(Services),
    /// Remove containers that are stopped
    Rm(Rm),
    /// Wait until services have ended; ends with the code of the last one
    Wait(Wait),
    /// Show where ports of a service are published
    Port(Port),
    /// List the processes in containers
    Top(Top),
    /// Copy files between here and a service's containers
    Cp(Cp),
    /// Run a command in a service's container
    Exec(Exec),
    /// Attach to a service's container
    Attach(Attach),
    /// Run a command in a container of its own
    Run(Box<Run>),
    /// Stop and remove the project's containers and networks
    Down(Down),
    /// Remove images that larder made and nobody needs; without `-f` only show them
    Gc(Gc),
    /// Look at what larder needs: the engine, builders, registries, disks
    Doctor(Doctor),
    /// Print what makes a shell complete larder's words
    Completion(Completion),
    /// Print the manual page, or write those of all commands
    Man(ManPages),
}

/// Services by name.
#[derive(Args, Debug)]
pub struct Services {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
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

/// The form of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// Columns.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// Reads the form of a list.
pub(super) fn listing(text: &str) -> Result<Listing, String> {
    match text {
        "table" => Ok(Listing::Table),
        "json" => Ok(Listing::Json),
        _ if text.contains("{{") => {
            Err("larder has no Go templates: `json` has all that there is".to_owned())
        }
        _ => Err("there are `table` and `json`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::logs::Tail;
    use super::super::parse::parse_from;
    use super::*;

    fn parse(line: &str) -> Cli {
        parse_from(line.split(' ')).unwrap()
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
    fn what_run_publishes_is_no_project() {
        let line = "larder -p hub run -p 8080:80 --rm -it web -p x";
        let cli = parse(line);
        assert_eq!(cli.global.project_name.as_deref(), Some("hub"));
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.publish, ["8080:80"]);
        assert_eq!(run.words, ["web", "-p", "x"]);
        assert!(run.rm && run.interactive);
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
