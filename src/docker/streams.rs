//! Bytes between a process in a container and this program's own streams.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Docker;
use super::terminal;
use crate::runtime::EngineError;

/// Ctrl-P and Ctrl-Q, with which a person leaves a container to itself (moby `pkg/term`, `escapeProxy`).
const LEAVES: u16 = u16::from_be_bytes([0x10, 0x11]);

/// A stream broke while a process ran.
pub(super) enum Broken {
    /// Between here and the engine.
    Engine(Error),
    /// Whoever read this program's output went away, as `head` does.
    Reader,
    /// This program's standard output or standard error.
    Own(std::io::Error),
}

/// How a process's output came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has no more.
    ByItself,
    /// The last that was typed is what leaves it to itself.
    Left,
}

impl Docker {
    /// The error of a broken stream.
    pub(super) fn broken(&self, action: &str, broken: Broken) -> EngineError {
        let own = |kind: ErrorKind| EngineError::Refused {
            action: "writing what the command prints".to_owned(),
            status: None,
            source: kind.to_string().into(),
        };
        match broken {
            Broken::Engine(error) => self.failed(action, error),
            Broken::Reader => own(ErrorKind::BrokenPipe),
            Broken::Own(error) => own(error.kind()),
        }
    }
}

/// What of standard input a process gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing.
    None,
    /// All of it, without its end: at that an engine would end the output, too, where the input is not for one alone (moby
    /// `container/stream/attach.go`).
    Endless,
    /// All of it.
    Whole,
}

/// Moves bytes between a process and this program's standard streams until its output ends.
pub(super) async fn pump(
    mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
    gets: Input,
) -> Result<Ended, Broken> {
    let typed = AtomicU16::new(0);
    let feed = async {
        if gets != Input::None {
            let mut pieces = terminal::input();
            while let Some(piece) = pieces.recv().await {
                for byte in &piece {
                    let last = typed.load(Ordering::Relaxed);
                    typed.store(last << 8 | u16::from(*byte), Ordering::Relaxed);
                }
                input.write_all(&piece).await?;
                input.flush().await?;
            }
        }
        if gets == Input::Whole {
            // The process sees the end of its input, and may go on printing.
            input.shutdown().await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    let show = async {
        let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
        while let Some(piece) = output.next().await {
            let wrote = match piece.map_err(Broken::Engine)? {
                LogOutput::StdErr { message } => write(&mut stderr, &message).await,
                piece => write(&mut stdout, piece.as_ref()).await,
            };
            wrote.map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => Broken::Reader,
                _ => Broken::Own(error),
            })?;
        }
        Ok(())
    };
    tokio::pin!(feed, show);
    tokio::select! {
        // A process that reads no more is no error: what it printed still counts.
        _ = &mut feed => show.await,
        shown = &mut show => shown,
    }?;
    Ok(match typed.load(Ordering::Relaxed) {
        LEAVES => Ended::Left,
        _ => Ended::ByItself,
    })
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), piece: &[u8]) -> std::io::Result<()> {
    stream.write_all(piece).await?;
    stream.flush().await
}
