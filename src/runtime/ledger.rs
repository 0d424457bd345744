//! Which steps of a plan are open, which may begin, and what the others left. Linear in the plan, however it unfolds.

use std::collections::{BTreeMap, BTreeSet};

use super::readiness::Proof;
use crate::model::ImageId;
use crate::plan::{Action, ContainerSource, ImageSource, Plan, StepId};

/// What a step leaves for those behind it.
#[derive(Clone, Debug)]
pub(super) enum Product {
    Nothing,
    Image(ImageId),
    Container(String),
    Proof(Proof),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Taken,
    Done,
    Lost,
}

/// How a step needs another one.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// It must have succeeded.
    Success,
    /// It must have ended, or be lost.
    End,
}

/// The books of one execution.
pub(super) struct Ledger<'a> {
    plan: &'a Plan,
    state: Vec<State>,
    /// Of each step those that need it.
    needed_by: Vec<Vec<(StepId, Need)>>,
    /// How many needs of each step are not met yet.
    unmet: Vec<usize>,
    /// Open, and nothing unmet.
    ready: BTreeSet<StepId>,
    products: BTreeMap<StepId, Product>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut needed_by = vec![Vec::new(); plan.steps.len()];
        let mut unmet = vec![0; plan.steps.len()];
        for step in &plan.steps {
            let succeeded = step.after.iter().map(|id| (id, Need::Success));
            let ended = step.settled.iter().map(|id| (id, Need::End));
            for (needed, need) in succeeded.chain(ended) {
                needed_by[needed.0].push((step.id, need));
                unmet[step.id.0] += 1;
            }
        }
        let ready = plan.steps.iter().map(|step| step.id);
        Self {
            ready: ready.filter(|id| unmet[id.0] == 0).collect(),
            plan,
            state: vec![State::Open; plan.steps.len()],
            needed_by,
            unmet,
            products: BTreeMap::new(),
        }
    }

    /// Takes the open steps whose needs are met.
    pub(super) fn take_ready(&mut self) -> BTreeSet<StepId> {
        let mut ready = std::mem::take(&mut self.ready);
        ready.retain(|id| self.state[id.0] == State::Open);
        for id in &ready {
            self.state[id.0] = State::Taken;
        }
        ready
    }

    /// What the steps left that an action speaks of.
    pub(super) fn products_for(&self, action: &Action) -> BTreeMap<StepId, Product> {
        let of_image = |source: &ImageSource| match source {
            ImageSource::Step(made) => Some(*made),
            _ => None,
        };
        let of_container = |source: &ContainerSource| match source {
            ContainerSource::Step(made) => Some(*made),
            ContainerSource::Id(_) => None,
        };
        let made: Vec<StepId> = match action {
            Action::Create(creation) => {
                let images = creation.image_mounts.iter().chain([&creation.image]);
                let images = images.filter_map(of_image);
                let shares = creation.shares.values().filter_map(of_container);
                images.chain(shares).collect()
            }
            Action::Tag { image, .. } | Action::Push { image, .. } => {
                of_image(image).into_iter().collect()
            }
            Action::Start { container, .. }
            | Action::Rename { container, .. }
            | Action::Wait { container, .. } => of_container(container).into_iter().collect(),
            _ => Vec::new(),
        };
        let products = made.into_iter();
        products
            .filter_map(|made| Some((made, self.products.get(&made)?.clone())))
            .collect()
    }

    pub(super) fn done(&mut self, id: StepId, product: Product) {
        self.state[id.0] = State::Done;
        self.products.insert(id, product);
        for (waiting, _) in std::mem::take(&mut self.needed_by[id.0]) {
            self.meet(waiting);
        }
    }

    fn meet(&mut self, waiting: StepId) {
        self.unmet[waiting.0] -= 1;
        if self.unmet[waiting.0] == 0 {
            self.ready.insert(waiting);
        }
    }

    /// A step failed or was given up, and with it all that need it.
    pub(super) fn lost(&mut self, id: StepId) {
        self.state[id.0] = State::Lost;
        let mut lost = vec![id];
        while let Some(id) = lost.pop() {
            for (waiting, need) in std::mem::take(&mut self.needed_by[id.0]) {
                if need == Need::End {
                    self.meet(waiting);
                } else if self.state[waiting.0] == State::Open {
                    self.state[waiting.0] = State::Lost;
                    lost.push(waiting);
                }
            }
        }
    }

    pub(super) fn proofs(self) -> Vec<Proof> {
        let proof = |product| match product {
            Product::Proof(proof) => Some(proof),
            _ => None,
        };
        self.products.into_values().filter_map(proof).collect()
    }

    /// The steps that were never begun, or given up; not those that failed.
    pub(super) fn left(&self, failed: &BTreeSet<StepId>) -> impl Iterator<Item = StepId> {
        let open = |id: &StepId| {
            matches!(self.state[id.0], State::Open | State::Lost) && !failed.contains(id)
        };
        (0..self.plan.steps.len()).map(StepId).filter(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;

    fn step(id: usize, after: &[usize]) -> Step {
        Step {
            id: StepId(id),
            service: None,
            action: Action::Stop {
                container: String::new(),
                hooks: 0,
                regardless: false,
                grace: None,
            },
            cause: String::new(),
            after: after.iter().copied().map(StepId).collect(),
            settled: Vec::new(),
        }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan {
            steps,
            ..Plan::default()
        }
    }

    #[test]
    fn a_failure_reaches_a_step_that_stands_before_what_it_needs() {
        let mut behind_all = step(3, &[]);
        behind_all.settled = vec![StepId(0)];
        let plan = plan(vec![step(0, &[2]), step(1, &[]), step(2, &[1]), behind_all]);
        let mut ledger = Ledger::new(&plan);
        assert_eq!(ledger.take_ready(), [StepId(1)].into());
        ledger.lost(StepId(1));
        assert_eq!(ledger.take_ready(), [StepId(3)].into());
        let left: Vec<_> = ledger.left(&[StepId(1)].into()).collect();
        assert_eq!(left, [StepId(0), StepId(2)]);
    }

    /// Looking at all of them after each one would take minutes.
    #[test]
    fn a_long_chain_takes_no_time() {
        const STEPS: usize = 100_000;
        let behind = |id: usize| step(id, &id.checked_sub(1).map_or(vec![], |one| vec![one]));
        let plan = plan((0..STEPS).map(behind).collect());
        let begun = std::time::Instant::now();
        let mut ledger = Ledger::new(&plan);
        for id in (0..STEPS / 2).map(StepId) {
            assert_eq!(ledger.take_ready(), [id].into());
            ledger.done(id, Product::Nothing);
        }
        ledger.lost(StepId(STEPS / 2));
        assert!(ledger.take_ready().is_empty());
        let failed = [StepId(STEPS / 2)].into();
        assert_eq!(ledger.left(&failed).count(), STEPS / 2 - 1);
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
