//! What a person sees of a run at one moment: one line per service, with what it is doing, for how long, and how
//! long that took last time. Knows neither a terminal nor a clock.

use std::time::{Duration, Instant};

use owo_colors::{OwoColorize, Style};

use super::board::{Board, Ending, Entry, Running};
use super::text::{columns, duration, enumerate, fit, fit_name, visible};
use super::{History, phrase};
use crate::plan::{Action, Step};

/// No line is wider: in a wide window the eye would lose the way from the name to the time.
const WIDEST: usize = 110;
/// A message keeps this many columns before how long it took last time is shown beside it.
const MESSAGE: usize = 24;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How long one picture of the spinner stands.
const TURN: Duration = Duration::from_millis(100);

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns of the window.
    pub(super) width: usize,
    /// Rows that lines may take; `None` for as many as there are.
    pub(super) height: Option<usize>,
    pub(super) coloured: bool,
    pub(super) now: Instant,
}

/// The lines of a moment.
pub(super) fn lines(board: &Board, history: &History, look: Look) -> Vec<String> {
    let subjects = board.subjects();
    // The last column stays free: behind it terminals differ.
    let width = look.width.saturating_sub(1).min(WIDEST);
    let longest = subjects.keys().map(|name| columns(name)).max().unwrap_or(0);
    let layout = Layout {
        width,
        name: longest.min(width * 2 / 5),
        coloured: look.coloured,
    };
    let all: Vec<(Kind, String)> = subjects
        .iter()
        .map(|(name, entries)| {
            let line = Line::of(board, history, entries, look.now);
            (line.kind, layout.line(name, &line))
        })
        .collect();
    match look.height {
        Some(height) if all.len() > height => clipped(&all, height, layout),
        _ => all.into_iter().map(|(_, line)| line).collect(),
    }
}

/// Of more lines than there is room for, those that matter most now, and a count of the rest.
fn clipped(all: &[(Kind, String)], height: usize, layout: Layout) -> Vec<String> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|number| all[*number].0);
    let (mut shown, hidden) = (order.clone(), order.split_off(height.saturating_sub(1)));
    shown.truncate(height.saturating_sub(1));
    shown.sort_unstable();
    let count = |kind: Kind, word: &str| {
        let count = hidden.iter().filter(|number| all[**number].0 == kind);
        Some(count.count())
            .filter(|count| *count > 0)
            .map(|count| format!("{count} {word}"))
    };
    let counts: Vec<String> = [
        count(Kind::Failed, "failed"),
        count(Kind::Running, "at work"),
        count(Kind::Waiting, "waiting"),
        count(Kind::Skipped, "skipped"),
        count(Kind::Done, "done"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let rest = format!("… and {} more: {}", hidden.len(), counts.join(", "));
    let mut lines: Vec<String> = shown
        .into_iter()
        .map(|number| all[number].1.clone())
        .collect();
    lines.push(layout.style(&fit(&rest, layout.width), Style::new().dimmed()));
    lines
}

/// What a line is about, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Failed,
    Running,
    Waiting,
    Skipped,
    Done,
}

/// One service's line.
struct Line {
    kind: Kind,
    mark: &'static str,
    message: String,
    clock: String,
    /// How long it took last time.
    last: Option<String>,
}

impl Line {
    fn of(board: &Board, history: &History, entries: &[&Entry], now: Instant) -> Self {
        let running = entries
            .iter()
            .filter_map(|entry| Some((&entry.step, entry.running()?)))
            .min_by_key(|(_, running)| running.since);
        if let Some((step, running)) = running {
            return Self::running(step, running, history.last(step), now);
        }
        if entries.iter().any(|entry| entry.ended().is_none()) {
            return Self::waiting(board, entries, now);
        }
        Self::ended(board, entries)
    }

    fn running(step: &Step, running: &Running, last: Option<Duration>, now: Instant) -> Self {
        let elapsed = now.saturating_duration_since(running.since);
        let turn = elapsed.as_millis() / TURN.as_millis();
        let turn = usize::try_from(turn).unwrap_or(0) % SPINNER.len();
        let last = last.filter(|last| last.as_secs() > 0);
        Self {
            kind: Kind::Running,
            mark: SPINNER[turn],
            message: doing(step, running),
            clock: clock(elapsed),
            last: last.map(|last| format!("last time {}", duration(last))),
        }
    }

    fn waiting(board: &Board, entries: &[&Entry], now: Instant) -> Self {
        let last_end = entries.iter().filter_map(|entry| entry.at()).max();
        let since = last_end.unwrap_or(board.begun);
        let blockers = enumerate(board.blockers(entries));
        Self {
            kind: Kind::Waiting,
            mark: "·",
            message: match blockers.as_str() {
                "" => "waiting".to_owned(),
                names => format!("waiting for {names}"),
            },
            clock: clock(now.saturating_duration_since(since)),
            last: None,
        }
    }

    fn ended(board: &Board, entries: &[&Entry]) -> Self {
        let how = |how: Ending| entries.iter().find(move |entry| entry.ended() == Some(how));
        let (kind, mark, message) = if let Some(failed) = how(Ending::Failed) {
            (Kind::Failed, "✗", phrase::failed(&failed.step.action))
        } else if how(Ending::Skipped).is_some() {
            let culprit = entries.iter().find_map(|entry| board.culprit(entry));
            let why = culprit.map(|name| format!("skipped: {name} failed"));
            let why = why.unwrap_or_else(|| "interrupted".to_owned());
            (Kind::Skipped, "-", why)
        } else {
            (Kind::Done, "✓", done(entries))
        };
        let since = entries.iter().filter_map(|entry| entry.since()).min();
        let at = entries.iter().filter_map(|entry| entry.at()).max();
        let total = since.zip(at).map(|(since, at)| at.duration_since(since));
        Self {
            kind,
            mark,
            message,
            clock: total.map(duration).unwrap_or_default(),
            last: None,
        }
    }
}

/// What a step is doing, and how much of it is done.
fn doing(step: &Step, running: &Running) -> String {
    let Some(detail) = &running.doing else {
        return phrase::doing(&step.action);
    };
    let what = phrase::verb(&step.action);
    let amount = match running.amount {
        Some((done, of)) if of > 0 => {
            format!(" {} of {}", phrase::bytes(done), phrase::bytes(of))
        }
        _ => String::new(),
    };
    format!("{what}: {}{amount}", visible(detail).replace('\t', " "))
}

/// What was done for a service: how long its builds and pulls took, then what it is now.
fn done(entries: &[&Entry]) -> String {
    let is_image = |entry: &&Entry| {
        matches!(
            entry.step.action,
            Action::Pull { .. }
                | Action::Push { .. }
                | Action::BuildDependencies { .. }
                | Action::Build { .. }
                | Action::Tag { .. }
        )
    };
    let (images, others): (Vec<&Entry>, Vec<&Entry>) = entries.iter().copied().partition(is_image);
    let mut parts: Vec<String> = images
        .iter()
        .filter(|entry| !matches!(entry.step.action, Action::Tag { .. }))
        .filter_map(|entry| {
            let done = phrase::done(&entry.step.action);
            Some(format!("{done} in {}", duration(entry.took()?)))
        })
        .collect();
    let last = others.iter().max_by_key(|entry| entry.at());
    let last = last.or(images.last().filter(|_| parts.is_empty()));
    parts.extend(last.map(|entry| phrase::done(&entry.step.action)));
    parts.join(", ")
}

/// A running time in whole seconds, since tenths would only flicker; nothing for what has hardly begun.
fn clock(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => String::new(),
        seconds => duration(Duration::from_secs(seconds)).replace(".0 s", " s"),
    }
}

/// Where the parts of a line stand.
#[derive(Clone, Copy)]
struct Layout {
    width: usize,
    name: usize,
    coloured: bool,
}

impl Layout {
    /// `⠋ api  building: RUN make      12 s, last time 41 s`.
    fn line(self, name: &str, line: &Line) -> String {
        let name = fit_name(name, self.name);
        let name = format!("{name}{}", " ".repeat(self.name - columns(&name)));
        let room = self.width.saturating_sub(columns(&name) + 4);
        let with_last = line
            .last
            .as_ref()
            .filter(|_| !line.clock.is_empty())
            .map(|last| format!("{}, {last}", line.clock));
        let fits = |clock: &String| {
            let least = columns(&line.message).min(MESSAGE);
            least + 2 + columns(clock) <= room
        };
        let clock = with_last.filter(fits).unwrap_or_else(|| line.clock.clone());
        if clock.is_empty() {
            let message = self.message(line, &fit(&line.message, room));
            return format!("{} {name}  {message}", self.mark(line));
        }
        let room = room.saturating_sub(columns(&clock) + 2);
        let message = fit(&line.message, room);
        let gap = " ".repeat(room - columns(&message) + 2);
        let message = self.message(line, &message);
        let clock = self.style(&clock, Style::new().dimmed());
        format!("{} {name}  {message}{gap}{clock}", self.mark(line))
    }

    fn mark(self, line: &Line) -> String {
        let style = match line.kind {
            Kind::Failed => Style::new().red(),
            Kind::Running => Style::new().cyan(),
            Kind::Waiting => Style::new().dimmed(),
            Kind::Skipped => Style::new().yellow(),
            Kind::Done => Style::new().green(),
        };
        self.style(line.mark, style)
    }

    fn message(self, line: &Line, text: &str) -> String {
        match line.kind {
            Kind::Waiting => self.style(text, Style::new().dimmed()),
            _ => text.to_owned(),
        }
    }

    fn style(self, text: &str, style: Style) -> String {
        if self.coloured {
            text.style(style).to_string()
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
#[path = "frame/tests.rs"]
mod tests;
