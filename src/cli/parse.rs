//! From the words that were typed to a command line; what clap says of those that are none, with tips that help.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, Error, Parser};

use super::args::Cli;

/// The command line of this process. Ends it where there is none: help was asked for, or it is wrong.
pub fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| with_tips(error).exit())
}

/// Takes out that an unknown option could be passed as a value, which is never what was meant, and says where the options
/// stand that go for every command.
fn with_tips(mut error: Error) -> Error {
    let mut tips = match error.remove(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips,
        _ => Vec::new(),
    };
    tips.retain(|tip| !tip.to_string().contains(" as a value, "));
    let mut own = Cli::command();
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
