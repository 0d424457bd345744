//! Bytes on their way between an engine and this process: at most a few pieces of them are in memory.

use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::unpack::Unpack;
use crate::failure::Failure;
use crate::runtime::EngineError;
use crate::term::Screen;

/// So many pieces may wait for who reads them.
const WAITING: usize = 8;

type Piece = Result<Bytes, EngineError>;

/// Writes an archive to standard output, until nobody reads it any more.
pub(super) async fn print(
    pieces: impl Stream<Item = Piece>,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut pieces = pin!(pieces);
    while let Some(piece) = pieces.next().await {
        screen.raw_out(&piece?);
        if screen.is_deaf() {
            break;
        }
    }
    Ok(())
}

/// Standard input. A thread of its own reads it: the process must be able to end while it waits for more.
pub(super) fn input() -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        let mut stdin = io::stdin().lock();
        loop {
            let read = match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => Ok(Bytes::copy_from_slice(&piece[..length])),
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    })
}

/// Unpacks an archive while it comes; what was left out.
pub(super) async fn unpack(
    pieces: impl Stream<Item = Piece> + Send + 'static,
    unpack: Unpack,
) -> Result<io::Result<Vec<PathBuf>>, Failure> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let broken = Arc::new(Mutex::new(None));
    let reading = Reading {
        receiver,
        rest: Bytes::new(),
        broken: Arc::clone(&broken),
    };
    let unpacking = tokio::task::spawn_blocking(move || unpack.read(reading));
    let mut pieces = pin!(pieces);
    while let Some(piece) = pieces.next().await {
        // Whoever unpacks may have given up, and says why.
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    let unpacked = unpacking.await?;
    let broken = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match broken {
        Some(error) => Err(error.into()),
        None => Ok(unpacked),
    }
}

/// A stream of pieces for who reads it in a thread of its own.
struct Reading {
    receiver: mpsc::Receiver<Piece>,
    rest: Bytes,
    /// What the engine said when it broke off.
    broken: Arc<Mutex<Option<EngineError>>>,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => {
                    *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
