//! `larder gc`: what it takes away, and what it never does. Each test looks at its own project alone.

use std::fmt::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

const COMPOSE: &str =
    "services: {app: {build: {context: .}, command: [sleep, '60'], stop_grace_period: 0s}}\n";

/// A stack of one service with a dependency image; `first` is in it.
fn stack(test: &str) -> Stack {
    let stack = Stack::new(test, COMPOSE);
    let dockerfile = format!(
        "FROM busybox:stable\nLABEL dev.larder.test={}\nCOPY dependencies /\nRUN date >/installed\nCOPY src /src\n",
        stack.name
    );
    stack.sandbox.write("Dockerfile", &dockerfile);
    stack.sandbox.write("dependencies", "one");
    edit(&stack, "first");
    stack
}

fn edit(stack: &Stack, text: &str) {
    stack.sandbox.write("src/text", text);
}

/// A table without what differs from run to run: service, kind and decision.
fn decisions(stack: &Stack, table: &str) -> String {
    let mut told = String::new();
    for line in table.lines() {
        let line = line.replace(&stack.name, "NAME");
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.is_empty()).collect();
        let cells: Vec<&str> = cells.into_iter().map(str::trim).collect();
        match cells.as_slice() {
            [service, kind, _, _, since, _, decision] if since.ends_with(" ago") => {
                let _ = writeln!(told, "{service} {kind} {decision}");
            }
            _ => {}
        }
    }
    told
}

/// What larder would do, or does, as a program reads it.
fn document(stack: &Stack, line: &str) -> Value {
    serde_json::from_str(&stack.larder(&format!("gc --format json {line}"))).unwrap()
}

/// The decisions about images of a kind: why each stays, `null` where it goes.
fn of_kind(document: &Value, kind: &str) -> Vec<Value> {
    let images = document["images"].as_array().unwrap().iter();
    let images = images.filter(|image| image["kind"] == kind);
    images.map(|image| image["stays"].clone()).collect()
}

#[test]
fn what_nobody_needs_goes_and_all_else_stays() {
    let stack = stack("gc");
    stack.larder("up");
    for text in ["second", "third"] {
        edit(&stack, text);
        stack.larder("build");
    }
    // `first` runs, `third` is wanted and has a name.
    let shown = stack.larder("gc --keep 0 --until 0s");
    insta::assert_snapshot!(decisions(&stack, &shown), @r"
    NAME/app image stays: the project's files want it
    NAME/app image goes
    NAME/app image stays: a container uses it
    NAME/app dependencies stays: the project's files want it
    ");
    let last = shown.lines().last().unwrap();
    assert!(
        last.starts_with("1 image would go, ") && last.ends_with(" come free: `-f` removes"),
        "{last}"
    );
    let by_default = document(&stack, "");
    assert_eq!(of_kind(&by_default, "image"), ["wanted", "newest", "used"]);
    assert_eq!(
        of_kind(&document(&stack, "--keep 0"), "image"),
        ["wanted", "young", "used"]
    );
    assert_eq!(by_default["removed"], false);

    let removed = stack.sandbox.show("gc -f --keep 0 --until 0s");
    assert!(removed.contains("1 image removed in "), "{removed}");
    let left = document(&stack, "--keep 0 --until 0s");
    assert_eq!(of_kind(&left, "image"), ["wanted", "used"]);
    assert_eq!(left["bytes"], 0);
    // What is left is all that is needed.
    let again = stack.sandbox.show("gc -f --keep 0 --until 0s");
    assert!(again.contains("nothing to remove\n"), "{again}");
    edit(&stack, "first");
    let plan = stack.larder("plan");
    assert!(!plan.contains("build"), "{plan}");
}

#[test]
fn without_a_file_containers_and_names_count() {
    let stack = stack("gcbare");
    stack.larder("build");
    edit(&stack, "second");
    stack.larder("build");
    std::fs::remove_file(stack.sandbox.path().join("compose.yaml")).unwrap();
    let shown = stack.larder("gc --keep 0 --until 0s");
    insta::assert_snapshot!(decisions(&stack, &shown), @r"
    NAME/app image stays: named NAME-app:latest
    NAME/app image goes
    NAME/app dependencies stays: an image of NAME/app is built on it
    ");
    // A container of somebody else's counts as well.
    let name = document(&stack, "")["images"][1]["names"][0].clone();
    let container = docker(&["create", name.as_str().unwrap()]);
    let used = document(&stack, "--keep 0 --until 0s");
    assert_eq!(of_kind(&used, "image"), ["named", "used"]);
    docker(&["rm", container.trim()]);
    // With the last name of the user's all of it goes, dependencies and all.
    docker(&["rmi", &format!("{}-app", stack.name)]);
    stack.larder("gc -f --keep 0 --until 0s");
    let left = document(&stack, "");
    assert_eq!(left["images"], serde_json::json!([]));
}

#[test]
fn what_a_running_larder_goes_by_is_not_touched() {
    let stack = stack("gcbusy");
    let compose = format!(
        "{}\n  slow: {{image: 'busybox:stable', command: [sleep, '3']}}\n",
        "services:\n  app: {build: {context: .}, command: [sleep, '60'], stop_grace_period: 0s, \
         depends_on: {slow: {condition: service_completed_successfully}}}"
    );
    stack.sandbox.write("compose.yaml", &compose);
    stack.larder("build");
    // The user's name is gone, so nothing but the run itself keeps the image.
    docker(&["rmi", &format!("{}-app", stack.name)]);
    let mut up = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let mut up = up
        .arg("up")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while stack.containers("slow").is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    docker(&["rmi", &format!("{}-app", stack.name)]);
    let elsewhere = stack.sandbox.path().parent().unwrap();
    let mut gc = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let gc = gc
        .current_dir(elsewhere)
        .args(["gc", "-f", "--keep", "0", "--until", "0s"]);
    let gc = gc.output().unwrap();
    let told = String::from_utf8_lossy(&gc.stderr).into_owned();
    assert!(
        told.contains("waiting for others that make images"),
        "{told}"
    );
    assert!(up.wait().unwrap().success());
    assert!(gc.status.success(), "{told}");
    let shown = String::from_utf8_lossy(&gc.stdout).into_owned();
    insta::assert_snapshot!(decisions(&stack, &shown), @r"
    NAME/app image stays: a container uses it
    NAME/app dependencies stays: an image of NAME/app is built on it
    ");
}

#[test]
fn what_is_typed_wrong_is_told() {
    let sandbox = Sandbox::with("services: {app: {image: a}}\n");
    let shown = sandbox.show("gc --until yesterday");
    assert!(
        shown.starts_with("exit 2\n--- stderr\nerror: invalid value 'yesterday' for '--until"),
        "{shown}"
    );
    let shown = sandbox.show("gc");
    assert!(
        shown.starts_with("exit 3\n--- stderr\nerror: no Docker Engine answers"),
        "{shown}"
    );
    let sandbox = Sandbox::with("services: [\n");
    assert!(sandbox.show("gc").starts_with("exit 2\n"));
}
