//! `up --abort-on-container-exit` and its kin on a real engine: from the first start on an end ends all. Needs
//! `busybox:stable` on it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::stack::{Stack, docker};

/// Which of a stack's services run.
fn running(stack: &Stack) -> Vec<String> {
    let project = format!("label=com.docker.compose.project={}", stack.name);
    let format = "{{.Label \"com.docker.compose.service\"}}";
    let listed = docker(&["ps", "--format", format, "--filter", &project]);
    let mut services: Vec<String> = listed.lines().map(ToOwned::to_owned).collect();
    services.sort();
    services
}

/// What a container printed.
fn lines_of<'a>(printed: &'a str, container: &str) -> Vec<&'a str> {
    let lines = printed.lines();
    let own = lines.filter_map(|line| line.strip_prefix(container)?.split_once("| "));
    own.map(|(_, text)| text).collect()
}

#[test]
fn the_end_of_one_ends_all_and_its_code_is_handed_on() {
    let compose = "
services:
  seed: {image: 'busybox:stable', command: ['true']}
  web:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    depends_on: {seed: {condition: service_completed_successfully}}
  test:
    image: busybox:stable
    command: [sh, -c, 'sleep 1; echo seen; exit 3']
    depends_on: [web]
";
    let stack = Stack::new("until", compose);
    let code = |line: &str| {
        let output = stack.sandbox.run(line);
        let shown = stack.sandbox.shown(&output);
        assert!(shown.contains("seen"), "{shown}");
        let running = docker(&[
            "ps",
            "-q",
            "--filter",
            &format!("label=com.docker.compose.project={}", stack.name),
        ]);
        assert_eq!(running, "", "{shown}");
        output.status.code()
    };
    assert_eq!(code("up --exit-code-from test"), Some(3));
    assert_eq!(code("up --abort-on-container-failure"), Some(3));
    assert_eq!(code("up --abort-on-container-exit"), Some(3));
    let refused = stack.sandbox.run("up --exit-code-from tset");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn who_interrupts_a_run_until_an_end_stops_all() {
    let compose = "\
services:
  web:
    image: busybox:stable
    command: [sh, -c, 'trap \"echo bye; exit 0\" TERM; echo up; sleep 1000 & wait']
";
    let stack = Stack::new("until-interrupted", compose);
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["up", "--abort-on-container-exit"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("up")));
    let mut sent = Command::new("kill");
    let sent = sent.args(["-INT", &child.id().to_string()]);
    assert!(sent.status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted, so all are stopped"), "{said}");
    assert!(rest.concat().contains("bye"), "{rest:?}: {said}");
    let running = format!("label=com.docker.compose.project={}", stack.name);
    assert_eq!(docker(&["ps", "-q", "--filter", &running]), "");
}

#[test]
fn all_that_was_printed_until_an_end_is_shown() {
    let compose = "services: {t: {image: 'busybox:stable', command: seq 1 100000}}\n";
    let stack = Stack::new("until-read", compose);
    let printed = stack.larder("up --abort-on-container-exit");
    assert_eq!(lines_of(&printed, "t-1").len(), 100_000);
}

#[test]
fn a_run_until_an_end_is_over_once_that_is_read() {
    let compose = "\
services: {t: {image: 'busybox:stable', command: [sh, -c, 'sleep 2; echo last']}}\n";
    let stack = Stack::new("until-over", compose);
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["up", "--abort-on-container-exit"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("so all are stopped")));
    let begun = Instant::now();
    assert!(child.wait().unwrap().success());
    assert!(begun.elapsed().as_millis() < 1500, "{:?}", begun.elapsed());
}

/// `slow` is never healthy, so that a start waits for it.
const SLOW: &str = "  slow:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    healthcheck: {test: ['CMD', 'false'], interval: 1s, retries: 60}
  web: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, depends_on: {slow: {condition: service_healthy}}}
";

#[test]
fn a_job_that_fails_ends_all() {
    let compose = "\
services:
  job: {image: 'busybox:stable', command: [sh, -c, 'echo migrating; exit 3']}
  app:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    depends_on: {job: {condition: service_completed_successfully}}
  other: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}
";
    let stack = Stack::new("until-job", compose);
    for how in ["exit", "failure"] {
        let output = stack.sandbox.run(&format!("up --abort-on-container-{how}"));
        let shown = stack.sandbox.shown(&output);
        assert_eq!(output.status.code(), Some(3), "{shown}");
        assert_eq!(lines_of(&shown, "job-1"), ["migrating"], "{shown}");
        assert!(
            shown.contains("job: ended with code 3, so all are stopped"),
            "{shown}"
        );
        assert_eq!(running(&stack), [""; 0], "{shown}");
    }
}

#[test]
fn an_end_ends_a_start_that_still_waits() {
    let app = "  app: {image: 'busybox:stable', command: [sh, -c, 'echo begin; sleep 1; echo end; exit 42']}\n";
    let stack = Stack::new("until-start", &format!("services:\n{SLOW}{app}"));
    let begun = Instant::now();
    let output = stack.sandbox.run("up --abort-on-container-exit");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(42), "{shown}");
    assert!(begun.elapsed().as_secs() < 30, "{shown}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines_of(&printed, "app-1"), ["begin", "end"], "{shown}");
    assert!(!printed.contains("started in"), "{shown}");
    assert_eq!(running(&stack), [""; 0], "{shown}");
    // The next one goes by its own ends, and shows its own lines.
    let again = app.replace("begin", "anew").replace("exit 42", "exit 0");
    let compose = format!("services:\n{SLOW}{again}");
    stack.sandbox.write("compose.yaml", &compose);
    let output = stack.sandbox.run("up --exit-code-from app");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(lines_of(&shown, "app-1"), ["anew", "end"], "{shown}");
}

#[test]
fn what_others_wait_for_does_not_end_well_before_it_is_healthy() {
    let compose = format!("services:\n{}", SLOW.replacen("'1000'", "'2'", 1));
    let stack = Stack::new("until-needed", &compose);
    let output = stack.sandbox.run("up --abort-on-container-exit");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("error: service `slow` "), "{shown}");
    assert_eq!(running(&stack), [""; 0], "{shown}");
}

#[test]
fn a_start_that_fails_takes_back_what_it_started() {
    let sleeper = "image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s";
    let talker = sleeper.replace(
        "[sleep, '1000']",
        "[sh, -c, 'while sleep 0.2; do date; done']",
    );
    let compose = format!(
        "services:\n  before: {{{sleeper}}}\n  kept: {{{talker}}}\n  side: {{{sleeper}}}\n  \
         bad: {{image: 'busybox:stable', command: [nosuch], depends_on: [side]}}\n"
    );
    let stack = Stack::new("until-failed", &compose);
    stack.larder("up before kept");
    let changed = compose.replacen("before: {", "before: {environment: {A: b}, ", 1);
    stack.sandbox.write("compose.yaml", &changed);
    let begun = Instant::now();
    let output = stack.sandbox.run("up --abort-on-container-exit");
    let shown = stack.sandbox.shown(&output);
    // What goes on printing is not waited for.
    assert!(begun.elapsed().as_secs() < 9, "{shown}");
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("the start failed, so what it started is stopped"),
        "{shown}"
    );
    assert!(
        shown.contains("error: starting") && shown.contains("nosuch"),
        "{shown}"
    );
    // What was replaced has ended, too, and that ended nothing.
    assert_eq!(running(&stack), ["kept"], "{shown}");
    // A hook that fails stops its container: it is the hook that is told.
    let hooked = format!(
        "services:\n  kept: {{{sleeper}}}\n  app: {{{sleeper}, post_start: [{{command: ['false']}}]}}\n"
    );
    stack.sandbox.write("compose.yaml", &hooked);
    let output = stack.sandbox.run("up --abort-on-container-exit");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("error: `post_start` hook 1"), "{shown}");
}

#[test]
fn the_same_container_ends_anew_each_time() {
    let script =
        "test -e /ran && { echo second; sleep 1; exit 5; }; touch /ran; echo first; exit 7";
    let compose =
        format!("services: {{app: {{image: 'busybox:stable', command: [sh, -c, '{script}']}}}}\n");
    let stack = Stack::new("until-anew", &compose);
    for (code, line) in [(7, "first"), (5, "second"), (5, "second")] {
        let output = stack.sandbox.run("up --abort-on-container-exit");
        let shown = stack.sandbox.shown(&output);
        assert_eq!(output.status.code(), Some(code), "{shown}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(lines_of(&printed, "app-1"), [line], "{shown}");
    }
}

#[test]
fn who_interrupts_the_start_of_a_run_until_an_end_stops_all() {
    let side = "  side: {image: 'busybox:stable', command: [sh, -c, 'echo up; sleep 1000'], stop_grace_period: 0s}\n";
    let stack = Stack::new("until-early", &format!("services:\n{SLOW}{side}"));
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["up", "--abort-on-container-exit"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "side-1  | up"));
    let mut sent = Command::new("kill");
    let sent = sent.args(["-INT", &child.id().to_string()]);
    assert!(sent.status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert_eq!(running(&stack), [""; 0], "{said}");
}

#[test]
fn the_end_of_what_a_named_service_depends_on_ends_nothing() {
    let compose = "\
services:
  db: {image: 'busybox:stable', command: [sh, -c, 'echo db; sleep 1; exit 4']}
  side: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}
  app: {image: 'busybox:stable', command: [sh, -c, 'sleep 3; exit 5'], depends_on: [db, side]}
";
    let stack = Stack::new("until-named", compose);
    let output = stack.sandbox.run("up --abort-on-container-exit app");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(5), "{shown}");
    assert!(!shown.contains("| db"), "{shown}");
    assert_eq!(running(&stack), [""; 0], "{shown}");
}

#[test]
fn an_end_that_is_well_breaks_off_no_start() {
    let compose = "\
services:
  init: {image: 'busybox:stable', command: ['true']}
  db:
    image: busybox:stable
    command: [sh, -c, 'sleep 2; touch /ready; sleep 1000']
    stop_grace_period: 0s
    healthcheck: {test: [CMD, test, -e, /ready], interval: 1s, retries: 60}
  test: {image: 'busybox:stable', command: [sh, -c, 'echo testing; exit 3'], depends_on: {db: {condition: service_healthy}}}
";
    let stack = Stack::new("until-well", compose);
    for how in ["--exit-code-from test", "--abort-on-container-exit"] {
        let output = stack.sandbox.run(&format!("up {how}"));
        let shown = stack.sandbox.shown(&output);
        assert!(shown.contains("| testing"), "{how}: {shown}");
        assert_eq!(running(&stack), [""; 0], "{how}: {shown}");
        if how.contains("test") {
            assert_eq!(output.status.code(), Some(3), "{shown}");
        }
    }
}

#[test]
fn what_ran_before_and_was_not_named_runs_on() {
    let compose = "\
services:
  db: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}
  side: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s}
  test: {image: 'busybox:stable', command: [sh, -c, 'sleep 1; exit 3'], depends_on: [db, side]}
";
    let stack = Stack::new("until-before", compose);
    stack.larder("up db");
    let output = stack.sandbox.run("up --abort-on-container-exit test");
    let shown = stack.sandbox.shown(&output);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert_eq!(running(&stack), ["db"], "{shown}");
    stack.larder("up db side");
    let output = stack.sandbox.run("up --abort-on-container-exit");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(running(&stack), [""; 0]);
}
