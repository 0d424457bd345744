//! Builds whose connections break off, and a larder that is killed while it builds.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::proxy::{Fault, Rule};
use crate::rig::{Rig, thorough};

/// A service that takes two seconds to build, by a Dockerfile that no other test has.
fn compose(rig: &Rig, what: usize) -> String {
    format!(
        "services:
  app:
    command: [sleep, '1000']
    stop_signal: SIGKILL
    build:
      context: .
      labels: {{dev.larder.test: {name}}}
      dockerfile_inline: |
        FROM busybox:stable
        RUN sleep 2; echo {name} {what} > /what
",
        name = rig.stack.name
    )
}

/// An `up` with a rule about a connection of the build; its code, and what it gave. Then all is built, and stays so.
fn built(rig: &Rig, number: usize, path: &str, fault: Fault) -> (Option<i32>, String) {
    let text = compose(rig, number);
    rig.stack.sandbox.write("compose.yaml", &text);
    let (path, method) = (path.to_owned(), "POST");
    let rule = Rule {
        method,
        path,
        number: 0,
        fault,
    };
    let (output, proxy) = rig.through("up", Some(&rule));
    let after = format!("{rule:?}: {}", rig.shown(&output));
    assert!(proxy.struck(), "{after}");
    let shown = rig.stack.sandbox.show("up");
    assert!(shown.starts_with("exit 0"), "{after}\n{shown}");
    let again = rig.stack.larder("up");
    assert!(again.contains("1 service up to date"), "{after}\n{again}");
    let what = rig.stack.larder("exec -T app cat /what");
    assert_eq!(what, format!("{} {number}\n", rig.stack.name), "{after}");
    let killed = output.status.signal().map(|signal| 128 + signal);
    (output.status.code().or(killed), after)
}

#[test]
fn a_build_that_is_cut_off_is_begun_anew() {
    let rig = Rig::new("build");
    let second = Duration::from_secs(1);
    let cuts = [
        ("/grpc", Fault::CutAfter(second)),
        ("/grpc", Fault::LostReply),
        ("/session", Fault::LostReply),
        ("/session", Fault::CutAfter(second)),
    ];
    for (number, (path, fault)) in cuts.into_iter().enumerate() {
        let (code, after) = built(&rig, number, path, fault);
        assert_eq!(code, Some(0), "{after}");
        let looked = after.contains("the connection to the engine was lost: looking again");
        // A build that has all its files may do without the session.
        assert!(looked || path == "/session", "{after}");
    }
}

#[test]
fn a_build_whose_engine_fails_or_freezes_is_told_of() {
    let rig = Rig::new("nobuild");
    let (code, after) = built(&rig, 0, "/grpc", Fault::Error);
    assert_eq!(code, Some(1), "{after}");
    let (code, after) = built(&rig, 1, "/session", Fault::Freeze);
    assert_eq!(code, Some(3), "{after}");
    assert!(after.contains("was not answered within 10 s"), "{after}");
    if thorough() {
        let (code, after) = built(&rig, 2, "/grpc", Fault::Freeze);
        assert_eq!(code, Some(3), "{after}");
    }
}

#[test]
fn a_larder_that_is_killed_while_it_builds_leaves_nothing_half_named() {
    let rig = Rig::new("kbuild");
    let (code, after) = built(&rig, 0, "/grpc", Fault::KillAfter);
    assert_eq!(code, Some(137), "{after}");
}
