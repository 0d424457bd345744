//! A person's terminal lent to a process in a container: raw while it lasts, and given back as it was.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The size of the terminal on standard output, in columns and rows; `None` without one.
fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The sizes of the terminal on standard output: the one that it has now, and each that it gets.
pub(super) struct Sizes {
    changes: Option<Signal>,
    begun: bool,
}

/// None ever comes where no terminal is `lent`.
pub(super) fn sizes(lent: bool) -> Sizes {
    let changes = signal(SignalKind::window_change()).ok();
    Sizes {
        changes: changes.filter(|_| lent),
        begun: false,
    }
}

impl Sizes {
    /// The next one, in columns and rows.
    pub(super) async fn next(&mut self) -> (u16, u16) {
        loop {
            let Some(changes) = &mut self.changes else {
                return std::future::pending().await;
            };
            if std::mem::replace(&mut self.begun, true) && changes.recv().await.is_none() {
                self.changes = None;
            } else if let Some(size) = size() {
                return size;
            }
        }
    }
}

/// What the terminal on standard input is set to, while it is lent.
static LENT: Mutex<Option<Termios>> = Mutex::new(None);

/// Gives a terminal that is lent back as it was: the process ends.
pub fn give_back() {
    let before = LENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // Nothing can be done for a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// The terminal on standard input in raw mode, until this is dropped.
pub(super) struct Raw;

impl Raw {
    /// Makes it raw; `None` when standard input is no terminal.
    pub(super) fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !termios::isatty(&stdin) {
            return Ok(None);
        }
        let before = termios::tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed ahead is for the command.
        termios::tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        *LENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Ok(Some(Self))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        give_back();
    }
}

/// Standard input piece by piece. A thread of its own reads it: a read of a terminal cannot be taken back, and
/// the program must be able to end while one is under way.
pub(super) fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut piece = vec![0; 16 * 1024];
        let mut stdin = io::stdin().lock();
        while let Ok(length @ 1..) = stdin.read(&mut piece) {
            if sender.blocking_send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
