//! Progress for a program: one JSON object per line on standard output, `"schema": 1` in each.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Screen;
use super::text::visible;
use crate::runtime::{Event, EventSink};

/// Writes events as JSON lines.
pub(super) struct Json(pub(super) Arc<Screen>);

impl EventSink for Json {
    fn send(&self, event: Event) {
        self.0.out(&format!("{}\n", line(&event)));
    }
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
    use crate::plan::{Action, Step, StepId};

    #[test]
    fn every_line_says_its_schema_and_what_happened() {
        let step = Step {
            id: StepId(3),
            service: Some("api".to_owned()),
            action: Action::Stop {
                container: "abc".to_owned(),
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
