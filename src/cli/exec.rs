//! `larder exec`: a command in a service's container, with this process's streams. Its exit code is larder's.

use super::args::Exec;
use super::invocation::Invocation;
use super::stack;
use crate::docker::ExecOptions;
use crate::failure::Failure;
use crate::plan::State;
use crate::runtime::Engine;

pub(super) async fn exec(invocation: &Invocation, args: Exec) -> Result<u8, Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let service = std::slice::from_ref(&args.service);
    let chosen = stack::of_services(&observed.containers, service, &named.services())?;
    let container = chosen
        .into_iter()
        .find(|container| matches!(container.state, State::Running(_)))
        .ok_or_else(|| Failure::NotRunning(args.service.clone()))?;
    let options = ExecOptions {
        command: args.command,
        tty: !args.no_tty && invocation.screen.reads_terminal(),
        interactive: true,
        ..ExecOptions::default()
    };
    let code = engine.exec(&container.id, options).await?;
    // Codes are one byte here; what does not fit must not turn into success.
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
