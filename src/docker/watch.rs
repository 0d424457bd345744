//! What happens to a project's containers, as it happens. A cut in the stream is told, never hidden.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptions, EventsOptionsBuilder};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::Docker;
use crate::model::labels;
use crate::runtime::{Happening, HappeningKind};

/// How long to wait before the first attempt to reach an engine that was lost; doubled up to [`LONGEST`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(2);

impl Docker {
    pub(super) fn happenings(
        &self,
        project: &str,
    ) -> impl Stream<Item = Happening> + Send + 'static {
        let (sender, receiver) = mpsc::unbounded_channel();
        let filter = format!("{}={project}", labels::PROJECT);
        // A task of its own, so that it listens before anybody asks for the first event.
        tokio::spawn(listen(self.client.clone(), filter, sender));
        stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        })
    }
}

/// Hands on what happens until nobody wants to know any more.
async fn listen(client: bollard::Docker, filter: String, sender: mpsc::UnboundedSender<Happening>) {
    let mut last = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let mut events = client.events(Some(options(&filter, last)));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sender.closed() => return,
            };
            let Some(Ok(event)) = event else { break };
            pause = FIRST_PAUSE;
            last = event.time_nano.or(last);
            if let Some(happening) = happening(event)
                && sender.send(happening).is_err()
            {
                return;
            }
        }
        // Told twice: when it is cut, and when it stands again and everything may have changed.
        if sender.send(lost()).is_err() {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = sender.closed() => return,
            }
            pause = (pause * 2).min(LONGEST);
            if client.ping().await.is_ok() {
                break;
            }
        }
        if sender.send(lost()).is_err() {
            return;
        }
    }
}

fn lost() -> Happening {
    Happening {
        container: String::new(),
        kind: HappeningKind::Lost,
    }
}

fn options(filter: &str, since: Option<i64>) -> EventsOptions {
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("label", vec![filter]),
        ("event", vec!["start", "die", "health_status"]),
    ]);
    let mut options = EventsOptionsBuilder::new().filters(&filters);
    if let Some(nanoseconds) = since {
        let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        options = options.since(&format!("{seconds}.{rest:09}"));
    }
    options.build()
}

fn happening(event: EventMessage) -> Option<Happening> {
    let kind = match event.action?.as_str() {
        "start" => HappeningKind::Started,
        "die" => HappeningKind::Died,
        "health_status: healthy" => HappeningKind::Healthy,
        "health_status: unhealthy" => HappeningKind::Unhealthy,
        _ => return None,
    };
    Some(Happening {
        container: event.actor?.id?,
        kind,
    })
}
