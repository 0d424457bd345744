//! What lists and what tells: `ps`, `ls`, `images`, `volumes`, `events`, `pull`, on a real engine and beside docker compose.
//! Needs `busybox:stable` on it.

use serde_json::Value;

use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

/// One that runs twice, one that ended, one with a volume.
const THREE: &str = "\
services:
  app: {image: 'busybox:stable', command: [sleep, '1000'], scale: 2, stop_grace_period: 0s, expose: ['80']}
  job: {image: 'busybox:stable', command: ['false']}
  data:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    volumes: ['kept:/data']
volumes: {kept: {}, unused: {}}
";

/// A stack that docker compose started, whose job has ended.
fn stack(test: &str) -> Stack {
    let stack = Stack::new(test, THREE);
    stack.compose("up -d --quiet-pull");
    docker(&["wait", &format!("{}-job-1", stack.name)]);
    stack
}

fn json(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(document["schema"], 1);
    document
}

/// The lines, sorted.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_scripts_read_of_ps_is_docker_composes() {
    let stack = stack("ps");
    for line in [
        "ps -q",
        "ps -a -q",
        "ps -q app",
        "ps -a -q job app",
        "ps --services",
        "ps -a --services",
        "ps --status exited -q",
        "ps --status running --status exited -q",
        "ps --filter status=running --services",
    ] {
        let (ours, theirs) = (stack.larder(line), stack.compose(line));
        assert_eq!(lines(&ours), lines(&theirs), "{line}");
        assert!(!ours.is_empty(), "{line}");
    }
    // Without the file the labels say as much.
    let elsewhere = Sandbox::new().env("DOCKER_HOST", &host());
    let line = format!("-p {} ps -q", stack.name);
    let output = elsewhere.run(&line);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        stack.larder("ps -q")
    );
}

fn host() -> String {
    let host = std::env::var("DOCKER_HOST");
    host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

#[test]
fn ps_tells_all_of_a_container() {
    let stack = stack("ps-json");
    let document = json(&stack.larder("ps -a --format json"));
    let containers = document["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 4);
    let job = containers
        .iter()
        .find(|own| own["service"] == "job")
        .unwrap();
    assert_eq!(job["command"], "false");
    assert_eq!(job["state"], "exited");
    assert_eq!(job["exit_code"], 1);
    assert_eq!(job["one_off"], false);
    assert!(job["created"].as_str().unwrap().ends_with('Z'));
    let table = stack.larder("ps app");
    let header = table.lines().next().unwrap();
    let columns: Vec<&str> = header.split_whitespace().collect();
    assert_eq!(
        columns,
        [
            "NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"
        ]
    );
    assert_eq!(table.lines().count(), 3);
    assert!(table.contains("\"sleep 1000\""), "{table}");
}

#[test]
fn a_service_that_the_file_does_not_have_is_an_orphan() {
    let stack = stack("ps-orphans");
    let one = "services: {data: {image: 'busybox:stable', volumes: ['kept:/data']}}\nvolumes: {kept: {}}\n";
    stack.sandbox.write("one.yaml", one);
    assert_eq!(stack.larder("-f one.yaml ps --services"), "app\ndata\n");
    assert_eq!(
        stack.larder("-f one.yaml ps --orphans=false --services"),
        "data\n"
    );
}

#[test]
fn a_format_that_is_none_is_told() {
    let sandbox = Sandbox::with(THREE);
    for command in ["ps", "ls", "images", "volumes"] {
        let output = sandbox.run(&format!("{command} --format {{{{.Name}}}}"));
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("larder has no Go templates: `json` has all that there is"),
            "{said}"
        );
    }
    for wrong in [
        "--filter name=x",
        "--filter status=odd",
        "--filter status",
        "--status odd",
    ] {
        let output = sandbox.run(&format!("ps {wrong}"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn projects_are_listed_by_their_containers() {
    let stack = stack("ls");
    let filter = format!("--filter name=^{}$", stack.name);
    assert_eq!(
        stack.larder(&format!("ls -q {filter}")),
        format!("{}\n", stack.name)
    );
    let document = json(&stack.larder(&format!("ls -a --format json {filter}")));
    let project = &document["projects"][0];
    assert_eq!(project["status"], "exited(1), running(3)");
    assert_eq!(project["states"]["running"], 3);
    let file = stack.sandbox.path().join("compose.yaml");
    assert_eq!(project["files"][0], file.to_str().unwrap());
    let theirs = stack.compose("ls -a --format json");
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let theirs = theirs.as_array().unwrap();
    let theirs = theirs
        .iter()
        .find(|own| own["Name"] == *stack.name)
        .unwrap();
    assert_eq!(project["status"], theirs["Status"]);
    // One of which nothing runs is listed when it is asked for.
    stack.larder("stop");
    assert_eq!(stack.larder(&format!("ls -q {filter}")), "");
    assert_eq!(
        stack.larder(&format!("ls -a -q {filter}")),
        format!("{}\n", stack.name)
    );
}

#[test]
fn images_are_those_that_containers_were_made_from() {
    let stack = stack("images");
    assert_eq!(stack.larder("images -q"), stack.compose("images -q"));
    let words = |text: String| -> Vec<String> {
        // When they got their names may be a second later.
        let lines = text.lines().skip(1);
        let mut words: Vec<String> = lines
            .map(|line| {
                line.split_whitespace()
                    .take(6)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        words.sort_unstable();
        words
    };
    let ours = words(stack.larder("images"));
    assert_eq!(ours, words(stack.compose("images")));
    assert_eq!(ours.len(), 4);
    let document = json(&stack.larder("images data --format json"));
    let images = document["images"].as_array().unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0]["repository"], "busybox");
    assert_eq!(images[0]["tag"], "stable");
    assert_eq!(images[0]["service"], "data");
}

#[test]
fn volumes_are_those_of_the_project_or_of_a_service() {
    let stack = stack("volumes");
    let kept = format!("{}_kept\n", stack.name);
    assert_eq!(stack.larder("volumes -q"), kept);
    assert_eq!(stack.larder("volumes -q data"), kept);
    assert_eq!(stack.larder("volumes -q app"), "");
    assert_eq!(stack.compose("volumes -q data"), kept);
    let document = json(&stack.larder("volumes --format json"));
    assert_eq!(document["volumes"][0]["key"], "kept");
    assert_eq!(document["volumes"][0]["driver"], "local");
    assert!(
        stack
            .larder("volumes")
            .starts_with("DRIVER   VOLUME NAME\nlocal ")
    );
}

#[test]
fn events_of_the_past_are_told_and_end() {
    let stack = stack("events");
    let told = stack.larder("events --since 1h --until 0s --json job");
    let events: Vec<Value> = told.lines().map(json).collect();
    let actions: Vec<&str> = events
        .iter()
        .map(|own| own["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions.first(), Some(&"create"), "{told}");
    for action in ["start", "die"] {
        assert!(actions.contains(&action), "{told}");
    }
    let die = events.iter().find(|own| own["action"] == "die").unwrap();
    assert_eq!(die["attributes"]["exitCode"], "1");
    assert_eq!(die["service"], "job");
    assert!(
        die["attributes"]
            .get("com.docker.compose.project")
            .is_none()
    );
    let text = stack.larder("events --since 1h --until 0s job");
    assert_eq!(text.lines().count(), events.len());
    assert!(text.contains(" container die "), "{text}");
}

#[test]
fn what_is_built_or_here_is_not_pulled() {
    let compose = "\
services:
  built: {build: .}
  user: {image: larder-test-nowhere}
  maker: {build: ., image: larder-test-nowhere}
  here: {image: 'busybox:stable', pull_policy: missing}
  never: {image: larder-test-none, pull_policy: never}
";
    let stack = Stack::new("pull", compose);
    stack.sandbox.write("Dockerfile", "FROM busybox:stable\n");
    insta::assert_snapshot!(stack.sandbox.show("pull"), @r"
    exit 0
    --- stderr
    built: not pulled, it is built here
    here: not pulled, its image is here already
    maker: not pulled, it is built here
    never: not pulled, its `pull_policy` says so
    user: not pulled, `maker` builds its image here
    nothing to pull
    ");
    insta::assert_snapshot!(stack.sandbox.show("pull -q"), @"exit 0");
}

#[test]
fn what_is_pulled_goes_by_the_plan_and_what_fails_may_be_passed_over() {
    let registry = Registry::start();
    registry.push("app:1", "one");
    let (app, none) = (registry.name("app:1"), registry.name("none:1"));
    let compose = format!(
        "services:\n  app: {{image: '{app}', depends_on: [other]}}\n  same: {{image: '{app}'}}\n  \
         other: {{image: '{none}'}}\n"
    );
    let stack = Stack::new("pull-real", &compose);
    let output = stack.sandbox.run("--progress json pull app same");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = told.lines().map(json).collect();
    let started: Vec<&Value> = events
        .iter()
        .filter(|own| own["event"] == "started")
        .collect();
    assert_eq!(started.len(), 1, "{told}");
    assert_eq!(started[0]["step"]["action"], "pull");
    assert_eq!(docker(&["images", "-q", &app]).lines().count(), 1);

    let output = stack.sandbox.run("pull --include-deps app");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = stack.sandbox.run("pull --ignore-pull-failures");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: pulling `127.0.0.1"), "{said}");
    assert!(
        said.contains("same: not pulled, as `app` has the same image"),
        "{said}"
    );
    // One that moved comes, whatever is there.
    registry.push("app:1", "two");
    let before = docker(&["images", "-q", &app]);
    stack.larder("pull -q app");
    assert_ne!(docker(&["images", "-q", &app]), before);
}
