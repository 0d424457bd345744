//! The whole line on a real engine: up, up again, an edit, down. Needs `redis:7-alpine` and
//! `debian:bookworm-slim` on it.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;

use crate::stack::{Stack, docker};

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

fn stack(test: &str) -> Stack {
    let stack = Stack::new(test, COMPOSE);
    stack.sandbox.write("api/Dockerfile", DOCKERFILE);
    stack.sandbox.write("api/hello.txt", "one\n");
    stack
}

#[test]
fn a_stack_is_never_stale_and_nothing_is_done_twice() {
    let stack = stack("line");
    let report = stack.larder("up");
    assert!(report.contains("2 services ready in"), "{report}");
    let (cache, api) = (stack.containers("cache"), stack.containers("api"));
    assert_eq!((cache.len(), api.len()), (1, 1));

    assert!(
        stack
            .larder("up --wait")
            .contains("2 services up to date in")
    );
    assert_eq!(stack.containers("cache"), cache);
    assert_eq!(stack.containers("api"), api);

    stack.sandbox.write("api/hello.txt", "two\n");
    stack.larder("up");
    assert_eq!(stack.containers("cache"), cache);
    assert_ne!(stack.containers("api"), api);
    assert_eq!(stack.larder("exec -T api cat /hello.txt"), "two\n");
    assert!(stack.larder("logs api").contains("api-1  | two"));

    let output = stack.sandbox.run("exec -T api false");
    assert_eq!(output.status.code(), Some(1));
    let asked = "exec -T -u nobody -w /tmp -e A=b -e COMPOSE_PROJECT_NAME -e NONE api sh -c";
    let mut exec = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let script = "whoami; pwd; echo $A $COMPOSE_PROJECT_NAME ${NONE-none}";
    let output = exec.args(asked.split(' ')).arg(script).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("nobody\n/tmp\nb {} none\n", stack.name)
    );

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
    let stack = stack("interop");
    stack.larder("up cache");
    assert!(stack.containers("api").is_empty());
    assert!(stack.compose("ps --services").contains("cache"));
    assert!(
        stack
            .compose("logs cache")
            .contains("Ready to accept connections")
    );
    stack.compose("down -v");
    assert!(stack.containers("cache").is_empty());
}

#[test]
fn a_failed_build_shows_its_last_lines_and_where() {
    let stack = stack("broken");
    let dockerfile = "FROM debian:bookworm-slim\nRUN echo before; exit 3\n";
    stack.sandbox.write("api/Dockerfile", dockerfile);
    let output = stack.sandbox.run("--progress quiet --builder docker up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 1
        --- stderr
          before
        error: building `api` failed in `RUN echo before; exit 3`
          at api/Dockerfile:2:1
        caused by: the command ended with code 3
        hint: the last lines it printed are above
        "#);
    assert!(stack.containers("api").is_empty());
}

#[test]
fn a_builder_that_is_asked_for_must_be_there() {
    let stack = stack("dagger").env("PATH", "/nowhere");
    let output = stack.sandbox.run("--builder dagger up");
    assert_snapshot!(stack.sandbox.shown(&output), @r#"
        exit 3
        --- stderr
        error: dagger does not answer
        caused by: there is no `dagger` command on PATH (https://docs.dagger.io/install says how it is installed)
        hint: `--builder docker` does without it
        "#);
    assert!(stack.containers("cache").is_empty());
}

#[test]
fn a_builder_that_somebody_points_to_and_is_not_there_is_told() {
    let stack = stack("pointed").env("_EXPERIMENTAL_DAGGER_CLI_BIN", "/nowhere/dagger");
    let output = stack.sandbox.run("plan");
    let shown = stack.sandbox.shown(&output);
    let warning = "warning: the engine's BuildKit builds all: `_EXPERIMENTAL_DAGGER_CLI_BIN` names `/nowhere/dagger`, \
                   which is no command";
    assert!(shown.contains(warning), "{shown}");
}

#[test]
fn a_container_that_ends_shows_what_it_said() {
    let stack = stack("ends");
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
    let stack = stack("json");
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
    let stack = stack("interrupt");
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

#[test]
fn start_waits_for_what_services_depend_on() {
    let compose = "\
services:
  db:
    image: redis:7-alpine
    init: true
    stop_grace_period: 1s
    entrypoint: [sh, -c, 'rm -f /tmp/up; sleep 3; touch /tmp/up; sleep 1000']
    healthcheck: {test: [CMD, test, -f, /tmp/up], interval: 1s, retries: 20}
  api:
    image: redis:7-alpine
    init: true
    stop_grace_period: 1s
    entrypoint: [sleep, '1000']
    depends_on: {db: {condition: service_healthy}}
";
    let stack = Stack::new("start-waits", compose);
    stack.larder("up");
    let nothing = |what: &str| format!("exit 0\n--- stderr\nnothing to {what}\n");
    assert_eq!(stack.sandbox.show("start"), nothing("start"));
    let stopped = stack.larder("stop api");
    assert!(stopped.starts_with("1 container stopped in"), "{stopped}");
    let stopped = stack.larder("stop");
    assert!(stopped.starts_with("1 container stopped in"), "{stopped}");
    assert_eq!(stack.sandbox.show("stop"), nothing("stop"));
    let begun = std::time::Instant::now();
    let started = stack.larder("start");
    assert!(started.starts_with("2 containers started in"), "{started}");
    assert!(begun.elapsed().as_secs() >= 3, "{:?}", begun.elapsed());
}

#[test]
fn a_service_that_nobody_requires_may_fail() {
    let compose = "\
services:
  extra:
    image: redis:7-alpine
    entrypoint: [sh, -c, 'exit 3']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
  web:
    image: redis:7-alpine
    init: true
    stop_grace_period: 1s
    entrypoint: [sleep, '1000']
    depends_on: {extra: {condition: service_healthy, required: false}}
";
    let stack = Stack::new("optional", compose);
    let output = stack.sandbox.run("--progress quiet up");
    assert_snapshot!(stack.sandbox.shown(&output), @r"
        exit 0
        --- stderr
        warning: service `extra` ended with code 3, and no service requires it
        hint: `larder logs extra` shows all that it printed
    ");
    let report = stack.larder("up");
    assert!(report.starts_with("1 service ready in"), "{report}");
    // Who is asked for has to stand.
    let named = stack.sandbox.run("--progress quiet up extra web");
    assert_eq!(named.status.code(), Some(1));
}

const MOVED_PORT: &str = "\
services:
  a:
    image: redis:7-alpine
    stop_grace_period: 1s
    ports: ['127.0.0.1:${PORT_A}:6379']
  b:
    build: {dockerfile_inline: \"FROM redis:7-alpine\\nRUN ${RUN}\"}
    stop_grace_period: 1s
    ports: ['127.0.0.1:${PORT_B}:6379']
";

#[test]
fn who_is_to_get_a_port_keeps_running_when_its_holder_cannot_go() {
    let mut stack = Stack::new("moved", MOVED_PORT)
        .env("PORT_A", "17461")
        .env("PORT_B", "17462")
        .env("RUN", "true");
    stack.larder("up");
    let (a, b) = (stack.containers("a"), stack.containers("b"));
    for (name, value) in [("PORT_A", "17462"), ("PORT_B", "17463"), ("RUN", "false")] {
        stack.sandbox.set(name, value);
    }
    let output = stack.sandbox.run("up");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("a: skipped, since b failed"), "{text}");
    let running = docker(&["ps", "-q", "--no-trunc"]);
    assert!(running.contains(a[0].as_str()) && running.contains(b[0].as_str()));
    stack.sandbox.set("RUN", "true");
    stack.larder("up");
    assert!(stack.larder("up").contains("2 services up to date"));
}

const JOB: &str = "\
services:
  db:
    image: redis:7-alpine
    stop_grace_period: 2s
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s}
  seed:
    image: redis:7-alpine
    command: [redis-cli, -h, db, incr, runs]
    volumes: ['./seed:/seed:ro', './linked.sql:/linked.sql:ro']
    depends_on: {db: {condition: service_healthy}}
  app:
    image: redis:7-alpine
    stop_grace_period: 1s
    depends_on: {seed: {condition: service_completed_successfully}}
";

#[test]
fn a_job_runs_once_for_each_state_of_what_it_works_with() {
    let stack = Stack::new("job", JOB);
    stack.sandbox.write("seed/one.sql", "one");
    symlink("seed/one.sql", stack.sandbox.path().join("linked.sql")).unwrap();
    let runs = || stack.larder("exec -T db redis-cli get runs");
    stack.larder("up");
    assert_eq!(runs(), "1\n");
    let unchanged = || {
        let output = stack.sandbox.run("up");
        let shown = stack.sandbox.shown(&output);
        assert!(shown.contains("3 services up to date"), "{shown}");
    };
    unchanged();

    // Its input, then what it wrote to: an edited file, a service that starts anew, one that is made anew.
    stack.sandbox.write("seed/one.sql", "two");
    stack.larder("up");
    assert_eq!(runs(), "2\n");
    stack.larder("restart db");
    stack.larder("up");
    assert_eq!(runs(), "3\n");
    docker(&["rm", "-fv", &stack.containers("db")[0]]);
    stack.larder("up");
    assert_eq!(runs(), "1\n");
    unchanged();
}

#[test]
fn a_job_under_way_is_not_cut_off_for_what_it_mounts() {
    let compose = "\
services:
  long:
    image: redis:7-alpine
    entrypoint: [sleep, '3']
    volumes: ['../:/above:ro']
  app:
    image: redis:7-alpine
    depends_on: {long: {condition: service_completed_successfully}}
";
    let stack = Stack::new("under-way", compose);
    stack.larder("up --no-wait long");
    let long = stack.containers("long");
    stack.larder("up long");
    assert_eq!(stack.containers("long"), long);
    // Done, it is run again: what lies above the project's folder is not read.
    docker(&["wait", &long[0]]);
    stack.larder("up long");
    assert_ne!(stack.containers("long"), long);
}
