//! What a room that knows no screen warns of (`tracing::warn!`), told as any other warning, once.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{Message, Screen};

/// Tells larder's own warnings.
pub(super) struct Warnings {
    screen: Arc<Screen>,
    /// A file that is read anew for each pull is as broken each time.
    told: Mutex<BTreeSet<String>>,
}

impl Warnings {
    pub(super) fn new(screen: Arc<Screen>) -> Self {
        Self {
            screen,
            told: Mutex::default(),
        }
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("larder")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(text.0.clone()) {
            let message = Message {
                text: text.0,
                ..Message::default()
            };
            message.warning(&self.screen, Path::new("/"));
        }
    }
}

/// The text of an event.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
