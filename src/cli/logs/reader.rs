//! Containers whose output is shown: under which name, and how far it was read.

use std::collections::BTreeMap;

use futures_util::StreamExt;

use super::merge::{Read, merge};
use super::seen::Seen;
use crate::cli::invocation::Invocation;
use crate::docker::{Docker, LogLine, LogOptions, LogStream, Stamp};
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::EngineError;
use crate::term::{LogForm, LogLines, LogSource, Message};

/// Which part of what a container printed is shown.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// All of it.
    All,
    /// The last lines.
    Last(usize),
    /// What was printed from a moment on.
    Since(Stamp),
}

impl Part {
    fn options(&self) -> LogOptions {
        match self {
            Self::All => LogOptions::default(),
            // The last line tells how far it was printed, also when it is not shown.
            Self::Last(lines) => LogOptions {
                tail: Some(*lines.max(&1)),
                ..LogOptions::default()
            },
            Self::Since(moment) => LogOptions {
                since: Some(moment.seconds),
                ..LogOptions::default()
            },
        }
    }

    fn holds(&self, line: &LogLine) -> bool {
        match self {
            Self::All => true,
            Self::Last(lines) => *lines > 0,
            Self::Since(moment) => line.at.as_ref().is_none_or(|at| at >= moment),
        }
    }
}

/// Shows what containers print.
pub(super) struct Reader<'a> {
    pub(super) invocation: &'a Invocation,
    pub(super) engine: &'a Docker,
    pub(super) project: &'a str,
    /// The services whose containers are shown; empty: all.
    services: Vec<String>,
    lines: LogLines<'a>,
    /// By the containers' IDs.
    pub(super) sources: BTreeMap<String, Source>,
}

/// A container that is shown.
#[derive(Debug)]
pub(super) struct Source {
    number: LogSource,
    /// What was read of it.
    pub(super) seen: Seen,
    /// What of that comes once more, since it is read again.
    pub(super) again: Seen,
    /// How it stands with its output.
    pub(super) state: State,
}

/// How it stands with a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being followed.
    Open,
    /// It prints nothing now.
    Idle,
    /// It cannot be read.
    Mute,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        invocation: &'a Invocation,
        engine: &'a Docker,
        project: &'a str,
        services: Vec<String>,
        form: LogForm,
    ) -> Self {
        Self {
            invocation,
            engine,
            project,
            services,
            lines: LogLines::new(&invocation.screen, form),
            sources: BTreeMap::new(),
        }
    }

    /// Shows what containers printed up to now; whether somebody read it to the end.
    pub(super) async fn history(
        &mut self,
        wanted: Vec<(&Container, Part)>,
    ) -> Result<bool, Failure> {
        let mut streams = Vec::new();
        for (container, part) in &wanted {
            self.add(container);
            if let (Part::Since(moment), Some(source)) = (part, self.sources.get_mut(&container.id))
            {
                source.seen = Seen::before(moment);
            }
            let options = part.options();
            streams.push(self.engine.logs(&container.id, &options).boxed());
        }
        let mut failure = None;
        let all = merge(streams, |number, read| {
            let (container, part) = &wanted[number];
            match self.take(&container.id, read, part) {
                Ok(go_on) => go_on,
                Err(error) => {
                    failure = Some(error);
                    false
                }
            }
        })
        .await;
        failure.map_or(Ok(all), |error| Err(error.into()))
    }

    /// Takes a container in.
    pub(super) fn add(&mut self, container: &Container) {
        let name = short(self.project, container);
        let number = self.lines.source(&name, &container.service);
        let source = Source {
            number,
            seen: Seen::default(),
            again: Seen::default(),
            state: State::Idle,
        };
        self.sources.entry(container.id.clone()).or_insert(source);
    }

    /// Whether a container's service is one that is shown.
    pub(super) fn wants(&self, container: &Container) -> bool {
        let named = self.services.is_empty() || self.services.contains(&container.service);
        named && !container.one_off
    }

    /// Shows a line that was read, where it is part of what is wanted; whether somebody reads on. A container whose
    /// output the engine does not have is told of once.
    pub(super) fn take(&mut self, id: &str, read: Read, part: &Part) -> Result<bool, EngineError> {
        let Some(source) = self.sources.get_mut(id) else {
            return Ok(true);
        };
        let line = match read {
            Ok(line) => line,
            Err(error @ EngineError::Refused { .. }) => {
                source.state = State::Mute;
                let error = Message::of(&error);
                let why = error.causes.first().unwrap_or(&error.text);
                let name = self.lines.name(source.number);
                self.invocation
                    .warning(&format!("what `{name}` prints cannot be shown: {why}"));
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        if let Some(at) = &line.at {
            source.seen.note(at);
        }
        if !part.holds(&line) {
            return Ok(true);
        }
        let at = line.at.as_ref().map(|at| at.text.as_str());
        let is_error = line.stream == LogStream::Stderr;
        Ok(self.lines.print(source.number, at, is_error, &line.text))
    }

    /// Tells something about a container.
    pub(super) fn remark(&self, id: &str, text: &str) {
        if let Some(source) = self.sources.get(id) {
            self.lines.remark(source.number, text);
        }
    }
}

/// A container's name as docker compose's logs show it: without the project in front. One that is about to replace
/// another has that one's ID in front until then.
fn short(project: &str, container: &Container) -> String {
    let is_id = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match container.name.split_once('_') {
        Some((id, name)) if is_id(id) => name,
        _ => &container.name,
    };
    let own = name.strip_prefix(project);
    let own = own.and_then(|rest| rest.strip_prefix('-'));
    own.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stack::tests::container;

    #[test]
    fn names_are_short_also_while_one_container_replaces_another() {
        let named = |name: &str| {
            let mut container = container("api", "");
            container.name = name.to_owned();
            short("hub", &container)
        };
        assert_eq!(named("hub-api-1"), "api-1");
        assert_eq!(named("0123456789ab_hub-api-1"), "api-1");
        assert_eq!(named("my_own"), "my_own");
        assert_eq!(named("hubble-api-1"), "hubble-api-1");
    }
}
