//! What `larder doctor` found, for a person and for a program.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::{Value, json};

use super::text::{columns, visible};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about, one word.
    pub check: &'static str,
    /// How it is.
    pub state: Health,
    /// What was found, and what it means.
    pub text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Something works less well than it could, or may soon not work.
    Warning,
    /// Something does not work.
    Failure,
}

impl Check {
    /// One that is as it should be.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Health::Ok, text.into(), None)
    }

    /// One that may be better.
    pub fn warning(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(check, Health::Warning, text.into(), Some(hint.into()))
    }

    /// One that does not work.
    pub fn failure(check: &'static str, text: impl Into<String>, hint: Option<String>) -> Self {
        Self::new(check, Health::Failure, text.into(), hint)
    }

    fn new(check: &'static str, state: Health, text: String, hint: Option<String>) -> Self {
        Self {
            check,
            state,
            text,
            hint,
        }
    }
}

/// The checks for a person: a line each, and below it what to do. On a terminal of so many columns, broken between words.
pub fn checkup(checks: &[Check], most: Option<usize>) -> String {
    let width = checks.iter().map(|check| check.check.len()).max();
    let width = width.unwrap_or_default();
    let mut out = String::new();
    for check in checks {
        let state = match check.state {
            Health::Ok => "ok     ".green().to_string(),
            Health::Warning => "warning".yellow().bold().to_string(),
            Health::Failure => "failure".red().bold().to_string(),
        };
        let name = check.check;
        let indent = " ".repeat("warning".len() + width + 4);
        let room = most.map(|most| most.saturating_sub(indent.len()));
        let lines = check.text.lines().map(visible);
        let lines: Vec<String> = lines.flat_map(|line| broken(&line, room)).collect();
        let text = lines.join(&format!("\n{indent}"));
        let _ = writeln!(out, "{state}  {name:width$}  {text}");
        if let Some(hint) = &check.hint {
            let lines = broken(&format!("hint: {}", visible(hint)), room);
            let text = lines.join(&format!("\n{indent}"));
            let text = text.replacen("hint:", &"hint:".cyan().bold().to_string(), 1);
            let _ = writeln!(out, "{indent}{text}");
        }
    }
    out
}

/// A text in lines of at most so many columns, but for words that are longer.
fn broken(text: &str, room: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        let fits = room.is_none_or(|room| columns(line) + 1 + columns(word) <= room);
        if line.is_empty() {
            line.push_str(word);
        } else if fits {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The checks for a program.
pub fn checkup_json(checks: &[Check]) -> Value {
    let worst = checks.iter().map(|check| check.state).max();
    json!({
        "schema": 1,
        "state": worst.unwrap_or(Health::Ok),
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let checks = [
            Check::ok("engine", "it answers"),
            Check::warning("disk", "little is left", "make room"),
        ];
        let text = checkup(&checks, None);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "ok       engine  it answers\nwarning  disk    little is left\n                 hint: make room\n"
        );
        assert_eq!(checkup_json(&checks)["state"], "warning");
        let text = checkup(&checks[1..], Some(22));
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "warning  disk  little\n               is left\n               hint:\n               make\n               room\n"
        );
    }
}
