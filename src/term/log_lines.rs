//! Lines of several containers: a prefix as wide as the longest name, one colour per service. Or one JSON object per
//! line, for a program.

use std::collections::BTreeSet;

use anstream::adapter::strip_str;
use owo_colors::{AnsiColors, OwoColorize};
use serde_json::json;

use super::Screen;
use super::text::{columns, shown};

/// The colours of prefixes; red stays with errors.
const COLOURS: [AnsiColors; 10] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Green,
    AnsiColors::Magenta,
    AnsiColors::Blue,
    AnsiColors::BrightCyan,
    AnsiColors::BrightYellow,
    AnsiColors::BrightGreen,
    AnsiColors::BrightMagenta,
    AnsiColors::BrightBlue,
];

/// In which form lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For a person.
    Text(LogText),
    /// For a program.
    Json,
}

/// How a person sees lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct LogText {
    /// Whether each line says when it was printed.
    pub times: bool,
    /// Whether each line says who printed it.
    pub prefix: bool,
    /// Whether colours are shown, where the terminal has them.
    pub colour: bool,
    /// Whether lines are shown as they are, with all that a terminal obeys.
    pub raw: bool,
    /// Whether what containers print on standard error goes there, too.
    pub apart: bool,
}

impl Default for LogText {
    fn default() -> Self {
        Self {
            times: false,
            prefix: true,
            colour: true,
            raw: false,
            apart: false,
        }
    }
}

/// A container whose lines are printed: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSource(usize);

/// Prints lines of containers.
pub struct LogLines<'a> {
    screen: &'a Screen,
    form: LogForm,
    sources: Vec<Source>,
    width: usize,
}

struct Source {
    name: String,
    service: String,
    colour: AnsiColors,
}

impl<'a> LogLines<'a> {
    /// Nobody's lines yet.
    pub fn new(screen: &'a Screen, form: LogForm) -> Self {
        Self {
            screen,
            form,
            sources: Vec::new(),
            width: 0,
        }
    }

    /// Makes room for a container under this name; one that replaces another of the same name goes on in its place.
    pub fn source(&mut self, name: &str, service: &str) -> LogSource {
        let known = self.sources.iter().position(|source| source.name == name);
        if let Some(number) = known {
            return LogSource(number);
        }
        self.width = self.width.max(columns(name));
        let same = self.sources.iter().find(|own| own.service == service);
        let colour = same.map_or_else(|| self.next_colour(), |own| own.colour);
        self.sources.push(Source {
            name: name.to_owned(),
            service: service.to_owned(),
            colour,
        });
        LogSource(self.sources.len() - 1)
    }

    fn next_colour(&self) -> AnsiColors {
        let services = self.sources.iter().map(|own| own.service.as_str());
        let services: BTreeSet<&str> = services.collect();
        COLOURS[services.len() % COLOURS.len()]
    }

    /// A container's name.
    pub fn name(&self, source: LogSource) -> &str {
        &self.sources[source.0].name
    }

    /// Prints one line, with the moment at which it was printed and whether on standard error. Nobody reads any more
    /// when it answers false.
    pub fn print(&self, source: LogSource, at: Option<&str>, error: bool, line: &str) -> bool {
        match self.form {
            LogForm::Json => {
                let object = self.json(source, at, error, line);
                self.screen.out(&format!("{object}\n"));
            }
            LogForm::Text(form) => self.text(form, source, at, error, line),
        }
        !self.screen.is_deaf()
    }

    fn text(&self, form: LogText, source: LogSource, at: Option<&str>, error: bool, line: &str) {
        let mut front = String::new();
        if form.prefix {
            front = format!("{} ", self.prefix(source));
        }
        if let Some(at) = at.filter(|_| form.times) {
            front = format!("{front}{at} ");
        }
        if !form.colour {
            front = strip_str(&front).to_string();
        }
        if form.raw {
            self.screen.out(&front);
            self.screen.raw_out(format!("{line}\n").as_bytes());
            return;
        }
        let mut line = shown(line);
        if !form.colour {
            line = strip_str(&line).to_string();
        }
        let whole = format!("{front}{line}\n");
        self.screen.line(&whole, error && form.apart);
    }

    /// Tells a person something about a container.
    pub fn remark(&self, source: LogSource, text: &str) {
        if self.form != LogForm::Json {
            let text = format!("{} {text}", self.name(source));
            self.screen.line(&format!("{}\n", text.dimmed()), true);
        }
    }

    /// `api-1  |`, as docker compose has it.
    fn prefix(&self, source: LogSource) -> String {
        let name = self.name(source);
        let gap = " ".repeat(self.width - columns(name));
        let colour = self.sources[source.0].colour;
        format!("{name}{gap}  |").color(colour).to_string()
    }

    fn json(&self, source: LogSource, at: Option<&str>, error: bool, line: &str) -> String {
        let object = json!({
            "event": "log",
            "service": self.sources[source.0].service,
            "container": self.name(source),
            "stream": if error { "stderr" } else { "stdout" },
            "time": at,
            "line": strip_str(&shown(line)).to_string(),
            "schema": 1,
        });
        object.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_of_one_width_and_a_name_keeps_its_own() {
        let screen = Screen::new(&crate::settings::Environment::new());
        let mut lines = LogLines::new(&screen, LogForm::Text(LogText::default()));
        let api = lines.source("api-1", "api");
        let database = lines.source("database-1", "database");
        assert_eq!(lines.source("api-1", "api"), api);
        let plain = |source| anstream::adapter::strip_str(&lines.prefix(source)).to_string();
        assert_eq!(plain(api), "api-1       |");
        assert_eq!(plain(database), "database-1  |");
        assert_ne!(lines.prefix(api).get(..5), lines.prefix(database).get(..5));
        // One colour for a service, however many containers it has.
        let second = lines.source("api-2", "api");
        assert_eq!(lines.prefix(api).get(..5), lines.prefix(second).get(..5));
    }

    #[test]
    fn a_program_gets_an_object() {
        let screen = Screen::new(&crate::settings::Environment::new());
        let mut lines = LogLines::new(&screen, LogForm::Json);
        let api = lines.source("api-1", "api");
        assert_eq!(
            lines.json(
                api,
                Some("2026-01-01T00:00:00Z"),
                true,
                "\u{1b}[31mred\u{1b}[0m"
            ),
            r#"{"event":"log","service":"api","container":"api-1","stream":"stderr","time":"2026-01-01T00:00:00Z","line":"red","schema":1}"#
        );
    }
}
