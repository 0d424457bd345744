//! From a command line to an exit code: the one place where failures are printed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Cli, Command};
use super::invocation::Invocation;
use super::{
    attach, build, completion, config, cp, create, doctor, down, events, exec, export, fingerprint,
    gc, images, init, kill, load, lock, logs, ls, man, one_off, pause, plan, port, prewarm, ps,
    pull, restart, rm, scale, start, stop, top, up, volumes, wait, why,
};
use crate::failure::Failure;
use crate::settings::{Environment, Progress};
use crate::term::Screen;

/// Carries out a command; the exit code.
pub async fn run(cli: Cli, environment: Environment) -> u8 {
    let screen = Arc::new(Screen::new(&environment));
    screen.trace(cli.global.verbose);
    let Cli { global, command } = cli;
    let folder = match std::env::current_dir() {
        Ok(physical) => as_entered(environment.get("PWD"), physical),
        Err(error) => return tell(&Failure::Folder(error), &screen, "/".as_ref()),
    };
    let invocation = Invocation::new(global, environment, folder, screen);
    let events = invocation.global.progress == Some(Progress::Json) && tells_events(&command);
    let ended = Box::pin(dispatch(&invocation, command)).await;
    let fault = invocation.screen.fault();
    let ended = ended.and_then(|code| fault.map_or(Ok(code), |error| Err(Failure::Output(error))));
    match ended {
        Ok(code) => code,
        Err(failure) => {
            let (screen, folder) = (&invocation.screen, &invocation.folder);
            let code = tell(&failure, screen, folder);
            for message in failure.messages().iter().filter(|_| events) {
                message.print_json(screen, folder, code);
            }
            code
        }
    }
}

/// The current folder by the name that it was entered by, as docker compose has it (Go's `os.Getwd`): behind a symbolic
/// link the project's name and the sources of its mounts are the link's.
fn as_entered(pwd: Option<&String>, physical: PathBuf) -> PathBuf {
    let node = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let entered = pwd.map(PathBuf::from).filter(|path| path.is_absolute());
    entered
        .filter(|path| node(path).is_some_and(|found| Some(found) == node(&physical)))
        .unwrap_or(physical)
}

/// Whether a command's standard output is the events of its run, and nothing else.
fn tells_events(command: &Command) -> bool {
    use Command::{
        Build, Create, Down, Kill, Pause, Pull, Restart, Rm, Scale, Start, Stop, Unpause, Up,
    };
    matches!(
        command,
        Up(_)
            | Create(_)
            | Scale(_)
            | Pull(_)
            | Build(_)
            | Restart(_)
            | Stop(_)
            | Start(_)
            | Down(_)
            | Kill(_)
            | Pause(_)
            | Unpause(_)
            | Rm(_)
    )
}

/// Carries out a command; the exit code, which only `exec` and `wait` have from elsewhere and `why` an answer in.
async fn dispatch(invocation: &Invocation, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Up(args) => return Box::pin(up::up(invocation, &args)).await,
        Command::Exec(args) => return exec::exec(invocation, args).await,
        Command::Wait(args) => return wait::wait(invocation, &args).await,
        Command::Attach(args) => return Box::pin(attach::attach(invocation, &args)).await,
        Command::Run(args) => return Box::pin(one_off::run_once(invocation, *args)).await,
        Command::Export(args) => return Box::pin(export::export(invocation, args)).await,
        Command::Why(args) => return why::why(invocation, &args).await,
        Command::Doctor(args) => return doctor::doctor(invocation, &args).await,
        Command::Create(args) => Box::pin(create::create(invocation, args)).await?,
        Command::Scale(args) => Box::pin(scale::scale_to(invocation, args)).await?,
        Command::Plan(args) => plan::plan(invocation, &args).await?,
        Command::Fingerprint(args) => fingerprint::fingerprint(invocation, &args).await?,
        Command::Build(args) => build::build(invocation, &args).await?,
        Command::Lock(args) => Box::pin(lock::lock(invocation, &args)).await?,
        Command::Prewarm(args) => Box::pin(prewarm::prewarm(invocation, &args)).await?,
        Command::Load(args) => Box::pin(load::load(invocation, &args)).await?,
        Command::Init(args) => init::init(invocation, &args)?,
        Command::Config(args) => config::config(invocation, &args).await?,
        Command::Ps(args) => ps::ps(invocation, &args).await?,
        Command::Pull(args) => Box::pin(pull::pull(invocation, &args)).await?,
        Command::Ls(args) => ls::ls(invocation, &args).await?,
        Command::Images(args) => images::images(invocation, &args).await?,
        Command::Volumes(args) => volumes::volumes(invocation, &args).await?,
        Command::Events(args) => events::events(invocation, &args).await?,
        Command::Logs(args) => logs::logs(invocation, &args).await?,
        Command::Restart(args) => restart::restart(invocation, &args).await?,
        Command::Stop(args) => stop::stop(invocation, &args).await?,
        Command::Start(args) => start::start(invocation, &args).await?,
        Command::Port(args) => port::port(invocation, &args).await?,
        Command::Top(args) => top::top(invocation, &args).await?,
        Command::Cp(args) => Box::pin(cp::cp(invocation, &args)).await?,
        Command::Kill(args) => kill::kill(invocation, &args).await?,
        Command::Pause(args) => pause::pause(invocation, &args).await?,
        Command::Unpause(args) => pause::unpause(invocation, &args).await?,
        Command::Rm(args) => rm::rm(invocation, &args).await?,
        Command::Down(args) => down::down(invocation, &args).await?,
        Command::Gc(args) => Box::pin(gc::gc(invocation, &args)).await?,
        Command::Completion(args) => completion::completion(invocation, &args)?,
        Command::Man(args) => man::man(invocation, &args)?,
    }
    Ok(0)
}

fn tell(failure: &Failure, screen: &Screen, folder: &Path) -> u8 {
    for (number, message) in failure.messages().iter().enumerate() {
        if number > 0 {
            // What a message shows above it would look like the one before's.
            screen.err("\n");
        }
        message.error(screen, folder);
    }
    failure.kind().code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_behind_a_link_keeps_the_name_of_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let entered = |pwd: &Path| as_entered(Some(&pwd.display().to_string()), real.clone());
        assert_eq!(entered(&link), link);
        for other in [folder.path(), Path::new("."), Path::new("/nowhere")] {
            assert_eq!(entered(other), real);
        }
        assert_eq!(as_entered(None, real.clone()), real);
    }
}
