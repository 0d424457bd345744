//! `larder create`: containers as `up` makes them, none of them started.

use clap::Args;

use super::asked::Asked;
use super::invocation::Invocation;
use super::up::{Up, up};
use crate::failure::Failure;

/// `larder create`.
#[derive(Args, Debug)]
pub struct Create {
    /// The services, with all that they depend on; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Accepted and changes nothing: larder always builds what changed
    #[arg(long, conflicts_with = "no_build")]
    pub build: bool,
    /// Fail where an image must be built
    #[arg(long)]
    pub no_build: bool,
    /// What else is asked for.
    #[command(flatten)]
    pub asked: Asked,
}

pub(super) async fn create(invocation: &Invocation, args: Create) -> Result<(), Failure> {
    let args = Up {
        services: args.services,
        no_build: args.no_build,
        asked: args.asked,
        no_start: true,
        ..Up::default()
    };
    up(invocation, &args).await.map(drop)
}
