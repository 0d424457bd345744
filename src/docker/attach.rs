//! A container with this program's streams, its terminal and its signals, followed to its end. To one that is made and not
//! started yet somebody is attached before it starts, so that nothing that it prints is lost.

use std::io::ErrorKind;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::errors::Error;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, KillContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::Docker;
use super::connect::CHANGE;
use super::container::short;
use super::streams::{Broken, Ended, Input, pump};
use super::terminal::{Raw, sizes};
use crate::runtime::EngineError;

/// How long a container may run.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);
/// How long one may go on after it was asked to end, before a person is told how to end it.
const SLOW: Duration = Duration::from_secs(1);
/// How long after its output the end of a container may come, where somebody may have left it to itself.
const LEFT: Duration = Duration::from_millis(500);
/// How long the end of a container is waited for before it is looked at.
const UNHEARD: Duration = Duration::from_secs(1);
/// How often a terminal that just came to be is given its size, and the pause between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// How a container is attached to.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct AttachOptions {
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it gets this program's standard input.
    pub interactive: bool,
    /// Whether it is to be started; it runs otherwise.
    pub starts: bool,
    /// Whether the engine removes it when it ends.
    pub removed: bool,
    /// Whether signals are handed on to it.
    pub signals: bool,
}

/// How an attached container went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// It ended with this code.
    Exited(i64),
    /// It runs on: whoever was attached left it to itself, or reads no more.
    Left,
    /// Somebody asked twice for its end: one that was started for this is killed, any other goes on.
    Interrupted,
}

impl Docker {
    /// Has this program's streams on a container until it ends, from its start on where it does not run. Where a signal that
    /// ends a program comes twice, that is the end. `slow` is called when it goes on for a while after the first.
    ///
    /// # Errors
    /// It cannot be started, or the engine is lost.
    pub async fn run_attached(
        &self,
        container: &str,
        options: AttachOptions,
        slow: impl Fn(),
    ) -> Result<AttachEnd, EngineError> {
        let action = format!("attaching to container `{}`", short(container));
        let request = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(options.interactive)
            .stdout(true)
            .stderr(true)
            .build();
        let call = self.client.attach_container(container, Some(request));
        let AttachContainerResults { output, input } = self.call(CHANGE, &action, call).await?;
        let end = self.end_of(container, options);
        let mut signals = signals();
        let raw = if options.tty && options.interactive {
            Raw::enter().map_err(|error| self.failed(&action, error.into()))?
        } else {
            None
        };
        if options.starts {
            self.start_container(container).await?;
        }
        let gets = match (options.interactive, options.starts) {
            (false, _) => Input::None,
            (true, false) => Input::Endless,
            (true, true) => Input::Whole,
        };
        let run = async {
            match pump(output, input, gets).await {
                Ok(Ended::ByItself) => self.end_code(container, &action, end).await,
                Ok(Ended::Left) => match timeout(LEFT, end).await {
                    Ok(end) => self.left(&action, end),
                    Err(_) => Ok(AttachEnd::Left),
                },
                Err(Broken::Reader) => Ok(AttachEnd::Left),
                Err(broken) => Err(self.broken(&action, broken)),
            }
        };
        let ended = tokio::select! {
            ended = run => ended,
            never = self.follow_container_size(container, options) => match never {},
            () = self.hand_on(container, &mut signals, options, slow) => {
                Ok(AttachEnd::Interrupted)
            }
        };
        drop(raw);
        ended
    }

    /// Whether a container has a terminal, and whether it takes input.
    ///
    /// # Errors
    /// The engine does not answer, or it is gone.
    pub async fn takes_input(&self, container: &str) -> Result<(bool, bool), EngineError> {
        let config = self.look(container).await?.config.unwrap_or_default();
        let is = |switch: Option<bool>| switch == Some(true);
        Ok((is(config.tty), is(config.open_stdin)))
    }

    /// The code with which a container will end. It is asked for before the container runs: one that the engine removes
    /// cannot be asked afterwards.
    fn end_of(&self, container: &str, options: AttachOptions) -> JoinHandle<Result<i64, Error>> {
        let client = self.patient(FOR_EVER);
        let condition = match (options.removed, options.starts) {
            (true, _) => "removed",
            (false, true) => "next-exit",
            (false, false) => "not-running",
        };
        let options = WaitContainerOptionsBuilder::new().condition(condition);
        let (container, options) = (container.to_owned(), options.build());
        tokio::spawn(async move {
            let mut ends = client.wait_container(&container, Some(options));
            match ends.next().await {
                Some(Ok(end)) => Ok(end.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(error)) => Err(error),
                None => Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            }
        })
    }

    /// The code of a container whose output has ended. Where it was over before the engine heard what is asked of its end,
    /// there is no answer to that, and it is looked at.
    async fn end_code(
        &self,
        container: &str,
        action: &str,
        mut end: JoinHandle<Result<i64, Error>>,
    ) -> Result<AttachEnd, EngineError> {
        loop {
            if let Ok(end) = timeout(UNHEARD, &mut end).await {
                return self.left(action, end);
            }
            let now = match self.condition(container).await {
                // It was removed as it ended: the answer is on its way.
                Err(
                    gone @ EngineError::Refused {
                        status: Some(404), ..
                    },
                ) => match timeout(UNHEARD, &mut end).await {
                    Ok(end) => return self.left(action, end),
                    Err(_) => return Err(gone),
                },
                now => now?,
            };
            if !now.running && !now.restarting {
                return Ok(AttachEnd::Exited(now.exit_code));
            }
        }
    }

    fn left(
        &self,
        action: &str,
        end: Result<Result<i64, Error>, JoinError>,
    ) -> Result<AttachEnd, EngineError> {
        match end {
            Ok(code) => code
                .map(AttachEnd::Exited)
                .map_err(|error| self.failed(action, error)),
            Err(error) => Err(EngineError::Refused {
                action: action.to_owned(),
                status: None,
                source: error.into(),
            }),
        }
    }

    /// Keeps the size of a container's terminal that of the person's.
    async fn follow_container_size(
        &self,
        container: &str,
        options: AttachOptions,
    ) -> std::convert::Infallible {
        let mut sizes = sizes(options.tty);
        let mut drawn = options.starts;
        loop {
            let (width, height) = sizes.next().await;
            if !std::mem::replace(&mut drawn, true) {
                // What runs already draws itself anew when its size is another.
                let other = ResizeContainerTTYOptionsBuilder::new()
                    .h(i32::from(height) + 1)
                    .w(width.into())
                    .build();
                let _ = self.client.resize_container_tty(container, other).await;
            }
            let size = ResizeContainerTTYOptionsBuilder::new()
                .h(height.into())
                .w(width.into())
                .build();
            // Its terminal may take a moment to be there. One of the wrong size is better than none.
            for _ in 0..TRIES {
                let resized = self.client.resize_container_tty(container, size.clone());
                if resized.await.is_ok() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Hands signals on to a container, until it was asked twice to end.
    async fn hand_on(
        &self,
        container: &str,
        signals: &mut Signals,
        options: AttachOptions,
        slow: impl Fn(),
    ) {
        if !options.signals {
            return std::future::pending().await;
        }
        let mut asked = false;
        let mut tell = None;
        loop {
            let due = tell.unwrap_or_else(Instant::now);
            let signal = tokio::select! {
                Some(signal) = signals.recv() => signal,
                () = sleep_until(due), if tell.is_some() => {
                    tell = None;
                    slow();
                    continue;
                }
                else => std::future::pending().await,
            };
            let ends = ["SIGINT", "SIGTERM"].contains(&signal);
            if ends && asked && !options.starts {
                return;
            }
            let signal = if ends && asked { "SIGKILL" } else { signal };
            let options = KillContainerOptionsBuilder::new().signal(signal).build();
            // One that has ended meanwhile needs none.
            let _ = self.client.kill_container(container, Some(options)).await;
            if ends && asked {
                return;
            }
            if ends {
                asked = true;
                tell = Some(Instant::now() + SLOW);
            }
        }
    }
}

/// The signals that this program gets, by their names.
type Signals = mpsc::UnboundedReceiver<&'static str>;

/// Listens from the call on. One that cannot be listened for never comes.
fn signals() -> Signals {
    let (sender, receiver) = mpsc::unbounded_channel();
    let kinds = [
        (SignalKind::interrupt(), "SIGINT"),
        (SignalKind::terminate(), "SIGTERM"),
        (SignalKind::hangup(), "SIGHUP"),
        (SignalKind::quit(), "SIGQUIT"),
        (SignalKind::user_defined1(), "SIGUSR1"),
        (SignalKind::user_defined2(), "SIGUSR2"),
    ];
    for (kind, name) in kinds {
        let (sender, heard) = (sender.clone(), signal(kind));
        tokio::spawn(async move {
            if let Ok(mut heard) = heard {
                while heard.recv().await.is_some() && sender.send(name).is_ok() {}
            }
        });
    }
    receiver
}
