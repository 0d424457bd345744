//! What was read of a container's output already, so that it can be read once more from behind there: the engine
//! takes whole seconds only.

use std::collections::VecDeque;

use crate::docker::Stamp;

/// Lines may be kept in another order than that of their moments, but not by more than this, in seconds.
const DISORDER: i64 = 1;

/// The moments of the last lines that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    first: Option<Stamp>,
    newest: i64,
    recent: VecDeque<Stamp>,
}

impl Seen {
    /// Whatever was printed before a moment counts as read.
    pub(super) fn before(moment: &Stamp) -> Self {
        Self {
            first: Some(moment.clone()),
            newest: moment.seconds,
            recent: VecDeque::new(),
        }
    }

    /// Notes a line.
    pub(super) fn note(&mut self, at: &Stamp) {
        self.first.get_or_insert_with(|| at.clone());
        if at.seconds > self.newest {
            self.newest = at.seconds;
            let oldest = self.newest - DISORDER;
            self.recent.retain(|stamp| stamp.seconds >= oldest);
        }
        self.recent.push_back(at.clone());
    }

    /// The second from which it is to be read again; all of it, when nothing was read.
    pub(super) fn since(&self) -> Option<i64> {
        self.first.as_ref().map(|_| self.newest - DISORDER)
    }

    /// Whether a line was read.
    pub(super) fn holds(&self, at: &Stamp) -> bool {
        self.recent.iter().rev().any(|stamp| stamp == at)
            || self.first.as_ref().is_some_and(|first| at < first)
    }

    /// Whether a line that is read again was read before. Each is recognised once.
    pub(super) fn recognises(&mut self, at: &Stamp) -> bool {
        if let Some(known) = self.recent.iter().position(|stamp| stamp == at) {
            // Mostly the first: they come in the order in which they came before.
            self.recent.remove(known);
            return true;
        }
        self.first.as_ref().is_some_and(|first| at < first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: &str) -> Stamp {
        Stamp::parse(&format!("2026-01-01T00:00:{seconds}Z")).unwrap()
    }

    #[test]
    fn nothing_is_shown_twice_and_nothing_lost() {
        let mut seen = Seen::default();
        assert_eq!(seen.since(), None);
        for moment in ["07", "08.1", "10.2", "10.1", "10.2"] {
            seen.note(&at(moment));
        }
        assert_eq!(seen.since(), Some(at("09").seconds));
        let mut again = seen.clone();
        let new: Vec<&str> = ["06", "09.5", "10.1", "10.15", "10.2", "10.2", "10.2", "11"]
            .into_iter()
            .filter(|moment| !again.recognises(&at(moment)))
            .collect();
        assert_eq!(new, ["09.5", "10.15", "10.2", "11"]);
    }

    #[test]
    fn what_was_printed_before_a_moment_is_not_new() {
        let mut seen = Seen::before(&at("08.5"));
        assert_eq!(seen.since(), Some(at("07").seconds));
        assert!(seen.recognises(&at("08.4")));
        assert!(!seen.recognises(&at("08.5")));
    }
}
