//! Progress for a log: a line when something slow begins, a line when anything ends, the output of builds,
//! and a sign of life when it has been silent for long. Written to standard error.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::board::{Board, Running};
use super::text::{duration, visible};
use super::{History, Screen, phrase};
use crate::runtime::{Event, EventSink};

/// Silence for longer than this is broken.
const SILENCE: Duration = Duration::from_secs(10);

/// Writes events as lines.
pub(super) struct Plain {
    shared: Arc<Shared>,
    /// Dropped to end the watch over the silence.
    stop: Option<Sender<()>>,
    watch: Option<JoinHandle<()>>,
}

struct Shared {
    screen: Arc<Screen>,
    history: Arc<History>,
    state: Mutex<State>,
}

struct State {
    board: Board,
    spoke: Instant,
}

impl Plain {
    pub(super) fn new(screen: Arc<Screen>, history: Arc<History>) -> Self {
        let shared = Arc::new(Shared {
            screen,
            history,
            state: Mutex::new(State {
                board: Board::default(),
                spoke: Instant::now(),
            }),
        });
        let (stop, stopped) = mpsc::channel();
        let watched = Arc::clone(&shared);
        let watch = thread::spawn(move || {
            let tick = Duration::from_secs(1);
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                watched.break_silence();
            }
        });
        Self {
            shared,
            stop: Some(stop),
            watch: Some(watch),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

impl EventSink for Plain {
    fn send(&self, event: Event) {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = self.shared.line(&mut state.board, event) {
            self.shared.screen.err(&format!("{line}\n"));
            state.spoke = Instant::now();
        }
    }
}

impl Shared {
    /// The line that an event is worth.
    fn line(&self, board: &mut Board, event: Event) -> Option<String> {
        match event {
            Event::Started { step } => {
                let line = phrase::is_slow(&step.action).then(|| {
                    format!(
                        "{}: {}",
                        phrase::subject(&step),
                        phrase::doing(&step.action)
                    )
                });
                board.start(step);
                line
            }
            Event::Progress { id, doing, done } => {
                // Amounts change too often for a log.
                let news = board.doing(id, &visible(&doing)) && done.is_none();
                let running = board.get(id).filter(|_| news)?;
                Some(format!(
                    "{}: {}",
                    phrase::subject(&running.step),
                    visible(&doing)
                ))
            }
            Event::Output { id, line } => {
                let running = board.get(id)?;
                Some(format!(
                    "{} | {}",
                    phrase::subject(&running.step),
                    visible(&line)
                ))
            }
            Event::Finished { id, took } => {
                let step = board.end(id)?.step;
                self.history.record(&step, took);
                let done = phrase::done(&step.action);
                Some(format!(
                    "{}: {done} in {}",
                    phrase::subject(&step),
                    duration(took)
                ))
            }
            Event::Failed { id, took } => {
                let step = board.end(id)?.step;
                let doing = phrase::doing(&step.action);
                let subject = phrase::subject(&step);
                Some(format!(
                    "{subject}: {doing} failed after {}",
                    duration(took)
                ))
            }
            Event::Skipped { id } => {
                board.end(id);
                None
            }
            Event::Note { text } => Some(visible(&text)),
        }
    }

    fn break_silence(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.spoke.elapsed() < SILENCE {
            return;
        }
        let mut lines = String::new();
        for running in state.board.running() {
            lines.push_str(&self.still(running));
        }
        if !lines.is_empty() {
            self.screen.err(&lines);
            state.spoke = Instant::now();
        }
    }

    fn still(&self, running: &Running) -> String {
        let subject = phrase::subject(&running.step);
        let doing = phrase::doing(&running.step.action);
        let detail = running.doing.as_deref();
        let detail = detail
            .map(|detail| format!(", {detail}"))
            .unwrap_or_default();
        let last = self.history.last(&running.step);
        let last = last.map(|last| format!(", last time {}", duration(last)));
        format!(
            "{subject}: still {doing}{detail} ({}{})\n",
            duration(running.elapsed()),
            last.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, BuilderKind, Step, StepId};

    fn step(id: usize, action: Action) -> Step {
        Step {
            id: StepId(id),
            service: Some("api".to_owned()),
            action,
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        }
    }

    #[test]
    fn a_build_reads_from_begin_to_end() {
        let shared = Shared {
            screen: Arc::new(Screen::new(&crate::settings::Environment::new())),
            history: Arc::new(History::open(None, "hub")),
            state: Mutex::new(State {
                board: Board::default(),
                spoke: Instant::now(),
            }),
        };
        let build = Action::Build {
            recipe: "api".to_owned(),
            fingerprint: crate::model::Digest::of(b""),
            on: std::collections::BTreeMap::new(),
            builder: BuilderKind::Docker,
        };
        let id = StepId(0);
        let events = [
            Event::Started {
                step: step(0, build),
            },
            Event::Progress {
                id,
                doing: "RUN make".to_owned(),
                done: None,
            },
            Event::Progress {
                id,
                doing: "RUN make".to_owned(),
                done: None,
            },
            Event::Output {
                id,
                line: "\u{1b}[1mcc\u{1b}[0m".to_owned(),
            },
            Event::Finished {
                id,
                took: Duration::from_millis(3210),
            },
            Event::Output {
                id,
                line: "of nobody".to_owned(),
            },
        ];
        let mut board = Board::default();
        let lines: Vec<String> = events
            .into_iter()
            .filter_map(|event| shared.line(&mut board, event))
            .collect();
        assert_eq!(
            lines,
            [
                "api: building",
                "api: RUN make",
                "api | cc",
                "api: built in 3.2 s"
            ]
        );
    }
}
