//! Ctrl-C and SIGTERM: the first asks a run to finish what is in flight, the second ends the process at once.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Kind;
use crate::runtime::{Event, EventSink};
use crate::term::Screen;

/// Listens until it is dropped.
pub(super) struct Interrupt {
    asked: watch::Receiver<bool>,
    listener: JoinHandle<()>,
}

impl Interrupt {
    /// Listens, and tells the sink when somebody interrupts.
    pub(super) fn listen(sink: Arc<dyn EventSink>, screen: &Arc<Screen>) -> Self {
        let screen = Arc::clone(screen);
        let (ask, asked) = watch::channel(false);
        let listener = tokio::spawn(async move {
            pressed().await;
            sink.send(Event::Note {
                text: "interrupted: finishing what is in flight; once more ends at once".to_owned(),
            });
            // Nobody waits when the run has just ended.
            let _ = ask.send(true);
            pressed().await;
            leave_line(&screen);
            std::process::exit(i32::from(Kind::Interrupted.code()));
        });
        Self { asked, listener }
    }

    /// Turns true when the run is to end early.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A terminal shows `^C` where the cursor is, and leaves it there.
pub(super) fn leave_line(screen: &Screen) {
    if screen.is_terminal() {
        screen.err("\n");
    }
}

/// Returns when Ctrl-C is pressed or SIGTERM comes.
pub(super) async fn pressed() {
    let (interrupt, terminate) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    tokio::select! {
        () = received(interrupt) => {}
        () = received(terminate) => {}
    }
}

/// A signal that cannot be listened for never comes.
async fn received(signal: std::io::Result<Signal>) {
    match signal {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::debug!(%error, "a signal cannot be listened for");
            std::future::pending::<()>().await;
        }
    }
}
