//! The container of a one-off run: made once all that it waits for is there. Whoever asked for it starts it, as somebody
//! must be attached to it by then.

use std::collections::BTreeMap;

use super::decide::Draft;
use super::stale::Slot;
use super::step::{Action, Creation};

impl Draft<'_> {
    /// Makes one, whatever containers the service has.
    pub(super) fn one_off(&mut self, slot: &Slot<'_>) {
        let project = self.wanted.project;
        let name = project.container_name(slot.service, slot.number);
        if let Some(plan) = self.plan.services.get_mut(slot.service) {
            plan.containers.push(name.clone());
        }
        let shares = slot.hosts.iter();
        let shares = shares.map(|host| (host.key.clone(), host.found.container.clone()));
        let creation = Creation {
            number: slot.number,
            name,
            image: slot.image.source.clone(),
            config: slot.config,
            stands_in: slot.image.stands_in,
            mounted: slot.mounted,
            inherits: BTreeMap::new(),
            image_mounts: slot.mounted_images.images.clone(),
            shares: shares.collect(),
        };
        let images = slot.image.after.iter().chain(&slot.mounted_images.after);
        let after = images.chain(slot.resources).chain(&slot.gates.0).copied();
        let after: Vec<_> = after.collect();
        let action = Action::Create(Box::new(creation));
        let step = self.step(Some(slot.service), action, "it is run once", after);
        self.plan.steps[step.0].settled.clone_from(&slot.gates.1);
    }
}
