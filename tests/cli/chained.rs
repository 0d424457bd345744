//! Services that are built from images which other services of the file build.

use crate::stack::{Stack, docker};

/// Three services, each from the image of the one before, the last by `COPY --from`.
fn chained(test: &str) -> Stack {
    let own = format!("larder-cli-{}-{test}", std::process::id());
    let compose = format!(
        "services:\n  web: {{build: web, init: true, command: sleep 1000}}\n  \
         mid: {{build: {{context: mid, tags: ['{own}-tagged:1']}}, init: true, command: sleep 1000}}\n  \
         all: {{image: '{own}-base', build: all, init: true, command: sleep 1000}}\n"
    );
    let stack = Stack::new(test, &compose);
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    // No image of an earlier run has its content, and none is left behind.
    let from = format!("FROM debian:bookworm-slim\nLABEL dev.larder.test={own}\n");
    write("all/Dockerfile", &format!("{from}COPY f /f\n"));
    write("all/f", "one\n");
    let mid = format!("FROM {own}-base:latest\nRUN sed s/^/mid-/ f > mid\n");
    write("mid/Dockerfile", &mid);
    let web = format!("{from}COPY --from={own}-tagged:1 /mid /web\n");
    write("web/Dockerfile", &web);
    stack
}

#[test]
fn an_image_that_others_start_from_is_built_before_they_are_looked_at() {
    let stack = chained("chain");
    stack.larder("up");
    assert_eq!(stack.larder("exec -T web cat /web"), "mid-one\n");
    assert!(stack.larder("up").contains("3 services up to date"));

    stack.sandbox.write("all/f", "two\n");
    let plan = stack.larder("plan");
    assert!(plan.contains("is built first, by service `all`"), "{plan}");
    assert!(plan.contains("is built first, by service `mid`"), "{plan}");
    stack.larder("up");
    assert_eq!(stack.larder("exec -T mid cat /mid"), "mid-two\n");
    assert_eq!(stack.larder("exec -T web cat /web"), "mid-two\n");

    // The image is still there, under another name than the one that others start from.
    stack.sandbox.write("all/f", "one\n");
    let plan = stack.larder("plan");
    assert!(plan.contains("is built first, by service `all`"), "{plan}");
    stack.larder("up");
    assert_eq!(stack.larder("exec -T web cat /web"), "mid-one\n");

    // Those that others start from are built whether they are asked for or not, and not started then.
    stack.larder("stop");
    stack.sandbox.write("all/f", "two\n");
    let plan = stack.larder("plan web");
    assert!(plan.contains("is built first, by service `mid`"), "{plan}");
    let stopped = stack.containers("mid");
    stack.larder("up web");
    assert_eq!(stack.larder("exec -T web cat /web"), "mid-two\n");
    assert_eq!(stack.containers("mid"), stopped);

    stack.sandbox.write("all/f", "three\n");
    let told = stack.larder("build");
    assert!(told.starts_with("3 images built in"), "{told}");
    let told = stack.larder("build");
    assert!(told.starts_with("3 images up to date in"), "{told}");
    let mid = format!("FROM {}-base\nRUN echo changed > mid\n", stack.name);
    stack.sandbox.write("mid/Dockerfile", &mid);
    let told = stack.larder("build mid");
    assert!(told.starts_with("1 image built in"), "{told}");
    let base = format!("{}-web", stack.name);
    let shown = docker(&["run", "--rm", &base, "cat", "/web"]);
    assert_eq!(shown, "mid-three\n");
}

#[test]
fn services_that_start_from_each_other_are_refused() {
    let stack = Stack::new(
        "circle",
        "services:\n  a: {image: 'larder-circle-a', build: a}\n  b: {image: 'larder-circle-b', build: b}\n",
    );
    stack
        .sandbox
        .write("a/Dockerfile", "FROM larder-circle-b\nRUN true\n");
    stack
        .sandbox
        .write("b/Dockerfile", "FROM larder-circle-a\nRUN true\n");
    let output = stack.sandbox.run("up");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(
        shown.contains("built from each other's images: a, b"),
        "{shown}"
    );
}

/// Two services build images of one name: who names a service means that one's, and who starts from the name the other's.
#[test]
fn a_name_that_two_services_build() {
    let own = format!("larder-cli-{}-layers", std::process::id());
    let compose = format!(
        "services:\n  adev: {{image: '{own}:1', build: adev, init: true, command: sleep 1000}}\n  \
         zbase: {{image: '{own}:1', build: zbase, init: true, command: sleep 1000}}\n  \
         web: {{build: {{context: web, additional_contexts: {{src: 'service:zbase'}}}}, init: true, command: sleep 1000}}\n"
    );
    let stack = Stack::new("layers", &compose);
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write(
        "zbase/Dockerfile",
        "FROM debian:bookworm-slim\nRUN echo one > /base\n",
    );
    write(
        "adev/Dockerfile",
        &format!("FROM {own}:1\nRUN echo dev > /dev-file\n"),
    );
    write(
        "web/Dockerfile",
        "FROM debian:bookworm-slim\nCOPY --from=src /base /web\n",
    );
    stack.larder("up");
    assert_eq!(stack.larder("exec -T web cat /web"), "one\n");
    assert_eq!(
        stack.larder("exec -T adev cat /base /dev-file"),
        "one\ndev\n"
    );
    assert!(stack.larder("up").contains("3 services up to date"));
    write(
        "zbase/Dockerfile",
        "FROM debian:bookworm-slim\nRUN echo two > /base\n",
    );
    stack.larder("up web adev");
    assert_eq!(stack.larder("exec -T web cat /web"), "two\n");
    assert_eq!(stack.larder("exec -T adev cat /base"), "two\n");
}
