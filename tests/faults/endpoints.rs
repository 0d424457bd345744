//! Each endpoint of the engine that `up` uses, with each fault: every run ends, with the right code, and the next one repairs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::proxy::{Fault, Rule};
use crate::rig::{Rig, spread, thorough};

/// The kinds of calls that a replacing `up` makes.
fn kinds(rig: &Rig) -> BTreeSet<(&'static str, String)> {
    let (output, first) = rig.through("up", None);
    assert!(output.status.success(), "{}", rig.shown(&output));
    rig.edit("1");
    let (output, next) = rig.through("up", None);
    assert!(output.status.success(), "{}", rig.shown(&output));
    let methods = ["GET", "POST", "PUT", "DELETE"];
    let calls = first.calls().into_iter().chain(next.calls());
    let kinds = calls.filter_map(|call| {
        let method = methods.into_iter().find(|own| *own == call.method)?;
        Some((method, call.kind()))
    });
    let kinds: BTreeSet<_> = kinds.collect();
    assert!(kinds.len() > 12, "{kinds:?}");
    kinds
}

fn rules(kinds: &BTreeSet<(&'static str, String)>, faults: &[Fault]) -> Vec<Rule> {
    let of = |(method, path): &(&'static str, String)| {
        let (method, path) = (*method, path.clone());
        let rule = move |fault: &Fault| Rule {
            method,
            path: path.clone(),
            number: 0,
            fault: *fault,
        };
        faults.iter().map(rule).collect::<Vec<Rule>>()
    };
    kinds.iter().flat_map(of).collect()
}

/// An `up` that makes such a call; it must end with one of the codes, and the next one repairs.
fn run(rig: &Rig, number: usize, rule: &Rule, codes: &[i32]) {
    let of_old = [
        "/containers/*/stop",
        "/containers/*/rename",
        "/containers/*",
    ];
    rig.stack.larder("down -v");
    if of_old.contains(&rule.path.as_str()) {
        rig.edit("old");
        rig.stack.larder("up");
    }
    let what = format!("{number}");
    rig.edit(&what);
    let (output, proxy) = rig.through("up", Some(rule));
    let after = format!("{rule:?}: {}", rig.shown(&output));
    assert!(proxy.struck(), "not met: {after}");
    let code = output.status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "{after}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{after}");
    let told = said.lines().any(|line| line.starts_with("error: "));
    assert_eq!(code != 0, told, "{after}");
    rig.repair(&what, &after);
}

/// What the next look shows as well, or the engine does without being asked.
fn is_hint(rule: &Rule) -> bool {
    let hints = ["/events", "/networks/none", "/exec/*/start", "/exec/*/json"];
    hints.contains(&rule.path.as_str()) || rule.path == "/containers/*/exec"
}

#[test]
fn an_answer_that_is_late_lost_or_cut_off_does_no_harm() {
    let kinds = kinds(&Rig::new("kinds"));
    let mut rules = rules(
        &kinds,
        &[
            Fault::LostReply,
            Fault::Cut(90),
            Fault::Cut(400),
            Fault::Delay(Duration::from_millis(300)),
        ],
    );
    if !thorough() {
        // What reads is cut off, what changes is not heard of.
        rules.retain(|rule| match rule.fault {
            Fault::LostReply => rule.method != "GET",
            Fault::Cut(400) => rule.method == "GET",
            _ => false,
        });
    }
    spread("lost", &rules, |rig, number, rule| {
        // Before it answered once nobody knows that there is an engine.
        let first = rule.path == "/_ping" && !matches!(rule.fault, Fault::Delay(_));
        run(rig, number, rule, if first { &[0, 3] } else { &[0] });
    });
}

#[test]
fn an_engine_that_fails_is_told_of_and_the_next_start_goes_on() {
    let mut kinds = kinds(&Rig::new("fkinds"));
    if !thorough() {
        let some = ["/_ping", "/images/json", "/containers/*/json"];
        kinds.retain(|(method, path)| *method != "GET" || some.contains(&path.as_str()));
    }
    spread(
        "error",
        &rules(&kinds, &[Fault::Error]),
        |rig, number, rule| {
            let codes = match rule.path.as_str() {
                "/_ping" => &[3][..],
                _ if is_hint(rule) => &[0],
                _ => &[1],
            };
            run(rig, number, rule, codes);
        },
    );
}

#[test]
fn an_engine_that_freezes_is_given_up_in_time() {
    let mut kinds = kinds(&Rig::new("zkinds"));
    if !thorough() {
        let some = ["/_ping", "/networks/none", "/containers/json"];
        kinds.retain(|(_, path)| some.contains(&path.as_str()));
    }
    spread(
        "freeze",
        &rules(&kinds, &[Fault::Freeze]),
        |rig, number, rule| {
            run(rig, number, rule, &[3]);
        },
    );
}
