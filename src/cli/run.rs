//! From a command line to an exit code: the one place where failures are printed.

use super::args::{Cli, Command};
use super::invocation::Invocation;
use super::turn::Turn;
use super::{build, config, down, exec, fingerprint, logs, plan, ps, turn, up};
use crate::failure::Failure;
use crate::settings::Environment;
use crate::term::Screen;

/// Carries out a command; the exit code.
pub async fn run(cli: Cli, environment: Environment) -> u8 {
    let screen = Screen::new(&environment);
    screen.trace(cli.global.verbose);
    let Cli { global, command } = cli;
    let folder = match std::env::current_dir() {
        Ok(folder) => folder,
        Err(error) => return tell(&Failure::Folder(error), &screen, "/".as_ref()),
    };
    let invocation = Invocation::new(global, environment, folder, screen);
    let ended = Box::pin(dispatch(&invocation, command)).await;
    let fault = invocation.screen.fault();
    let ended = ended.and_then(|code| fault.map_or(Ok(code), |error| Err(Failure::Output(error))));
    match ended {
        Ok(code) => code,
        Err(failure) => tell(&failure, &invocation.screen, &invocation.folder),
    }
}

/// Carries out a command; the exit code, which only `exec` has from elsewhere.
async fn dispatch(invocation: &Invocation, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Exec(args) => return exec::exec(invocation, args).await,
        Command::Up(args) => Box::pin(up::up(invocation, &args)).await?,
        Command::Plan(args) => plan::plan(invocation, &args).await?,
        Command::Fingerprint(args) => fingerprint::fingerprint(invocation, &args).await?,
        Command::Build(args) => build::build(invocation, &args).await?,
        Command::Config(args) => config::config(invocation, &args)?,
        Command::Ps(args) => ps::ps(invocation, &args).await?,
        Command::Logs(args) => logs::logs(invocation, &args).await?,
        Command::Restart(args) => turn::turn(invocation, &args, Turn::Restart).await?,
        Command::Stop(args) => turn::turn(invocation, &args, Turn::Stop).await?,
        Command::Start(args) => turn::turn(invocation, &args, Turn::Start).await?,
        Command::Down(args) => down::down(invocation, &args).await?,
    }
    Ok(0)
}

fn tell(failure: &Failure, screen: &Screen, folder: &std::path::Path) -> u8 {
    for message in failure.messages() {
        message.error(screen, folder);
    }
    failure.kind().code()
}
