//! What a `build` section asks for, in the image that comes out.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stack::{Stack, docker};

/// A stack on whose images the label stands by which they are removed.
fn stack(test: &str, compose: &str) -> (Stack, String) {
    let own = format!("larder-cli-{}-{test}", std::process::id());
    let from = format!("FROM debian:bookworm-slim\nLABEL dev.larder.test={own}\n");
    (Stack::new(test, compose), from)
}

/// The images of additional contexts that a test leaves behind are removed with it. One test at a time: whose they are is not
/// on them.
struct ContextImages {
    before: BTreeSet<String>,
    _alone: MutexGuard<'static, ()>,
}

impl ContextImages {
    fn now() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            before: context_images(),
            _alone: alone,
        }
    }
}

impl Drop for ContextImages {
    fn drop(&mut self) {
        for image in context_images().difference(&self.before) {
            let _ = Command::new("docker").args(["rmi", image]).output();
        }
    }
}

fn context_images() -> BTreeSet<String> {
    let filter = "label=dev.larder.context";
    let name = "{{.Repository}}:{{.Tag}}";
    let images = docker(&["images", "--filter", filter, "--format", name]);
    images.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn folders_images_and_services_are_taken_in_as_contexts() {
    let _images = ContextImages::now();
    let (stack, from) = stack(
        "contexts",
        "services:\n  web:\n    build:\n      context: web\n      additional_contexts:\n        more: ./more\n        \
         tool: service:tool\n        slim: docker-image://debian:bookworm-slim\n        gone: ./more\n    init: true\n    \
         command: sleep 1000\n  tool: {build: tool, profiles: [never]}\n",
    );
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write("tool/Dockerfile", &format!("{from}COPY t /t\n"));
    write("tool/t", "tool\n");
    let label = from.lines().nth(1).unwrap();
    let web = format!(
        "FROM more AS whole\nFROM nothing-has-this-name AS gone\nRUN false\nFROM slim\n{label}\n\
         COPY --from=more one /one\nCOPY --from=whole . /whole/\nCOPY --from=gone deep /gone\n\
         COPY --from=tool /t /t\nRUN --mount=from=more,source=deep,target=/d cat /d/two > /two\n"
    );
    write("web/Dockerfile", &web);
    write("more/one", "1\n");
    write("more/deep/two", "2\n");
    write("more/left.log", "x\n");
    write("more/.dockerignore", "*.log\n");
    let output = stack.sandbox.run("up web");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("which is off"), "{shown}");

    let compose = std::fs::read_to_string(stack.sandbox.path().join("compose.yaml")).unwrap();
    write("compose.yaml", &compose.replace(", profiles: [never]", ""));
    let plan = stack.larder("plan web");
    assert!(plan.contains("is built first, by service `tool`"), "{plan}");
    stack.larder("up web");
    assert!(
        stack.containers("tool").is_empty(),
        "it is built and not started"
    );
    let cat = |files: &str| stack.larder(&format!("exec -T web cat {files}"));
    assert_eq!(cat("/one /two /t /gone/two"), "1\n2\ntool\n2\n");
    assert_eq!(
        stack.larder("exec -T web find /whole -type f"),
        "/whole/one\n/whole/.dockerignore\n/whole/deep/two\n"
    );
    write("more/left.log", "y\n");
    assert!(stack.larder("up web").contains("1 service up to date"));
    write("more/deep/two", "3\n");
    stack.larder("up web");
    assert_eq!(cat("/two /gone/two"), "3\n3\n");
    write("tool/t", "other\n");
    stack.larder("up web");
    assert_eq!(cat("/t"), "other\n");
}

#[test]
fn what_nothing_reads_of_a_context_is_no_input() {
    let _images = ContextImages::now();
    let (stack, from) = stack(
        "unread",
        "services: {web: {build: {context: web, additional_contexts: [more=more]}}}\n",
    );
    let web = format!("{from}COPY --from=more one /one\n");
    stack.sandbox.write("web/Dockerfile", &web);
    stack.sandbox.write("more/one", "1\n");
    assert!(stack.larder("build").starts_with("1 image built in"));
    stack.sandbox.write("more/two", "2\n");
    assert!(stack.larder("build").starts_with("1 image up to date in"));
}

#[test]
fn an_image_that_another_service_builds_counts_by_what_it_is_made_of() {
    let own = format!("larder-cli-{}-made", std::process::id());
    let (stack, from) = stack(
        "made",
        &format!(
            "services:\n  base: {{image: '{own}-base', build: {{context: base, no_cache: true}}}}\n  web: {{build: web}}\n"
        ),
    );
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write(
        "base/Dockerfile",
        &format!("{from}COPY . /x\nRUN cat /proc/sys/kernel/random/uuid > /id\n"),
    );
    write("web/Dockerfile", &format!("FROM {own}-base\nRUN true\n"));
    stack.larder("build");
    let id = || docker(&["images", "-q", "--no-trunc", &format!("{own}-base")]);
    let before = id();
    for image in docker(&[
        "image",
        "inspect",
        "--format",
        "{{range .RepoTags}}{{println .}}{{end}}",
        &format!("{own}-base"),
    ])
    .lines()
    .filter(|name| !name.is_empty())
    {
        docker(&["rmi", "-f", image]);
    }
    let again = stack.larder("build");
    assert_ne!(id(), before, "another machine would have made another one");
    assert!(again.starts_with("1 image built in"), "{again}");
    assert!(stack.larder("build").starts_with("2 images up to date in"));
}

#[test]
fn run_steps_reach_an_ssh_agent() {
    let (stack, from) = stack(
        "ssh",
        "services:\n  web: {build: {context: ., ssh: [default, 'other=agent']}}\n",
    );
    let ask = "perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) or die; \
               syswrite $s, \"\\0\\0\\0\\1\\13\"; sysread $s, $a, 5; print ord(substr $a, 4), \"\\n\"'";
    let text = format!(
        "{from}RUN --mount=type=ssh {ask} > /default\nRUN --mount=type=ssh,id=other {ask} > /other\n"
    );
    stack.sandbox.write("Dockerfile", &text);
    let shown = |stack: &Stack| {
        let output = stack.sandbox.run("build");
        assert_eq!(output.status.code(), Some(2));
        stack.sandbox.shown(&output)
    };
    let told = shown(&stack);
    assert!(told.contains("`SSH_AUTH_SOCK` is not set"), "{told}");
    let path = stack.sandbox.path().join("agent");
    let stack = stack.env("SSH_AUTH_SOCK", path.to_str().unwrap());
    let told = shown(&stack);
    assert!(told.contains("is not there"), "{told}");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut question) = (stream.unwrap(), [0; 5]);
            stream.read_exact(&mut question).unwrap();
            assert_eq!(question, [0, 0, 0, 1, 11]);
            stream.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]).unwrap();
        }
    });
    stack.larder("build");
    let image = format!("{}-web", stack.name);
    let read = docker(&["run", "--rm", &image, "cat", "/default", "/other"]);
    assert_eq!(read, "12\n12\n");
}

#[test]
fn arguments_labels_target_secrets_and_an_inline_dockerfile_arrive() {
    let (stack, from) = stack(
        "section",
        "services:\n  web:\n    build:\n      context: .\n      target: wanted\n      args: [GIVEN=1, OUTSIDE, NOWHERE]\n      \
         labels: {team: a b}\n      secrets: [file, {source: variable, target: other}]\n      dockerfile_inline: |\n        \
         DOCKERFILE\n  map:\n    build: {context: ., dockerfile: D, args: {GIVEN: 2, OUTSIDE: }, labels: [team=c]}\n\
         secrets: {file: {file: ./s}, variable: {environment: TOKEN}}\n",
    );
    let inline = format!(
        "{from}ARG GIVEN\nARG OUTSIDE\nARG NOWHERE=default\n\
         RUN --mount=type=secret,id=file --mount=type=secret,id=other \
         cat /run/secrets/file /run/secrets/other > /s; echo $$GIVEN $$OUTSIDE $$NOWHERE > /a\n\
         FROM base AS wanted\nCOPY f /f\nFROM nothing-has-this-name\n"
    );
    let inline = inline.replacen("bookworm-slim\n", "bookworm-slim AS base\n", 1);
    let path = stack.sandbox.path().join("compose.yaml");
    let compose = std::fs::read_to_string(&path).unwrap();
    let compose = compose.replace(
        "DOCKERFILE",
        inline.trim_end().replace('\n', "\n        ").as_str(),
    );
    let write = |path: &str, text: &str| stack.sandbox.write(path, text);
    write("compose.yaml", &compose);
    write(
        "D",
        &format!("{from}ARG GIVEN\nARG OUTSIDE\nRUN echo $GIVEN $OUTSIDE > /a\n"),
    );
    write("f", "f\n");
    write("s", "secret\n");
    let stack = stack.env("OUTSIDE", "here").env("TOKEN", "token");
    stack.larder("build");
    let of = |service: &str| format!("{}-{service}", stack.name);
    let read = docker(&["run", "--rm", &of("web"), "cat", "/a", "/f", "/s"]);
    assert_eq!(read, "1 here default\nf\nsecret\ntoken");
    assert_eq!(
        docker(&["run", "--rm", &of("map"), "cat", "/a"]),
        "2 here\n"
    );
    let label = |service: &str| {
        let format = "{{index .Config.Labels \"team\"}}";
        docker(&["image", "inspect", "--format", format, &of(service)])
    };
    assert_eq!(
        (label("web"), label("map")),
        ("a b\n".to_owned(), "c\n".to_owned())
    );
    stack.sandbox.write("s", "another secret\n");
    let told = stack.larder("build");
    assert!(told.starts_with("2 images up to date in"), "{told}");
    let stack = stack.env("OUTSIDE", "there");
    let told = stack.larder("build");
    assert!(told.starts_with("2 images built in"), "{told}");
}

/// What is told of a build section, without an engine's part in it.
fn refused(test: &str, build: &str) -> String {
    let compose = format!(
        "services:\n  web:\n    build: {{context: ., {build}}}\n  plain: {{image: 'a'}}\n  more: {{build: {{context: ., \
         additional_contexts: {{w: 'service:web'}}}}}}\n"
    );
    let (stack, from) = stack(test, &compose);
    let dockerfile = format!("{from}COPY --from=w x /\n");
    stack.sandbox.write("Dockerfile", &dockerfile);
    stack.sandbox.write("x", "x\n");
    let output = stack.sandbox.run("build");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(
        shown.contains("compose.yaml:") || shown.contains("each other"),
        "{shown}"
    );
    shown
}

#[test]
fn what_cannot_be_taken_in_is_told_with_its_line() {
    let context =
        |value: &str| refused("refused", &format!("additional_contexts: {{w: '{value}'}}"));
    for (value, told) in [
        (
            "https://example.com/x.git",
            "additional context `w`: `https://example.com/x.git` is not on this machine",
        ),
        ("oci-layout://x", "`oci-layout://x` is not on this machine"),
        ("./none", "/none`, which is no folder"),
        ("service:none", "builds with the image of `none`"),
        ("service:plain", "which has no `build`"),
        ("service:web", "builds with its own image"),
        ("service:more", "built from each other's images: more, web"),
    ] {
        let shown = context(value);
        assert!(shown.contains(told), "{shown}");
    }
    let shown = refused("platforms", "platforms: [linux/s390x, linux/mips]");
    assert!(
        shown.contains("which `build.platforms` does not list"),
        "{shown}"
    );
    let shown = refused(
        "odd",
        "additional_contexts: {w: .}, entitlements: [security.insecure]",
    );
    assert!(shown.contains("no input for `entitlements`"), "{shown}");
}
