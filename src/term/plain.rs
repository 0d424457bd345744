//! Progress for a log: a line when something slow begins, a line when anything ends, the output of builds,
//! and a sign of life when it has been silent for long. Written to standard error.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::{Board, Ending, Running};
use super::text::{duration, visible};
use super::ticker::Ticker;
use super::{History, Screen, phrase};
use crate::plan::{Step, StepId};
use crate::runtime::{Event, EventSink};

/// Silence for longer than this is broken.
const SILENCE: Duration = Duration::from_secs(10);

/// Writes events as lines.
pub(super) struct Plain {
    shared: Arc<Shared>,
    /// Watches over the silence.
    _watch: Ticker,
}

struct Shared {
    screen: Arc<Screen>,
    history: Arc<History>,
    state: Mutex<State>,
}

struct State {
    board: Board,
    /// The services of which it was told that they are left out.
    skipped: BTreeSet<String>,
    spoke: Instant,
}

impl Plain {
    pub(super) fn new(steps: &[Step], screen: Arc<Screen>, history: Arc<History>) -> Self {
        let shared = Arc::new(Shared {
            screen,
            history,
            state: Mutex::new(State::new(steps)),
        });
        let watched = Arc::clone(&shared);
        let watch = Ticker::start(Duration::from_secs(1), move || watched.break_silence());
        Self {
            shared,
            _watch: watch,
        }
    }
}

impl State {
    fn new(steps: &[Step]) -> Self {
        Self {
            board: Board::new(steps, Instant::now()),
            skipped: BTreeSet::new(),
            spoke: Instant::now(),
        }
    }
}

impl EventSink for Plain {
    fn send(&self, event: Event) {
        let state = &self.shared.state;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = self.shared.line(&mut state, event) {
            self.shared.screen.err(&format!("{line}\n"));
            state.spoke = Instant::now();
        }
    }
}

impl Shared {
    /// The line that an event is worth.
    fn line(&self, state: &mut State, event: Event) -> Option<String> {
        let (board, now) = (&mut state.board, Instant::now());
        match event {
            Event::Started { step } => {
                let line = phrase::is_slow(&step.action).then(|| {
                    let doing = phrase::doing(&step.action);
                    format!("{}: {doing}{}", phrase::subject(&step), self.last(&step))
                });
                board.start(step, now);
                line
            }
            Event::Progress { id, doing, done } => {
                let doing = visible(&doing);
                // Amounts change too often for a log.
                board.doing(id, &doing, done);
                let entry = board.get(id).filter(|entry| entry.running().is_some())?;
                if done.is_some() {
                    return None;
                }
                Some(format!("{}: {doing}", entry.subject()))
            }
            Event::Output { id, line } => {
                let entry = board.get(id).filter(|entry| entry.running().is_some())?;
                Some(format!("{} | {}", entry.subject(), visible(&line)))
            }
            Event::Finished { id, took } => {
                let entry = board.end(id, Ending::Done, now)?;
                self.history.record(&entry.step, took);
                let done = phrase::done(&entry.step.action);
                Some(format!("{}: {done} in {}", entry.subject(), duration(took)))
            }
            Event::Failed { id, took } => {
                let entry = board.end(id, Ending::Failed, now)?;
                let failed = phrase::failed(&entry.step.action);
                let after = duration(took);
                Some(format!("{}: {failed} after {after}", entry.subject()))
            }
            Event::Skipped { id } => skipped(state, id),
            Event::Note { text } => Some(visible(&text)),
        }
    }

    fn break_silence(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.spoke.elapsed() < SILENCE {
            return;
        }
        let mut lines = String::new();
        for (step, running) in state.board.running() {
            lines.push_str(&self.still(step, running));
        }
        if !lines.is_empty() {
            self.screen.err(&lines);
            state.spoke = Instant::now();
        }
    }

    fn still(&self, step: &Step, running: &Running) -> String {
        let subject = phrase::subject(step);
        let doing = match &running.doing {
            Some(detail) => format!("{}: {detail}", phrase::verb(&step.action)),
            None => phrase::doing(&step.action),
        };
        let elapsed = duration(running.since.elapsed());
        format!("{subject}: still {doing}, {elapsed}{}\n", self.last(step))
    }

    /// How long it took last time, where that is worth a word.
    fn last(&self, step: &Step) -> String {
        let last = self.history.last(step).filter(|last| last.as_secs() > 0);
        last.map(|last| format!(", last time {}", duration(last)))
            .unwrap_or_default()
    }
}

/// Why a service is left out, once for all its steps.
fn skipped(state: &mut State, id: StepId) -> Option<String> {
    let began = state.board.get(id)?.since().is_some();
    state.board.end(id, Ending::Skipped, Instant::now())?;
    let entry = state.board.get(id)?;
    let subject = entry.subject();
    let why = match state.board.culprit(entry) {
        Some(culprit) if culprit == subject => return None,
        Some(culprit) => format!("skipped, since {culprit} failed"),
        None if began => "interrupted".to_owned(),
        None => return None,
    };
    let line = format!("{subject}: {why}");
    state.skipped.insert(subject.to_owned()).then_some(line)
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
            state: Mutex::new(State::new(&[])),
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
                done: Some((1, 2)),
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
        let mut state = State::new(&[]);
        let lines: Vec<String> = events
            .into_iter()
            .filter_map(|event| shared.line(&mut state, event))
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
