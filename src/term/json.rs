//! Progress for a program: one JSON object per line on standard output, `"schema": 1` in each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::text::visible;
use super::{History, Screen};
use crate::plan::{Step, StepId};
use crate::runtime::{Event, EventSink};

/// Writes events as JSON lines.
pub(super) struct Json {
    screen: Arc<Screen>,
    history: Arc<History>,
    running: Mutex<BTreeMap<StepId, Step>>,
}

impl Json {
    pub(super) fn new(screen: Arc<Screen>, history: Arc<History>) -> Self {
        Self {
            screen,
            history,
            running: Mutex::default(),
        }
    }

    /// Remembers how long a step took, for the next run that a person looks at.
    fn record(&self, event: &Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { step } => {
                running.insert(step.id, step.clone());
            }
            Event::Finished { id, took } => {
                if let Some(step) = running.remove(id) {
                    self.history.record(&step, *took);
                }
            }
            _ => {}
        }
    }
}

impl EventSink for Json {
    fn send(&self, event: Event) {
        self.record(&event);
        self.screen.out(&format!("{}\n", line(&event)));
    }
}

/// Writes an event that belongs to no step.
pub fn note(screen: &Screen, text: &str) {
    let text = text.to_owned();
    screen.out(&format!("{}\n", line(&Event::Note { text })));
}

/// One event as an object. Durations are in milliseconds.
fn line(event: &Event) -> Value {
    let mut object = match event {
        Event::Started { step } => json!({"event": "started", "step": step}),
        Event::Progress { id, doing, done } => json!({
            "event": "progress",
            "id": id,
            "doing": visible(doing),
            "done": done.map(|(done, _)| done),
            "of": done.map(|(_, of)| of),
        }),
        Event::Output { id, line } => {
            json!({"event": "output", "id": id, "line": visible(line)})
        }
        Event::Finished { id, took } => {
            json!({"event": "finished", "id": id, "took_ms": took.as_millis()})
        }
        Event::Failed { id, took } => {
            json!({"event": "failed", "id": id, "took_ms": took.as_millis()})
        }
        Event::Skipped { id } => json!({"event": "skipped", "id": id}),
        Event::Note { text } => json!({"event": "note", "text": visible(text)}),
    };
    object["schema"] = json!(1);
    object
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Action;

    #[test]
    fn how_long_steps_took_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let history = || History::open(Some(folder.path()), "hub");
        let screen = Screen::new(&crate::settings::Environment::new());
        let json = Json::new(Arc::new(screen), Arc::new(history()));
        let step = Step {
            id: StepId(0),
            service: Some("api".to_owned()),
            action: Action::Stop {
                container: "abc".to_owned(),
                hooks: 0,
                regardless: false,
                grace: None,
            },
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        };
        let took = Duration::from_millis(4100);
        json.record(&Event::Started { step: step.clone() });
        json.record(&Event::Finished { id: step.id, took });
        json.history.save();
        assert_eq!(history().last(&step), Some(took));
    }

    #[test]
    fn every_line_says_its_schema_and_what_happened() {
        let step = Step {
            id: StepId(3),
            service: Some("api".to_owned()),
            action: Action::Stop {
                container: "abc".to_owned(),
                hooks: 0,
                regardless: false,
                grace: None,
            },
            cause: "its image changed".to_owned(),
            after: vec![StepId(1)],
            settled: Vec::new(),
        };
        assert_eq!(
            line(&Event::Started { step }).to_string(),
            r#"{"event":"started","step":{"id":3,"service":"api","action":"stop","container":"abc","cause":"its image changed","after":[1]},"schema":1}"#
        );
        let finished = Event::Finished {
            id: StepId(3),
            took: Duration::from_millis(12),
        };
        assert_eq!(
            line(&finished).to_string(),
            r#"{"event":"finished","id":3,"took_ms":12,"schema":1}"#
        );
    }
}
