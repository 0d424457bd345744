//! `larder run` and `larder exec` on a real engine. Needs `busybox:stable` on it.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::stack::{Stack, docker};

/// `app` needs `db`, which takes a moment; both print what they are.
const TWO: &str = "\
services:
  db:
    image: busybox:stable
    command: [sh, -c, 'sleep 0.3; touch /ready; sleep 1000']
    stop_grace_period: 0s
    healthcheck: {test: [CMD, test, -f, /ready], interval: 1s}
  app:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    restart: always
    environment: {FROM: file, KEPT: '1'}
    labels: {mine: 'yes'}
    depends_on: {db: {condition: service_healthy}}
    networks: {default: {aliases: [alias]}}
    expose: ['80']
    ports: ['80']
";

fn stack(test: &str) -> Stack {
    Stack::new(test, TWO)
}

/// Runs larder with words that have blanks in them.
fn words(stack: &Stack, words: &[&str]) -> Output {
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    command.args(words).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What docker says of a container.
fn inspect(container: &str, format: &str) -> String {
    let said = docker(&["inspect", "--format", format, container]);
    said.trim_end().to_owned()
}

#[test]
fn one_command_runs_behind_what_it_needs_and_hands_on_streams_and_code() {
    let stack = stack("run-once");
    let script = "test -t 0 && echo terminal; echo out; echo err >&2; exit 7";
    let output = words(&stack, &["run", "--rm", "app", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(out(&output), "out\n");
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("err\n"));
    // What it waits for is what its health check asks for, which the engine may not have looked at yet, and what was run is gone.
    let db = &stack.containers("db")[0];
    docker(&["exec", db, "test", "-f", "/ready"]);
    assert_eq!(stack.containers("app"), Vec::<String>::new());
    // The second time nothing has to be started, and nothing is said of it.
    let output = words(&stack, &["run", "--rm", "app", "echo", "again"]);
    assert_eq!(stack.sandbox.shown(&output), "exit 0\n--- stdout\nagain\n");
}

#[test]
fn what_is_typed_stands_over_what_the_file_says() {
    let stack = stack("run-typed");
    stack
        .sandbox
        .write("more.env", "FILE=of-$FROM\nFROM=lost\n");
    stack.sandbox.write("seen", "mounted\n");
    let script = "echo $FROM $KEPT $FILE $BARE; id -u; pwd; cat /in/seen";
    let output = words(
        &stack,
        &[
            "run",
            "--rm",
            "--no-deps",
            "-e",
            "FROM=typed",
            "-e",
            "BARE",
            "-e",
            "NOWHERE",
            "--env-from-file",
            "more.env",
            "-u",
            "1000",
            "-w",
            "/tmp",
            "-v",
            ".:/in:ro",
            "--entrypoint",
            "sh -c",
            "app",
            script,
        ],
    );
    let expected = "typed 1 of-typed\n1000\n/tmp\nmounted\n";
    assert_eq!(out(&output), expected, "{output:?}");
    assert_eq!(stack.containers("db"), Vec::<String>::new());
}

#[test]
fn a_container_of_its_own_has_docker_composes_marks_and_is_no_replica() {
    let stack = stack("run-marks");
    let id =
        stack.larder("run -d --label mine=no --cap-add NET_ADMIN -p 127.0.0.1::81 app sleep 999");
    let id = id.trim_end();
    let name = inspect(id, "{{.Name}}");
    let own = format!("/{}-app-run-", stack.name);
    let slug = name.strip_prefix(&own).unwrap();
    assert_eq!(slug.len(), 12);
    let label = |key: &str| inspect(id, &format!("{{{{index .Config.Labels \"{key}\"}}}}"));
    assert!(label("com.docker.compose.slug").starts_with(slug));
    assert_eq!(label("com.docker.compose.oneoff"), "True");
    assert_eq!(label("com.docker.compose.container-number"), "");
    assert_eq!(label("mine"), "no");
    // Engine 20.10 says nothing, 28 what that means.
    let restarts = inspect(id, "{{.HostConfig.RestartPolicy.Name}}");
    assert!(["", "no"].contains(&restarts.as_str()), "{restarts}");
    assert_eq!(
        inspect(id, "{{json .HostConfig.CapAdd}}"),
        "[\"CAP_NET_ADMIN\"]"
    );
    let ports = inspect(id, "{{json .HostConfig.PortBindings}}");
    assert_eq!(
        ports,
        r#"{"81/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}"#
    );
    let network = format!("{}_default", stack.name);
    let aliases = inspect(
        id,
        &format!("{{{{json (index .NetworkSettings.Networks \"{network}\").Aliases}}}}"),
    );
    assert!(
        !aliases.contains("alias") && !aliases.contains("\"app\""),
        "{aliases}"
    );
    // docker compose sees it as its own, and larder's `up` lets it be.
    assert!(stack.compose("ps -a").contains(&name[1..]));
    assert!(!stack.larder("ps").contains(&name[1..]));
    assert!(stack.larder("ps -a").contains(&name[1..]));
    let up = words(&stack, &["up"]);
    assert!(!String::from_utf8_lossy(&up.stderr).contains("no compose file defines"));
    assert_eq!(inspect(id, "{{.State.Running}}"), "true");
    assert_eq!(stack.containers("app").len(), 2);
    let plan = stack.larder("plan");
    assert!(
        !plan.contains("create") && !plan.contains("remove"),
        "{plan}"
    );
}

#[test]
fn aliases_and_ports_of_the_service_are_there_where_they_are_asked_for() {
    let stack = stack("run-aliases");
    let id = stack.larder(
        "run -d --use-aliases --service-ports --name lw app sleep 999"
            .replace(" lw ", &format!(" {}-own ", stack.name))
            .as_str(),
    );
    assert!(id.trim_end().len() == 64);
    let own = format!("{}-own", stack.name);
    let bindings = inspect(&own, "{{json .HostConfig.PortBindings}}");
    assert!(bindings.contains("80/tcp"), "{bindings}");
    let reached = stack.larder("run --rm app ping -c 1 -w 2 alias");
    assert!(reached.contains("1 packets received"), "{reached}");
}

#[test]
fn input_goes_to_the_command_and_its_end_too() {
    let stack = stack("run-input");
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["run", "--rm", "--no-deps", "app", "wc", "-c"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 300_000]).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(out(&output), "300000\n");
}

#[test]
fn a_command_that_ends_at_once_loses_nothing_of_what_it_prints() {
    let stack = stack("run-short");
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
    let output = words(
        &stack,
        &["run", "--rm", "--no-deps", "app", "sh", "-c", script],
    );
    assert_eq!(out(&output).lines().count(), 2000);
    assert!(out(&output).ends_with("line 1999\n"));
}

#[test]
fn signals_go_to_the_command_and_the_second_that_ends_kills_it() {
    let stack = stack("run-signals");
    let start = |script: &str| {
        let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        let command = command.args(["run", "--rm", "--no-deps", "app", "sh", "-c", script]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // Its first line says that it listens.
        let mut first = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        child
    };
    let send = |child: &std::process::Child, signal: &str| {
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    let child = start("trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.1; done");
    send(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(9), &b"got\n"[..])
    );

    // It hears nothing.
    let child = start("trap '' INT; echo up; while :; do sleep 0.1; done");
    send(&child, "-INT");
    std::thread::sleep(Duration::from_millis(1500));
    send(&child, "-INT");
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("the container goes on; once more kills it"),
        "{said}"
    );
    // The engine removes it in its own time.
    let begun = Instant::now();
    while !stack.containers("app").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn at_a_terminal_the_command_has_one_of_its_size() {
    let stack = stack("run-terminal");
    let larder = env!("CARGO_BIN_EXE_larder");
    let typed = format!(
        "stty cols 93 rows 21; {larder} -p {} run --rm --no-deps app sh -c 'sleep 0.3; stty size'",
        stack.name
    );
    let output = stack
        .sandbox
        .command("script")
        .args(["-qec", &typed, "/dev/null"])
        .output()
        .unwrap();
    assert!(out(&output).contains("21 93\r\n"), "{output:?}");
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_done() {
    let stack = stack("run-refused");
    insta::assert_snapshot!(stack.sandbox.show("run nope"), @r"
    exit 2
    --- stderr
    error: no service is named `nope`
    hint: services here: `db`, `app`
    ");
    let shown = stack.sandbox.show("run --bogus app");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
    assert!(
        shown.contains("`--bogus` is no option of `larder run`"),
        "{shown}"
    );
    for wrong in [
        "-p 99999 app",
        "-v a:b app",
        "-l x app",
        "--name ! app",
        "-P -p 80 app",
        "--pull often app",
        "--env-from-file none.env app",
    ] {
        let output = stack.sandbox.run(&format!("run {wrong}"));
        assert_eq!(output.status.code(), Some(2), "{wrong}: {output:?}");
    }
    assert_eq!(stack.containers("db"), Vec::<String>::new());
}

#[test]
fn a_command_that_is_not_there_says_so() {
    let stack = stack("run-missing");
    let output = stack.sandbox.run("run --rm --no-deps app no-such-command");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("executable file not found"), "{said}");
}

#[test]
fn orphans_go_where_that_is_asked_for() {
    let stack = stack("run-orphans");
    stack.sandbox.write("old.yaml", "services: {old: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}}\n");
    stack.larder("-f old.yaml up");
    stack.larder("run --rm --no-deps app true");
    assert_eq!(stack.containers("old").len(), 1);
    stack.larder("run --rm --no-deps --remove-orphans app true");
    assert_eq!(stack.containers("old"), Vec::<String>::new());
}

#[test]
fn exec_finds_its_container_by_number_and_leaves_it_to_itself_when_asked() {
    let compose = "services: {app: {image: 'busybox:stable', command: [sleep, '1000'], scale: 2, stop_grace_period: 0s}}\n";
    let stack = Stack::new("exec-index", compose);
    stack.larder("up");
    let host = |index: &str| stack.larder(&format!("exec -T {index} app hostname"));
    assert_ne!(host("--index 1"), host("--index 2"));
    assert_eq!(host(""), host("--index 1"));
    insta::assert_snapshot!(stack.sandbox.show("exec --index 3 app true"), @r"
    exit 1
    --- stderr
    error: service `app` has no container 3
    hint: `larder ps -a` lists the containers of `app`
    ");
    stack.larder("exec -d app touch /tmp/seen");
    let begun = Instant::now();
    while !stack
        .sandbox
        .run("exec -T app test -f /tmp/seen")
        .status
        .success()
    {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    // Where the engine itself may not give them, it says so.
    let status = |flag: &str| {
        stack
            .sandbox
            .show(&format!("exec -T {flag} app grep CapEff /proc/self/status"))
    };
    assert_ne!(status("--privileged"), status(""));
    stack.larder("stop app");
    let shown = stack
        .sandbox
        .show("exec app true")
        .replace(&stack.name, "[project]");
    insta::assert_snapshot!(shown, @r"
    exit 1
    --- stderr
    error: container `[project]-app-1` is not running
    hint: `larder start app` starts it
    ");
}

#[test]
fn an_image_that_is_built_is_found_again_by_its_fingerprint() {
    let compose = "services: {app: {build: {context: ., labels: {dev.larder.test: '${COMPOSE_PROJECT_NAME}'}}}}\n";
    let stack = Stack::new("run-built", compose);
    let dockerfile = |what: &str| {
        let text = format!("FROM busybox:stable\nCOPY seen /seen\nRUN echo {what} > /what\n");
        stack.sandbox.write("Dockerfile", &text);
    };
    dockerfile("one");
    stack.sandbox.write("seen", "first\n");
    let seen = |options: &str| {
        let output = stack
            .sandbox
            .run(&format!("run --rm {options} app cat /seen /what"));
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (out(&output), said.contains("building"))
    };
    assert_eq!(seen(""), ("first\none\n".to_owned(), true));
    assert_eq!(seen(""), ("first\none\n".to_owned(), false));
    stack.sandbox.write("seen", "second\n");
    dockerfile("two");
    // Built, and nothing said of it.
    assert_eq!(seen("--quiet-build"), ("second\ntwo\n".to_owned(), false));
    assert_eq!(seen("--quiet"), ("second\ntwo\n".to_owned(), false));
}

#[test]
fn without_what_it_depends_on_it_has_what_it_shares_of_those_that_are_there() {
    let compose = "\
services:
  host: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, hostname: the-host, volumes: [/kept]}
  guest: {image: 'busybox:stable', network_mode: 'service:host', volumes_from: [host]}
";
    let stack = Stack::new("run-shares", compose);
    let output = stack.sandbox.run("run --rm --no-deps guest true");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    stack.larder("up host");
    stack.larder("exec -T host touch /kept/seen");
    let host = stack.containers("host");
    let line = "run --rm --no-deps guest ls /kept";
    assert_eq!(stack.larder(line), "seen\n");
    let address = |words: &str| stack.larder(&format!("{words} ip -4 -o addr show eth0"));
    assert_eq!(address("run --rm --no-deps guest"), address("exec -T host"));
    assert_eq!(stack.containers("host"), host);
}

#[test]
fn attached_to_a_container_its_streams_and_its_code_are_there() {
    let compose = "services: {app: {image: 'busybox:stable', stdin_open: true, stop_grace_period: 0s, command: \
                   [sh, -c, 'while read line; do echo got $$line; [ $$line != end ] || exit 4; done']}}\n";
    let stack = Stack::new("attach-to", compose);
    let refused = stack.sandbox.run("attach app");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    stack.larder("up");
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["attach", "app"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"one\nend\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(out(&output), "got one\ngot end\n");
}
