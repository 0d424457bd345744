//! `larder attach`: this process's streams on a service's container that runs. Its exit code is larder's.

use clap::Args;

use super::exec::the_running;
use super::invocation::Invocation;
use super::number::at_least;
use super::stack;
use crate::docker::{AttachEnd, AttachOptions};
use crate::failure::{Failure, handed_on};
use crate::plan::Container;

/// `larder attach`.
#[derive(Args, Debug)]
pub struct Attach {
    /// Which of the service's containers, by its number; the first that runs when absent
    #[arg(long, value_name = "N", value_parser = at_least::<1, u32>)]
    pub index: Option<u32>,
    /// Without standard input
    #[arg(long)]
    pub no_stdin: bool,
    /// Whether signals go to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    pub sig_proxy: bool,
    /// The service
    pub service: String,
}

pub(super) async fn attach(invocation: &Invocation, args: &Attach) -> Result<u8, Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let listed = engine.list(Some(&named.name), true).await?;
    let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
    let service = std::slice::from_ref(&args.service);
    let chosen = stack::of_services(&containers, service, &named.services())?;
    let container = the_running(chosen, &args.service, args.index)?;
    let (tty, stdin) = engine.takes_input(&container.id).await?;
    let options = AttachOptions {
        tty,
        interactive: stdin && !args.no_stdin,
        starts: false,
        removed: false,
        signals: args.sig_proxy,
    };
    let lent = args.sig_proxy.then(|| invocation.interrupt.lend());
    let slow = || invocation.warning("the container goes on; once more leaves it");
    let ended = engine.run_attached(&container.id, options, slow).await;
    drop(lent);
    match ended? {
        AttachEnd::Exited(code) => Ok(handed_on(code)),
        AttachEnd::Left => Ok(0),
        AttachEnd::Interrupted => Err(Failure::Interrupted),
    }
}
