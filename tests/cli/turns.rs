//! Containers that are there, killed, paused, stopped and removed. Needs `busybox:stable` on the engine.

use std::process::Stdio;
use std::time::Instant;

use insta::assert_snapshot;
use serde_json::Value;

use crate::stack::{Stack, docker};

/// `slow` takes no notice of SIGTERM for ten seconds, and tells of SIGHUP.
const PAIR: &str = "\
services:
  db: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, volumes: ['/data']}
  slow:
    image: busybox:stable
    command: [sh, -c, 'trap \"\" TERM; trap \"echo hup\" HUP; while :; do sleep 0.05; done']
    depends_on: [db]
";

fn state(stack: &Stack, service: &str) -> String {
    let containers = stack.containers(service);
    let state = containers
        .first()
        .map(|id| docker(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id]));
    state.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_signal_reaches_the_services_that_are_named() {
    let stack = Stack::new("kill", PAIR);
    stack.larder("up");
    stack.larder("kill -s HUP slow");
    let heard = || stack.larder("logs slow").contains("hup");
    let begun = Instant::now();
    while !heard() && begun.elapsed().as_secs() < 5 {}
    assert!(heard());
    let shown = stack.sandbox.show("kill -s SIGFOO");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
    assert_eq!(state(&stack, "db"), "running 0");
    let shown = stack.sandbox.show("kill nobody");
    assert!(shown.starts_with("exit 2\n"), "{shown}");
    // Without a file, and by its number.
    std::fs::remove_file(stack.sandbox.path().join("compose.yaml")).unwrap();
    stack.larder("kill -s 9 db");
    assert_eq!(state(&stack, "db"), "exited 137");
}

#[test]
fn what_is_paused_goes_on_and_ends() {
    let stack = Stack::new("pause", PAIR);
    stack.compose("up -d");
    assert!(stack.larder("pause").starts_with("2 containers paused in "));
    assert_eq!(state(&stack, "db"), "paused 0");
    assert_snapshot!(stack.sandbox.show("pause"), @r"
    exit 0
    --- stderr
    nothing to pause
    ");
    assert!(stack.larder("unpause slow").starts_with("1 container"));
    assert_eq!(state(&stack, "slow"), "running 0");
    stack.larder("stop db");
    assert_eq!(state(&stack, "db"), "exited 137");
    stack.larder("pause slow");
    stack.larder("kill slow");
    assert_eq!(state(&stack, "slow"), "exited 137");
    assert_snapshot!(stack.sandbox.show("unpause"), @r"
    exit 0
    --- stderr
    nothing to unpause
    ");
}

#[test]
fn what_was_paused_is_healthy_where_it_was() {
    let db = "image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, \
              healthcheck: {test: ['CMD', 'true'], interval: 30s}";
    let stack = Stack::new(
        "pause-health",
        &format!(
            "services:\n  db: {{{db}}}\n  web: {{image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, \
             depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        ),
    );
    stack.larder("up");
    stack.larder("pause db");
    // From here on the engine calls it unhealthy, until its next probe.
    stack.larder("up");
    assert!(stack.larder("up").contains("2 services up to date"));
    stack.larder("pause db");
    stack.larder("unpause db");
    stack.larder("up");
}

#[test]
fn what_goes_on_failing_is_not_waited_for_long() {
    let compose = "services: {crash: {image: 'busybox:stable', command: [sh, -c, 'echo once; sleep 0.2; exit 3'], restart: always}}\n";
    let stack = Stack::new("crashing", compose);
    for _ in 0..2 {
        let begun = Instant::now();
        let output = stack.sandbox.run("up");
        let shown = stack.sandbox.shown(&output);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(
            shown.contains("`crash` ended with code 3, after "),
            "{shown}"
        );
        assert!(begun.elapsed().as_secs() < 15, "{shown}");
    }
}

#[test]
fn a_timeout_takes_the_place_of_the_grace_period() {
    let stack = Stack::new("timeout", PAIR);
    for line in ["restart -t 0 slow", "stop -t 0 slow", "down --timeout 0"] {
        stack.larder("up");
        let begun = Instant::now();
        stack.larder(line);
        assert!(begun.elapsed().as_secs() < 5, "{line}");
    }
}

#[test]
fn a_restart_without_those_that_go_with_it_leaves_them_as_they_are() {
    let restarting = "depends_on: {db: {condition: service_started, restart: true}}";
    let compose = PAIR.replace("depends_on: [db]", restarting);
    let stack = Stack::new("no-deps", &compose);
    stack.larder("up");
    let format = "{{.State.StartedAt}}";
    let started = || docker(&["inspect", "-f", format, &stack.containers("slow")[0]]);
    let before = started();
    stack.larder("restart --no-deps db");
    assert_eq!(started(), before);
    stack.larder("restart -t 0 db");
    assert_ne!(started(), before);
}

#[test]
fn what_is_stopped_is_removed_once_somebody_agrees() {
    let stack = Stack::new("rm", PAIR);
    stack.larder("up");
    let anonymous = || {
        let format = "{{range .Mounts}}{{.Name}}{{end}}";
        docker(&["inspect", "-f", format, &stack.containers("db")[0]])
    };
    let volume = anonymous().trim().to_owned();
    assert_snapshot!(stack.sandbox.show("rm -f"), @r"
    exit 0
    --- stderr
    nothing to remove: `-s` stops what runs
    ");
    stack.larder("stop -t 0 slow");
    assert_snapshot!(stack.sandbox.show("rm"), @r"
    exit 2
    --- stderr
    error: `larder rm` asks before it removes, and there is no terminal to ask on
    hint: `-f` removes without asking
    ");
    let larder = env!("CARGO_BIN_EXE_larder");
    let answered = |answer: &str| {
        let mut command = stack.sandbox.command("sh");
        let typed = format!("(sleep 0.3; echo {answer}) | script -qec '{larder} rm' /dev/null");
        let output = command.args(["-c", &typed]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let asked = answered("n");
    let question = format!("remove {}-slow-1? [y/N]", stack.name);
    assert!(asked.contains(&question), "{asked}");
    assert_eq!(state(&stack, "slow"), "exited 137");
    answered("y");
    assert_eq!(state(&stack, "slow"), "");
    assert_eq!(state(&stack, "db"), "running 0");
    stack.larder("rm -s -f -v db");
    assert_eq!(state(&stack, "db"), "");
    let filter = format!("name={volume}");
    assert_eq!(docker(&["volume", "ls", "-q", "--filter", &filter]), "");
}

#[test]
fn a_program_is_told_each_step() {
    let stack = Stack::new("turn-events", PAIR);
    stack.larder("up");
    let actions = |line: &str| -> Vec<String> {
        let told = stack.larder(&format!("{line} --progress json"));
        let events = told.lines().map(|line| serde_json::from_str(line).unwrap());
        let steps = events.filter_map(|event: Value| {
            let step = &event["step"];
            let action = step["action"].as_str()?.to_owned();
            let more = step["signal"].as_str().or(step["name"].as_str());
            let more = more.map(|more| format!(" {}", more.replace(&stack.name, "p")));
            Some(action + &more.unwrap_or_default())
        });
        steps.collect()
    };
    assert_eq!(actions("pause db"), ["pause"]);
    assert_eq!(actions("stop db"), ["unpause", "stop"]);
    assert_eq!(actions("kill -s usr1 slow"), ["kill SIGUSR1"]);
    let down = actions("down -t 0");
    assert_eq!(down[..4], ["stop", "remove", "stop", "remove"]);
    assert_eq!(down[4..], ["remove-network p_default"]);
}

/// `second` takes two seconds to stop, in which somebody takes `third` away.
#[test]
fn what_was_restarted_is_not_restarted_once_more_as_another_was_taken_away() {
    let stack = Stack::new(
        "restart-once",
        "\
services:
  first: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}
  second: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 2s, depends_on: [first]}
  third: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, depends_on: [second]}
",
    );
    stack.larder("up");
    let format = "{{.State.StartedAt}}";
    let started = |service| docker(&["inspect", "-f", format, &stack.containers(service)[0]]);
    let before = [started("first"), started("second")];
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let child = command
        .arg("restart")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let begun = Instant::now();
    while started("first") == before[0] {
        assert!(begun.elapsed().as_secs() < 20, "nothing is restarted");
    }
    let first = started("first");
    docker(&["rm", "-f", &stack.containers("third")[0]]);
    let output = child.wait_with_output().unwrap();
    let shown = stack.sandbox.shown(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("looking again (1 of 3)"), "{shown}");
    assert!(shown.contains("2 containers restarted"), "{shown}");
    assert_eq!(started("first"), first, "{shown}");
    assert_ne!(started("second"), before[1]);
    assert_eq!(shown.matches("second: stopping").count(), 1, "{shown}");
}
