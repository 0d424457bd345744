//! Host ports that somebody has: refused before a plan is carried out, named where a start failed for one, and with
//! `--ports auto` given up for others.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::compose;
use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint;
use crate::model::{Port, PortRange, Project};
use crate::plan::{self, Action, Claim, Conflict, Container, Holder, Plan};
use crate::runtime::{self, EngineError, StepError};
use crate::settings::Ports;

impl Prepared {
    /// Gives ports in place of those that are taken, where that is asked for, and takes the hashes that say so.
    pub(super) async fn choose_ports(&mut self) -> Result<(), Failure> {
        let auto = self.settings.ports == Ports::Auto;
        let services = plan::choosing(&self.project, &self.services, &self.observed, auto);
        let mut taken = Vec::new();
        if plan::ports_are_open(&self.project, &services, &self.observed) {
            let all = services.iter();
            let all = all.filter_map(|name| self.project.services.get(name));
            let ranges = all.flat_map(|own| own.ports.iter().filter_map(Port::range));
            taken = self.engine.taken_ports(named(ranges)).await?;
        }
        self.ports = plan::choose_ports(&mut self.project, &services, &self.observed, &taken);
        let changed: BTreeSet<&String> = self.ports.iter().map(|port| &port.service).collect();
        for service in changed {
            let hash = fingerprint::config_hash(&self.project, service)?;
            self.configs.insert(service.clone(), hash);
        }
        Ok(())
    }

    /// The host ports that a plan's containers cannot have.
    pub(super) async fn port_conflicts(&self, plan: &Plan) -> Result<Vec<Conflict>, Failure> {
        let claims = plan::claims(plan, &self.project);
        let own: Vec<&Container> = self.observed.containers.iter().collect();
        Ok(conflicts(&self.engine, claims, plan, &own).await?)
    }

    /// Refuses a plan whose containers cannot have their host ports.
    pub(super) async fn check_ports(&self, plan: &Plan) -> Result<(), Failure> {
        refuse(self.port_conflicts(plan).await?, &self.project)
    }

    /// Refuses a start that is sure to want a host port which somebody beside the project has: before images are brought that
    /// a decision needs, which may take minutes. All else is known with the plan.
    pub(super) async fn check_first_ports(&self) -> Result<(), Failure> {
        if !self.goal.starts {
            return Ok(());
        }
        let runs = |name: &String| {
            let mut own = self.observed.containers.iter();
            own.any(|own| own.service == *name)
        };
        let mut plan = Plan::default();
        for name in &self.services {
            let service = &self.project.services[name];
            let container = plan::ContainerSource::Id(String::new());
            // One that is run once stands beside those that there are.
            if service.replicas() > 0 && (service.one_off.is_some() || !runs(name)) {
                let start = Action::Start {
                    container,
                    hooks: 0,
                };
                plan.add(Some(name), start, "it is not there", []);
            }
        }
        let mut found = self.port_conflicts(&plan).await?;
        let own = |id: &String| self.observed.containers.iter().any(|own| own.id == *id);
        let ports = self.observed.containers.iter().flat_map(|own| &own.ports);
        let ports: Vec<u16> = ports.filter_map(|port| port.published).collect();
        found.retain(|conflict| match &conflict.holder {
            Holder::Service(_) => false,
            Holder::Container { id, .. } if own(id) => false,
            // The project's own containers may give enough of a range free.
            _ => !ports
                .iter()
                .any(|port| (conflict.range.first..=conflict.range.last).contains(port)),
        });
        refuse(found, &self.project)
    }

    /// Says which ports were taken, and what is in their place.
    pub(super) fn tell_ports(&self, invocation: &Invocation) {
        for port in self.ports.iter().filter(|port| port.holder.is_some()) {
            invocation.say(&port.sentence());
        }
    }
}

/// Refuses the start of containers that are there and whose host ports somebody has. What the files say of them by now counts
/// for nothing.
pub(super) async fn check_starts(
    engine: &Docker,
    plan: &Plan,
    own: &[&Container],
    project: Option<&Project>,
) -> Result<(), Failure> {
    let mut claims = Vec::new();
    let running = own.iter().filter(|own| own.state.is_running());
    let running: BTreeSet<&String> = running.map(|own| &own.id).collect();
    for step in &plan.steps {
        let Action::Start {
            container: plan::ContainerSource::Id(id),
            ..
        } = &step.action
        else {
            continue;
        };
        // One that is started anew has its ports.
        if running.contains(id) {
            continue;
        }
        let service = step.service.clone().unwrap_or_default();
        for port in engine.bindings(id).await? {
            let own = project.and_then(|project| project.services.get(&service));
            let index = own.and_then(|own| {
                let same =
                    |own: &Port| own.target == port.target && own.transport() == port.transport();
                own.ports.iter().position(same)
            });
            claims.extend(port.range().map(|range| Claim {
                service: service.clone(),
                index,
                address: port.address(),
                range,
                protocol: port.transport(),
                start: step.id,
                once: false,
            }));
        }
    }
    let nameless = Project::default();
    let found = conflicts(engine, claims, plan, own).await?;
    refuse(found, project.unwrap_or(&nameless))
}

async fn conflicts(
    engine: &Docker,
    claims: Vec<Claim>,
    plan: &Plan,
    own: &[&Container],
) -> Result<Vec<Conflict>, EngineError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = named(claims.iter().map(|claim| claim.range));
    let taken = engine.taken_ports(wanted).await?;
    Ok(plan::conflicts(&claims, plan, own, &taken))
}

fn refuse(conflicts: Vec<Conflict>, project: &Project) -> Result<(), Failure> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let placed = conflicts.into_iter().map(|conflict| {
        let path = ["services", &conflict.service, "ports"];
        let place = conflict.index.and_then(|index| {
            let text = conflict.range.to_string();
            compose::place_of_item(project, &path, index, &text)
        });
        (conflict, place)
    });
    Err(Failure::Ports(placed.collect()))
}

/// The ports of which it is to be known who has them: of a large range its beginning.
fn named(ranges: impl Iterator<Item = PortRange>) -> BTreeSet<u16> {
    const OF_EACH: usize = 32;
    ranges
        .flat_map(|range| (range.first..=range.last).take(OF_EACH))
        .collect()
}

/// Says of starts that failed for a port who has it. The check before a plan is advice: somebody may have come since.
pub(super) async fn name_holders(engine: &Docker, failures: &mut [runtime::Failure]) {
    let mut wanted = BTreeMap::new();
    for (at, failure) in failures.iter().enumerate() {
        if let (Action::Start { .. }, StepError::Engine(EngineError::Refused { source, .. })) =
            (&failure.step.action, &failure.error)
            && let Some(port) = refused_port(&source.to_string())
        {
            wanted.insert(at, port);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let ports = wanted.values().copied().collect();
    let Ok(taken) = engine.taken_ports(ports).await else {
        return;
    };
    for (at, port) in wanted {
        let Some(own) = taken.iter().find(|own| own.port == port) else {
            continue;
        };
        if let StepError::Engine(EngineError::Refused { source, .. }) = &mut failures[at].error {
            let said = std::mem::replace(source, "".into());
            *source = Box::new(TakenBy {
                port,
                holder: own.holder.clone(),
                said,
            });
        }
    }
}

/// A port that somebody has, with what the engine said of it.
#[derive(Debug, thiserror::Error)]
#[error("port {port} is taken by {holder}")]
struct TakenBy {
    port: u16,
    holder: Holder,
    #[source]
    said: Box<dyn Error + Send + Sync>,
}

/// The port that an engine could not have: `Bind for 0.0.0.0:8080 failed: port is already allocated`, `listen tcp4
/// 0.0.0.0:8080: bind: address already in use`, `failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address
/// already in use`.
fn refused_port(words: &str) -> Option<u16> {
    let taken = ["port is already allocated", "address already in use"];
    if !taken.iter().any(|taken| words.contains(taken)) {
        return None;
    }
    let after = [
        "Bind for ",
        "listen tcp4 ",
        "listen tcp6 ",
        "listen tcp ",
        "listen udp4 ",
    ];
    let after = after
        .into_iter()
        .chain(["listen udp6 ", "listen udp ", "host port for "]);
    let mut found = after.filter_map(|lead| Some(words.split_once(lead)?.1));
    let address = found.next()?.split_whitespace().next()?;
    let address = match address.split_once("]:") {
        Some((_, port)) => port,
        None => address.split_once(':')?.1,
    };
    let digits = address.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::refused_port;

    #[test]
    fn the_port_is_found_in_the_words_of_every_engine() {
        let cases = [
            (
                "driver failed programming external connectivity on endpoint x-1 (ab): Bind for 0.0.0.0:8080 failed: port is \
                 already allocated",
                Some(8080),
            ),
            (
                "driver failed: Error starting userland proxy: listen tcp4 127.0.0.1:81: bind: address already in use",
                Some(81),
            ),
            (
                "listen tcp6 [::]:82: bind: address already in use",
                Some(82),
            ),
            (
                "failed to bind host port for 0.0.0.0:83:172.18.0.2:80/tcp: address already in use",
                Some(83),
            ),
            ("Address already in use", None),
            ("no such container", None),
        ];
        for (words, port) in cases {
            assert_eq!(refused_port(words), port, "{words}");
        }
    }
}
