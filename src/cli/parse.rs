//! From the words that were typed to a command line; what clap says of those that are none, with tips that help.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::args::Cli;
use super::completion;

/// The command line of this process. Ends it where there is none: a shell asks, help was asked for, or it is wrong.
pub fn parse() -> Cli {
    completion::answer();
    parse_from(std::env::args_os()).unwrap_or_else(|error| with_tips(error).exit())
}

/// The project's name where it is typed behind a command.
const NAME_BEHIND: &str = "project_name_behind";

/// All that can be typed. `-p` names the project behind a command, too, but for those that have the letter for something
/// else, which clap has no word for.
pub(super) fn command() -> Command {
    Cli::command().mut_subcommands(|command| {
        let taken = command.get_arguments();
        let taken = taken.into_iter().any(|own| own.get_short() == Some('p'));
        let name = Arg::new(NAME_BEHIND)
            .long("project-name")
            .value_name("NAME")
            .display_order(102)
            .help("The project's name, in place of the folder's [env: COMPOSE_PROJECT_NAME]");
        command.arg(if taken { name } else { name.short('p') })
    })
}

/// The command line of these words.
pub(super) fn parse_from<T>(words: impl IntoIterator<Item = T>) -> Result<Cli, Error>
where
    T: Into<OsString> + Clone,
{
    let matches = command().try_get_matches_from(words)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some((word, behind)) = matches.subcommand() {
        word.clone_into(&mut cli.global.word);
        if let Some(name) = behind.get_one::<String>(NAME_BEHIND) {
            cli.global.project_name = Some(name.clone());
        }
    }
    Ok(cli)
}

/// Takes out that an unknown option could be passed as a value, which is never what was meant, and says where the options
/// stand that go for every command.
fn with_tips(mut error: Error) -> Error {
    let mut tips = match error.remove(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips,
        _ => Vec::new(),
    };
    tips.retain(|tip| !tip.to_string().contains(" as a value, "));
    let mut own = command();
    if is_one_of(&own, &error) {
        // What it resembles is something else.
        error.remove(ContextKind::SuggestedArg);
        tips.push(StyledStr::from("put it before the command"));
        let usage = ContextValue::StyledStr(own.render_usage());
        error.insert(ContextKind::Usage, usage);
    }
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// Whether the unknown option is one of larder's own: in front of the command it were none.
fn is_one_of(own: &Command, error: &Error) -> bool {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    own.get_arguments().any(|own| {
        let long = own.get_long().map(|long| format!("--{long}"));
        let short = own.get_short().map(|short| format!("-{short}"));
        long.as_ref() == Some(unknown) || short.as_ref() == Some(unknown)
    })
}
