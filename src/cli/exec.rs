//! `larder exec`: a command in a service's container, with this process's streams. Its exit code is larder's.

use super::invocation::Invocation;
use super::number::at_least;
use super::stack;
use crate::docker::ExecOptions;
use crate::failure::{Failure, handed_on};
use crate::plan::{Container, State};
use crate::settings::Environment;
use clap::Args;

/// `larder exec`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Exec {
    /// Leave it to itself, and return
    #[arg(short, long)]
    pub detach: bool,
    /// Which of the service's containers, by its number; the first that runs when absent
    #[arg(long, value_name = "N", value_parser = at_least::<1, u32>)]
    pub index: Option<u32>,
    /// Give it all the engine's privileges
    #[arg(long)]
    pub privileged: bool,
    /// No terminal for the command; the default when standard input is none
    #[arg(short = 'T', long = "no-tty", aliases = ["no-TTY"])]
    pub no_tty: bool,
    /// Accepted and changes nothing: a terminal is lent where there is one
    #[arg(short, long)]
    pub interactive: bool,
    /// Accepted and changes nothing: a terminal is lent where there is one
    #[arg(short, long)]
    pub tty: bool,
    /// The user that the command runs as, in place of the container's
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// A variable for the command; with its name alone, the value that it has here
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = variable)]
    pub env: Vec<String>,
    /// The folder that the command starts in, in place of the container's
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The service
    pub service: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

pub(super) fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('=') {
        return Err("the variable has no name".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) async fn exec(invocation: &Invocation, args: Exec) -> Result<u8, Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let listed = engine.list(Some(&named.name), true).await?;
    let containers: Vec<Container> = listed.into_iter().map(|own| own.container).collect();
    let service = std::slice::from_ref(&args.service);
    let chosen = stack::of_services(&containers, service, &named.services())?;
    let runs = |own: &&Container| matches!(own.state, State::Running(_));
    let mut once = containers
        .iter()
        .filter(|own| own.one_off && own.service == args.service);
    // One of `run` where there is no other, as with docker compose.
    let once = once.find(runs).filter(|_| args.index.is_none());
    let container = match once {
        Some(once) if !chosen.iter().any(|own| own.state.is_running()) => once,
        _ => the_running(chosen, &args.service, args.index)?,
    };
    let detach = args.detach;
    let options = ExecOptions {
        command: args.command,
        tty: !args.no_tty && !detach && invocation.screen.reads_terminal(),
        interactive: !detach,
        privileged: args.privileged,
        user: args.user,
        working_dir: args.workdir,
        environment: variables(args.env, &invocation.environment),
    };
    if detach {
        engine.exec_detached(&container.id, options).await?;
        return Ok(0);
    }
    let code = engine.exec(&container.id, options).await?;
    Ok(handed_on(code))
}

/// The container that is meant: one that runs.
pub(super) fn the_running<'a>(
    containers: Vec<&'a Container>,
    service: &str,
    number: Option<u32>,
) -> Result<&'a Container, Failure> {
    let mut meant = stack::numbered(containers, service, number)?;
    let runs = |container: &&Container| matches!(container.state, State::Running(_));
    if let Some(running) = meant.iter().copied().find(runs) {
        return Ok(running);
    }
    // One that lives and takes no command is nearest to what is meant.
    meant.sort_by_key(|container| !container.state.is_running());
    let Some(container) = meant.first() else {
        return Err(Failure::NotRunning(service.to_owned()));
    };
    let name = &container.name;
    let (is, hint) = match container.state {
        State::Paused => ("paused", format!("`larder unpause {service}` resumes it")),
        State::Restarting => ("restarting", format!("`larder logs {service}` may say why")),
        State::Created => ("not started", format!("`larder start {service}` starts it")),
        _ => ("not running", format!("`larder start {service}` starts it")),
    };
    Err(Failure::Halted {
        text: format!("container `{name}` is {is}"),
        hint,
    })
}

/// A name alone takes the value that it has here. Where it has none the engine takes the name for a variable that the
/// command is not to have, as with docker compose.
fn variables(given: Vec<String>, environment: &Environment) -> Vec<String> {
    let with_value = |given: String| match environment.get(&given) {
        Some(value) => format!("{given}={value}"),
        None => given,
    };
    given.into_iter().map(with_value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_takes_the_value_of_here() {
        let here = [("A", "1"), ("B", "2")];
        let here = here.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = ["A", "B=", "NONE"].map(ToOwned::to_owned).to_vec();
        assert_eq!(variables(given, &here.into()), ["A=1", "B=", "NONE"]);
    }
}
