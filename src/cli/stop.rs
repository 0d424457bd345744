//! `larder stop`: containers turned off, those that depend on others first.

use clap::Args;

use super::invocation::Invocation;
use super::number::at_least;
use super::turn::{Turn, turn};
use crate::failure::Failure;

/// `larder stop`.
#[derive(Args, Debug)]
pub struct Stop {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// How long each has until it is killed, in place of its own grace period
    #[arg(short, long, value_name = "SECONDS", value_parser = at_least::<0, u32>)]
    pub timeout: Option<u32>,
}

pub(super) async fn stop(invocation: &Invocation, args: &Stop) -> Result<(), Failure> {
    let grace = args.timeout;
    turn(invocation, &args.services, Turn::Stop { grace }).await
}
