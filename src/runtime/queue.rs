//! Steps whose turn it is, and those among them that wait until fewer of their kind go on: pulls, builds and starts, which
//! `--parallel` bounds.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::plan::{Action, Plan, StepId};

/// The steps that may begin, in order.
pub(super) struct Queue<'a> {
    plan: &'a Plan,
    free: VecDeque<StepId>,
    bounded: VecDeque<StepId>,
    /// How many bounded ones may begin beside those that go on.
    room: usize,
}

impl<'a> Queue<'a> {
    pub(super) fn new(plan: &'a Plan, limit: Option<NonZeroUsize>) -> Self {
        Self {
            plan,
            free: VecDeque::new(),
            bounded: VecDeque::new(),
            room: limit.map_or(usize::MAX, NonZeroUsize::get),
        }
    }

    /// Adds steps whose needs are met.
    pub(super) fn add(&mut self, ready: impl IntoIterator<Item = StepId>) {
        for id in ready {
            if self.is_bounded(id) {
                self.bounded.push_back(id);
            } else {
                self.free.push_back(id);
            }
        }
    }

    /// The step to begin now.
    pub(super) fn next(&mut self) -> Option<StepId> {
        if let Some(id) = self.free.pop_front() {
            return Some(id);
        }
        let room = self.room.checked_sub(1)?;
        let id = self.bounded.pop_front()?;
        self.room = room;
        Some(id)
    }

    /// A step that was begun has ended.
    pub(super) fn ended(&mut self, id: StepId) {
        if self.is_bounded(id) {
            self.room = self.room.saturating_add(1);
        }
    }

    /// Those that were never begun.
    pub(super) fn rest(self) -> impl Iterator<Item = StepId> {
        self.free.into_iter().chain(self.bounded)
    }

    fn is_bounded(&self, id: StepId) -> bool {
        matches!(
            self.plan.steps[id.0].action,
            Action::Pull { .. }
                | Action::Push { .. }
                | Action::BuildDependencies { .. }
                | Action::Build { .. }
                | Action::Start { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ContainerSource;

    #[test]
    fn only_so_many_starts_go_on_at_once() {
        let mut plan = Plan::default();
        for number in 0..4 {
            let action = if number == 3 {
                Action::Unpause {
                    container: String::new(),
                }
            } else {
                Action::Start {
                    container: ContainerSource::Id(String::new()),
                    hooks: 0,
                }
            };
            plan.add(None, action, "", []);
        }
        let mut queue = Queue::new(&plan, NonZeroUsize::new(2));
        queue.add((0..4).map(StepId));
        let mut begun = || {
            std::iter::from_fn(|| queue.next())
                .map(|id| id.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(begun(), [3, 0, 1]);
        queue.ended(StepId(3));
        assert_eq!(queue.next(), None);
        queue.ended(StepId(0));
        assert_eq!(queue.next(), Some(StepId(2)));
        assert_eq!(queue.next(), None);
    }
}
