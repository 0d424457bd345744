//! The critical path of an execution: the step that ended last, the one that it waited for last, and so on back to the
//! beginning. What is not on it did not make the run longer.

use std::time::{Duration, Instant};

use crate::plan::{Plan, Step, StepId};

/// A step on the critical path.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The step.
    pub step: Step,
    /// How much longer it made the run: from the end of the one before to its own, with what it waited for its turn.
    pub took: Duration,
}

/// When the steps of a plan began and ended.
pub(super) struct Spans {
    begun: Instant,
    ends: Vec<Option<Duration>>,
}

impl Spans {
    pub(super) fn new(plan: &Plan, begun: Instant) -> Self {
        let ends = vec![None; plan.steps.len()];
        Self { begun, ends }
    }

    /// A step has ended, well or not.
    pub(super) fn end(&mut self, id: StepId) {
        self.ends[id.0] = Some(self.begun.elapsed());
    }

    /// The critical path, first step first.
    pub(super) fn critical_path(&self, plan: &Plan) -> Vec<Leg> {
        let latest = |ids: &mut dyn Iterator<Item = StepId>| {
            let ended = ids.filter_map(|id| Some((self.ends[id.0]?, id)));
            ended.max()
        };
        let mut path = Vec::new();
        let mut next = latest(&mut plan.steps.iter().map(|step| step.id));
        while let Some((end, id)) = next {
            let step = &plan.steps[id.0];
            next = latest(&mut step.after.iter().chain(&step.settled).copied());
            let before = next.map_or(Duration::ZERO, |(end, _)| end);
            path.push(Leg {
                step: step.clone(),
                took: end.saturating_sub(before),
            });
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    #[test]
    fn the_path_goes_back_by_what_ended_last() {
        let mut plan = Plan::default();
        let mut stop = |after: &[usize]| {
            let action = Action::Stop {
                container: String::new(),
                grace: None,
                hooks: 0,
                regardless: false,
            };
            plan.add(None, action, "", after.iter().copied().map(StepId))
        };
        stop(&[]);
        stop(&[]);
        stop(&[0, 1]);
        stop(&[1]);
        stop(&[2]);
        let mut spans = Spans::new(&plan, Instant::now());
        // The last one never ended.
        for (id, end) in [(0, 5), (1, 9), (2, 20), (3, 12)] {
            spans.ends[id] = Some(Duration::from_secs(end));
        }
        let path = spans.critical_path(&plan);
        let path: Vec<_> = path
            .iter()
            .map(|leg| (leg.step.id.0, leg.took.as_secs()))
            .collect();
        assert_eq!(path, [(1, 9), (2, 11)]);
    }
}
