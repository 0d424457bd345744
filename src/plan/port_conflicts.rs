//! Which host ports the containers of a plan ask for, and which of these cannot be had.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;

use super::observed::Container;
use super::step::{Action, Plan, Readiness, StepId};
use super::taken_ports::{Holder, Ledger, Taken};
use crate::model::{PortRange, Project, addresses_meet};

/// A host port that a container is to have, or one of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The service.
    pub service: String,
    /// Which of its `ports` it is, where a file says it.
    pub index: Option<usize>,
    /// The host's address, `None` for all of them.
    pub address: Option<IpAddr>,
    /// The ports of which it takes one.
    pub range: PortRange,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The step that starts the container, or makes one that is run once.
    pub start: StepId,
    /// Whether it is one of `run`. Its ports are in no file where they were typed.
    pub once: bool,
}

/// A host port that a container cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The service.
    pub service: String,
    /// Which of its `ports` it is, where a file says it.
    pub index: Option<usize>,
    /// The ports of which it takes one.
    pub range: PortRange,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Who has the first of them.
    pub holder: Holder,
    /// The nearest port that nobody has, as far as can be seen.
    pub free: Option<u16>,
    /// Whether it is a container of `run`.
    pub once: bool,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            range,
            holder,
            ..
        } = self;
        let protocol = match self.protocol.as_str() {
            "tcp" => String::new(),
            other => format!("/{other}"),
        };
        if range.count() > 1 {
            if matches!(holder, Holder::Service(other) if other == service) {
                return write!(
                    f,
                    "the ports from {} to {}{protocol} are not enough for the containers of service `{service}`",
                    range.first, range.last
                );
            }
            return write!(
                f,
                "no port from {} to {}{protocol} is free for service `{service}`: {}{protocol} is taken by {holder}",
                range.first, range.last, range.first
            );
        }
        write!(
            f,
            "port {}{protocol} of service `{service}` is ",
            range.first
        )?;
        match holder {
            Holder::Service(other) if other == service => {
                write!(f, "wanted by more than one of its containers")
            }
            Holder::Service(_) => write!(f, "wanted by {holder}, too"),
            _ => write!(f, "taken by {holder}"),
        }
    }
}

impl Conflict {
    /// Whether the port was typed for a container of `run`.
    pub fn is_typed(&self) -> bool {
        self.once && self.index.is_none()
    }

    /// What a person can do about it.
    pub fn hint(&self) -> String {
        let change = if self.is_typed() { "-p" } else { "ports" };
        let change = match self.free {
            Some(free) => format!("{free} is free: change `{change}`"),
            None => format!("change `{change}`"),
        };
        let stop = match &self.holder {
            Holder::Container { name, .. } => {
                format!(", or stop the other with `docker stop {name}`")
            }
            Holder::Process { pid, .. } if self.holder.is_proxy() => {
                let kill = pid.map_or_else(String::new, |pid| format!(" (`kill {pid}`)"));
                format!(
                    ", or stop the container behind it, which this engine does not list: another engine's, or left behind \
                     by one{kill}"
                )
            }
            Holder::Process { .. } => ", or stop the process".to_owned(),
            Holder::Service(_) => String::new(),
        };
        format!("{change}{stop}")
    }
}

/// The host ports that are asked for by the containers that a plan starts, and by one that is started behind it.
pub fn claims(plan: &Plan, project: &Project) -> Vec<Claim> {
    let mut claims = Vec::new();
    for step in &plan.steps {
        let service = step.service.as_ref();
        let service = service.and_then(|name| project.services.get_key_value(name));
        let Some((name, service)) = service.filter(|(_, own)| own.publishes()) else {
            continue;
        };
        let one_off = service.one_off.as_ref();
        let starts = match step.action {
            Action::Start { .. } => true,
            Action::Create(_) => one_off.is_some(),
            _ => false,
        };
        if !starts {
            continue;
        }
        let typed = one_off.is_some_and(|one_off| one_off.typed_ports);
        for (index, port) in service.ports.iter().enumerate() {
            if let Some(range) = port.range() {
                claims.push(Claim {
                    service: name.clone(),
                    index: (!typed).then_some(index),
                    address: port.address(),
                    range,
                    protocol: port.transport(),
                    start: step.id,
                    once: one_off.is_some(),
                });
            }
        }
    }
    claims
}

/// The claims that cannot be met: what somebody has whom the plan does not stop, and what two of its containers ask for,
/// unless one comes only when the other is done. `own` are the containers of the project.
pub fn conflicts(
    claims: &[Claim],
    plan: &Plan,
    own: &[&Container],
    taken: &[Taken],
) -> Vec<Conflict> {
    let ended = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Stop { container, .. } | Action::Remove { container, .. } => Some(container),
        _ => None,
    });
    let ended: BTreeSet<&String> = ended.collect();
    let held = taken.iter().filter(|own| match &own.holder {
        Holder::Container { id, .. } => !ended.contains(id),
        _ => true,
    });
    let services = own.iter();
    let mut allotment = Allotment {
        plan,
        ledger: Ledger::of(held),
        services: services.map(|own| (&*own.id, &*own.service)).collect(),
        given: HashMap::new(),
        next: HashMap::new(),
    };
    // Who can have but one port comes first.
    let mut order: Vec<&Claim> = claims.iter().collect();
    order.sort_by_key(|claim| claim.range.count());
    let mut unmet: BTreeMap<(&str, Option<usize>, u16), (&Claim, Holder)> = BTreeMap::new();
    for claim in order {
        if let Some(holder) = allotment.allot(claim) {
            let key = (&*claim.service, claim.index, claim.range.first);
            unmet.entry(key).or_insert((claim, holder));
        }
    }
    let mut told = BTreeSet::new();
    let conflicts = unmet.into_values().map(|(claim, holder)| {
        let free = nearest(claim.range.first, |port| {
            !told.contains(&port) && allotment.holder(claim, port).is_none()
        });
        told.extend(free);
        Conflict {
            service: claim.service.clone(),
            index: claim.index,
            range: claim.range,
            protocol: claim.protocol.clone(),
            holder,
            free,
            once: claim.once,
        }
    });
    conflicts.collect()
}

/// Who gets which port.
struct Allotment<'a> {
    plan: &'a Plan,
    ledger: Ledger<'a>,
    /// The services of the project's containers, by their IDs.
    services: HashMap<&'a str, &'a str>,
    given: HashMap<(u16, &'a str), Vec<&'a Claim>>,
    /// Of each range where the next free port is looked for: what was given stays given.
    next: HashMap<(PortRange, &'a str, Option<IpAddr>), u16>,
}

impl<'a> Allotment<'a> {
    /// Gives a claim the first port that it can have; who has the first of its range, where it can have none.
    fn allot(&mut self, claim: &'a Claim) -> Option<Holder> {
        let PortRange { first, last } = claim.range;
        let range = (claim.range, claim.protocol.as_str(), claim.address);
        let from = self.next.get(&range).copied().unwrap_or(first);
        let Some(free) = (from..=last).find(|port| self.holder(claim, *port).is_none()) else {
            let own = || Holder::Service(claim.service.clone());
            return Some(self.holder(claim, first).unwrap_or_else(own));
        };
        self.next.insert(range, free);
        let given = self.given.entry((free, &claim.protocol)).or_default();
        given.push(claim);
        None
    }

    /// Who stands in the way of a claim to a port.
    fn holder(&self, claim: &Claim, port: u16) -> Option<Holder> {
        let held = self.ledger.holders(claim.address, port, &claim.protocol);
        let mut held = held.filter(|holder| match holder {
            Holder::Container { id, .. } => {
                let service = self.services.get(id.as_str());
                !service.is_some_and(|other| follows(self.plan, claim.start, other))
            }
            _ => true,
        });
        if let Some(holder) = held.next() {
            return Some(holder.clone());
        }
        let given = self.given.get(&(port, claim.protocol.as_str()));
        let mut given = given.into_iter().flatten().filter(|other| {
            addresses_meet(other.address, claim.address)
                && !follows(self.plan, claim.start, &other.service)
                && !follows(self.plan, other.start, &claim.service)
        });
        Some(Holder::Service(given.next()?.service.clone()))
    }
}

/// The nearest port that is free, the privileged ones left out unless one of them is asked for.
fn nearest(port: u16, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let least = if port < 1024 { 1 } else { 1024 };
    let steps = 1..=u16::MAX;
    let near = steps.flat_map(|by| [port.checked_add(by), port.checked_sub(by)]);
    let mut near = near.flatten().filter(|port| *port >= least);
    near.find(|port| is_free(*port))
}

/// Whether a step waits until a service is done.
fn follows(plan: &Plan, start: StepId, service: &str) -> bool {
    let done = |id: StepId| {
        let step = plan.steps.get(id.0);
        step.is_some_and(|step| {
            step.service.as_deref() == Some(service)
                && matches!(
                    step.action,
                    Action::Wait {
                        until: Readiness::Completed,
                        ..
                    }
                )
        })
    };
    let mut open = vec![start];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if done(id) {
            return true;
        }
        let needed = plan.steps.get(id.0).into_iter();
        let needed = needed.flat_map(|step| step.after.iter().chain(&step.settled));
        open.extend(needed.filter(|id| seen.insert(**id)).copied());
    }
    false
}
