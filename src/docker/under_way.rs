//! What the engine goes on with although whoever asked for it is gone: a start, and a stop. It lists a container as it was before,
//! and a connection that is dropped cancels neither.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use super::container::grace_period;
use super::error::status;
use super::{Docker, Stamp, since_epoch};
use crate::model::{Project, labels};
use crate::plan::{Container, State};
use crate::runtime::{Condition, EngineError};

/// The signal that nobody survives.
const KILL: u8 = 9;
/// What a container is stopped with that says no other.
const TERM: u8 = 15;
/// How long a container may take to end beyond its grace period: it is killed then.
const BEYOND_GRACE: Duration = Duration::from_secs(2);
/// What takes longer is not worth it. An engine with a clock behind this one's takes as long as that is behind.
const SOON: Duration = Duration::from_secs(1);
/// How often it is looked whether a stop is over.
const PAUSE: Duration = Duration::from_millis(100);

/// A signal that a container was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    container: String,
    signal: u8,
    at: Stamp,
}

/// How far a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The container runs.
    GoesOn,
    /// It ended.
    Over,
}

impl Docker {
    /// Waits for starts that another command, or one that was killed, asked for and that go on: the engine tells of a container
    /// once its start is over (moby `containerStart` holds its lock), and lists it as it was until then. Whether there was one.
    /// Asked are containers that were never started, as that is seen last, and those that may hold ports already.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn starting(
        &self,
        project: &Project,
        containers: &[Container],
    ) -> Result<bool, EngineError> {
        let publishes = |own: &Container| {
            let service = project.services.get(&own.service);
            service.is_some_and(|own| !own.ports.is_empty())
        };
        let resting = containers.iter().filter(|own| !own.state.is_running());
        let asked = resting.filter(|own| own.state == State::Created || publishes(own));
        let looks = asked.map(async |own| {
            match self.condition(&own.id).await {
                // A short one may have ended by now.
                Ok(now) if own.state == State::Created => Ok(was_started(&now)),
                Ok(now) => Ok(now.running),
                // It was removed meanwhile.
                Err(error) if status(&error) == Some(404) => Ok(true),
                Err(error) => Err(error),
            }
        });
        let running = try_join_all(looks).await?;
        Ok(running.contains(&true))
    }

    /// The signals that a project's containers were sent lately, for [`Docker::stopping`]. The engine remembers the last 256
    /// events (moby `eventsLimit`), three of which each health check makes, so one that is older may be missing; so are all of
    /// them where it does not tell.
    pub async fn signals(&self, project: &str) -> Vec<Sent> {
        let label = format!("{}={project}", labels::PROJECT);
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("label", vec![&label]),
            ("event", vec!["kill"]),
        ]);
        let now = since_epoch();
        // With an end that is past it does not go on listening.
        let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let options = EventsOptionsBuilder::new().filters(&filters).until(&until);
        let events = self.client.events(Some(options.build()));
        let events = events.take_until(tokio::time::sleep(SOON));
        let sent = events.filter_map(async |event| {
            let event = event.ok()?;
            let actor = event.actor?;
            Some(Sent {
                container: actor.id?,
                signal: actor.attributes?.get("signal")?.parse().ok()?,
                at: Stamp::of_nanoseconds(event.time_nano?),
            })
        });
        sent.collect().await
    }

    /// Those of containers that were seen to run and are being stopped, by what they were sent.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn stopping<'a>(
        &self,
        containers: impl IntoIterator<Item = &'a Container>,
        sent: &[Sent],
    ) -> Result<Vec<&'a Container>, EngineError> {
        let containers = containers.into_iter();
        let running = containers.filter(|own| own.state.is_running());
        let looks = running.map(async |own| Ok(self.stop(&own.id, sent).await?.map(|_| own)));
        let found = try_join_all(looks).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Waits until a container that is being stopped has ended, or has had its time and goes on: it heard the signal and was not
    /// meant to end by it.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn stopped(&self, container: &Container, sent: &[Sent]) -> Result<(), EngineError> {
        while self.stop(&container.id, sent).await? == Some(Stop::GoesOn) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The stop of a container that was sent the signal that it is stopped with, since it was started and not longer ago than it
    /// may take to end.
    async fn stop(&self, container: &str, sent: &[Sent]) -> Result<Option<Stop>, EngineError> {
        let sent: Vec<&Sent> = sent
            .iter()
            .filter(|own| own.container == container)
            .collect();
        if sent.is_empty() {
            return Ok(None);
        }
        let found = match self.look(container).await {
            Err(error) if status(&error) == Some(404) => return Ok(Some(Stop::Over)),
            found => found?,
        };
        let within = grace_period(&found) + BEYOND_GRACE;
        let state = found.state.unwrap_or_default();
        let started = state.started_at.as_deref().and_then(Stamp::parse);
        let own = found.config.and_then(|config| config.stop_signal);
        let own = number(&own.unwrap_or_default());
        let now = since_epoch();
        let stops = sent.into_iter().any(|sent| {
            let stops = sent.signal == KILL || Some(sent.signal) == own;
            let of_this_start = started.as_ref().is_some_and(|started| *started < sent.at);
            let (seconds, rest) = sent.at.since_epoch();
            let at = Duration::new(seconds.unsigned_abs(), rest);
            stops && of_this_start && now < at.saturating_add(within)
        });
        let stop = match state.running {
            Some(true) => Stop::GoesOn,
            _ => Stop::Over,
        };
        Ok(stops.then_some(stop))
    }
}

/// Whether a container was ever started; before that the engine says the year 1.
fn was_started(now: &Condition) -> bool {
    Stamp::parse(&now.started).is_some_and(|started| started.seconds > 0)
}

/// The number of the signal that a container is stopped with: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3` (moby `signal.ParseSignal`).
fn number(name: &str) -> Option<u8> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let at = NAMES.iter().position(|own| *own == name);
    match (name.split_once('+'), name.split_once('-')) {
        _ if name.is_empty() => Some(TERM),
        (Some(("RTMIN", above)), _) => above.parse::<u8>().ok()?.checked_add(34),
        (_, Some(("RTMAX", below))) => 64_u8.checked_sub(below.parse().ok()?),
        _ => match at {
            Some(at) => u8::try_from(at + 1).ok(),
            None => name.parse().ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_number() {
        let cases = [
            ("", 15),
            ("SIGTERM", 15),
            ("quit", 3),
            ("SIGWINCH", 28),
            ("10", 10),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
        ];
        for (name, expected) in cases {
            assert_eq!(number(name), Some(expected), "{name}");
        }
        assert_eq!(number("SIGFOO"), None);
    }
}
