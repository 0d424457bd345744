//! `larder exec`: a command in a service's container, with this process's streams. Its exit code is larder's.

use super::invocation::Invocation;
use super::stack;
use crate::docker::ExecOptions;
use crate::failure::Failure;
use crate::plan::State;
use crate::runtime::Engine;
use crate::settings::Environment;
use clap::Args;

/// `larder exec`.
#[derive(Args, Debug)]
pub struct Exec {
    /// No terminal for the command; the default when standard input is none
    #[arg(short = 'T', long = "no-tty")]
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

fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('=') {
        return Err("the variable has no name".to_owned());
    }
    Ok(text.to_owned())
}

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
        user: args.user,
        working_dir: args.workdir,
        environment: variables(args.env, &invocation.environment),
    };
    let code = engine.exec(&container.id, options).await?;
    // Codes are one byte here; what does not fit must not turn into success.
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
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
