//! Commands run in a container: a probe whose output nobody sees, a hook of the service, and a person's own.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};

use super::Docker;
use super::connect::{CHANGE, QUICK};
use super::container::short;
use super::lines::{Lines, LogLine, plain};
use super::streams::{Broken, Input, pump};
use super::terminal::{Raw, sizes};
use crate::model::Hook;
use crate::runtime::{EngineError, HookEnd, Progress};

/// So much of what a hook prints is kept for an error.
const LAST_LINES: usize = 20;

/// A command for a container.
#[derive(Clone, Debug, Default)]
pub struct ExecOptions {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it gets this program's standard input.
    pub interactive: bool,
    /// The user it runs as; the container's when absent.
    pub user: Option<String>,
    /// The folder it starts in; the container's when absent.
    pub working_dir: Option<String>,
    /// More environment, `NAME=value`.
    pub environment: Vec<String>,
    /// Whether it has all the engine's privileges.
    pub privileged: bool,
}

impl ExecOptions {
    /// As the engine takes it; `attached` says whether anybody sees what it prints.
    fn request(self, attached: bool) -> CreateExecOptions<String> {
        CreateExecOptions {
            cmd: Some(self.command),
            attach_stdin: Some(self.interactive && attached),
            attach_stdout: Some(attached),
            attach_stderr: Some(attached),
            tty: Some(self.tty),
            env: Some(self.environment),
            privileged: Some(self.privileged),
            user: self.user,
            working_dir: self.working_dir,
            ..CreateExecOptions::default()
        }
    }
}

impl Docker {
    /// Starts a command; its ID, and what it prints.
    async fn begin_exec(
        &self,
        container: &str,
        request: CreateExecOptions<String>,
        action: &str,
    ) -> Result<(String, StartExecResults), EngineError> {
        let call = self.client.create_exec(container, request);
        let id = self.call(QUICK, action, call).await?.id;
        let call = self.client.start_exec(&id, None::<StartExecOptions>);
        let started = self.call(CHANGE, action, call).await?;
        Ok((id, started))
    }

    pub(super) async fn probe_container(
        &self,
        container: &str,
        command: &[String],
    ) -> Result<i64, EngineError> {
        let action = format!("probing container `{}`", short(container));
        let request = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let (id, started) = self.begin_exec(container, request, &action).await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while self.piece(&mut output, &action).await?.is_some() {}
        }
        self.exit_code(&id, &action).await
    }

    /// The next piece of what a command prints. It may say nothing for as long as it likes; the engine may not.
    async fn piece(
        &self,
        pieces: &mut (impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin),
        action: &str,
    ) -> Result<Option<LogOutput>, EngineError> {
        loop {
            match tokio::time::timeout(QUICK, pieces.next()).await {
                Ok(piece) => {
                    let piece = piece.transpose();
                    return piece.map_err(|error| self.failed(action, error));
                }
                Err(_) if self.answers().await => {}
                Err(_) => return Err(self.silent(action, QUICK)),
            }
        }
    }

    pub(super) async fn hook(
        &self,
        container: &str,
        hook: &Hook,
        progress: &Progress,
    ) -> Result<HookEnd, EngineError> {
        let action = format!("running a hook in container `{}`", short(container));
        // A name alone takes the container's variable away, as at create.
        let variables = hook.environment.iter();
        let variables = variables.map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        let request = CreateExecOptions {
            cmd: hook.command.clone(),
            env: Some(variables.collect()),
            user: hook.user.clone(),
            privileged: hook.privileged,
            working_dir: hook.working_dir.clone(),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let (id, started) = self.begin_exec(container, request, &action).await?;
        let mut output = Vec::new();
        if let StartExecResults::Attached {
            output: mut pieces, ..
        } = started
        {
            let mut lines = Lines::default();
            let mut tell = |read: Vec<LogLine>| {
                for line in read {
                    let line = plain(&line.text);
                    progress.output(&line);
                    output.push(line);
                }
                output.drain(..output.len().saturating_sub(LAST_LINES));
            };
            while let Some(piece) = self.piece(&mut pieces, &action).await? {
                tell(lines.push(&piece));
            }
            tell(lines.finish());
        }
        let code = self.exit_code(&id, &action).await?;
        Ok(HookEnd { code, output })
    }

    /// Runs a command in a container to its end, with this program's standard streams; its exit code. It is 0 when
    /// whoever reads them went away before.
    ///
    /// With `tty` and a terminal on standard input, the terminal is raw while the command runs, and its size
    /// follows.
    ///
    /// # Errors
    /// The container does not run, or the engine refuses the command.
    pub async fn exec(&self, container: &str, options: ExecOptions) -> Result<i64, EngineError> {
        let action = format!("running a command in container `{}`", short(container));
        let (tty, interactive) = (options.tty, options.interactive);
        let call = self.client.create_exec(container, options.request(true));
        let id = self.call(QUICK, &action, call).await?.id;
        let start = StartExecOptions {
            tty,
            ..StartExecOptions::default()
        };
        let call = self.client.start_exec(&id, Some(start));
        let started = self.call(CHANGE, &action, call).await?;
        if let StartExecResults::Attached { output, input } = started {
            let raw = if tty && interactive {
                Raw::enter().map_err(|error| self.failed(&action, error.into()))?
            } else {
                None
            };
            let gets = if interactive {
                Input::Whole
            } else {
                Input::None
            };
            let streams = tokio::select! {
                streams = pump(output, input, gets) => streams,
                never = self.follow_size(&id, tty) => match never {},
            };
            drop(raw);
            match streams {
                Ok(_) => {}
                // What the command does now is its own affair.
                Err(Broken::Reader) => return Ok(0),
                Err(broken) => return Err(self.broken(&action, broken)),
            }
        }
        self.exit_code(&id, &action).await
    }

    /// Starts a command in a container and leaves it to itself.
    ///
    /// # Errors
    /// The container does not run, or the engine refuses the command.
    pub async fn exec_detached(
        &self,
        container: &str,
        options: ExecOptions,
    ) -> Result<(), EngineError> {
        let action = format!("running a command in container `{}`", short(container));
        let start = StartExecOptions {
            detach: true,
            tty: options.tty,
            ..StartExecOptions::default()
        };
        let call = self.client.create_exec(container, options.request(false));
        let id = self.call(QUICK, &action, call).await?.id;
        let call = self.client.start_exec(&id, Some(start));
        self.call(CHANGE, &action, call).await.map(drop)
    }

    /// Keeps the size of a command's terminal that of the person's.
    async fn follow_size(&self, exec: &str, tty: bool) -> std::convert::Infallible {
        let mut sizes = sizes(tty);
        loop {
            let (width, height) = sizes.next().await;
            let size = ResizeExecOptions { height, width };
            // A terminal of the wrong size is better than none.
            let _ = self.client.resize_exec(exec, size).await;
        }
    }

    /// The exit code of a command whose output ended. The engine takes a moment to note it.
    async fn exit_code(&self, exec: &str, action: &str) -> Result<i64, EngineError> {
        let mut pause = Duration::from_millis(1);
        loop {
            let found = self.ask(action, || self.client.inspect_exec(exec)).await?;
            match found.exit_code {
                Some(code) if found.running != Some(true) => return Ok(code),
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}
