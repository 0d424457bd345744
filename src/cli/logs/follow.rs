//! Goes on with what containers print from now on, those included that start later: started again, or made anew by
//! another `up`.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, SelectAll};
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::merge::Read;
use super::reader::{Part, Reader, State};
use crate::docker::{LogLine, LogOptions};
use crate::failure::Failure;
use crate::plan;
use crate::runtime::{Engine, EngineError, Happening, HappeningKind};

/// How long after the last container's end another may still start: it is being restarted or replaced.
const GRACE: Duration = Duration::from_secs(2);
/// Before a container is read again whose output ended though it runs.
const AGAIN: Duration = Duration::from_millis(100);
/// How long an engine that went away is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come of what stopped containers printed before the rest is given up.
const SILENCE: Duration = Duration::from_secs(10);

/// Until when what is printed is shown.
pub(super) enum Until {
    /// Every container has ended, and none is started again.
    Ended,
    /// It is told that no more containers will be started, and what they printed is read.
    Told(watch::Receiver<bool>),
    /// It was told.
    Read,
}

impl Until {
    /// Waits until it is told, where it is ever told.
    async fn told(&mut self) {
        if let Self::Told(told) = self
            && told.wait_for(|told| *told).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// What the containers print: the container's ID with a line, or with nothing at the end.
type Open = SelectAll<Pin<Box<dyn Stream<Item = (String, Option<Read>)> + Send>>>;

impl Reader<'_> {
    /// Shows what is printed until it ends, or nobody reads any more. `news` was listened to before the containers were
    /// looked at.
    pub(super) async fn follow(
        &mut self,
        news: impl Stream<Item = Happening>,
        mut until: Until,
    ) -> Result<(), Failure> {
        let mut news = std::pin::pin!(news);
        let mut open: Open = SelectAll::new();
        self.look(&mut open).await?;
        let mut end = Instant::now();
        loop {
            match self.go_on(&mut news, &mut open, &mut end, &mut until).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.outlive(error).await?;
                    end = Instant::now() + GRACE;
                    self.begin_anew(&mut open, &until).await?;
                }
            }
        }
    }

    /// Shows what comes next; whether there may be more.
    async fn go_on(
        &mut self,
        news: &mut (impl Stream<Item = Happening> + Unpin),
        open: &mut Open,
        end: &mut Instant,
        until: &mut Until,
    ) -> Result<bool, EngineError> {
        let last = matches!(until, Until::Read);
        if last && !self.follows() {
            return Ok(false);
        }
        let may_end = matches!(until, Until::Ended) && !self.follows();
        tokio::select! {
            Some((id, read)) = open.next() => if let Some(read) = read {
                return self.show(&id, read);
            } else {
                self.ended(&id, open, last).await?;
                *end = Instant::now() + GRACE;
            },
            // Who is started now was not started by this run.
            Some(happening) = news.next(), if !last => self.hear(&happening, open).await?,
            () = tokio::time::sleep_until(*end), if may_end => {
                if !self.look(open).await? {
                    return Ok(false);
                }
                *end = Instant::now() + GRACE;
            }
            () = until.told() => {
                *until = Until::Read;
                self.begin_anew(open, until).await?;
            }
            // Each line begins it anew.
            () = tokio::time::sleep(SILENCE), if last => return Ok(false),
        }
        Ok(true)
    }

    /// Waits for an engine that went away. What was read of its containers is not shown again.
    async fn outlive(&mut self, error: EngineError) -> Result<(), Failure> {
        if !matches!(error, EngineError::Unreachable { .. }) {
            return Err(error.into());
        }
        let begun = Instant::now();
        self.invocation
            .note("the engine went away: waiting for it")?;
        loop {
            tokio::time::sleep(AGAIN).await;
            match self.engine.list(Some(self.project), true).await {
                Ok(_) => break,
                Err(EngineError::Unreachable { .. }) if begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives up what is open, and opens what is to be read now.
    async fn begin_anew(&mut self, open: &mut Open, until: &Until) -> Result<(), EngineError> {
        *open = SelectAll::new();
        let mut given_up = BTreeSet::new();
        for (id, source) in &mut self.sources {
            if source.state == State::Open {
                source.state = State::Idle;
                given_up.insert(id.clone());
            }
        }
        if matches!(until, Until::Read) {
            self.look_back(open, &given_up).await
        } else {
            self.look(open).await.map(drop)
        }
    }

    /// Whether any container is being followed.
    fn follows(&self) -> bool {
        let mut sources = self.sources.values();
        sources.any(|source| source.state == State::Open)
    }

    /// Shows a line, unless it was shown before.
    fn show(&mut self, id: &str, read: Read) -> Result<bool, EngineError> {
        let again = self.sources.get_mut(id).map(|source| &mut source.again);
        if let (Some(again), Ok(LogLine { at: Some(at), .. })) = (again, &read)
            && again.recognises(at)
        {
            return Ok(true);
        }
        self.take(id, read, &Part::default())
    }

    /// Opens what is not open and runs, or has ended and was not read to the end; whether anything prints, or is about to.
    async fn look(&mut self, open: &mut Open) -> Result<bool, EngineError> {
        let listed = self.engine.list(Some(self.project), true).await?;
        let mut expected = false;
        for container in listed.iter().map(|own| &own.container) {
            if !self.wants(container) {
                continue;
            }
            let source = self.sources.get(&container.id);
            let (known, read) = (source.is_some(), source.is_some_and(|source| source.whole));
            match container.state {
                state if state.has_ended() && read => {}
                plan::State::Running(_)
                | plan::State::Paused
                | plan::State::Exited(_)
                | plan::State::Dead => {
                    self.add(container);
                    self.open(&container.id, open, false);
                }
                plan::State::Restarting => expected = true,
                // It was made since, to replace another.
                plan::State::Created if !known => expected = true,
                plan::State::Created => {}
            }
        }
        Ok(expected || self.follows())
    }

    /// Reads a container from behind what was read of it, and follows it unless only the `rest` is wanted.
    fn open(&mut self, id: &str, open: &mut Open, rest: bool) {
        let Some(source) = self.sources.get_mut(id) else {
            return;
        };
        if source.state != State::Idle {
            return;
        }
        source.state = State::Open;
        source.rest = rest;
        source.whole = false;
        source.again = source.seen.clone();
        let options = LogOptions {
            follow: !rest,
            since: source.seen.since(),
            ..LogOptions::default()
        };
        let (line, end) = (id.to_owned(), id.to_owned());
        let lines = self.engine.logs(id, &options);
        let lines = lines.map(move |read| (line.clone(), Some(read)));
        let end = stream::once(async move { (end, None) });
        open.push(lines.chain(end).boxed());
    }

    /// A container's output ended: it runs on, and is read again, or it is told how it ended.
    async fn ended(&mut self, id: &str, open: &mut Open, last: bool) -> Result<(), EngineError> {
        let rest = match self.sources.get_mut(id) {
            Some(source) if source.state == State::Open => {
                source.state = State::Idle;
                source.rest
            }
            _ => return Ok(()),
        };
        let condition = match self.engine.inspect(id).await {
            // It is gone, removed or replaced.
            Err(EngineError::Refused { .. }) => return Ok(()),
            condition => condition?,
        };
        if condition.running && !condition.restarting {
            if last {
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
            self.open(id, open, false);
            return Ok(());
        }
        if !rest && !self.has_last(id).await? {
            self.open(id, open, true);
            return Ok(());
        }
        if let Some(source) = self.sources.get_mut(id) {
            source.whole = !condition.running;
        }
        let restarts = if condition.restarting {
            ", and is restarted"
        } else {
            ""
        };
        self.remark(
            id,
            &format!("ended with code {}{restarts}", condition.exit_code),
        );
        Ok(())
    }

    /// Opens what has ended and was not read to the end, also where nobody told of its start. What runs on is let be.
    async fn look_back(
        &mut self,
        open: &mut Open,
        given_up: &BTreeSet<String>,
    ) -> Result<(), EngineError> {
        let listed = self.engine.list(Some(self.project), true).await?;
        for container in listed.iter().map(|own| &own.container) {
            let mut ended = container.state.has_ended();
            // The engine's list is a little behind.
            if !ended && given_up.contains(&container.id) {
                ended = match self.engine.inspect(&container.id).await {
                    Err(EngineError::Refused { .. }) => false,
                    condition => !condition?.running,
                };
            }
            if !ended || !self.wants(container) {
                continue;
            }
            self.add(container);
            let id = &container.id;
            let whole = self.sources.get(id).is_some_and(|source| source.whole);
            if !whole || !self.has_last(id).await? {
                self.open(id, open, true);
            }
        }
        Ok(())
    }

    /// Whether a container's last line was read. Engine 20.10 ends what is followed with the container, and leaves out what a
    /// slow reader has not taken by then.
    async fn has_last(&self, id: &str) -> Result<bool, EngineError> {
        let Some(source) = self.sources.get(id) else {
            return Ok(true);
        };
        match self.engine.last_moment(id).await {
            Ok(Some(last)) => Ok(source.seen.holds(&last)),
            Ok(None) | Err(EngineError::Refused { .. }) => Ok(true),
            // An engine that is there and does not say it is not asked over and over.
            Err(_) => self
                .engine
                .list(Some(self.project), true)
                .await
                .map(|_| true),
        }
    }

    async fn hear(&mut self, happening: &Happening, open: &mut Open) -> Result<(), EngineError> {
        let id = &happening.container;
        match happening.kind {
            HappeningKind::Started if self.sources.contains_key(id) => self.open(id, open, false),
            HappeningKind::Started | HappeningKind::Lost => {
                self.look(open).await?;
            }
            _ => {}
        }
        Ok(())
    }
}
