//! The critical path of a start, as a line for a person and as data: which waits made it as long as it was.

use std::time::Duration;

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::phrase;
use super::text::{columns, duration, fit};
use crate::runtime::Leg;

/// Less than this is not worth a word.
const SHORT: Duration = Duration::from_millis(100);
/// What is below this share of the whole is left out.
const SHARE: u32 = 20;

/// One line, empty where nothing took long: `critical path: db healthy 640 ms → api healthy 410 ms`. What follows each
/// other for one service is summed up under what took longest of it; what took least is left out where the line is short.
pub(super) fn text(path: &[Leg], width: usize) -> String {
    let total: Duration = path.iter().map(|leg| leg.took).sum();
    let mut stretches = stretches(path);
    stretches.retain(|(_, took)| *took >= SHORT && *took * SHARE >= total);
    loop {
        let line = line(&stretches);
        let shortest = (0..stretches.len()).min_by_key(|at| stretches[*at].1);
        match shortest {
            None => return String::new(),
            Some(at) if columns(&line) > width && stretches.len() > 1 => drop(stretches.remove(at)),
            Some(_) => return format!("{}\n", fit(&line, width).dimmed()),
        }
    }
}

/// The longest step of each service's turn, and how long the turn was.
fn stretches(path: &[Leg]) -> Vec<(&Leg, Duration)> {
    let mut stretches: Vec<(&Leg, Duration)> = Vec::new();
    for leg in path {
        match stretches.last_mut() {
            Some((longest, took))
                if phrase::subject(&longest.step) == phrase::subject(&leg.step) =>
            {
                *took += leg.took;
                if leg.took >= longest.took {
                    *longest = leg;
                }
            }
            _ => stretches.push((leg, leg.took)),
        }
    }
    stretches
}

fn line(stretches: &[(&Leg, Duration)]) -> String {
    let told = stretches.iter().map(|(longest, took)| {
        let done = phrase::done(&longest.step.action);
        let subject = phrase::subject(&longest.step);
        format!("{subject} {done} {}", duration(*took))
    });
    format!("critical path: {}", told.collect::<Vec<_>>().join(" → "))
}

/// All of it.
pub(super) fn json(path: &[Leg]) -> Value {
    let leg = |leg: &Leg| {
        json!({
            "service": leg.step.service,
            "action": phrase::kind(&leg.step.action),
            "cause": leg.step.cause,
            "took_ms": leg.took.as_millis(),
        })
    };
    path.iter().map(leg).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, ContainerSource, Readiness, Step, StepId};

    fn leg(service: &str, action: Action, millis: u64) -> Leg {
        Leg {
            step: Step {
                id: StepId(0),
                service: Some(service.to_owned()),
                action,
                cause: "it is not there".to_owned(),
                after: Vec::new(),
                settled: Vec::new(),
            },
            took: Duration::from_millis(millis),
        }
    }

    fn wait(service: &str, millis: u64) -> Leg {
        let container = ContainerSource::Id(String::new());
        let until = Readiness::Healthy;
        leg(service, Action::Wait { container, until }, millis)
    }

    fn start(service: &str, millis: u64) -> Leg {
        let container = ContainerSource::Id(String::new());
        leg(
            service,
            Action::Start {
                container,
                hooks: 0,
            },
            millis,
        )
    }

    #[test]
    fn what_a_service_took_is_told_once_and_what_took_no_time_is_not() {
        let path = [
            start("cache", 12),
            start("db", 200),
            wait("db", 640),
            start("api", 210),
            wait("api", 2000),
        ];
        let told = |width| anstream::adapter::strip_str(&text(&path, width)).to_string();
        let whole = "critical path: db healthy 840 ms → api healthy 2.2 s\n";
        assert_eq!(told(80), whole);
        assert_eq!(told(50), "critical path: api healthy 2.2 s\n");
        assert_eq!(text(&[start("db", 30)], 80), "");
        assert_eq!(
            json(&path[..1])[0],
            json!({"service": "cache", "action": "start", "cause": "it is not there", "took_ms": 12})
        );
    }
}
