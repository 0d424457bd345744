//! The executor's order, with an engine that only writes down what it is asked. What a real engine does with
//! the calls is tested against real engines.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use larder::model::{Condition as DependsOn, Dependency, Digest, Hook, ImageId, Project, Service};
use larder::plan::{BuilderKind, Builders, Health, Image, Observed, Wanted, decide};
use larder::runtime::{
    BuildError, BuildRequest, Builder, Condition, ContainerSpec, Engine, EngineError, Event,
    EventSink, Happening, HappeningKind, HookEnd, Listening, Outcome, Progress, Run, StepError,
    execute,
};
use tokio::sync::watch;

/// Writes down calls. Containers of `broken` end with code 3, those of `slow` never get healthy, those of `looping` end
/// again and again. The health check of `stuck` does not come back; the engine finds it healthy after 300 ms.
struct Notebook {
    calls: Mutex<Vec<String>>,
    begun: Instant,
    broken: &'static str,
    slow: &'static str,
    looping: &'static str,
    stuck: &'static str,
    /// What is run in `api` after its start; `fails` ends with code 1, `hangs` never ends.
    hooks: &'static [&'static str],
}

impl Default for Notebook {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            begun: Instant::now(),
            broken: "",
            slow: "",
            looping: "",
            stuck: "",
            hooks: &[],
        }
    }
}

const HEALED: Duration = Duration::from_millis(300);

/// What an inspection shows of a container that lives for 300 ms each time, and that the engine starts again after 100 ms,
/// 200 ms, 400 ms and so on.
fn crash_loop(mut age: Duration) -> Condition {
    let life = Duration::from_millis(300);
    let mut back_off = Duration::from_millis(100);
    let mut restarts = 0;
    while age >= life + back_off {
        age -= life + back_off;
        back_off *= 2;
        restarts += 1;
    }
    let waits = age >= life;
    Condition {
        running: true,
        restarting: waits,
        restarts: restarts + u64::from(waits),
        exit_code: if waits { 5 } else { 0 },
        started: restarts.to_string(),
        ..Condition::default()
    }
}

impl Notebook {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Engine for Notebook {
    async fn observe(&self, _: &str) -> Result<Observed, EngineError> {
        Ok(Observed::default())
    }
    async fn pull(
        &self,
        image: &str,
        _: Option<&str>,
        _: bool,
        _: &Progress,
    ) -> Result<ImageId, EngineError> {
        self.note(format!("pull {image}"));
        Ok(ImageId(format!("sha256:{image}")))
    }
    async fn push(&self, _: &ImageId, name: &str, _: &Progress) -> Result<(), EngineError> {
        self.note(format!("push {name}"));
        Ok(())
    }
    async fn tag(&self, _: &ImageId, name: &str) -> Result<(), EngineError> {
        self.note(format!("tag {name}"));
        Ok(())
    }
    async fn create_network(&self, _: &Project, key: &str) -> Result<(), EngineError> {
        self.note(format!("network {key}"));
        Ok(())
    }
    async fn create_volume(&self, _: &Project, key: &str) -> Result<(), EngineError> {
        self.note(format!("volume {key}"));
        Ok(())
    }
    async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<String, EngineError> {
        self.note(format!("create {}", spec.service));
        Ok(spec.service.to_owned())
    }
    async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.note(format!("start {container}"));
        Ok(())
    }
    async fn stop(&self, container: &str, _: Option<Duration>) -> Result<(), EngineError> {
        self.note(format!("stop {container}"));
        Ok(())
    }
    async fn kill(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        self.note(format!("{signal} to {container}"));
        Ok(())
    }
    async fn pause(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn unpause(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn remove(&self, container: &str, _: bool) -> Result<(), EngineError> {
        self.note(format!("remove {container}"));
        Ok(())
    }
    async fn rename(&self, _: &str, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn remove_network(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn remove_volume(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn remove_image(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
    async fn inspect(&self, container: &str) -> Result<Condition, EngineError> {
        let check = larder::model::Healthcheck {
            test: Some(vec!["CMD".to_owned(), "check".to_owned()]),
            ..Default::default()
        };
        let running = container != self.broken;
        if container == self.looping {
            return Ok(crash_loop(self.begun.elapsed()));
        }
        let healed = container == self.stuck && self.begun.elapsed() >= HEALED;
        Ok(Condition {
            running,
            exit_code: 3,
            healthcheck: Some(check),
            health: healed.then_some(Health::Healthy),
            ..Condition::default()
        })
    }
    fn listening(&self, _: &str, _: &Condition) -> Listening {
        Listening::Unknown
    }
    async fn probe(&self, container: &str, _: &[String]) -> Result<i64, EngineError> {
        if container == self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(i64::from(container == self.slow))
    }
    async fn run_hook(
        &self,
        container: &str,
        hook: &Hook,
        _: &Progress,
    ) -> Result<HookEnd, EngineError> {
        self.note(format!("hook {hook} in {container}"));
        if hook.to_string() == "hangs" {
            std::future::pending::<()>().await;
        }
        let code = i64::from(hook.to_string() == "fails");
        let output = vec!["said".to_owned()];
        Ok(HookEnd { code, output })
    }
    async fn last_lines(&self, _: &str, _: usize) -> Result<Vec<String>, EngineError> {
        Ok(vec!["no such table".to_owned()])
    }
    fn watch(&self, _: &str) -> impl Stream<Item = Happening> + Send + 'static {
        let healed = Happening {
            container: self.stuck.to_owned(),
            kind: HappeningKind::Healthy,
        };
        let told = async {
            tokio::time::sleep(HEALED + Duration::from_millis(50)).await;
            healed
        };
        stream::once(told).chain(stream::pending())
    }
}

struct NoBuilds;

impl Builder for NoBuilds {
    async fn build(&self, request: &BuildRequest<'_>, _: &Progress) -> Result<ImageId, BuildError> {
        panic!(
            "nothing is built here, and `{}` was asked for",
            request.name
        )
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// web waits for api, api waits for db; cache is on its own. All images are there.
fn project() -> Project {
    let service = |waits_for: Option<&str>| Service {
        image: Some("img:1".to_owned()),
        depends_on: waits_for
            .map(|name| {
                let dependency = Dependency {
                    condition: DependsOn::Healthy,
                    required: true,
                    restart: false,
                };
                (name.to_owned(), dependency)
            })
            .into_iter()
            .collect(),
        ..Service::default()
    };
    let services = [
        ("db", None),
        ("api", Some("db")),
        ("web", Some("api")),
        ("cache", None),
    ];
    Project {
        name: "shop".to_owned(),
        services: services
            .into_iter()
            .map(|(name, waits)| (name.to_owned(), service(waits)))
            .collect(),
        ..Project::default()
    }
}

async fn run(
    engine: &Notebook,
    timeout: Option<Duration>,
    interrupt_after: Option<Duration>,
) -> (Outcome, usize) {
    let mut project = project();
    let hooks = engine.hooks.iter().map(|command| Hook {
        command: Some(vec![(*command).to_owned()]),
        ..Hook::default()
    });
    project.services.get_mut("api").unwrap().post_start = hooks.collect();
    let services = project.services.keys().cloned().collect();
    let configs = project
        .services
        .keys()
        .map(|name| (name.clone(), Digest::of(b"")))
        .collect();
    let recipes = BTreeMap::new();
    let wanted = Wanted {
        project: &project,
        services: &services,
        fingerprints: &recipes,
        configs: &configs,
        compose_hashes: &BTreeMap::new(),
        mounted: &BTreeMap::new(),
        changes: &BTreeMap::new(),
        offers: &BTreeMap::new(),
        pushes: &BTreeMap::new(),
        builders: Builders {
            dependencies: BuilderKind::Docker,
            rest: BuilderKind::Docker,
            strict: true,
        },
        fresh: false,
        containers: true,
        wait: true,
        asked: &larder::plan::Asked::default(),
    };
    let image = Image {
        id: ImageId("sha256:1".to_owned()),
        names: vec!["img:1".to_owned()],
        digests: Vec::new(),
        labels: BTreeMap::new(),
        platforms: Vec::new(),
        age: None,
    };
    let observed = Observed {
        images: vec![image],
        ..Observed::default()
    };
    let plan = decide(&wanted, &observed).unwrap();
    let (stop, interrupt) = watch::channel(false);
    let events = Arc::new(Events::default());
    let run = Run {
        plan: &plan,
        project: &project,
        recipes: &recipes,
        engine,
        builder: &NoBuilds,
        compose: None,
        events: events.clone(),
        interrupt,
        timeout,
        parallel: None,
    };
    let stopper = async {
        match interrupt_after {
            Some(after) => {
                tokio::time::sleep(after).await;
                stop.send(true).unwrap();
            }
            None => std::future::pending().await,
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = execute(run) => outcome,
        () = stopper => unreachable!("the stopper never ends"),
    };
    let skipped = events
        .0
        .lock()
        .unwrap()
        .iter()
        .filter(|e| matches!(e, Event::Skipped { .. }))
        .count();
    (outcome, skipped)
}

fn position(calls: &[String], call: &str) -> usize {
    calls
        .iter()
        .position(|made| made == call)
        .unwrap_or_else(|| panic!("no `{call}` in {calls:?}"))
}

#[tokio::test]
async fn everything_is_created_at_once_and_started_in_order() {
    let engine = Notebook::default();
    let (outcome, skipped) = run(&engine, None, None).await;
    assert!(
        outcome.failures.is_empty() && skipped == 0,
        "{:?}",
        outcome.failures
    );
    let calls = engine.calls();
    assert!(
        position(&calls, "create web") < position(&calls, "start db"),
        "{calls:?}"
    );
    assert!(
        position(&calls, "start db") < position(&calls, "start api"),
        "{calls:?}"
    );
    assert!(
        position(&calls, "start api") < position(&calls, "start web"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_failure_skips_what_needs_it_and_nothing_else() {
    let engine = Notebook {
        broken: "api",
        ..Notebook::default()
    };
    let (outcome, skipped) = run(&engine, None, None).await;
    let [failure] = outcome.failures.as_slice() else {
        panic!("{:?}", outcome.failures)
    };
    assert!(
        matches!(&failure.error, StepError::Exited { service, code: 3, .. } if service == "api")
    );
    assert_eq!(failure.error.output(), ["no such table"]);
    let calls = engine.calls();
    assert!(calls.contains(&"start cache".to_owned()), "{calls:?}");
    assert!(!calls.contains(&"start web".to_owned()), "{calls:?}");
    assert_eq!(skipped, 2, "the start of web, and the wait for it");
}

#[tokio::test]
async fn hooks_come_behind_the_start_and_before_those_that_wait_for_it() {
    let engine = Notebook {
        hooks: &["one", "two"],
        ..Notebook::default()
    };
    let (outcome, _) = run(&engine, None, None).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let calls = engine.calls();
    let order = [
        "start api",
        "hook one in api",
        "hook two in api",
        "start web",
    ];
    let order = order.map(|call| position(&calls, call));
    assert!(order.is_sorted(), "{calls:?}");
    assert!(!calls.contains(&"stop api".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn a_hook_that_fails_stops_its_container() {
    let engine = Notebook {
        hooks: &["fails", "two"],
        ..Notebook::default()
    };
    let (outcome, _) = run(&engine, None, None).await;
    let [failure] = outcome.failures.as_slice() else {
        panic!("{:?}", outcome.failures)
    };
    assert_eq!(
        failure.error.to_string(),
        "`post_start` hook 1 of service `api`, `fails`, ended with code 1"
    );
    assert_eq!(failure.error.output(), ["said"]);
    let calls = engine.calls();
    assert!(position(&calls, "hook fails in api") < position(&calls, "stop api"));
    for never in ["hook two in api", "start web"] {
        assert!(!calls.contains(&never.to_owned()), "{calls:?}");
    }
}

#[tokio::test]
async fn a_hook_that_is_broken_off_stops_its_container() {
    let engine = Notebook {
        hooks: &["hangs"],
        ..Notebook::default()
    };
    let (outcome, _) = run(&engine, None, Some(Duration::from_millis(300))).await;
    assert!(outcome.interrupted && outcome.failures.is_empty());
    assert!(engine.calls().contains(&"stop api".to_owned()));
}

#[tokio::test]
async fn a_wait_that_takes_too_long_fails() {
    let engine = Notebook {
        slow: "cache",
        ..Notebook::default()
    };
    let (outcome, _) = run(&engine, Some(Duration::from_millis(200)), None).await;
    let [failure] = outcome.failures.as_slice() else {
        panic!("{:?}", outcome.failures)
    };
    assert!(matches!(&failure.error, StepError::TimedOut { service, .. } if service == "cache"));
    assert!(engine.calls().contains(&"start web".to_owned()));
}

#[tokio::test]
async fn an_interrupt_ends_waits_and_begins_nothing_new() {
    let engine = Notebook {
        slow: "db",
        ..Notebook::default()
    };
    let (outcome, skipped) = run(&engine, None, Some(Duration::from_millis(100))).await;
    assert!(
        outcome.interrupted && outcome.failures.is_empty(),
        "{:?}",
        outcome.failures
    );
    assert!(!engine.calls().contains(&"start api".to_owned()));
    assert_eq!(
        skipped, 5,
        "the wait for db, and the starts and waits behind it"
    );
}

#[tokio::test]
async fn a_container_between_two_crashes_is_not_ready() {
    let engine = Notebook {
        looping: "cache",
        ..Notebook::default()
    };
    let (outcome, _) = run(&engine, None, None).await;
    let [failure] = outcome.failures.as_slice() else {
        panic!("{:?}", outcome.failures)
    };
    assert!(
        matches!(
            &failure.error,
            StepError::Exited { service, code: 5, restarts: 3, .. } if service == "cache"
        ),
        "{:?}",
        failure.error
    );
}

#[tokio::test]
async fn a_health_check_that_hangs_does_not_outlast_the_timeout() {
    let engine = Notebook {
        stuck: "cache",
        ..Notebook::default()
    };
    let begun = std::time::Instant::now();
    let (outcome, _) = run(&engine, Some(Duration::from_millis(200)), None).await;
    let [failure] = outcome.failures.as_slice() else {
        panic!("{:?}", outcome.failures)
    };
    assert!(matches!(&failure.error, StepError::TimedOut { service, .. } if service == "cache"));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn the_engines_verdict_ends_a_health_check_that_hangs() {
    let engine = Notebook {
        stuck: "cache",
        ..Notebook::default()
    };
    let begun = std::time::Instant::now();
    let (outcome, _) = run(&engine, None, None).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
