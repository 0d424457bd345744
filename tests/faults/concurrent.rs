//! Several at once: larder beside itself, on one machine and as if on two, and beside docker compose.

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::proxy::post;
use crate::rig::{LONGEST, Rig, compose, ended};
use crate::stack::docker;

fn all_end(rig: &Rig, children: Vec<Child>) -> Vec<String> {
    let outputs = children.into_iter();
    let outputs = outputs.map(|child| ended(child, LONGEST, "one of several"));
    let outputs: Vec<_> = outputs.collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", rig.shown(output));
    }
    let said = outputs.iter();
    said.map(|own| String::from_utf8_lossy(&own.stderr).into_owned())
        .collect()
}

#[test]
fn twenty_starts_at_once_are_one_start_and_nineteen_that_find_it_done() {
    let rig = Rig::new("twenty");
    let children = (0..20).map(|_| rig.command("up").spawn().unwrap());
    let said = all_end(&rig, children.collect());
    rig.holds("0", "twenty");
    let waited = said
        .iter()
        .filter(|own| own.contains("waiting for `larder up` (process "));
    assert!(waited.count() > 0, "{said:?}");
    let made = said.iter().filter(|own| own.contains("created"));
    assert_eq!(made.count(), 1, "{said:?}");
}

#[test]
fn two_files_of_one_project_are_started_one_behind_the_other() {
    let rig = Rig::new("files");
    rig.stack.sandbox.write("other.yaml", &compose("other"));
    let children = ["up", "-f other.yaml up"].map(|line| rig.command(line).spawn().unwrap());
    all_end(&rig, children.into());
    rig.repair("0", "two files");
}

/// What `stop app` has in hand for some seconds, and a service that is off or on.
fn with_extra(profiles: &str) -> String {
    format!(
        "services:
  app: {{image: 'busybox:stable', command: [sh, -c, \"trap '' TERM; sleep 1000\"], stop_grace_period: 5s}}
  extra: {{image: 'busybox:stable', command: [sleep, '1000'], stop_signal: SIGKILL, profiles: [{profiles}]}}
"
    )
}

/// Holds the project with a stop, has a command wait for it, changes the file, and gives what the command said.
fn edited_while_waiting(rig: &Rig, line: &str, file: &str) -> String {
    let first = rig.command("stop app").spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let second = rig.command(line).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    rig.stack.sandbox.write("compose.yaml", file);
    assert!(ended(first, LONGEST, "stop app").status.success());
    let output = ended(second, LONGEST, line);
    let shown = rig.shown(&output);
    assert!(output.status.success(), "{line}: {shown}");
    assert!(shown.contains("waiting for `larder stop`"), "{shown}");
    shown
}

#[test]
fn a_file_that_changes_while_another_run_is_waited_for_is_read_anew() {
    let state = |rig: &Rig| {
        let found = rig.stack.containers("extra");
        let format = "{{.State.Status}} {{.State.StartedAt}}";
        let found = found.first();
        found.map(|id| docker(&["inspect", "-f", format, id]))
    };
    let check = |(number, line): (usize, &str)| {
        let rig = Rig::with(&format!("edited{number}"), &with_extra(""));
        rig.stack.larder("up");
        if line == "start" {
            rig.stack.larder("stop extra");
        }
        let before = state(&rig);
        rig.stack.sandbox.write("compose.yaml", &with_extra("off"));
        let shown = edited_while_waiting(&rig, line, &with_extra(""));
        let now = state(&rig);
        assert_ne!(now, before, "{line}: {shown}");
        let gone = line == "down" || line.starts_with("rm");
        assert_eq!(now.is_none(), gone, "{line}: {shown}");
        let running = now.is_some_and(|own| own.starts_with("running"));
        assert_eq!(running, line.ends_with("start"), "{line}: {shown}");
    };
    std::thread::scope(|scope| {
        let lines = ["down", "stop", "start", "restart", "rm -sf"];
        for one in lines.into_iter().enumerate() {
            scope.spawn(move || check(one));
        }
    });
}

#[test]
fn settings_of_a_file_that_changes_while_another_run_is_waited_for_are_taken() {
    let compose = |timeout: u32| {
        let check = "{test: [CMD, test, -e, /go], interval: 1s, retries: 100}";
        let slow = format!("image: 'busybox:stable', stop_signal: SIGKILL, healthcheck: {check}");
        let slow = format!("{slow}, command: [sh, -c, 'sleep 4; touch /go; sleep 1000']");
        format!(
            "{}  slow: {{{slow}}}\nx-larder: {{timeout: {timeout}}}\n",
            with_extra("")
        )
    };
    let rig = Rig::with("settings", &with_extra(""));
    rig.stack.larder("up");
    rig.stack.sandbox.write("compose.yaml", &compose(1));
    edited_while_waiting(&rig, "up", &compose(60));
}

/// Other users and other machines have other locks: each goes on from what the other one did.
#[test]
fn starts_that_do_not_know_of_each_other_come_to_the_same_end() {
    let rig = Rig::new("users");
    for turn in 0..3 {
        let children = (0..2).map(|user| {
            let home = rig.stack.sandbox.path().join(format!("home-{user}"));
            rig.command("up").env("HOME", home).spawn().unwrap()
        });
        let children: Vec<Child> = children.collect();
        let outputs = children.into_iter();
        let outputs = outputs.map(|child| ended(child, LONGEST, "one of two"));
        let outputs: Vec<_> = outputs.collect();
        let shown: String = outputs.iter().map(|own| rig.shown(own)).collect();
        let codes = outputs.iter().map(|own| own.status.code());
        let codes: Vec<_> = codes.collect();
        assert!(codes.contains(&Some(0)), "{shown}");
        // One that was in the other's way three times says so.
        assert!(
            codes.iter().all(|code| matches!(code, Some(0 | 1))),
            "{shown}"
        );
        rig.abandon_volumes();
        rig.repair("0", &format!("turn {turn}: {shown}"));
        rig.stack.larder("down -v");
    }
}

#[test]
fn a_name_that_a_stranger_has_is_not_waited_for() {
    let rig = Rig::new("stranger");
    let name = format!("{}-api-1", rig.stack.name);
    docker(&["create", "--name", &name, "busybox:stable"]);
    let shown = rig.stack.sandbox.show("up");
    docker(&["rm", &name]);
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(
        shown.contains("hint: rename or remove that container"),
        "{shown}"
    );
    assert!(!shown.contains("looking again"), "{shown}");
    rig.repair("0", &shown);
}

/// What two starts of docker compose at once leave on an engine of 20.10: no container can be started on either.
#[test]
fn a_second_network_of_the_same_name_is_taken_back() {
    let rig = Rig::new("network");
    let name = format!("{}_default", rig.stack.name);
    let labels = json!({"com.docker.compose.project": rig.stack.name});
    let body = json!({"Name": name, "Labels": labels}).to_string();
    let make = || post("/networks/create", &body);
    make();
    make();
    rig.repair("0", "two networks");
    // A newer engine refuses it.
    make();
    rig.edit("1");
    rig.repair("1", "two networks, one of them in use");
}

#[test]
fn docker_compose_beside_it_leaves_nothing_that_a_start_does_not_mend() {
    let rig = Rig::new("beside");
    let begun = Instant::now();
    let home = std::env::var("HOME").unwrap_or_default();
    let others = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut turns = 0;
            while begun.elapsed() < Duration::from_secs(12) {
                for line in ["up -d", "down -t 0"] {
                    let mut command = rig.stack.sandbox.command("docker");
                    command.env("HOME", &home).arg("compose");
                    // It loses against us now and then.
                    let _ = command.args(line.split_whitespace()).output();
                }
                turns += 1;
            }
            turns
        });
        while begun.elapsed() < Duration::from_secs(12) {
            let child = rig.command("up").spawn().unwrap();
            let output = ended(child, LONGEST, "up beside docker compose");
            let shown = rig.shown(&output);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{shown}");
        }
        others.join().unwrap()
    });
    assert!(others > 0);
    rig.abandon_volumes();
    rig.repair("0", "docker compose beside it");
}
