//! Ctrl-C and SIGTERM, from the start of a command to its end. While a plan is carried out, the first asks it to finish
//! what is in flight and the second ends the process; while a container is attached to they go there; at any other time the
//! first ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::docker::give_back;
use crate::failure::Kind;
use crate::runtime::{Event, EventSink};
use crate::term::Screen;

/// So long the answer to the first signal may take.
const SAYS: Duration = Duration::from_secs(1);

/// Listens as long as the process lives: once somebody listened, the system does not end it any more by itself.
pub(super) struct Interrupt {
    carried: Arc<Mutex<Carried>>,
    /// Whether plans end early though nobody interrupts.
    drained: AtomicBool,
}

/// What is being carried out when a signal comes.
enum Carried {
    Nothing,
    /// To be told of the first signal.
    Plan {
        sink: Arc<dyn EventSink>,
        ask: watch::Sender<bool>,
    },
    /// It was told.
    Asked,
    /// A container, to which whoever is attached to it hands signals on.
    Container,
}

impl Interrupt {
    /// Begins to listen.
    pub(super) fn open(screen: &Arc<Screen>) -> Self {
        let carried = Arc::new(Mutex::new(Carried::Nothing));
        if let Err(error) = listen(Arc::clone(&carried), Arc::clone(screen)) {
            tracing::debug!(%error, "signals cannot be listened for");
        }
        Self {
            carried,
            drained: AtomicBool::new(false),
        }
    }

    /// Has plans end early as the first signal does, until what it gives is dropped: the one that is carried out, and what
    /// would be carried out next.
    pub(super) fn drain(&self) -> Drained<'_> {
        self.drained.store(true, Ordering::Relaxed);
        if let Carried::Plan { ask, .. } = &*lock(&self.carried) {
            let _ = ask.send(true);
        }
        Drained(&self.drained)
    }

    /// Whether plans end early though nobody interrupts.
    pub(super) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Until what it gives is dropped, signals are somebody else's affair.
    pub(super) fn lend(&self) -> Lent {
        *lock(&self.carried) = Carried::Container;
        Lent(Arc::clone(&self.carried))
    }

    /// Until what it gives is dropped, a plan is carried out, whose sink is told when somebody interrupts. Within another one
    /// that is told in its place.
    pub(super) fn during(&self, sink: Arc<dyn EventSink>) -> During {
        let (ask, asked) = watch::channel(self.is_drained());
        let before = std::mem::replace(&mut *lock(&self.carried), Carried::Plan { sink, ask });
        During {
            asked,
            carried: Arc::clone(&self.carried),
            before,
        }
    }
}

/// Plans end early.
pub(super) struct Drained<'a>(&'a AtomicBool);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Signals go to a container.
pub(super) struct Lent(Arc<Mutex<Carried>>);

impl Drop for Lent {
    fn drop(&mut self) {
        *lock(&self.0) = Carried::Nothing;
    }
}

/// A plan is carried out.
pub(super) struct During {
    asked: watch::Receiver<bool>,
    carried: Arc<Mutex<Carried>>,
    before: Carried,
}

impl During {
    /// Turns true when the run is to end early.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }
}

impl Drop for During {
    fn drop(&mut self) {
        *lock(&self.carried) = std::mem::replace(&mut self.before, Carried::Nothing);
    }
}

fn lock(carried: &Mutex<Carried>) -> std::sync::MutexGuard<'_, Carried> {
    carried.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens on a thread of its own: a command whose output nobody takes can be ended, too.
fn listen(carried: Arc<Mutex<Carried>>, screen: Arc<Screen>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    // From here on, and not from when the thread runs first.
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    pressed(&carried, &screen);
                }
            })
        })?;
    Ok(())
}

/// Asks the plan to end, or ends the process.
fn pressed(carried: &Mutex<Carried>, screen: &Screen) {
    let mut carried = lock(carried);
    if matches!(*carried, Carried::Container) {
        return;
    }
    let before = std::mem::replace(&mut *carried, Carried::Asked);
    drop(carried);
    if let Carried::Plan { sink, ask } = before {
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            sink.send(Event::Note {
                text: "interrupted: finishing what is in flight; once more ends at once".to_owned(),
            });
            let _ = say.send(());
        });
        // Where nobody takes the output, the second signal still ends the process.
        let _ = said.recv_timeout(SAYS);
        // Nobody waits when the run has just ended.
        let _ = ask.send(true);
        return;
    }
    give_back();
    // A terminal shows `^C` where the cursor is, and leaves it there.
    if screen.is_terminal() {
        screen.err("\n");
    }
    std::process::exit(i32::from(Kind::Interrupted.code()));
}
