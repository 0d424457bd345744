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
use super::{History, Screen, phrase};
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
    screen: Arc<Screen>,
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
    /// Why it is not finished, once one of its steps was skipped.
    skipped: Option<&'static str>,
}

impl Live {
    /// Lines for the services of these steps. A service is done when all its steps are.
    pub(super) fn new(steps: &[Step], screen: Arc<Screen>, history: Arc<History>) -> Self {
        let shown = || steps.iter().filter(|step| is_shown(step));
        let names = shown().map(|step| phrase::subject(step).chars().count());
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        for step in shown() {
            let line = lines
                .entry(phrase::subject(step).to_owned())
                .or_insert_with(|| Line {
                    bar: ProgressBar::hidden(),
                    shown: false,
                    since: Instant::now(),
                    left: 0,
                    failed: false,
                    skipped: None,
                });
            line.left += 1;
        }
        Self {
            // Twelve draws a second look alive and cost nothing.
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12)),
            history,
            screen,
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
            let style = self.working(self.history.last(&step));
            self.show(line, &subject, style, phrase::doing(&step.action));
        }
        state.board.start(step);
    }

    /// Shows a line with this style and message, from zero.
    fn show(&self, line: &mut Line, subject: &str, style: ProgressStyle, message: String) {
        let first = !line.shown;
        if first {
            line.shown = true;
            line.since = Instant::now();
            line.bar = ProgressBar::hidden().with_prefix(visible(subject));
        }
        line.bar.set_style(style);
        line.bar.set_message(message);
        line.bar.reset_elapsed();
        if first {
            // Added when there is something to draw.
            line.bar = self.bars.add(line.bar.clone());
            line.bar.enable_steady_tick(TICK);
        }
    }

    fn progress(state: &mut State, id: StepId, doing: &str, done: Option<(u64, u64)>) {
        let Some(running) = state.board.get(id) else {
            return;
        };
        let Some(line) = state.lines.get(phrase::subject(&running.step)) else {
            return;
        };
        let what = phrase::verb(&running.step.action);
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
        self.finish(line, &phrase::done(&running.step.action));
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

    fn finish(&self, line: &Line, done: &str) {
        if line.failed {
            line.bar
                .set_style(self.ending("✗", Style::new().red(), line.since));
            line.bar.abandon_with_message("failed");
        } else if let Some(why) = line.skipped {
            line.bar
                .set_style(self.ending("-", Style::new().yellow(), line.since));
            line.bar.abandon_with_message(why);
        } else {
            line.bar
                .set_style(self.ending("✓", Style::new().green(), line.since));
            line.bar.finish_with_message(done.to_owned());
        }
    }

    /// A step that will not run: its service's line may still have to end.
    fn skipped(&self, state: &mut State, id: StepId) {
        let begun = state.board.end(id).is_some();
        let Some(subject) = state.subjects.get(&id) else {
            return;
        };
        let Some(line) = state.lines.get_mut(subject) else {
            return;
        };
        line.left = line.left.saturating_sub(1);
        line.skipped = Some(match line.skipped {
            Some("interrupted") => "interrupted",
            _ if begun => "interrupted",
            _ => "not reached",
        });
        if line.left == 0 {
            self.show(line, subject, self.working(None), String::new());
            self.finish(line, "");
        }
    }

    fn working(&self, last: Option<Duration>) -> ProgressStyle {
        let clock = move |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&elapsed(state.elapsed(), last));
        };
        self.style("{spinner}").with_key("clock", clock)
    }

    fn ending(&self, mark: &str, style: Style, since: Instant) -> ProgressStyle {
        let total = duration(since.elapsed());
        let mark = if self.screen.is_coloured() {
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

/// `12 s, last time 41 s`; nothing for what has hardly begun.
fn elapsed(now: Duration, last: Option<Duration>) -> String {
    let seconds = now.as_secs();
    if seconds == 0 {
        return String::new();
    }
    // Tenths would only flicker.
    let clock = duration(Duration::from_secs(seconds)).replace(".0 s", " s");
    match last.filter(|last| last.as_secs() > 0) {
        Some(last) => format!("{clock}, last time {}", duration(last)),
        None => clock,
    }
}

/// Whether a step has a place in a line: networks and volumes are there in no time.
fn is_shown(step: &Step) -> bool {
    step.service.is_some() || phrase::is_slow(&step.action)
}

impl Drop for Live {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let mut kept = false;
        for line in state.lines.values().filter(|line| line.shown) {
            if !line.bar.is_finished() {
                line.bar.disable_steady_tick();
                line.bar.abandon_with_message("interrupted");
            }
            kept = true;
        }
        if kept {
            // indicatif fills the last line and leaves the cursor behind it.
            self.screen.err("\n");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_how_long_and_how_long_last_time() {
        let shown = |now, last: Option<u64>| {
            elapsed(Duration::from_millis(now), last.map(Duration::from_millis))
        };
        assert_eq!(shown(900, Some(41_000)), "");
        assert_eq!(shown(2_900, None), "2 s");
        assert_eq!(shown(12_300, Some(41_000)), "12 s, last time 41 s");
        assert_eq!(shown(75_000, Some(200)), "1 min 15 s");
    }
}
