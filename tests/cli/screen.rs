//! What a run looks like: at a terminal, in a log, for a program. Needs `redis:7-alpine` on the engine.

use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::stack::Stack;

/// `b` fails; `c` waits for it, `a` does not.
const ONE_FAILS: &str = "\
services:
  a: {image: redis:7-alpine, init: true, stop_grace_period: 1s, entrypoint: [sleep, '1000']}
  b:
    image: redis:7-alpine
    entrypoint: [sh, -c, 'echo no config; exit 3']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
  c:
    image: redis:7-alpine
    depends_on: {b: {condition: service_healthy}}
";

/// A terminal that is as high as it must be: what stands on it after these bytes.
fn terminal(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(chars.next(), Some('['), "{text:?}");
                let mut number = String::new();
                let order = loop {
                    match chars.next().unwrap() {
                        digit @ ('0'..='9' | ';') => number.push(digit),
                        order => break order,
                    }
                };
                match order {
                    'A' => row -= number.parse::<usize>().unwrap(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    'm' => {}
                    other => panic!("{other} is not known to this terminal: {text:?}"),
                }
            }
            char => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = char;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(String::from_iter).collect()
}

/// Runs larder at a terminal of this size, as it stands at the end. Times are told as `N s`.
fn at_terminal(sandbox: &Sandbox, columns: usize, line: &str) -> String {
    let larder = env!("CARGO_BIN_EXE_larder");
    let typed = format!("stty cols {columns} rows 24; {larder} {line}");
    let mut command = sandbox.command("script");
    let command = command.env("TERM", "xterm").env("LANG", "C.UTF-8");
    let output = command
        .args(["-qec", &typed, "/dev/null"])
        .output()
        .unwrap();
    let lines = terminal(&output.stdout);
    assert!(lines.iter().all(|line| line.chars().count() <= columns));
    // Which wait was the longest is a matter of luck.
    let lines = lines
        .iter()
        .filter(|line| !line.starts_with("critical path: "));
    let shown: Vec<String> = lines.map(|line| without_time(line)).collect();
    shown.join("\n")
}

/// A line without the time at its end, which is another in each run.
fn without_time(line: &str) -> String {
    let line = line.trim_end();
    let kept = ["ms", "s"].iter().find_map(|unit| {
        let line = line.strip_suffix(unit)?.strip_suffix(' ')?;
        let kept = line.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
        (kept.len() < line.len()).then_some(kept.trim_end())
    });
    match kept {
        None => line.to_owned(),
        // Whether it had begun before it was skipped is a matter of luck.
        Some(kept) if line.starts_with("- ") => kept.to_owned(),
        Some(kept) => format!("{kept}  N s"),
    }
}

#[test]
fn at_a_terminal_one_line_per_service_stays() {
    let compose = "\
services:
  a-service-with-a-rather-long-name-of-one: {image: redis:7-alpine, entrypoint: [sleep, '1000'], init: true, stop_grace_period: 1s}
  b:
    image: redis:7-alpine
    stop_grace_period: 1s
    healthcheck: {test: [CMD, redis-cli, ping], interval: 1s}
  c:
    image: redis:7-alpine
    stop_grace_period: 1s
    depends_on: {b: {condition: service_healthy}}
";
    let stack = Stack::new("lines", compose);
    assert_snapshot!(at_terminal(&stack.sandbox, 60, "up"), @r"
        ✓ a-service-w…name-of-one  ready  N s
        ✓ b                        healthy  N s
        ✓ c                        ready  N s
        3 services ready in  N s
    ");
    assert_snapshot!(at_terminal(&stack.sandbox, 60, "stop"), @r"
        ✓ a-service-w…name-of-one  stopped  N s
        ✓ b                        stopped  N s
        ✓ c                        stopped  N s
        3 containers stopped in  N s
    ");
}

#[test]
fn at_a_terminal_a_failure_stands_below_its_lines() {
    let stack = Stack::new("failing", ONE_FAILS);
    assert_snapshot!(at_terminal(&stack.sandbox, 60, "up"), @r"
        ✓ a  ready  N s
        ✗ b  not healthy  N s
        - c  skipped: b failed
          no config
        error: service `b` ended with code 3
        hint: `larder logs b` shows all that it printed
    ");
}

#[test]
fn a_log_says_what_failed_and_whom_it_stopped() {
    let stack = Stack::new("log", ONE_FAILS);
    let output = stack.sandbox.run("up");
    let told = String::from_utf8(output.stderr).unwrap();
    let told: Vec<String> = told
        .lines()
        .filter(|line| line.starts_with("b: not healthy") || line.starts_with("c: skipped"))
        .map(without_time)
        .collect();
    assert_eq!(
        told,
        ["b: not healthy after  N s", "c: skipped, since b failed"]
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unhealthy_service_says_why() {
    let compose = "services: {db: {image: redis:7-alpine, init: true, stop_grace_period: 1s, \
                   entrypoint: [sleep, '1000'], healthcheck: {interval: 500ms, retries: 2, \
                   test: [CMD-SHELL, 'echo no route to host; exit 1']}}}\n";
    let stack = Stack::new("unhealthy", compose);
    assert_snapshot!(stack.sandbox.show("--progress quiet up"), @r"
        exit 1
        --- stderr
        error: service `db` is unhealthy
        caused by: its health check ended with code 1: no route to host
        hint: `larder logs db` shows all that it printed
    ");
}

#[test]
fn a_program_is_told_of_a_failure_on_standard_output() {
    let stack = Stack::new("events", ONE_FAILS);
    let output = stack.sandbox.run("--progress json up");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "error");
    assert_eq!(last["exit_code"], 1);
    assert_eq!(last["message"], "service `b` ended with code 3");
    assert_eq!(last["output"][0], "no config");
    let skipped = |event: &&Value| event["event"] == "skipped";
    assert!(events.iter().any(|event| skipped(&event)));

    let listed: Value = serde_json::from_str(&stack.larder("ps -a --format json")).unwrap();
    let states: Vec<(&str, &str, Option<i64>)> = listed["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| {
            let text = |key: &str| container[key].as_str().unwrap_or_default();
            (
                text("service"),
                text("state"),
                container["exit_code"].as_i64(),
            )
        })
        .collect();
    assert_eq!(
        states[..2],
        [("a", "running", None), ("b", "exited", Some(3))]
    );
}

#[test]
fn an_error_before_any_step_is_an_event_too() {
    let sandbox = Sandbox::with("services: {api: {}}");
    let output = sandbox.run("--progress json up");
    let event: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&event["event"], &event["exit_code"]),
        (&"error".into(), &2.into())
    );
    assert!(!output.stderr.is_empty());
    let output = sandbox.run("--progress json plan");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_engine_that_is_not_there_is_told_before_a_large_context_is_read() {
    let sandbox =
        Sandbox::with("services: {a: {build: .}}").file("Dockerfile", "FROM scratch\nCOPY . /\n");
    let large = std::fs::File::create(sandbox.path().join("large")).unwrap();
    // Full of nothing: it takes long to read, and no room.
    large.set_len(6 << 30).unwrap();
    let begun = std::time::Instant::now();
    let shown = sandbox.show("plan");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_snapshot!(shown.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
        exit 3
        --- stderr
        reading the build contexts
        error: no Docker Engine answers at unix:///nowhere/docker.sock
    ");
    let mut command = sandbox.command("script");
    let larder = env!("CARGO_BIN_EXE_larder");
    let output = command
        .env("TERM", "xterm")
        .args(["-qec", &format!("{larder} plan"), "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("reading the build contexts, 0 s"), "{text:?}");
    let lines = terminal(&output.stdout).join("\n");
    assert!(!lines.contains("reading"), "{lines}");
    for quiet in ["--progress quiet up", "--progress json up"] {
        assert!(!sandbox.show(quiet).contains("reading"));
    }
}

#[test]
fn a_broken_docker_config_is_told_once() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}").file(".docker/config.json", "{");
    let shown = sandbox.show("--progress quiet plan");
    assert_snapshot!(shown.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
        exit 3
        --- stderr
        warning: `[hub]/.docker/config.json` is not read: EOF while parsing an object at line 1 column 1
        error: no Docker Engine answers at unix:///nowhere/docker.sock
    ");
}

#[test]
fn what_is_not_there_is_said() {
    let stack = Stack::new("nothing", "services: {a: {image: redis:7-alpine}}\n");
    let shown = |line: &str| stack.sandbox.show(line).replace(&stack.name, "[project]");
    assert_snapshot!(shown("stop"), @r"
        exit 0
        --- stderr
        nothing to stop
    ");
    assert_snapshot!(shown("down"), @r"
        exit 0
        --- stderr
        nothing to remove
    ");
    assert_snapshot!(shown("logs"), @r"
        exit 0
        --- stderr
        no containers yet: `larder up` starts them
    ");
    assert_snapshot!(shown("start"), @r"
        exit 1
        --- stderr
        error: project `[project]` has no containers
        hint: `larder up` creates them
    ");
    assert_snapshot!(shown("restart a"), @r"
        exit 1
        --- stderr
        error: service `a` has no container
        hint: `larder up a` creates it
    ");
    assert_snapshot!(shown("exec a true"), @r"
        exit 1
        --- stderr
        error: service `a` has no running container
        hint: start it with `larder up a`
    ");
    assert_snapshot!(shown("--progress json stop"), @"exit 0");
}

#[test]
fn without_a_terminal_there_are_no_live_lines() {
    let stack = Stack::new(
        "dumb",
        "services: {a: {image: redis:7-alpine, stop_grace_period: 1s}}\n",
    );
    let output = stack.sandbox.run("--progress tty up");
    assert!(
        !output.stderr.contains(&0x1b),
        "{}",
        stack.sandbox.shown(&output)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("a: started in"));
    let mut command: Command = stack.sandbox.command("script");
    let typed = format!(
        "TERM=dumb {} --progress tty stop",
        env!("CARGO_BIN_EXE_larder")
    );
    let output = command
        .args(["-qec", &typed, "/dev/null"])
        .output()
        .unwrap();
    assert!(
        !output.stdout.contains(&0x1b),
        "{}",
        stack.sandbox.shown(&output)
    );
}
