//! Progress for a person at a terminal: one live line per service on standard error, with what it is doing,
//! for how long, and how long that took last time. The only place that knows indicatif.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use owo_colors::{OwoColorize, Style};

use super::board::Board;
use super::text::{duration, visible};
use super::{History, phrase};
use crate::plan::{Step, StepId};
use crate::runtime::{Event, EventSink};

/// How often a line is drawn anew though nothing happened, so that it never looks frozen.
const TICK: Duration = Duration::from_millis(100);
/// No name gets more columns than this.
const WIDEST_NAME: usize = 24;

/// Draws events as live lines.
pub(super) struct Live {
    bars: MultiProgress,
    history: Arc<History>,
    colour: bool,
    width: usize,
    state: Mutex<State>,
}

struct State {
    board: Board,
    /// Whose line each step belongs to.
    subjects: BTreeMap<StepId, String>,
    lines: BTreeMap<String, Line>,
}

/// One service's line.
struct Line {
    bar: ProgressBar,
    shown: bool,
    since: Instant,
    /// Steps that have not ended.
    left: usize,
    failed: bool,
    skipped: bool,
}

impl Live {
    /// Lines for the services of these steps. A service is done when all its steps are.
    pub(super) fn new(steps: &[Step], history: Arc<History>, colour: bool) -> Self {
        let names = steps
            .iter()
            .map(|step| phrase::subject(step).chars().count());
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        for step in steps {
            let line = lines
                .entry(phrase::subject(step).to_owned())
                .or_insert_with(|| Line {
                    bar: ProgressBar::hidden(),
                    shown: false,
                    since: Instant::now(),
                    left: 0,
                    failed: false,
                    skipped: false,
                });
            line.left += 1;
        }
        Self {
            // Twelve draws a second look alive and cost nothing.
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12)),
            history,
            colour,
            width: names.max().unwrap_or(0).min(WIDEST_NAME),
            state: Mutex::new(State {
                board: Board::default(),
                subjects: steps
                    .iter()
                    .map(|step| (step.id, phrase::subject(step).to_owned()))
                    .collect(),
                lines,
            }),
        }
    }

    fn started(&self, state: &mut State, step: Step) {
        let subject = phrase::subject(&step).to_owned();
        if let Some(line) = state.lines.get_mut(&subject) {
            if !line.shown {
                line.shown = true;
                line.bar = self.bars.add(ProgressBar::new_spinner());
                line.bar.set_prefix(visible(&subject));
                line.bar.enable_steady_tick(TICK);
                line.since = Instant::now();
            }
            line.bar.set_style(self.working(self.history.last(&step)));
            line.bar.set_message(phrase::doing(&step.action));
            line.bar.reset_elapsed();
        }
        state.board.start(step);
    }

    fn progress(state: &mut State, id: StepId, doing: &str, done: Option<(u64, u64)>) {
        let Some(running) = state.board.get(id) else {
            return;
        };
        let Some(line) = state.lines.get(phrase::subject(&running.step)) else {
            return;
        };
        let what = phrase::doing(&running.step.action);
        let amount = match done {
            Some((done, of)) if of > 0 => {
                format!(" {} of {}", phrase::bytes(done), phrase::bytes(of))
            }
            _ => String::new(),
        };
        line.bar
            .set_message(format!("{what}: {}{amount}", visible(doing)));
    }

    fn ended(&self, state: &mut State, id: StepId, took: Option<Duration>, failed: bool) {
        let Some(running) = state.board.end(id) else {
            return;
        };
        if let Some(took) = took.filter(|_| !failed) {
            self.history.record(&running.step, took);
        }
        let State { board, lines, .. } = state;
        let subject = phrase::subject(&running.step);
        let Some(line) = lines.get_mut(subject) else {
            return;
        };
        line.left = line.left.saturating_sub(1);
        line.failed |= failed;
        if line.left > 0 {
            self.idle(board, line, subject);
            return;
        }
        self.finish(
            line,
            running.step.service.is_some(),
            &phrase::done(&running.step.action),
        );
    }

    /// A step ended and others of the service have not: the line shows one that runs, or that it waits.
    fn idle(&self, board: &Board, line: &Line, subject: &str) {
        let other = board
            .running()
            .into_iter()
            .find(|running| phrase::subject(&running.step) == subject)
            .cloned();
        if let Some(other) = other {
            line.bar
                .set_style(self.working(self.history.last(&other.step)));
            line.bar.set_message(phrase::doing(&other.step.action));
            line.bar.set_elapsed(other.elapsed());
        } else {
            line.bar.set_style(self.working(None));
            line.bar.set_message("waiting for others");
            line.bar.reset_elapsed();
        }
    }

    fn finish(&self, line: &Line, keep: bool, done: &str) {
        if line.failed {
            line.bar
                .set_style(self.ending("✗", Style::new().red(), line.since));
            line.bar.abandon_with_message("failed");
        } else if line.skipped {
            line.bar
                .set_style(self.ending("-", Style::new().yellow(), line.since));
            line.bar.abandon_with_message("not reached");
        } else if keep {
            line.bar
                .set_style(self.ending("✓", Style::new().green(), line.since));
            line.bar.finish_with_message(done.to_owned());
        } else {
            line.bar.finish_and_clear();
        }
    }

    /// A step that will not run: its service's line may still have to end.
    fn skipped(&self, state: &mut State, id: StepId) {
        state.board.end(id);
        let State {
            subjects, lines, ..
        } = state;
        let Some(line) = subjects.get(&id).and_then(|subject| lines.get_mut(subject)) else {
            return;
        };
        line.left = line.left.saturating_sub(1);
        line.skipped = true;
        if line.left == 0 {
            self.finish(line, true, "");
        }
    }

    fn working(&self, last: Option<Duration>) -> ProgressStyle {
        let clock = move |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&whole_seconds(state.elapsed()));
            if let Some(last) = last {
                let _ = write!(out, ", last time {}", duration(last));
            }
        };
        self.style("{spinner}").with_key("clock", clock)
    }

    fn ending(&self, mark: &str, style: Style, since: Instant) -> ProgressStyle {
        let total = duration(since.elapsed());
        let mark = if self.colour {
            mark.style(style).to_string()
        } else {
            mark.to_owned()
        };
        let clock = move |_: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&total);
        };
        self.style(&mark).with_key("clock", clock)
    }

    /// The layout: what does not fit the terminal is cut from the message.
    fn style(&self, mark: &str) -> ProgressStyle {
        let width = self.width;
        ProgressStyle::with_template(&format!(
            "{mark} {{prefix:{width}!}}  {{wide_msg}}  {{clock}}"
        ))
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
    }
}

/// A clock that ticks: tenths would only flicker.
fn whole_seconds(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => String::new(),
        seconds => duration(Duration::from_secs(seconds)).replace(".0 s", " s"),
    }
}

impl EventSink for Live {
    fn send(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { step } => self.started(&mut state, step),
            Event::Progress { id, doing, done } => Self::progress(&mut state, id, &doing, done),
            // A live line has no room for output; what matters of it comes with the error.
            Event::Output { .. } => {}
            Event::Finished { id, took } => self.ended(&mut state, id, Some(took), false),
            Event::Failed { id, took } => self.ended(&mut state, id, Some(took), true),
            Event::Skipped { id } => self.skipped(&mut state, id),
            Event::Note { text } => {
                let _ = self.bars.println(visible(&text));
            }
        }
    }
}
