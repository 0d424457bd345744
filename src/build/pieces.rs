//! What is written, as a stream of pieces that is made while it is taken: an archive of any size in little memory.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc;

/// How much of a stream is handed over at once, and how many such pieces may wait: what an upload holds in memory.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 8;

/// What `write` writes, as a stream that is made while it is taken; it ends in an error where `write` does.
pub fn pieces<E>(
    write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
) -> (Pieces, tokio::task::JoinHandle<Result<(), E>>)
where
    E: std::fmt::Display + From<io::Error> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(WAITING);
    let task = tokio::task::spawn_blocking(move || {
        let mut out = Sender {
            to: sender.clone(),
            piece: Vec::with_capacity(PIECE),
        };
        let result = write(&mut out).and_then(|()| Ok(out.flush()?));
        if let Err(error) = &result {
            // A receiver that is gone needs no error.
            let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
        result
    });
    (Pieces(pieces), task)
}

/// A stream of pieces of an archive.
pub struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl futures_util::Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The writing end of [`Pieces`].
struct Sender {
    to: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.to
            .blocking_send(Ok(piece.into()))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
