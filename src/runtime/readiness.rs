//! When a container is ready: its health check passed, or it runs, or it ended well. larder runs the health
//! check itself from 50 ms after the start, because the engine's first probe comes only after `interval`.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::{self, error::RecvError};

use super::error::StepError;
use super::event::Progress;
use super::ports::{Condition, Engine, Happening, HappeningKind, Listening};
use crate::model::{Healthcheck, RestartPolicy};
use crate::plan::{Health, Readiness};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A container that its restart policy started this often, and that ends once more, will not come up.
const RESTARTS: u64 = 3;
/// Of them so many within one wait.
const ENDS: u64 = 2;
/// Looking whether a port is listened on costs next to nothing.
const GLANCE: Duration = Duration::from_millis(20);
const LONGEST_GLANCE: Duration = Duration::from_millis(250);
/// How long a container without health check must run before it counts as ready, unless somebody listens on one of its
/// ports before: what is broken ends in this time, mostly.
const SETTLED: Duration = Duration::from_millis(700);
const LAST_LINES: usize = 20;
/// The engine's own default for a probe's time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is waited for.
pub(super) struct Watched<'a> {
    pub(super) service: &'a str,
    pub(super) container: &'a str,
    pub(super) until: Readiness,
    /// Whether larder runs the health check itself.
    pub(super) probes: bool,
    /// When the engine starts it again.
    pub(super) restarts: RestartPolicy,
    pub(super) timeout: Option<Duration>,
}

/// A health check that passed when larder ran it: which start of which container it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The container's ID.
    pub container: String,
    /// When it was started, in the engine's words.
    pub started: String,
}

impl Proof {
    /// Whether it is still the newest that is known of the container: it was not started again, and the engine's own
    /// first probe has not come.
    pub fn holds(&self, now: &Condition) -> bool {
        now.running
            && !now.restarting
            && now.probes == 0
            && now.health == Some(Health::Starting)
            && now.started == self.started
    }
}

impl Watched<'_> {
    /// How many restarts are one too many; `None` where the engine itself ends them, or the policy asks
    /// to go on until it ends well.
    fn most_restarts(&self) -> Option<u64> {
        match (self.restarts, self.until) {
            (RestartPolicy::OnFailure(Some(_)), _)
            | (RestartPolicy::OnFailure(None), Readiness::Completed) => None,
            _ => Some(RESTARTS),
        }
    }
}

/// Waits until a container is what is waited for; what proved it, where the engine does not know it yet.
///
/// # Errors
/// It ended, restarts in a loop, is unhealthy, or took too long.
pub(super) async fn wait<E: Engine>(
    engine: &E,
    watched: &Watched<'_>,
    news: broadcast::Receiver<Happening>,
    progress: &Progress,
) -> Result<Option<Proof>, StepError> {
    let come = attend(engine, watched, news, progress);
    let Some(limit) = watched.timeout else {
        return come.await;
    };
    if let Ok(come) = tokio::time::timeout(limit, come).await {
        return come;
    }
    let condition = engine.inspect(watched.container).await;
    if let Ok(condition) = &condition
        && condition.restarting
    {
        return Err(failure(engine, watched, condition).await);
    }
    Err(StepError::TimedOut {
        service: watched.service.to_owned(),
        until: watched.until,
        after: limit,
        // That it took too long is the news.
        check: condition.ok().and_then(|condition| condition.check),
        output: last_lines(engine, watched.container).await,
    })
}

async fn attend<E: Engine>(
    engine: &E,
    watched: &Watched<'_>,
    mut news: broadcast::Receiver<Happening>,
    progress: &Progress,
) -> Result<Option<Proof>, StepError> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut restarts = None;
    let mut run = Run::default();
    loop {
        let condition = engine.inspect(watched.container).await?;
        let mut rests = pause;
        let before = *restarts.get_or_insert(condition.restarts);
        let up = run.lasts(&condition);
        // Of one that was looping before, the first end may be of a run that lacked what is there by now.
        let looped = watched
            .most_restarts()
            .is_some_and(|most| condition.restarts >= most.max(before + ENDS));
        match verdict(&condition, watched.until, looped) {
            Verdict::Yes => return Ok(None),
            Verdict::No => return Err(failure(engine, watched, &condition).await),
            Verdict::NoHealthcheck => {
                return Err(StepError::NoHealthcheck {
                    service: watched.service.to_owned(),
                });
            }
            Verdict::Probe if watched.probes => {
                let probed = tokio::select! {
                    probed = probe(engine, watched.container, &condition) => probed,
                    // What it was asked for is answered, or it is another process that has to answer.
                    () = heard(watched.container, &mut news, |kind| kind != HappeningKind::Started) => continue,
                };
                match probed {
                    Probe::Passed => {
                        return Ok(Some(Proof {
                            container: watched.container.to_owned(),
                            started: condition.started,
                        }));
                    }
                    Probe::Failed => progress.doing("its health check does not pass yet"),
                    Probe::Quiet => {
                        progress.doing("coming up, no port open yet");
                        rests = (begun.elapsed() / 20).clamp(GLANCE, LONGEST_GLANCE);
                    }
                }
            }
            Verdict::Settles => {
                let listens = engine.listening(watched.container, &condition) == Listening::Yes;
                if listens || up >= SETTLED {
                    return Ok(None);
                }
                progress.doing("it has to stay up for a moment");
                rests = GLANCE.max(SETTLED / 10);
            }
            Verdict::Later if condition.restarting => progress.doing(format!(
                "it ended with code {}, and is to be started again",
                condition.exit_code
            )),
            Verdict::Probe | Verdict::Later => {}
        }
        rest(rests, watched.container, &mut news).await;
        if rests == pause {
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

/// One run of a container's process, from its start to its end.
#[derive(Default)]
struct Run {
    /// What tells it from the others, and when it was seen first.
    seen: Option<(String, u64, Instant)>,
}

impl Run {
    /// How long the run that goes on now has been seen.
    fn lasts(&mut self, now: &Condition) -> Duration {
        match &self.seen {
            Some((started, restarts, since))
                if *started == now.started && *restarts == now.restarts =>
            {
                since.elapsed()
            }
            _ => {
                self.seen = Some((now.started.clone(), now.restarts, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

enum Verdict {
    Yes,
    No,
    NoHealthcheck,
    /// It runs and has a health check that has not passed.
    Probe,
    /// It runs, has no health check, and nobody waits for one.
    Settles,
    Later,
}

fn verdict(condition: &Condition, until: Readiness, looped: bool) -> Verdict {
    // Only now does the engine say the code that it ended with: the next start makes it 0.
    if condition.restarting {
        return if looped { Verdict::No } else { Verdict::Later };
    }
    if !condition.running {
        // One that ended well and is not waited for as healthy has done what it was for.
        let done = condition.exit_code == 0 && until != Readiness::Healthy;
        return if done { Verdict::Yes } else { Verdict::No };
    }
    match (until, condition.health, &condition.healthcheck) {
        (Readiness::Completed, ..) => Verdict::Later,
        (_, Some(Health::Healthy), _) => Verdict::Yes,
        (_, Some(Health::Unhealthy), _) => Verdict::No,
        (_, _, Some(_)) => Verdict::Probe,
        (Readiness::Ready, _, None) => Verdict::Settles,
        (Readiness::Healthy, _, None) => Verdict::NoHealthcheck,
    }
}

enum Probe {
    Passed,
    Failed,
    /// Nobody listens on its ports, which was seen without running anything in it.
    Quiet,
}

/// Runs the health check once, when somebody listens on one of the ports that the container exposes.
///
/// A pass this early proves less than the engine's, one `interval` later: postgres prepares a new data folder
/// with a server that answers on its own socket only, then starts again. Where nobody ever listens, the
/// engine's verdict decides.
async fn probe<E: Engine>(engine: &E, container: &str, condition: &Condition) -> Probe {
    let listens = match engine.listening(container, condition) {
        Listening::No => return Probe::Quiet,
        Listening::Unknown if !condition.exposed.is_empty() => {
            listens(engine, container, &condition.exposed).await
        }
        Listening::Yes | Listening::Unknown => true,
    };
    match &condition.healthcheck {
        Some(check) if listens && passes(engine, container, check).await => Probe::Passed,
        _ => Probe::Failed,
    }
}

/// Runs the health check once, in the container, as its user and with its environment.
async fn passes<E: Engine>(engine: &E, container: &str, check: &Healthcheck) -> bool {
    let Some(command) = command(check) else {
        return false;
    };
    let limit = check
        .timeout
        .map(crate::model::Span::as_duration)
        .filter(|limit| !limit.is_zero())
        .unwrap_or(PROBE_TIMEOUT);
    // A probe that takes too long has failed, and a container that ends under it is seen by the next inspection.
    let code = tokio::time::timeout(limit, engine.probe(container, &command)).await;
    matches!(code, Ok(Ok(0)))
}

/// Whether one of the ports that a container exposes is listened on, asked in the container.
async fn listens<E: Engine>(engine: &E, container: &str, ports: &[u16]) -> bool {
    let ports: Vec<String> = ports.iter().map(|port| format!("{port:04X}")).collect();
    let pattern = format!(":({}) [0-9A-F]+:0000 0A", ports.join("|"));
    let command =
        ["grep", "-qsE", &pattern, "/proc/net/tcp", "/proc/net/tcp6"].map(ToOwned::to_owned);
    let asked = tokio::time::timeout(PROBE_TIMEOUT, engine.probe(container, &command));
    // 126 and 127: there is no grep to ask.
    matches!(asked.await, Ok(Ok(0 | 126 | 127)))
}

/// The command of a health check (moby `daemon/health.go`: `CMD-SHELL` goes through the shell).
fn command(check: &Healthcheck) -> Option<Vec<String>> {
    let (kind, rest) = check.test.as_ref()?.split_first()?;
    match kind.as_str() {
        "CMD" => Some(rest.to_vec()),
        "CMD-SHELL" => Some(
            ["/bin/sh", "-c"]
                .into_iter()
                .map(ToOwned::to_owned)
                .chain(rest.first().cloned())
                .collect(),
        ),
        _ => None,
    }
}

async fn failure<E: Engine>(engine: &E, watched: &Watched<'_>, condition: &Condition) -> StepError {
    let service = watched.service.to_owned();
    let output = last_lines(engine, watched.container).await;
    if condition.running && condition.health == Some(Health::Unhealthy) {
        let check = condition.check.clone();
        return StepError::Unhealthy {
            service,
            check,
            output,
        };
    }
    StepError::Exited {
        service,
        code: condition.exit_code,
        out_of_memory: condition.out_of_memory,
        restarts: condition.restarts,
        output,
    }
}

/// The last lines of a container's output, for an error.
pub(super) async fn last_lines<E: Engine>(engine: &E, container: &str) -> Vec<String> {
    // The failure is the news; that its log cannot be read is not.
    engine
        .last_lines(container, LAST_LINES)
        .await
        .unwrap_or_default()
}

/// Rests for `pause`, or until something happens to the container.
async fn rest(pause: Duration, container: &str, news: &mut broadcast::Receiver<Happening>) {
    let _ = tokio::time::timeout(pause, heard(container, news, |_| true)).await;
}

/// Ends when something of the kinds that count happens to the container, or may have happened unseen.
async fn heard(
    container: &str,
    news: &mut broadcast::Receiver<Happening>,
    counts: impl Fn(HappeningKind) -> bool,
) {
    loop {
        match news.recv().await {
            Ok(Happening {
                kind: HappeningKind::Lost,
                ..
            })
            | Err(RecvError::Lagged(_)) => return,
            Ok(happening) if happening.container == container && counts(happening.kind) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_that_the_policy_asks_for_are_waited_out() {
        use Readiness::{Completed, Ready};
        use RestartPolicy::{Always, OnFailure};

        let most = |restarts, until| {
            let watched = Watched {
                service: "job",
                container: "c",
                until,
                probes: true,
                restarts,
                timeout: None,
            };
            watched.most_restarts()
        };
        assert_eq!(most(OnFailure(Some(5)), Completed), None);
        assert_eq!(most(OnFailure(None), Completed), None);
        assert_eq!(most(OnFailure(Some(5)), Ready), None);
        assert_eq!(most(OnFailure(None), Ready), Some(3));
        assert_eq!(most(Always, Completed), Some(3));
    }

    #[test]
    fn a_proof_holds_until_the_engine_knows_better() {
        let proof = Proof {
            container: "c".to_owned(),
            started: "one".to_owned(),
        };
        let now = Condition {
            running: true,
            health: Some(Health::Starting),
            started: "one".to_owned(),
            ..Condition::default()
        };
        assert!(proof.holds(&now));
        let changes: [fn(&mut Condition); 5] = [
            |now| now.running = false,
            |now| now.restarting = true,
            |now| now.probes = 1,
            |now| now.health = Some(Health::Unhealthy),
            |now| now.started = "two".to_owned(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut later = now.clone();
            change(&mut later);
            assert!(!proof.holds(&later), "{number}");
        }
    }
}
