//! `larder completion`: what a shell is told once, so that it asks larder itself from then on; and larder's answers, with the
//! services of the Compose file at hand. An answer starts nothing, waits for nobody and tells no errors.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::invocation::Invocation;
use super::parse;
use crate::compose::{self, LoadOptions};
use crate::failure::Failure;
use crate::model::Project;

/// The variable by which a shell asks; it holds the shell's name.
const ASKED: &str = "LARDER_COMPLETE";
/// The shells there are.
const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

/// `larder completion`.
#[derive(Args, Debug)]
pub struct Completion {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ValueParser::from(SHELLS))]
    pub shell: String,
}

/// Prints what a shell is to run when it starts.
pub(super) fn completion(invocation: &Invocation, args: &Completion) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&args.shell) {
        let written = shell.write_registration(ASKED, "larder", "larder", "larder", &mut script);
        written.map_err(Failure::Output)?;
    }
    invocation.screen.out(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Answers a shell, where one asks, and ends the process.
pub(super) fn answer() {
    CompleteEnv::with_factory(command)
        .var(ASKED)
        .completer("larder")
        .complete();
}

/// The command line with what completes it.
fn command() -> Command {
    let named = |arg: Arg| {
        let names = arg.get_value_names().unwrap_or_default();
        let is = |name: &str| names.iter().any(|own| own == name);
        if is("SERVICE") || is("SERVICE|FOLDER") {
            arg.add(ArgValueCompleter::new(|typed: &OsStr| {
                candidates(typed, services)
            }))
        } else if arg.get_id() == "profiles" {
            arg.add(ArgValueCompleter::new(|typed: &OsStr| {
                candidates(typed, profiles)
            }))
        } else {
            arg
        }
    };
    let all = parse::command().mut_args(named);
    all.mut_subcommands(move |command| command.mut_args(named))
}

fn services(project: &Project) -> Vec<String> {
    project.services.keys().cloned().collect()
}

fn profiles(project: &Project) -> Vec<String> {
    project.profiles.iter().cloned().collect()
}

/// The names that begin with what is typed.
fn candidates(typed: &OsStr, of: fn(&Project) -> Vec<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let project = project(words.collect());
    let names = project.as_ref().map(of).unwrap_or_default();
    let names = names.into_iter().filter(|name| name.starts_with(&*typed));
    names.map(CompletionCandidate::new).collect()
}

/// The project of a command line that is being typed.
fn project(words: Vec<OsString>) -> Option<Project> {
    let typed = parse::command().ignore_errors(true);
    let typed = typed.try_get_matches_from(words).ok()?;
    let paths = |id: &str| all::<PathBuf>(&typed, id);
    let one = |id: &str| typed.try_get_one::<PathBuf>(id).ok().flatten().cloned();
    let files = paths("files");
    // It would be waited for.
    if files.iter().any(|file| file == Path::new("-")) {
        return None;
    }
    let environment = std::env::vars_os();
    let environment = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let options = LoadOptions {
        working_dir: std::env::current_dir().ok()?,
        files,
        project_directory: one("project_directory"),
        env_files: paths("env_files"),
        profiles: vec!["*".to_owned()],
        without_env_files: true,
        environment: environment.collect(),
        ..LoadOptions::default()
    };
    compose::load(&options).ok()
}

fn all<T: Clone + Send + Sync + 'static>(typed: &ArgMatches, id: &str) -> Vec<T> {
    let values = typed.try_get_many::<T>(id).ok().flatten();
    values.into_iter().flatten().cloned().collect()
}
