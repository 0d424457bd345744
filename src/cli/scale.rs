//! `larder scale`: another number of containers for services, those that are there kept as they are.

use clap::Args;

use super::asked::{Asked, Scale, scale};
use super::invocation::Invocation;
use super::up::{Up, up};
use crate::failure::Failure;

/// `larder scale`.
#[derive(Args, Debug)]
pub struct ScaleArgs {
    /// Leave out what the services depend on
    #[arg(long)]
    pub no_deps: bool,
    /// The services, each with how many containers it is to have
    #[arg(value_name = "SERVICE=N", required = true, value_parser = scale)]
    pub scale: Vec<Scale>,
}

pub(super) async fn scale_to(invocation: &Invocation, args: ScaleArgs) -> Result<(), Failure> {
    let services = args.scale.iter().map(|own| own.service.clone());
    let args = Up {
        services: services.collect(),
        asked: Asked {
            no_deps: args.no_deps,
            no_recreate: true,
            scale: args.scale,
            ..Asked::default()
        },
        ..Up::default()
    };
    up(invocation, &args).await.map(drop)
}
