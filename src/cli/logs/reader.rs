//! Containers whose output is shown: under which name, and how far it was read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};

use super::merge::{Read, merge};
use super::seen::Seen;
use crate::cli::invocation::Invocation;
use crate::docker::{Docker, LogLine, LogOptions, LogStream, Stamp};
use crate::failure::Failure;
use crate::plan::Container;
use crate::runtime::EngineError;
use crate::term::{LogForm, LogLines, LogSource, Message};

/// Which part of what a container printed is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// The last lines; all of them when absent.
    pub(super) last: Option<usize>,
    /// Nothing that was printed before.
    pub(super) since: Option<Stamp>,
    /// Nothing that was printed after.
    pub(super) until: Option<Stamp>,
}

impl Part {
    fn options(&self) -> LogOptions {
        // The engine takes whole seconds: what is too much is left out here.
        let until = self.until.as_ref().map(Stamp::since_epoch);
        LogOptions {
            // The last line tells how far it was printed, also when it is not shown. Of an end the engine thinks only once
            // it has counted.
            tail: self
                .last
                .filter(|_| until.is_none())
                .map(|lines| lines.max(1)),
            since: self.since.as_ref().map(|moment| moment.seconds),
            until: until.map(|(seconds, rest)| seconds + i64::from(rest > 0)),
            ..LogOptions::default()
        }
    }

    /// Of a stream of all lines those that the engine could not leave out.
    fn cut(&self, lines: impl Stream<Item = Read> + Send + 'static) -> BoxStream<'static, Read> {
        let (Some(last), Some(_)) = (self.last, &self.until) else {
            return lines.boxed();
        };
        let part = self.clone();
        let kept = async move {
            let mut kept = VecDeque::new();
            let mut lines = std::pin::pin!(lines);
            while let Some(read) = lines.next().await {
                if read.as_ref().is_ok_and(|line| !part.holds(line)) {
                    continue;
                }
                if kept.len() == last.max(1) {
                    kept.pop_front();
                }
                kept.push_back(read);
            }
            stream::iter(kept)
        };
        stream::once(kept).flatten().boxed()
    }

    fn holds(&self, line: &LogLine) -> bool {
        let at = line.at.as_ref().map(Stamp::since_epoch);
        let (since, until) = (&self.since, &self.until);
        let early = |at| {
            since
                .as_ref()
                .is_some_and(|moment| at < moment.since_epoch())
        };
        let late = |at| {
            until
                .as_ref()
                .is_some_and(|moment| at > moment.since_epoch())
        };
        self.last != Some(0) && !at.is_some_and(|at| early(at) || late(at))
    }
}

/// Shows what containers print.
pub(super) struct Reader<'a> {
    pub(super) invocation: &'a Invocation,
    pub(super) engine: &'a Docker,
    pub(super) project: &'a str,
    /// The services whose containers are shown; empty: all.
    services: Vec<String>,
    /// The number of the one that is shown; all of them when absent.
    pub(super) number: Option<u32>,
    /// Containers that are not shown.
    pub(super) without: BTreeSet<String>,
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
    /// Whether it is read and not followed.
    pub(super) rest: bool,
    /// Whether it has ended, and was read to the end.
    pub(super) whole: bool,
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
            number: None,
            without: BTreeSet::new(),
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
            // One that runs may print more, and end, while others are read.
            if let Some(source) = self.sources.get_mut(&container.id) {
                source.whole = container.state.has_ended();
            }
            if let (None, Some(moment)) = (part.last, &part.since) {
                self.begin(&container.id, moment);
            }
            let options = part.options();
            streams.push(part.cut(self.engine.logs(&container.id, &options)));
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
        // Of those that printed nothing since.
        for (container, part) in &wanted {
            if let Some(moment) = &part.since {
                self.begin(&container.id, moment);
            }
        }
        failure.map_or(Ok(all), |error| Err(error.into()))
    }

    /// Takes for read what a container printed before a moment, where nothing of it was read.
    fn begin(&mut self, id: &str, moment: &Stamp) {
        let source = self.sources.get_mut(id);
        if let Some(source) = source.filter(|source| source.seen.since().is_none()) {
            source.seen = Seen::before(moment);
        }
    }

    /// Takes a container in that does not run, all that it printed before a moment being read.
    pub(super) fn pass_over(&mut self, container: &Container, until: Option<&Stamp>) {
        self.add(container);
        if let Some(source) = self.sources.get_mut(&container.id) {
            source.whole = true;
            source.seen = until.map_or_else(Seen::default, Seen::before);
        }
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
            rest: false,
            whole: false,
        };
        self.sources.entry(container.id.clone()).or_insert(source);
    }

    /// Whether a container's service is one that is shown.
    pub(super) fn wants(&self, container: &Container) -> bool {
        let named = self.services.is_empty() || self.services.contains(&container.service);
        let meant = self.number.is_none_or(|number| container.number == number);
        named && meant && !container.one_off && !self.without.contains(&container.id)
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
