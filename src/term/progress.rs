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
    history: Arc<History>,
}

impl Display {
    /// Shows these steps in this mode.
    pub fn open(mode: Progress, screen: &Arc<Screen>, history: History, steps: &[Step]) -> Self {
        let history = Arc::new(history);
        let sink: Arc<dyn EventSink> = match mode {
            Progress::Tty => Arc::new(Live::new(steps, Arc::clone(screen), Arc::clone(&history))),
            Progress::Plain | Progress::Auto => {
                Arc::new(Plain::new(steps, Arc::clone(screen), Arc::clone(&history)))
            }
            Progress::Json => Arc::new(Json(Arc::clone(screen))),
            Progress::Quiet => Arc::new(Quiet),
        };
        Self { sink, history }
    }

    /// Where the execution's events go.
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink)
    }

    /// Ends the display, remembering how long things took.
    pub fn close(self) {
        self.history.save();
    }
}

/// Shows nothing: errors are told by whoever returns them.
struct Quiet;

impl EventSink for Quiet {
    fn send(&self, _: Event) {}
}
