//! A project of its own for one test, on the engine of this machine, and its end.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::docker::Docker;
use larder::model::{Digest, ImageId, Project, Service};
use larder::plan::StepId;
use larder::runtime::{ContainerSpec, Engine, EngineError, Event, EventSink, Progress};

/// A service from the image that every test uses; with a command, nothing of redis is left in it.
pub(crate) fn service(command: &[&str]) -> Service {
    let command: Vec<String> = command.iter().map(ToString::to_string).collect();
    Service {
        image: Some("redis:7-alpine".into()),
        entrypoint: (!command.is_empty()).then_some(command),
        stop_grace_period: Some(larder::model::Span(1_000_000_000)),
        ..Service::default()
    }
}

/// A project and the engine it is on.
pub(crate) struct Stack {
    pub(crate) engine: Docker,
    pub(crate) project: Project,
    pub(crate) image: ImageId,
}

impl Stack {
    pub(crate) async fn new(name: &str) -> Self {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let engine = Docker::connect(&environment).await.expect("an engine");
        let observed = engine.observe("none").await.expect("a snapshot");
        let image = observed.image_named("redis:7-alpine");
        let image = image.expect("redis:7-alpine on the engine").id.clone();
        Self {
            engine,
            project: Project {
                name: format!("larder-test-{}-{name}", std::process::id()),
                working_dir: "/tmp".into(),
                files: vec!["/tmp/compose.yaml".into()],
                ..Project::default()
            },
            image,
        }
    }

    pub(crate) fn add(&mut self, name: &str, service: Service) {
        self.project.services.insert(name.into(), service);
    }

    /// Makes the project's networks and volumes.
    pub(crate) async fn prepare(&self) {
        for key in self.project.networks.keys() {
            self.engine
                .create_network(&self.project, key)
                .await
                .expect("a network");
        }
        for key in self.project.volumes.keys() {
            self.engine
                .create_volume(&self.project, key)
                .await
                .expect("a volume");
        }
    }

    pub(crate) async fn create(&self, service: &str) -> String {
        self.try_create(service).await.expect("a container")
    }

    pub(crate) async fn try_create(&self, service: &str) -> Result<String, EngineError> {
        let name = self.project.container_name(service, 1);
        let spec = ContainerSpec {
            project: &self.project,
            service,
            number: 1,
            name: &name,
            image: &self.image,
            fingerprint: None,
            dependencies: None,
            shadowed: None,
            config: Digest::of(b"test"),
            compose_hash: None,
            mounted: None,
            inherits: &BTreeMap::new(),
            image_mounts: &[],
            shares: &BTreeMap::new(),
        };
        self.engine.create_container(&spec).await
    }

    /// Waits until a container's process has ended.
    pub(crate) async fn ended(&self, container: &str) {
        for _ in 0..200 {
            let condition = self.engine.inspect(container).await;
            if !condition.expect("a container").running {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{container} still runs");
    }

    /// Runs the docker command line, for what larder itself never does.
    pub(crate) fn docker(arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .expect("the docker command line");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let label = format!("label=com.docker.compose.project={}", self.project.name);
        for (list, remove) in [
            (&["ps", "-aq"][..], &["rm", "-fv"][..]),
            (&["network", "ls", "-q"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm"]),
        ] {
            let listed = Self::docker(&[list, &["--filter", &label]].concat());
            for id in listed.split_whitespace() {
                Self::docker(&[remove, &[id]].concat());
            }
        }
    }
}

/// A progress report, and what was reported.
pub(crate) fn progress() -> (Progress, Arc<Reported>) {
    let reported = Arc::new(Reported::default());
    (
        Progress::new(StepId(0), Arc::clone(&reported) as _),
        reported,
    )
}

/// Events in the order in which they came.
#[derive(Default)]
pub(crate) struct Reported(pub(crate) Mutex<Vec<Event>>);

impl EventSink for Reported {
    fn send(&self, event: Event) {
        if let Ok(mut events) = self.0.lock() {
            events.push(event);
        }
    }
}
