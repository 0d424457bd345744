//! Services whose source is mounted over: an edit is seen through the mount, and the image stays.

use crate::stack::{Stack, docker};

const DOCKERFILE: &str = "WORKDIR /app\nCOPY requirements.txt .\nRUN cp requirements.txt /installed\nCOPY . .\nCMD [\"sleep\", \"1000\"]\n";
const MOUNT: &str = "volumes: ['./src:/app']";

fn compose(more: &str) -> String {
    format!("services:\n  api: {{build: src, init: true, stop_grace_period: 0s, {more}}}\n")
}

/// A service with its source in its image, and what else its definition says.
fn stack(test: &str, more: &str) -> Stack {
    let own = format!("larder-cli-{}-{test}", std::process::id());
    let stack = Stack::new(test, &compose(more));
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write(
        "src/Dockerfile",
        &format!("FROM debian:bookworm-slim\nLABEL dev.larder.test={own}\n{DOCKERFILE}"),
    );
    write("src/requirements.txt", "one\n");
    write("src/app.py", "one\n");
    stack
}

/// The content of a file in the image that a container was made from.
fn in_image(stack: &Stack, path: &str) -> String {
    let container = &stack.containers("api")[0];
    let image = docker(&["inspect", "--format", "{{.Image}}", container]);
    docker(&["run", "--rm", image.trim(), "cat", path])
}

#[test]
fn an_edit_behind_a_mount_leaves_the_container_running() {
    let stack = stack("behind", MOUNT);
    stack.larder("up");
    let first = stack.containers("api");
    stack.sandbox.write("src/app.py", "two\n");
    let plan = stack.larder("plan");
    assert!(
        plan.contains("would be built): the bind mount at `/app` hides what line 6 copies there"),
        "{plan}"
    );
    assert!(plan.ends_with("\nnothing to do\n"), "{plan}");
    let why = stack.sandbox.shown(&stack.sandbox.run("why api"));
    assert!(
        why.contains(
            "`up` builds nothing, as the bind mount at `/app` hides what line 6 copies there"
        ),
        "{why}"
    );
    let report = stack.larder("up");
    assert!(report.contains("1 service up to date in"), "{report}");
    assert_eq!(stack.containers("api"), first);
    assert_eq!(stack.larder("exec -T api cat app.py"), "two\n");
    assert_eq!(in_image(&stack, "/app/app.py"), "one\n");

    // A new container runs on the image that is there, and says which one that is.
    stack.larder("down");
    stack.larder("up");
    assert_eq!(in_image(&stack, "/app/app.py"), "one\n");
    assert_eq!(stack.larder("exec -T api cat app.py"), "two\n");

    // What is built by name is built in full.
    let report = stack.larder("build");
    assert!(report.starts_with("1 image built in"), "{report}");
    let name = format!("{}-api", stack.name);
    assert_eq!(
        docker(&["run", "--rm", &name, "cat", "/app/app.py"]),
        "two\n"
    );
}

#[test]
fn without_the_mount_the_edit_counts() {
    let stack = stack("unmounted", MOUNT);
    stack.larder("up");
    stack.sandbox.write("src/app.py", "two\n");
    stack.larder("down");
    stack.larder("up");
    assert_eq!(in_image(&stack, "/app/app.py"), "one\n");
    stack.sandbox.write("compose.yaml", &compose(""));
    stack.larder("up");
    assert_eq!(stack.larder("exec -T api cat /app/app.py"), "two\n");
    assert!(stack.larder("up").contains("1 service up to date in"));
}

#[test]
fn what_the_mount_does_not_hide_counts() {
    let stack = stack("installed", MOUNT);
    stack.larder("up");
    let first = stack.containers("api");
    stack.sandbox.write("src/requirements.txt", "two\n");
    stack.larder("up");
    assert_ne!(stack.containers("api"), first);
    assert_eq!(stack.larder("exec -T api cat /installed"), "two\n");
}

#[test]
fn it_can_be_switched_off() {
    let stack = stack("switched", MOUNT);
    stack.larder("up");
    stack.sandbox.write("src/app.py", "two\n");
    let off = format!("{MOUNT}, x-larder: {{shadowed: false}}");
    stack.sandbox.write("compose.yaml", &compose(&off));
    stack.larder("up");
    assert_eq!(in_image(&stack, "/app/app.py"), "two\n");
}

#[test]
fn a_volume_inside_gets_what_the_source_has_there() {
    let inside = "volumes: ['./src:/app', '/app/data']";
    let stack = stack("inside", inside);
    stack.sandbox.write("src/data/f", "one\n");
    stack.larder("up");
    assert_eq!(stack.larder("exec -T api cat /app/data/f"), "one\n");
    stack.larder("down -v");
    stack.sandbox.write("src/data/f", "two\n");
    stack.larder("up");
    assert_eq!(stack.larder("exec -T api cat /app/data/f"), "two\n");
}
