//! `larder logs` and the end of `up -a` on a real engine. Needs `redis:7-alpine` on it.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::Value;

use crate::stack::Stack;

/// Two that print in turns, one with a name that is longer.
const IN_TURNS: &str = "\
services:
  a:
    image: redis:7-alpine
    entrypoint: [sh, -c, 'echo a1; sleep 1; echo a2 >&2; sleep 1; echo a3']
  worker:
    image: redis:7-alpine
    entrypoint: [sh, -c, 'sleep 0.5; echo w1; sleep 1; printf \"\\033[31mw2\\033[0m\\n\"']
";

/// larder in the background, with its output in a file.
struct Background {
    child: Child,
    out: std::path::PathBuf,
}

impl Background {
    fn start(stack: &Stack, line: &str) -> Self {
        let out = stack.sandbox.path().join("out.txt");
        let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        let child = command
            .args(line.split_whitespace())
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, out }
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until it has printed something.
    fn until(&self, text: &str) {
        let begun = Instant::now();
        while !self.printed().contains(text) {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{}",
                self.printed()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its end; its exit code.
    fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lines_of_all_containers_come_in_the_order_of_time() {
    let stack = Stack::new("logs", IN_TURNS);
    stack.larder("up --no-wait");
    // It ends with the containers.
    stack.larder("logs -f");
    assert_snapshot!(stack.larder("logs"), @r"
    a-1       | a1
    worker-1  | w1
    a-1       | a2
    worker-1  | w2
    a-1       | a3
    ");
    assert_snapshot!(stack.larder("logs --tail 1"), @r"
    worker-1  | w2
    a-1       | a3
    ");
    assert_eq!(stack.larder("logs --tail 0"), "");
    let timed = stack.larder("logs -t worker");
    let stamps: Vec<&str> = timed
        .lines()
        .filter_map(|line| line.strip_prefix("worker-1  | ")?.split(' ').next())
        .collect();
    assert_eq!(stamps.len(), 2);
    assert!(
        stamps
            .iter()
            .all(|time| time.len() == 30 && time.ends_with('Z')),
        "{timed}"
    );
    assert!(stamps.is_sorted());
    let same = stack.compose("logs --no-color -t worker");
    assert_eq!(
        timed,
        same.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "")
    );
}

#[test]
fn a_long_line_is_one_line() {
    let compose = "\
services:
  plain: {image: redis:7-alpine, entrypoint: [sh, -c, 'head -c 40000 /dev/zero | tr \"\\\\0\" x; echo']}
  tty: {image: redis:7-alpine, tty: true, entrypoint: [sh, -c, 'head -c 40000 /dev/zero | tr \"\\\\0\" x; echo']}
";
    let stack = Stack::new("long", compose);
    stack.larder("up");
    for service in ["plain", "tty"] {
        let line = format!("{service}-1  | {}\n", "x".repeat(40_000));
        assert!(
            stack.larder(&format!("logs {service}")) == line,
            "{service}"
        );
    }
}

#[test]
fn a_container_made_anew_by_another_up_is_followed() {
    let compose = |word: &str| {
        format!(
            "services: {{app: {{image: redis:7-alpine, init: true, stop_grace_period: 1s, \
             entrypoint: [sh, -c, 'echo {word}; sleep 1000']}}}}\n"
        )
    };
    let stack = Stack::new("anew", &compose("one"));
    stack.larder("up");
    let mut logs = Background::start(&stack, "logs -f");
    logs.until("app-1  | one\n");
    stack.sandbox.write("compose.yaml", &compose("two"));
    stack.larder("up");
    logs.until("app-1  | two\n");
    stack.larder("restart");
    logs.until("app-1  | two\napp-1  | two\n");
    stack.larder("stop");
    assert_eq!(logs.end(), Some(0));
    assert_eq!(logs.printed(), "app-1  | one\napp-1  | two\napp-1  | two\n");
}

#[test]
fn an_up_shows_what_it_started_and_not_what_was_printed_before() {
    let compose = "\
services:
  old: {image: redis:7-alpine, init: true, stop_grace_period: 1s, entrypoint: [sh, -c, 'echo last week; sleep 1000']}
  new: {image: redis:7-alpine, init: true, stop_grace_period: 1s, entrypoint: [sh, -c, 'echo today; sleep 1000']}
  quiet: {image: redis:7-alpine, attach: false, entrypoint: [echo, aside]}
";
    let stack = Stack::new("attach", compose);
    stack.larder("up old");
    let mut up = Background::start(&stack, "--progress json up -a");
    up.until("today");
    stack.larder("stop");
    assert_eq!(up.end(), Some(0));
    let printed = up.printed();
    assert!(!printed.contains("last week"), "{printed}");
    assert!(!printed.contains("aside"), "{printed}");
    let aside = stack.larder("logs quiet");
    assert!(aside.contains("aside"), "{aside}");
    let events: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let log = events.iter().find(|event| event["event"] == "log").unwrap();
    assert_eq!(log["line"], "today");
    assert_eq!(
        (&log["service"], &log["stream"]),
        (&"new".into(), &"stdout".into())
    );
}

#[test]
fn output_that_the_engine_does_not_keep_is_told_of() {
    let compose = "\
services:
  mute: {image: redis:7-alpine, logging: {driver: none}, entrypoint: [echo, unheard]}
  other: {image: redis:7-alpine, entrypoint: [echo, heard]}
";
    let stack = Stack::new("mute", compose);
    stack.larder("up");
    assert_snapshot!(stack.sandbox.show("logs"), @r"
        exit 0
        --- stdout
        other-1  | heard
        --- stderr
        warning: what `mute-1` prints cannot be shown: configured logging driver does not support reading
    ");
}

#[test]
fn nobody_reads_any_more() {
    let compose = "services: {app: {image: redis:7-alpine, init: true, stop_grace_period: 1s, \
                   entrypoint: [sh, -c, 'while echo again; do sleep 0.1; done']}}\n";
    let stack = Stack::new("pipe", compose);
    stack.larder("up");
    for line in ["logs -f", "exec -T app yes"] {
        let larder = env!("CARGO_BIN_EXE_larder");
        let script = format!("{{ {larder} {line}; echo $? >&2; }} | head -1");
        let mut command = stack.sandbox.command("sh");
        let output = command.args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n", "{line}");
    }
}
