//! `larder logs` and the end of `up -a` on a real engine. Needs `redis:7-alpine` on it.

use std::fs::File;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Child;
use std::sync::atomic::Ordering;
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
            .stderr(File::create(out.with_extension("err")).unwrap())
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
                "{}{}",
                self.printed(),
                std::fs::read_to_string(self.out.with_extension("err")).unwrap()
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
fn a_moment_that_a_program_with_a_terminal_prints_is_shown() {
    let said = "lease until 2099-01-01T00:00:00.123456789Z ok";
    let compose = format!(
        "services: {{tty: {{image: redis:7-alpine, tty: true, entrypoint: [echo, {said}]}}}}\n"
    );
    let stack = Stack::new("lease", &compose);
    stack.larder("up");
    assert_eq!(
        stack.larder("logs --raw --no-log-prefix"),
        format!("{said}\n")
    );
    assert!(stack.compose("logs --no-log-prefix").contains(said));
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
fn who_ends_while_others_are_read_is_read_to_the_end() {
    let compose = "\
services:
  many: {image: 'busybox:stable', command: sh -c 'seq 1 60000; sleep 3'}
  short: {image: 'busybox:stable', command: sh -c 'sleep 1.2; echo last'}
";
    let stack = Stack::new("read-on", compose);
    let printed = stack.larder("up -a");
    let of = |name: &str| {
        printed
            .lines()
            .filter(|line| line.starts_with(name))
            .count()
    };
    assert_eq!((of("many-1 "), of("short-1 ")), (60_000, 1));
}

#[test]
fn who_is_started_again_is_shown_from_its_first_line_on() {
    let compose = "services: {app: {image: 'busybox:stable', command: [date, '+%s%N']}}\n";
    let stack = Stack::new("first-line", compose);
    for _ in 0..3 {
        let printed = stack.larder("up -a");
        let lines = printed.lines().filter(|line| line.starts_with("app-1 "));
        assert_eq!(lines.count(), 1, "{printed}");
    }
    assert_eq!(stack.larder("logs app").lines().count(), 3);
}

#[test]
fn an_attached_up_follows_the_services_that_are_named() {
    let sleeper =
        "image: 'busybox:stable', stop_grace_period: 0s, command: [sh, -c, 'echo db; sleep 1000']";
    let compose = format!(
        "services:\n  db: {{{sleeper}}}\n  hidden: {{{sleeper}, attach: false}}\n  app: {{image: 'busybox:stable', \
         depends_on: [db, hidden], command: [sh, -c, 'echo app; sleep 2; echo end; exit 4']}}\n"
    );
    let stack = Stack::new("named", &compose);
    let printed = stack.larder("up -a app");
    assert!(
        printed.ends_with("app-1  | app\napp-1  | end\n"),
        "{printed}"
    );
    assert!(!printed.contains("| db"), "{printed}");
    stack.larder("stop");
    let mut up = Background::start(&stack, "up --attach-dependencies app");
    up.until("app-1  | end\n");
    stack.larder("stop");
    assert_eq!(up.end(), Some(0));
    let printed = up.printed();
    assert!(printed.contains("db-1   | db\n"), "{printed}");
    assert!(!printed.contains("hidden-1"), "{printed}");
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

/// One that prints what a terminal would obey, and one line each for a while.
const ODD: &str = "\
services:
  odd: {image: 'busybox:stable', command: [printf, '\\033[31mred\\033[0m \\033[2Jgone\\a\\n']}
  slow: {image: 'busybox:stable', stop_grace_period: 0s, command: [sh, -c, 'echo one; sleep 2; echo two; sleep 2; echo three; sleep 1000']}
";

#[test]
fn what_a_terminal_would_obey_is_in_sight_unless_it_is_asked_for() {
    let stack = Stack::new("odd", ODD);
    stack.larder("up odd");
    assert_eq!(stack.larder("logs odd"), "odd-1  | red ^[[2Jgone^G\n");
    assert_eq!(
        stack.larder("logs --no-log-prefix --raw odd"),
        "\u{1b}[31mred\u{1b}[0m \u{1b}[2Jgone\u{7}\n"
    );
    let at_terminal = |options: &str| {
        let typed = format!("{} logs {options} odd", env!("CARGO_BIN_EXE_larder"));
        let mut command = stack.sandbox.command("script");
        let command = command
            .env("TERM", "xterm")
            .args(["-qec", &typed, "/dev/null"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let coloured = at_terminal("");
    assert!(coloured.contains("\u{1b}[36modd-1  |"), "{coloured:?}");
    assert!(
        coloured.contains("\u{1b}[31mred\u{1b}[0m ^[[2Jgone^G"),
        "{coloured:?}"
    );
    assert_eq!(at_terminal("--no-color"), "odd-1  | red ^[[2Jgone^G\r\n");
}

#[test]
fn a_time_is_cut_out_by_its_ends() {
    let stack = Stack::new("window", ODD);
    stack.larder("up --no-wait slow");
    let begun = Instant::now();
    while !stack.larder("logs slow").contains("three") {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    let stamped = stack.larder("logs -t --no-log-prefix slow");
    let times: Vec<&str> = stamped
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let logs = |options: &str| stack.larder(&format!("logs --no-log-prefix {options} slow"));
    assert_eq!(logs(&format!("--since {}", times[1])), "two\nthree\n");
    assert_eq!(logs(&format!("--until {}", times[1])), "one\ntwo\n");
    // Of the end a whole second is known to the engine alone.
    let until = format!("--until {}", times[1]);
    assert_eq!(logs(&format!("{until} --tail 1")), "two\n");
    assert_eq!(logs(&format!("--since {} {until}", times[1])), "two\n");
    assert_eq!(logs("--since 1h --tail 2"), "two\nthree\n");
    assert_eq!(logs(&format!("{until} --follow")), "one\ntwo\n");
    let mut logs = Background::start(&stack, &format!("logs -f --since {}", times[2]));
    logs.until("slow-1  | three\n");
    stack.larder("restart slow");
    logs.until("three\nslow-1  | one\n");
    stack.larder("stop");
    assert_eq!(logs.end(), Some(0));
}

#[test]
fn of_a_services_containers_one_is_shown_by_its_number() {
    let compose = "services: {app: {image: 'busybox:stable', scale: 2, command: [hostname]}}\n";
    let stack = Stack::new("number", compose);
    stack.larder("up");
    let both = stack.larder("logs app");
    let second = stack.larder("logs --index 2 app");
    assert!(second.starts_with("app-2  | ") && second.lines().count() == 1);
    assert!(both.contains(&second) && both.lines().count() == 2);
    for wrong in [
        "--index 2",
        "--index 0 app",
        "--since yesterday",
        "--until 2026-11-28",
    ] {
        let output = stack.sandbox.run(&format!("logs {wrong}"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

/// A way to the engine that can be cut.
struct Way {
    socket: std::path::PathBuf,
    open: std::sync::Arc<std::sync::Mutex<Vec<UnixStream>>>,
    cut: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Way {
    fn new(folder: &std::path::Path) -> Self {
        let way = Self {
            socket: folder.join("way.sock"),
            open: std::sync::Arc::default(),
            cut: std::sync::Arc::default(),
        };
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host
            .strip_prefix("unix://")
            .unwrap_or("/var/run/docker.sock");
        let engine = engine.to_owned();
        let listener = UnixListener::bind(&way.socket).unwrap();
        let (open, cut) = (way.open.clone(), way.cut.clone());
        std::thread::spawn(move || {
            for here in listener.incoming() {
                let here = here.unwrap();
                // Whoever comes while it is cut is turned away at once.
                if !cut.load(Ordering::SeqCst) {
                    let there = UnixStream::connect(&engine).unwrap();
                    for (from, to) in [(&here, &there), (&there, &here)] {
                        let (mut from, mut to) =
                            (from.try_clone().unwrap(), to.try_clone().unwrap());
                        std::thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut to);
                            let _ = to.shutdown(std::net::Shutdown::Write);
                        });
                    }
                    open.lock().unwrap().extend([here, there]);
                }
            }
        });
        way
    }

    fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

#[test]
fn an_engine_that_comes_back_is_followed_on() {
    let compose = "services: {app: {image: 'busybox:stable', stop_grace_period: 0s, command: \
                   [sh, -c, 'i=0; while :; do i=$$((i+1)); echo line $$i; sleep 0.3; done']}}\n";
    let mut stack = Stack::new("comes-back", compose);
    stack.larder("up");
    let way = Way::new(stack.sandbox.path());
    stack = stack.env("DOCKER_HOST", &format!("unix://{}", way.socket.display()));
    let mut logs = Background::start(&stack, "logs -f --no-log-prefix");
    logs.until("line 3\n");
    way.set_cut(true);
    std::thread::sleep(Duration::from_millis(1500));
    way.set_cut(false);
    logs.until("line 12\n");
    stack.larder("stop");
    assert_eq!(logs.end(), Some(0));
    let printed = logs.printed();
    let expected = (1..=printed.lines().count()).map(|number| format!("line {number}"));
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}
