//! Progress for a person at a terminal, on standard error: the lines of the moment, drawn anew many times a second.
//! What is told while the terminal stands still waits for it; whoever tells it does not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::board::{Board, Ending};
use super::canvas::Canvas;
use super::frame::{self, Look};
use super::text::visible;
use super::ticker::Ticker;
use super::{History, Screen};
use crate::plan::Step;
use crate::runtime::{Event, EventSink};

/// How often the lines are drawn anew though nothing happened, so that they never look frozen.
const TICK: Duration = Duration::from_millis(100);

/// Draws events as live lines.
pub(super) struct Live {
    shared: Arc<Shared>,
    /// `None` after the end.
    ticker: Mutex<Option<Ticker>>,
}

struct Shared {
    screen: Arc<Screen>,
    history: Arc<History>,
    state: Mutex<State>,
    /// Locked while the terminal is written to, which may take long; the state never is.
    canvas: Mutex<Canvas>,
}

struct State {
    board: Board,
    /// What is to be told once, above the lines.
    notes: Vec<String>,
}

impl Live {
    /// Lines for the services of these steps. A service is done when all its steps are.
    pub(super) fn new(steps: &[Step], screen: Arc<Screen>, history: Arc<History>) -> Self {
        let shared = Arc::new(Shared {
            screen,
            history,
            state: Mutex::new(State {
                board: Board::new(steps, Instant::now()),
                notes: Vec::new(),
            }),
            canvas: Mutex::default(),
        });
        let told = Arc::clone(&shared);
        let above = move |text: &str| told.state().notes.push(text.to_owned());
        shared.screen.lend(Some(Box::new(above)));
        let drawn = Arc::clone(&shared);
        let ticker = Ticker::start(TICK, move || drawn.draw(false));
        Self {
            shared,
            ticker: Mutex::new(Some(ticker)),
        }
    }

    /// Draws the lines for the last time. What comes later is not shown: what is written now stands below them.
    pub(super) fn end(&self) {
        let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ticker) = ticker.take() else { return };
        drop(ticker);
        self.shared.screen.lend(None);
        self.shared.state().board.close(Instant::now());
        self.shared.draw(true);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the lines of this moment; for the last time all of them, however many.
    fn draw(&self, last: bool) {
        let (width, rows) = Screen::size();
        let look = Look {
            width,
            // A row for the cursor.
            height: (!last).then(|| rows.saturating_sub(1).max(1)),
            coloured: self.screen.is_coloured(),
            now: Instant::now(),
        };
        let mut canvas = self.canvas.lock().unwrap_or_else(PoisonError::into_inner);
        let (notes, lines) = {
            let mut state = self.state();
            let notes = std::mem::take(&mut state.notes);
            (notes, frame::lines(&state.board, &self.history, look))
        };
        Screen::draw(&canvas.redraw(&notes, lines, width));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

impl EventSink for Live {
    fn send(&self, event: Event) {
        let now = Instant::now();
        let mut state = self.shared.state();
        match event {
            Event::Started { step } => state.board.start(step, now),
            Event::Progress { id, doing, done } => {
                state.board.doing(id, &doing, done);
            }
            // A live line has no room for output; what matters of it comes with the error.
            Event::Output { .. } => {}
            Event::Finished { id, took } => {
                if let Some(entry) = state.board.end(id, Ending::Done, now) {
                    self.shared.history.record(&entry.step, took);
                }
            }
            Event::Failed { id, .. } => {
                state.board.end(id, Ending::Failed, now);
            }
            Event::Skipped { id } => {
                state.board.end(id, Ending::Skipped, now);
            }
            Event::Note { text } => state.notes.push(visible(&text)),
        }
    }
}
