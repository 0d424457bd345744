//! An error or a warning in the house's look: one sentence, where it is written, what caused it, what may help.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::Screen;
use super::text::visible;
use crate::model::{Place, Warning};

/// One thing to tell a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The sentence: lower case, values in backticks.
    pub text: String,
    /// Where the cause is written.
    pub place: Option<Place>,
    /// What it was caused by, nearest first.
    pub causes: Vec<String>,
    /// The last lines that a build or a container printed, shown above.
    pub output: Vec<String>,
    /// What may help.
    pub hints: Vec<String>,
}

impl Message {
    /// An error with the chain of its sources.
    pub fn of(error: &dyn Error) -> Self {
        let mut message = Self {
            text: error.to_string(),
            ..Self::default()
        };
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Transparent layers say the same twice.
            if message.causes.last().unwrap_or(&message.text) != &text {
                message.causes.push(text);
            }
            source = cause.source();
        }
        message
    }

    /// Prints it as an error.
    pub fn error(&self, screen: &Screen, folder: &Path) {
        screen.err(&self.render(&"error:".red().bold().to_string(), folder));
    }

    /// Prints it as a warning.
    pub fn warning(&self, screen: &Screen, folder: &Path) {
        screen.tell(&self.render(&"warning:".yellow().bold().to_string(), folder));
    }

    /// Prints it as an error for a program.
    pub fn print_json(&self, screen: &Screen, folder: &Path, code: u8) {
        screen.out(&format!("{}\n", self.json(folder, code)));
    }

    fn json(&self, folder: &Path, code: u8) -> Value {
        let clean = |text: &str| text.lines().map(visible).collect::<Vec<_>>().join("\n");
        let all = |texts: &[String]| texts.iter().map(|text| clean(text)).collect::<Vec<_>>();
        json!({
            "event": "error",
            "exit_code": code,
            "message": clean(&self.text),
            "place": self.place.as_ref().map(|place| near(place, folder)),
            "causes": all(&self.causes),
            "hints": all(&self.hints),
            "output": all(&self.output),
            "schema": 1,
        })
    }

    fn render(&self, label: &str, folder: &Path) -> String {
        let mut out = String::new();
        for line in &self.output {
            let _ = writeln!(out, "{}", format_args!("  {}", visible(line)).dimmed());
        }
        let _ = writeln!(out, "{label} {}", lines(&self.text));
        if let Some(place) = &self.place {
            let _ = writeln!(out, "  at {}", near(place, folder));
        }
        for cause in &self.causes {
            let _ = writeln!(out, "{} {}", "caused by:".bold(), lines(cause));
        }
        for hint in &self.hints {
            let _ = writeln!(out, "{} {}", "hint:".cyan().bold(), lines(hint));
        }
        out
    }
}

impl From<&Warning> for Message {
    fn from(warning: &Warning) -> Self {
        Self {
            text: warning.text.clone(),
            place: warning.place.clone(),
            ..Self::default()
        }
    }
}

/// A text of one or more lines, the later ones indented under the first.
fn lines(text: &str) -> String {
    let kept: Vec<String> = text.trim_end().lines().map(visible).collect();
    kept.join("\n  ")
}

/// A place for a person who is in `folder`: its path from there, where that is shorter.
pub fn near(place: &Place, folder: &Path) -> String {
    let shorter = place.file.strip_prefix(folder).ok();
    let file = shorter.unwrap_or(&place.file).to_owned();
    visible(&Place { file, at: place.at }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_in_the_houses_order() {
        let message = Message {
            text: "building `web` failed".to_owned(),
            place: Some(Place {
                file: "/src/hub/compose.yaml".into(),
                at: Some((14, 9)),
            }),
            causes: vec!["the step ended with code 1\nof 2".to_owned()],
            output: vec!["npm \u{1b}[31mERR\u{1b}[0m".to_owned()],
            hints: vec!["try again".to_owned()],
        };
        let shown = message.render("error:", Path::new("/src/hub"));
        let plain = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(
            plain,
            "  npm ERR\nerror: building `web` failed\n  at compose.yaml:14:9\n\
             caused by: the step ended with code 1\n  of 2\nhint: try again\n"
        );
    }

    #[test]
    fn a_program_gets_the_same() {
        let message = Message {
            text: "building `web` failed".to_owned(),
            causes: vec!["no\u{7}".to_owned()],
            ..Message::default()
        };
        assert_eq!(
            message.json(Path::new("/src"), 1).to_string(),
            r#"{"event":"error","exit_code":1,"message":"building `web` failed","place":null,"causes":["no"],"hints":[],"output":[],"schema":1}"#
        );
    }

    #[test]
    fn a_place_elsewhere_keeps_its_path() {
        let place = Place {
            file: "/etc/compose.yaml".into(),
            at: None,
        };
        assert_eq!(near(&place, Path::new("/src")), "/etc/compose.yaml");
    }

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("the disk is full");
        let error = crate::runtime::StepError::Engine(crate::runtime::EngineError::Unreachable {
            address: "unix:///x".to_owned(),
            source: Box::new(inner),
        });
        let message = Message::of(&error);
        assert_eq!(message.text, "no Docker Engine answers at unix:///x");
        assert_eq!(message.causes, ["the disk is full"]);
    }
}
