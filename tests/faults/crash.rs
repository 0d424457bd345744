//! larder killed before and after each call that changes something: the next `up` makes it whole.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::proxy::{Call, Fault, Rule};
use crate::rig::{LONGEST, Rig, spread, thorough};

/// Where to kill it, of a run that makes these calls. Behind one call and before the next are nearly the same.
fn points(calls: &[Call]) -> Vec<Rule> {
    let count = calls.iter().filter(|call| call.changes()).count();
    assert!(count > 3, "{calls:?}");
    let rule = |number, fault| Rule {
        method: "",
        path: String::new(),
        number,
        fault,
    };
    let after = (0..count).map(|number| rule(number, Fault::KillAfter));
    let before = (0..count).map(|number| rule(number, Fault::KillBefore));
    after
        .chain(before.take(if thorough() { count } else { 1 }))
        .collect()
}

/// Runs larder and kills it there; what happened, for a message.
fn killed(rig: &Rig, line: &str, rule: &Rule) -> String {
    let (output, proxy) = rig.through(line, Some(rule));
    let shown = rig.shown(&output);
    // Not every run makes as many calls: an inspection may find what another one had to wait for.
    if proxy.struck() {
        assert_eq!(output.status.signal(), Some(9), "{shown}");
    }
    let calls = proxy.calls().into_iter().filter(Call::changes);
    let calls: Vec<String> = calls
        .map(|call| format!("{} {}", call.method, call.path))
        .collect();
    format!("{line}, {rule:?}: {shown}\n{}", calls.join("\n"))
}

#[test]
fn a_first_start_that_is_killed_anywhere_is_completed_by_the_next() {
    let rig = Rig::new("first");
    let (_, proxy) = rig.through("up", None);
    rig.holds("0", "no fault");
    spread("first", &points(&proxy.calls()), |rig, _, point| {
        let after = killed(rig, "up", point);
        rig.repair("0", &after);
        rig.stack.larder("down -v");
    });
}

#[test]
fn a_replacing_start_that_is_killed_anywhere_is_completed_by_the_next_and_keeps_its_data() {
    let rig = Rig::new("next");
    rig.stack.larder("up");
    let born = rig.born();
    rig.edit("one");
    let (_, proxy) = rig.through("up", None);
    rig.holds("one", "no fault");
    assert_eq!(rig.born(), born);
    spread("next", &points(&proxy.calls()), |rig, number, point| {
        if rig.inspected().is_empty() {
            rig.stack.larder("up");
        }
        let born = rig.born();
        let what = format!("{number}");
        rig.edit(&what);
        let after = killed(rig, "up", point);
        rig.repair(&what, &after);
        assert_eq!(rig.born(), born, "{after}");
    });
}

#[test]
fn a_down_that_is_killed_anywhere_is_undone_by_up_and_completed_by_down() {
    let rig = Rig::new("down");
    rig.stack.larder("up");
    let (output, proxy) = rig.through("down", None);
    assert!(output.status.success());
    assert!(rig.inspected().is_empty());
    spread("down", &points(&proxy.calls()), |rig, number, point| {
        if rig.inspected().is_empty() {
            rig.stack.larder("up");
        }
        let after = killed(rig, "down", point);
        rig.abandon_volumes();
        if number % 2 == 0 {
            rig.repair("0", &after);
        } else {
            let output = rig.stack.sandbox.run("down");
            assert!(output.status.success(), "{after}");
            assert!(rig.inspected().is_empty(), "{after}");
        }
    });
}

#[test]
fn what_was_killed_before_its_configs_came_is_not_started() {
    let rig = Rig::new("unfinished");
    let rule = Rule {
        method: "PUT",
        path: "/containers/*/archive".to_owned(),
        number: 0,
        fault: Fault::KillBefore,
    };
    let after = killed(&rig, "up", &rule);
    let names = rig.stack.names("db");
    assert_eq!(names.len(), 1, "{after}");
    for line in ["start db", "restart db"] {
        let output = rig.stack.sandbox.run(line);
        let shown = rig.shown(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {shown}");
        assert!(shown.contains("its making was cut off"), "{shown}");
        assert!(
            shown.contains("error: service `db` has no container that is whole"),
            "{shown}"
        );
        assert!(shown.contains("larder up"), "{shown}");
    }
    rig.repair("0", &after);
    // One that is whole, and was never started, is.
    rig.stack.larder("down");
    rig.stack.larder("create");
    rig.stack.larder("start db");
    assert_eq!(rig.stack.names("db").len(), 1);
}

#[test]
fn a_replacement_is_started_once_the_one_before_it_is_gone() {
    let compose = |what: &str| {
        format!(
            "services: {{web: {{image: 'busybox:stable', command: [sleep, '1000'], stop_signal: SIGKILL, \
             environment: {{WHAT: '{what}'}}}}}}\n"
        )
    };
    let rig = Rig::with("replacement", &compose("0"));
    for (what, method, path, left) in [
        ("1", "POST", "/containers/*/stop", 2),
        ("2", "POST", "/containers/*/rename", 1),
    ] {
        rig.stack.larder("up");
        rig.stack.sandbox.write("compose.yaml", &compose(what));
        let rule = Rule {
            method,
            path: path.to_owned(),
            number: 0,
            fault: Fault::KillBefore,
        };
        let after = killed(&rig, "up", &rule);
        assert_eq!(rig.stack.containers("web").len(), left, "{after}");
        let output = rig.stack.sandbox.run("start");
        let shown = rig.shown(&output);
        assert!(output.status.success(), "{shown}");
        assert_eq!(shown.contains("it is to replace"), left == 2, "{shown}");
        let runs = rig.inspected();
        let runs = runs.iter().filter(|own| own["State"]["Running"] == true);
        assert_eq!(runs.count(), 1, "{after}\n{shown}");
    }
    // It is kept, and gets its name.
    let there = rig.stack.containers("web");
    rig.stack.larder("up");
    assert_eq!(rig.stack.containers("web"), there);
    assert_eq!(
        rig.stack.names("web"),
        [format!("{}-web-1", rig.stack.name)]
    );
}

#[test]
fn a_start_that_goes_on_behind_a_larder_that_was_killed_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let compose = format!(
        "services: {{web: {{image: 'busybox:stable', command: [sleep, '1000'], stop_signal: SIGKILL, ports: ['127.0.0.1:{port}:80']}}}}\n"
    );
    let rig = Rig::with("goes-on", &compose);
    let mut starting = 0;
    for milliseconds in (0..300).step_by(20) {
        let mut up = rig.command("up").spawn().unwrap();
        let begun = Instant::now();
        while rig.stack.containers("web").is_empty() && up.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LONGEST, "{milliseconds} ms");
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        up.kill().unwrap();
        let killed = up.wait().unwrap();
        starting += u32::from(killed.signal() == Some(9));
        let output = rig.stack.sandbox.run("up");
        let shown = rig.shown(&output);
        assert!(output.status.success(), "{milliseconds} ms: {shown}");
        rig.stack.larder("down");
    }
    assert!(starting > 3, "{starting}");
}
