//! The door to the four ways of showing progress.

use std::sync::Arc;

use super::json::Json;
use super::live::Live;
use super::plain::Plain;
use super::{History, Screen};
use crate::plan::Step;
use crate::runtime::{Event, EventSink};
use crate::settings::Progress;

/// Shows the progress of one execution, until it is dropped.
pub struct Display {
    sink: Arc<dyn EventSink>,
    live: Option<Arc<Live>>,
    history: Arc<History>,
}

impl Display {
    /// Shows these steps in this mode.
    pub fn open(mode: Progress, screen: &Arc<Screen>, history: History, steps: &[Step]) -> Self {
        let history = Arc::new(history);
        let mut live = None;
        let sink: Arc<dyn EventSink> = match mode {
            Progress::Tty => {
                let lines = Live::new(steps, Arc::clone(screen), Arc::clone(&history));
                live.insert(Arc::new(lines)).clone()
            }
            Progress::Plain | Progress::Auto => {
                Arc::new(Plain::new(steps, Arc::clone(screen), Arc::clone(&history)))
            }
            Progress::Json => Arc::new(Json::new(Arc::clone(screen), Arc::clone(&history))),
            Progress::Quiet => Arc::new(Quiet),
        };
        Self {
            sink,
            live,
            history,
        }
    }

    /// Where the execution's events go.
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink)
    }

    /// Ends the display, remembering how long things took. Whoever holds the sink still shows nothing any more.
    pub fn close(self) {
        if let Some(live) = &self.live {
            live.end();
        }
        self.history.save();
    }
}

/// Shows nothing: errors are told by whoever returns them.
struct Quiet;

impl EventSink for Quiet {
    fn send(&self, _: Event) {}
}
