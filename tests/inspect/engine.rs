//! The engine of this machine: projects created on it by docker compose and by larder, none of them started, what it
//! shows of them, and their end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use larder::compose::{self, LoadOptions};
use larder::docker::{ApiVersion, Docker};
use larder::model::{Digest, ImageId, Project};
use larder::runtime::{ContainerSpec, Engine};
use serde_json::Value;

use super::fixture::Fixture;

/// The variables that say where docker, its plugins and its engine are; the fixtures are read without any other.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG"];

/// What the engine speaks.
pub(crate) fn api() -> ApiVersion {
    let runtime = runtime();
    let engine = runtime.block_on(Docker::connect(&environment()));
    engine.expect("this test needs a Docker Engine").api()
}

/// Creates a fixture's containers, and what they need, as a project of docker compose.
pub(crate) fn create_with_compose(fixture: &Fixture, project: &str) -> Result<(), String> {
    let output = command(&fixture.folder)
        .args(["compose", "--progress", "quiet", "-p", project, "create"])
        .output()
        .expect("this test needs the docker command line");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Creates the same with larder, call by call as a plan has them.
pub(crate) fn create_with_larder(fixture: &Fixture, project: &str) -> Result<(), String> {
    let told = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let options = LoadOptions {
        working_dir: fixture.folder.clone(),
        project_name: Some(project.to_owned()),
        environment: environment(),
        ..LoadOptions::default()
    };
    let project = compose::load(&options).map_err(|error| told(&error))?;
    runtime().block_on(async {
        let engine = Docker::connect(&environment())
            .await
            .map_err(|error| told(&error))?;
        create(&engine, &project)
            .await
            .map_err(|error| told(&error))
    })
}

async fn create(engine: &Docker, project: &Project) -> Result<(), larder::runtime::EngineError> {
    for key in project.networks.keys() {
        engine.create_network(project, key).await?;
    }
    for key in project.volumes.keys() {
        engine.create_volume(project, key).await?;
    }
    let observed = engine.observe(&project.name).await?;
    // Those that have something of others come behind them in the alphabet.
    let mut shares = BTreeMap::new();
    for (service, definition) in &project.services {
        let image = project.image_name(service);
        let image: &ImageId = &observed
            .image_named(&image)
            .unwrap_or_else(|| panic!("`{image}` is not on the engine"))
            .id;
        for number in 1..=definition.replicas() {
            let spec = ContainerSpec {
                project,
                service,
                number,
                name: &project.container_name(service, number),
                image,
                fingerprint: None,
                dependencies: None,
                shadowed: None,
                config: Digest::of(b"a hash of larder's own, which is not compared"),
                compose_hash: None,
                mounted: None,
                inherits: &BTreeMap::new(),
                image_mounts: &[],
                shares: &shares,
            };
            let id = engine.create_container(&spec).await?;
            shares.entry(format!("service:{service}")).or_insert(id);
        }
    }
    Ok(())
}

/// What the engine shows of a project.
pub(crate) struct Shown {
    pub(crate) containers: Vec<Value>,
    pub(crate) networks: Vec<Value>,
    /// The named ones, and those that the containers mount without a name.
    pub(crate) volumes: Vec<Value>,
}

impl Shown {
    pub(crate) fn of(project: &str) -> Self {
        let containers = inspected("container", &listed("container", project));
        let networks = inspected("network", &listed("network", project));
        let mut volumes = listed("volume", project);
        let mounts = containers.iter().filter_map(|c| c["Mounts"].as_array());
        let names = mounts.flatten().filter_map(|mount| mount["Name"].as_str());
        volumes.extend(names.map(ToOwned::to_owned));
        volumes.sort();
        volumes.dedup();
        Self {
            containers,
            networks,
            volumes: inspected("volume", &volumes),
        }
    }
}

/// Takes a project away, whatever became of it.
pub(crate) struct Leftovers<'a>(pub(crate) &'a str);

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        let remove = |kind: &str, arguments: &[&str]| {
            let found = listed(kind, self.0);
            if !found.is_empty() {
                docker(&[&[kind, "rm"], arguments, &texts(&found)].concat());
            }
        };
        remove("container", &["-fv"]);
        remove("network", &[]);
        remove("volume", &[]);
    }
}

/// The engine's names for what is of a project.
fn listed(kind: &str, project: &str) -> Vec<String> {
    let label = format!("label=com.docker.compose.project={project}");
    let every: &[&str] = if kind == "container" { &["-a"] } else { &[] };
    let listed = docker(&[&[kind, "ls", "-q", "--filter", &label], every].concat());
    listed.lines().map(ToOwned::to_owned).collect()
}

fn inspected(kind: &str, names: &[String]) -> Vec<Value> {
    if names.is_empty() {
        return Vec::new();
    }
    let shown = docker(&[&[kind, "inspect"], &*texts(names)].concat());
    serde_json::from_str(&shown).expect("docker prints JSON")
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Runs docker; its standard output.
fn docker(arguments: &[&str]) -> String {
    let output = command(&std::env::temp_dir())
        .args(arguments)
        .output()
        .expect("this test needs the docker command line");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new("docker");
    command.current_dir(folder).env_clear().envs(environment());
    command
}

fn environment() -> BTreeMap<String, String> {
    let passed_on = PASSED_ON.into_iter();
    passed_on
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
}
