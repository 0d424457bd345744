//! Host ports that somebody has, on a real engine and with real listeners. Needs `busybox:stable` on it.

use std::net::TcpListener;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

/// A service that sleeps and publishes ports.
fn sleeper(name: &str, ports: &str) -> String {
    format!(
        "  {name}:\n    image: busybox:stable\n    command: [sleep, '1000']\n    stop_grace_period: 0s\n    ports: [{ports}]\n"
    )
}

fn compose(services: &[String]) -> String {
    format!("services:\n{}", services.concat())
}

/// A listener of this process on this machine alone, and its port.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that nobody has.
fn free() -> u16 {
    listener().1
}

/// This process as an error names it.
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    format!("process `{}` (pid {})", name.trim(), std::process::id())
}

/// All that a command gave, with names in place of what differs from run to run.
fn shown(stack: &Stack, output: &Output, named: &[(u16, &str)]) -> String {
    let mut shown = stack.sandbox.shown(output);
    shown = shown.replace(&own_name(), "[this process]");
    shown = shown.replace(&stack.name, "[project]");
    for (port, name) in named {
        shown = shown.replace(&format!("hint: {} is", port + 1), "hint: [next] is");
        shown = shown.replace(&format!("hint: {} is", port - 1), "hint: [next] is");
        shown = shown.replace(&port.to_string(), name);
    }
    shown
}

fn nothing_was_done(stack: &Stack) {
    assert!(stack.containers("web").is_empty());
    let label = format!("label=com.docker.compose.project={}", stack.name);
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &label]), "");
}

fn published(stack: &Stack, service: &str) -> Vec<String> {
    let container = &stack.containers(service)[0];
    let ports = docker(&["port", container]);
    let mut ports: Vec<String> = ports
        .lines()
        .filter_map(|line| Some(line.rsplit_once(':')?.1.to_owned()))
        .collect();
    ports.dedup();
    ports
}

#[test]
fn a_port_that_is_taken_is_told_before_a_base_image_is_looked_for() {
    let (_listener, port) = listener();
    let stack = Stack::new(
        "ports-first",
        &format!("services: {{web: {{build: ., ports: ['127.0.0.1:{port}:80']}}}}\n"),
    );
    let dockerfile = "FROM registry.invalid/base:1\n";
    stack.sandbox.write("Dockerfile", dockerfile);
    let refused = stack.sandbox.show("up");
    assert!(refused.contains("is taken by"), "{refused}");
    assert!(!refused.contains("registry.invalid"), "{refused}");
    nothing_was_done(&stack);
}

#[test]
fn every_port_that_is_taken_is_told_with_its_holder_before_anything_is_done() {
    let (_listener, port) = listener();
    let ports = format!("'127.0.0.1:{port}:80'");
    let other = free();
    let squatter = Stack::new(
        "ports-squatter",
        &compose(&[sleeper("db", &format!("'127.0.0.1:{other}:5432'"))]),
    );
    squatter.larder("up");
    let services = [
        sleeper("api", &format!("'{other}:5432'")),
        sleeper("web", &ports),
    ];
    let stack = Stack::new("ports-taken", &compose(&services));
    let output = stack.sandbox.run("up");
    let named = [(port, "[port]"), (other, "[other]")];
    let text = shown(&stack, &output, &named).replace(&squatter.name, "[squatter]");
    assert_snapshot!(text, @"
    exit 1
    --- stderr
    error: port [other] of service `api` is taken by container `[squatter]-db-1` of project `[squatter]`
      at compose.yaml:6:13
    hint: [next] is free: change `ports`, or stop the other with `docker stop [squatter]-db-1`

    error: port [port] of service `web` is taken by [this process]
      at compose.yaml:11:13
    hint: [next] is free: change `ports`, or stop the process
    hint: `larder up --ports auto` publishes free ports in place of taken ones
    ");
    nothing_was_done(&stack);
    let plan = stack.sandbox.run("plan");
    assert_eq!(plan.status.code(), Some(0));
    let warned = stack.sandbox.shown(&plan);
    assert!(
        warned.contains(&format!("warning: `up` will be refused: port {port} of")),
        "{warned}"
    );
}

#[test]
fn what_a_run_cannot_publish_is_told_before_anything_is_done() {
    let (listener, port) = listener();
    let (_other, second) = self::listener();
    let services = [
        sleeper("db", &format!("'127.0.0.1:{second}:80'")),
        sleeper("web", &format!("'127.0.0.1:{port}:80'")),
    ];
    let stack = Stack::new("ports-run", &compose(&services));
    let named = [(port, "[port]")];
    let refused = |line: &str| {
        let output = stack.sandbox.run(line);
        nothing_was_done(&stack);
        shown(&stack, &output, &named)
    };
    assert_snapshot!(refused("run --rm -P web true"), @"
    exit 1
    --- stderr
    error: port [port] of service `web` is taken by [this process]
      at compose.yaml:11:13
    hint: [next] is free: change `ports`, or stop the process
    hint: `LARDER_PORTS=auto` publishes free ports in place of taken ones
    ");
    assert_snapshot!(refused(&format!("run --rm -p 127.0.0.1:{port}:80 web true")), @"
    exit 1
    --- stderr
    error: port [port] of service `web` is taken by [this process]
    hint: [next] is free: change `-p`, or stop the process
    ");
    // What it publishes by itself is nothing.
    stack.larder("run --rm web true");

    // That `db` got another port says nothing of those of `web`.
    stack.larder("up --ports auto db");
    let db = stack.containers("db");
    let needs = "    depends_on: [db]\n";
    stack
        .sandbox
        .write("compose.yaml", &(compose(&services) + needs));
    let text = stack.sandbox.show("run --rm -P web true");
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(text.contains(&format!("error: port {port} of")), "{text}");
    drop(listener);
    let id = stack.larder("run -d -P web sleep 1000");
    let ports = docker(&["port", id.trim_end()]);
    assert_eq!(ports.trim_end(), format!("80/tcp -> 127.0.0.1:{port}"));
    assert_eq!(stack.containers("db"), db);

    // Where it is asked for it gets another one, and says so.
    stack.larder("up --ports auto db");
    let stack = stack.env("LARDER_PORTS", "auto");
    let text = stack.sandbox.show("run --rm -P web true");
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(text.contains(&format!("web: {port} is taken by")), "{text}");
}

#[test]
fn a_listener_for_all_addresses_has_the_port_of_each() {
    let listener = TcpListener::bind("[::]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stack = Stack::new(
        "ports-all",
        &compose(&[sleeper("web", &format!("'127.0.0.1:{port}:80'"))]),
    );
    let output = stack.sandbox.run("up");
    let text = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&own_name()), "{text}");
    drop(listener);
    stack.larder("up");
}

#[test]
fn a_taken_port_gives_way_to_a_free_one_that_stays() {
    let (listener, port) = listener();
    let stack = Stack::new(
        "ports-auto",
        &compose(&[sleeper("web", &format!("'127.0.0.1:{port}:80'"))]),
    )
    .env("LARDER_PORTS", "auto");
    let up = stack.sandbox.run("up");
    let text = stack.sandbox.shown(&up);
    let chosen = published(&stack, "web").remove(0);
    assert_ne!(chosen, port.to_string());
    let told = format!(
        "web: {port} is taken by {}; {chosen} in its place\n",
        own_name()
    );
    assert!(text.contains(&told), "{text}");
    assert!(
        text.contains(&format!("web  http://localhost:{chosen}\n")),
        "{text}"
    );

    // It stays when the one that is declared is free again, and with the plan that says so.
    let before = stack.containers("web");
    drop(listener);
    let events = stack.larder("up --progress json");
    let ports = format!(
        r#""chosen_ports":[{{"declared":"{port}","published":"{chosen}","target":80,"protocol":"tcp"}}]"#
    );
    assert!(events.contains(r#""outcome":"up-to-date""#), "{events}");
    assert!(events.contains(&ports), "{events}");
    let plan = stack.larder("plan");
    assert!(plan.contains("\nnothing to do\n"), "{plan}");
    assert!(
        plan.contains(&format!("web: {chosen} in place of {port}, as before")),
        "{plan}"
    );
    stack.larder("stop");
    stack.larder("up");
    assert_eq!(stack.containers("web"), before);
    assert_eq!(published(&stack, "web"), [chosen]);

    // Without it the file is what counts.
    stack.larder("up --ports fixed");
    assert_eq!(published(&stack, "web"), [port.to_string()]);
}

#[test]
fn what_was_stopped_is_not_started_on_a_taken_port() {
    let port = free();
    let stack = Stack::new(
        "ports-start",
        &compose(&[sleeper("web", &format!("'127.0.0.1:{port}:80'"))]),
    );
    stack.larder("up");
    stack.larder("stop");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for command in ["start", "restart", "up"] {
        let output = stack.sandbox.run(command);
        let text = stack.sandbox.shown(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let told = format!(
            "error: port {port} of service `web` is taken by {}",
            own_name()
        );
        assert!(text.contains(&told), "{command}: {text}");
        assert!(!text.contains("starting container"), "{text}");
    }
}

/// A run of larder that is waited for, or ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[test]
fn who_comes_between_the_check_and_the_start_is_named_too() {
    let port = free();
    let services = [
        "  slow:\n    image: busybox:stable\n    command: [sh, -c, 'sleep 3; touch /up; sleep 1000']\n    \
         stop_grace_period: 0s\n    healthcheck: {test: [CMD, test, -e, /up], interval: 1s}\n"
            .to_owned(),
        sleeper("web", &format!("'127.0.0.1:{port}:80'"))
            + "    depends_on: {slow: {condition: service_healthy}}\n",
    ];
    let stack = Stack::new("ports-race", &compose(&services));
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    command
        .arg("up")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let begun = Instant::now();
    while stack.containers("web").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let status = running.0.wait().unwrap();
    let mut text = String::new();
    let errors = running.0.stderr.as_mut().unwrap();
    std::io::Read::read_to_string(errors, &mut text).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    let told = format!("caused by: port {port} is taken by {}\n", own_name());
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("change `ports`, or stop it"), "{text}");
}

#[test]
fn another_checkout_of_a_project_is_not_replaced_unasked() {
    let port = free();
    let services = |variable: &str| {
        let web = sleeper("web", &format!("'127.0.0.1:{port}:80'"));
        format!("{}    environment: {{A: {variable}}}\n", compose(&[web]))
    };
    let mut stack = Stack::new("ports-checkout", &services("one"));
    let named = format!("name: {}\n", stack.name);
    stack
        .sandbox
        .write("compose.yaml", &(named.clone() + &services("one")));
    stack.sandbox.set("COMPOSE_PROJECT_NAME", "");
    stack.larder("up");
    let before = stack.containers("web");

    let host = std::env::var("DOCKER_HOST");
    let host = host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let checkout =
        |what: &str| Sandbox::with(&(named.clone() + &services(what))).env("DOCKER_HOST", &host);
    let other = checkout("two");
    let refused = other.run("up");
    let text = other.shown(&refused);
    let text = text.replace(stack.sandbox.path().to_str().unwrap(), "[first]");
    assert_snapshot!(text.replace(&stack.name, "[project]"), @"
    exit 2
    --- stderr
    error: project `[project]` runs from `[first]` already: `[project]-web-1` would be replaced
    hint: `larder -p [project]-hub up --ports auto` starts this one beside it
    hint: `larder -p [project] up` replaces it
    ");
    assert_eq!(stack.containers("web"), before);

    // Beside it, as the hint has it.
    let beside = format!("-p {}-hub", stack.name);
    let up = other.run(&format!("{beside} up --ports auto"));
    assert_eq!(up.status.code(), Some(0), "{}", other.shown(&up));
    assert_eq!(stack.containers("web"), before);

    // Each has its own name, the same one each time.
    let proposed = |sandbox: &Sandbox| {
        let shown = sandbox.show("up");
        let name = shown.split("`larder -p ").nth(1).unwrap();
        name.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(proposed(&other), format!("{}-hub", stack.name));
    let third = proposed(&checkout("three"));
    let hub = format!("{}-", stack.name);
    assert!(
        third.starts_with(&hub) && third.ends_with("-hub"),
        "{third}"
    );
    assert_ne!(third, format!("{}-hub", stack.name));
    other.run(&format!("{beside} --progress quiet down"));
    assert_eq!(proposed(&checkout("three")), format!("{}-hub", stack.name));

    // Behind a link it is the same folder; a folder that is gone has no say.
    let link = other.path().with_file_name("link");
    std::os::unix::fs::symlink(stack.sandbox.path(), &link).unwrap();
    let directory = format!("--project-directory {}", link.display());
    stack
        .sandbox
        .write("compose.yaml", &(named.clone() + &services("three")));
    let file = link.join("compose.yaml");
    stack.larder(&format!("-f {} {directory} up", file.display()));
    let linked = stack.containers("web");
    assert_ne!(linked, before);
    std::fs::remove_file(&link).unwrap();
    let up = other.run("up");
    assert_eq!(up.status.code(), Some(0), "{}", other.shown(&up));
    assert_ne!(stack.containers("web"), linked);
}
