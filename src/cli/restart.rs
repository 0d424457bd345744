//! `larder restart`: containers turned off and on again, with those that go with them.

use clap::Args;

use super::invocation::Invocation;
use super::number::at_least;
use super::turn::{Turn, turn};
use crate::failure::Failure;

/// `larder restart`.
#[derive(Args, Debug)]
pub struct Restart {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// How long each has until it is killed, in place of its own grace period
    #[arg(short, long, value_name = "SECONDS", value_parser = at_least::<0, u32>)]
    pub timeout: Option<u32>,
    /// Leave those as they are that are restarted with it
    #[arg(long)]
    pub no_deps: bool,
}

pub(super) async fn restart(invocation: &Invocation, args: &Restart) -> Result<(), Failure> {
    let how = Turn::Restart {
        grace: args.timeout,
        alone: args.no_deps,
    };
    turn(invocation, &args.services, how).await
}
