//! The whole line on a real engine: up, up again, an edit, down. Needs `redis:7-alpine` and
//! `debian:bookworm-slim` on it.

use std::process::Command;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;

const COMPOSE: &str = "\
services:
  cache:
    image: redis:7-alpine
    stop_grace_period: 1s
    volumes: ['data:/data']
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s}
  api:
    build:
      context: ./api
      labels: {dev.larder.test: '${COMPOSE_PROJECT_NAME}'}
    stop_grace_period: 1s
    depends_on:
      cache: {condition: service_healthy}
volumes:
  data:
";

const DOCKERFILE: &str = "\
FROM debian:bookworm-slim
RUN echo dependencies > /dependencies
COPY hello.txt /hello.txt
CMD [\"sh\", \"-c\", \"cat /hello.txt; exec sleep 1000\"]
";

/// A project of its own, taken down whatever happens.
struct Stack {
    sandbox: Sandbox,
    name: String,
}

impl Stack {
    fn new(test: &str) -> Self {
        let name = format!("larder-cli-{}-{test}", std::process::id());
        let host = std::env::var("DOCKER_HOST");
        let host = host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let sandbox = Sandbox::with(COMPOSE)
            .file("api/Dockerfile", DOCKERFILE)
            .file("api/hello.txt", "one\n")
            .env("DOCKER_HOST", &host)
            .env("COMPOSE_PROJECT_NAME", &name);
        Self { sandbox, name }
    }

    /// Sets a variable.
    fn env(mut self, name: &str, value: &str) -> Self {
        self.sandbox.set(name, value);
        self
    }

    /// Runs larder, which must succeed; its standard output.
    fn larder(&self, line: &str) -> String {
        let output = self.sandbox.run(line);
        assert!(output.status.success(), "{}", self.sandbox.shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for what the engine itself finds out: larder's probe passes before the engine's first one, and
    /// until then a plan waits for it again.
    fn settle(&self) {
        let settled = (0..100).any(|_| {
            let plan = self.larder("plan");
            assert!(
                !plan.contains("create") && !plan.contains("build "),
                "{plan}"
            );
            std::thread::sleep(Duration::from_millis(100));
            plan.contains("nothing to do")
        });
        assert!(settled, "{}", self.larder("plan"));
    }

    /// The IDs of a service's containers, as docker sees them.
    fn containers(&self, service: &str) -> Vec<String> {
        let label = |key: &str, value: &str| format!("label=com.docker.compose.{key}={value}");
        let output = Command::new("docker")
            .args(["ps", "-aq", "--no-trunc"])
            .args(["--filter", &label("project", &self.name)])
            .args(["--filter", &label("service", service)])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.sandbox
            .run("--progress quiet down -v --remove-orphans");
        let images = Command::new("docker")
            .args(["images", "-q", "--filter"])
            .arg(format!("label=dev.larder.test={}", self.name))
            .output();
        let images = images.map(|output| output.stdout).unwrap_or_default();
        for image in String::from_utf8_lossy(&images).lines() {
            let _ = Command::new("docker").args(["rmi", "-f", image]).output();
        }
    }
}

#[test]
fn a_stack_is_never_stale_and_nothing_is_done_twice() {
    let stack = Stack::new("line");
    let report = stack.larder("up");
    assert!(report.contains("2 services ready in"), "{report}");
    let (cache, api) = (stack.containers("cache"), stack.containers("api"));
    assert_eq!((cache.len(), api.len()), (1, 1));

    stack.settle();
    assert!(stack.larder("up").contains("2 services up to date in"));
    assert_eq!(stack.containers("cache"), cache);
    assert_eq!(stack.containers("api"), api);

    stack.sandbox.write("api/hello.txt", "two\n");
    stack.larder("up");
    assert_eq!(stack.containers("cache"), cache);
    assert_ne!(stack.containers("api"), api);
    assert_eq!(stack.larder("exec -T api cat /hello.txt"), "two\n");
    assert!(stack.larder("logs api").contains("api-1 | two"));

    let output = stack.sandbox.run("exec -T api false");
    assert_eq!(output.status.code(), Some(1));

    stack.larder("stop api");
    assert!(!stack.larder("ps").contains("-api-1"));
    assert!(stack.larder("ps -a").contains("-api-1"));
    stack.larder("start api");
    assert!(stack.larder("ps").contains("-api-1"));

    std::fs::remove_file(stack.sandbox.path().join("compose.yaml")).unwrap();
    stack.larder("down -v");
    assert!(stack.containers("cache").is_empty() && stack.containers("api").is_empty());
    for kind in ["network", "volume"] {
        let label = format!("label=com.docker.compose.project={}", stack.name);
        let mut list = Command::new("docker");
        let left = list.args([kind, "ls", "-q", "--filter", &label]).output();
        assert!(left.unwrap().stdout.is_empty(), "a {kind} is left");
    }
}

#[test]
fn docker_compose_works_on_what_larder_started() {
    let stack = Stack::new("interop");
    stack.larder("up cache");
    assert!(stack.containers("api").is_empty());
    let compose = |args: &[&str]| {
        let mut command = stack.sandbox.command("docker");
        // The plugin may live in the person's own folder.
        command.env("HOME", std::env::var("HOME").unwrap_or_default());
        let output = command.arg("compose").args(args).output().unwrap();
        assert!(output.status.success(), "{}", stack.sandbox.shown(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(compose(&["ps", "--services"]).contains("cache"));
    assert!(compose(&["logs", "cache"]).contains("Ready to accept connections"));
    compose(&["down", "-v"]);
    assert!(stack.containers("cache").is_empty());
}

#[test]
fn a_failed_build_shows_its_last_lines_and_where() {
    let stack = Stack::new("broken");
    let dockerfile = "FROM debian:bookworm-slim\nRUN echo before; exit 3\n";
    stack.sandbox.write("api/Dockerfile", dockerfile);
    let output = stack.sandbox.run("--progress quiet --builder docker up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 1
        --- stderr
          before
        error: building `api` failed at Dockerfile line 2, `RUN echo before; exit 3`
        caused by: executor failed running [/bin/sh -c echo before; exit 3]: exit code: 3
        hint: the last lines it printed are above
        "#);
    assert!(stack.containers("api").is_empty());
}

#[test]
fn a_builder_that_is_asked_for_must_be_there() {
    let stack = Stack::new("dagger").env("PATH", "/nowhere");
    let output = stack.sandbox.run("--builder dagger up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 3
        --- stderr
        error: dagger does not answer
        caused by: there is no `dagger` command on PATH
        hint: `--builder docker` does without it
        "#);
    assert!(stack.containers("cache").is_empty());
}

#[test]
fn a_container_that_ends_shows_what_it_said() {
    let stack = Stack::new("ends");
    let compose = "services: {job: {image: redis:7-alpine, \
                   entrypoint: [sh, -c, 'echo no config; exit 4'], \
                   healthcheck: {test: [CMD, 'true'], interval: 1s}}}\n";
    stack.sandbox.write("compose.yaml", compose);
    let output = stack.sandbox.run("--progress quiet up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 1
        --- stderr
          no config
        error: service `job` ended with code 4
        hint: `larder logs job` shows all that it printed
        "#);
}

#[test]
fn json_progress_is_one_object_per_line() {
    let stack = Stack::new("json");
    let lines = stack.larder("--progress json up cache");
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().all(|event| event["schema"] == 1));
    assert_eq!(events.last().unwrap()["event"], "report");
    let waited = |event: &&Value| event["event"] == "started" && event["step"]["action"] == "wait";
    assert_eq!(events.iter().filter(waited).count(), 1);
}

#[test]
fn an_interrupted_start_ends_with_130_and_the_next_goes_on() {
    let stack = Stack::new("interrupt");
    let compose = "services: {slow: {image: redis:7-alpine, stop_grace_period: 1s, \
                   healthcheck: {test: [CMD, test, -e, /data/go], interval: 1s, retries: 60}}}\n";
    stack.sandbox.write("compose.yaml", compose);
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let mut child = command.args(["--progress", "quiet", "up"]).spawn().unwrap();
    let started = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        stack.larder("ps").contains("slow")
    });
    assert!(started, "the container never started");
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let before = stack.containers("slow");
    stack.larder("exec -T slow touch /data/go");
    stack.larder("up");
    assert_eq!(stack.containers("slow"), before);
}
