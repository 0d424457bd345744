//! `--ports auto`: host ports in place of those that are taken, for each checkout its own and the same ones each time.
//! Made before config hashes are taken, so that a container is what its service says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use super::observed::{Container, Observed};
use super::taken_ports::{Holder, Ledger, Taken};
use crate::model::{DigestWriter, Port, PortRange, Project, addresses_meet, labels};

/// What is chosen from: below the ports that Linux gives to outgoing connections (`ip_local_port_range`), and above those
/// that services usually have.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_767;

/// A host port in place of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChosenPort {
    /// The service.
    pub service: String,
    /// The host's port, or range, that the file says.
    pub declared: String,
    /// The one that its containers get.
    pub published: String,
    /// The container's port.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Who has the one that the file says, where it was chosen now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

impl ChosenPort {
    /// What a person is told: `web: 8080 is taken by process `python3` (pid 71); 23456 in its place`.
    pub fn sentence(&self) -> String {
        let Self {
            service,
            declared,
            published,
            ..
        } = self;
        let protocol = match self.protocol.as_str() {
            "tcp" => String::new(),
            other => format!("/{other}"),
        };
        match &self.holder {
            Some(Holder::Service(other)) if other == service => format!(
                "{service}: {declared}{protocol} is not enough for all of its containers; {published} in its place"
            ),
            Some(holder) => {
                format!(
                    "{service}: {declared}{protocol} is taken by {holder}; {published} in its place"
                )
            }
            None => format!("{service}: {published}{protocol} in place of {declared}, as before"),
        }
    }
}

/// The services whose ports may be others than the file says: all where that is asked for with `auto`, but for what was typed.
/// Without it those that an `up` chose ports for and that a container of `run` needs, as it leaves them as they are.
pub fn choosing(
    project: &Project,
    services: &BTreeSet<String>,
    observed: &Observed,
    auto: bool,
) -> BTreeSet<String> {
    let runs = project.services.values().any(|own| own.one_off.is_some());
    let chooses = |name: &&String| match &project.services[*name].one_off {
        Some(one_off) => auto && !one_off.typed_ports,
        None if auto => true,
        None => {
            let mut own = containers_of(project, observed, name).into_iter();
            runs && own.any(|own| own.labels.contains_key(labels::PORTS))
        }
    };
    services.iter().filter(chooses).cloned().collect()
}

/// Whether it must be known who has which ports: containers of the services run already, and have all that they are to have.
pub fn ports_are_open(project: &Project, services: &BTreeSet<String>, observed: &Observed) -> bool {
    let mut all = publishing(project, services);
    all.any(|(name, service)| {
        let containers = containers_of(project, observed, name);
        let need = service.replicas() as usize;
        service
            .ports
            .iter()
            .any(|port| port.range().is_some() && kept(port, &containers, need).is_none())
    })
}

/// Gives each published port that is taken another one. What a container has already it keeps, whoever has the other by now.
pub fn choose_ports(
    project: &mut Project,
    services: &BTreeSet<String>,
    observed: &Observed,
    taken: &[Taken],
) -> Vec<ChosenPort> {
    let own = services.iter();
    let own = own.flat_map(|name| containers_of(project, observed, name));
    let own: BTreeSet<&String> = own.map(|own| &own.id).collect();
    // What the services' own containers have is theirs to give.
    let others = taken.iter().filter(|taken| match &taken.holder {
        Holder::Container { id, .. } => !own.contains(id),
        _ => true,
    });
    let mut draft = Draft {
        ledger: Ledger::of(others),
        given: BTreeMap::new(),
        declared: declared(project),
        folder: project.working_dir.clone(),
    };
    let wanted = draft.wanted(project, services, observed);
    let mut chosen = Vec::new();
    for asked in wanted {
        let (published, holder) = match asked.had {
            Some(had) => (had, None),
            None => draft.find(&asked),
        };
        if published == asked.range {
            continue;
        }
        let text = published.to_string();
        chosen.push(ChosenPort {
            service: asked.service.clone(),
            declared: asked.port.published.clone().unwrap_or_default(),
            published: text.clone(),
            target: asked.port.target,
            protocol: asked.port.transport(),
            holder,
        });
        if let Some(service) = project.services.get_mut(&asked.service) {
            let own = &mut service.ports[asked.index];
            own.declared = own.published.replace(text);
        }
    }
    chosen.sort_by(|a, b| (&a.service, a.target).cmp(&(&b.service, b.target)));
    chosen
}

/// What [`labels::PORTS`] says of a service's containers; `None` where nothing was chosen.
pub fn ports_label(ports: &[Port]) -> Option<String> {
    let said = ports.iter().filter_map(|port| {
        let declared = port.declared.as_deref()?;
        let key = key(port, declared);
        Some(format!("{key}={}", port.published.as_deref()?))
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join(","))
}

/// A port as it is declared: `127.0.0.1:8080:80/tcp`.
fn key(port: &Port, declared: &str) -> String {
    let address = port.host_ip.as_ref().map(|ip| format!("{ip}:"));
    let address = address.unwrap_or_default();
    format!("{address}{declared}:{}/{}", port.target, port.transport())
}

/// What a container's label says was chosen in place of a port.
fn said(container: &Container, port: &Port) -> Option<PortRange> {
    let label = container.labels.get(labels::PORTS)?;
    let key = key(port, port.published.as_deref()?);
    let of_port = |entry: &str| entry.strip_prefix(&key)?.strip_prefix('=')?.parse().ok();
    label.split(',').find_map(of_port)
}

/// The range that all of a service's running containers have a port of: the declared one, or the one that was chosen before.
fn kept(port: &Port, containers: &[&Container], need: usize) -> Option<PortRange> {
    let range = port.range()?;
    let running = containers.iter().filter(|own| own.state.is_running());
    let running: Vec<&&Container> = running.collect();
    if running.len() < need || need == 0 {
        return None;
    }
    let range = said(running[0], port).unwrap_or(range);
    let has = |own: &&&Container| {
        own.ports.iter().any(|held| {
            held.target == port.target
                && held.protocol == port.transport()
                && held.published.is_some_and(|held| holds(range, held))
        })
    };
    running.iter().all(has).then_some(range)
}

/// The ports of a range that a service's containers have.
fn held(port: &Port, containers: &[&Container], range: PortRange) -> BTreeSet<u16> {
    let all = containers.iter().flat_map(|own| &own.ports);
    let own = all.filter(|held| held.target == port.target && held.protocol == port.transport());
    own.filter_map(|held| held.published)
        .filter(|held| holds(range, *held))
        .collect()
}

fn holds(range: PortRange, port: u16) -> bool {
    (range.first..=range.last).contains(&port)
}

/// The containers that a service has, or had. One that is run once stands beside them, and has nothing of theirs.
fn containers_of<'a>(
    project: &Project,
    observed: &'a Observed,
    service: &str,
) -> Vec<&'a Container> {
    let definition = project.services.get(service);
    let once = definition.is_some_and(|own| own.one_off.is_some());
    let all = observed.containers.iter();
    all.filter(|own| own.service == service && !own.one_off && !once)
        .collect()
}

fn publishing<'a>(
    project: &'a Project,
    services: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a String, &'a crate::model::Service)> {
    let all = project.services.iter();
    all.filter(|(name, own)| services.contains(*name) && own.replicas() > 0 && own.publishes())
}

/// The ports that some service of the project declares, chosen for no other.
fn declared(project: &Project) -> BTreeSet<u16> {
    let all = project.services.values().flat_map(|own| &own.ports);
    let single = all.filter_map(|port| port.range().filter(|range| range.count() == 1));
    single.map(|range| range.first).collect()
}

/// A port that a service asks for.
struct Asked {
    service: String,
    /// Which of its `ports` it is.
    index: usize,
    port: Port,
    /// What it declares.
    range: PortRange,
    /// How many containers get one.
    need: usize,
    /// What its containers have, or had, and keep.
    had: Option<PortRange>,
}

/// A host port that a service of the project gets.
struct Given {
    address: Option<IpAddr>,
    service: String,
}

struct Draft<'a> {
    ledger: Ledger<'a>,
    /// What services of the project get, by port and protocol.
    given: BTreeMap<(u16, String), Vec<Given>>,
    declared: BTreeSet<u16>,
    folder: std::path::PathBuf,
}

impl Draft<'_> {
    /// What the services ask for, with what their containers have and what those that do not run had, where it is free. Who
    /// can have but one port comes first.
    fn wanted(
        &mut self,
        project: &Project,
        services: &BTreeSet<String>,
        observed: &Observed,
    ) -> Vec<Asked> {
        let mut wanted = Vec::new();
        for (name, service) in publishing(project, services) {
            let containers = containers_of(project, observed, name);
            let need = service.replicas() as usize;
            for (index, port) in service.ports.iter().enumerate() {
                let Some(range) = port.range() else { continue };
                let had = kept(port, &containers, need);
                if let Some(had) = had {
                    for number in held(port, &containers, had) {
                        self.give(name, port, number);
                    }
                }
                wanted.push(Asked {
                    service: name.clone(),
                    index,
                    port: port.clone(),
                    range,
                    need,
                    had,
                });
            }
        }
        wanted.sort_by_key(|asked| asked.range.count());
        for asked in wanted.iter_mut().filter(|asked| asked.had.is_none()) {
            let containers = containers_of(project, observed, &asked.service);
            let before = containers.iter().find_map(|own| said(own, &asked.port));
            asked.had = before.filter(|range| self.take(asked, *range));
        }
        wanted
    }

    /// The ports of a range that nobody has.
    fn free_in(&self, port: &Port, range: PortRange) -> impl Iterator<Item = u16> {
        (range.first..=range.last).filter(|number| self.holder(port, *number).is_none())
    }

    fn holder(&self, port: &Port, number: u16) -> Option<Holder> {
        let protocol = port.transport();
        let mut held = self.ledger.holders(port.address(), number, &protocol);
        if let Some(holder) = held.next() {
            return Some(holder.clone());
        }
        let given = self.given.get(&(number, protocol.clone()));
        let mut given = given.into_iter().flatten();
        let meets = given.find(|own| addresses_meet(own.address, port.address()));
        meets.map(|own| Holder::Service(own.service.clone()))
    }

    fn give(&mut self, service: &str, port: &Port, number: u16) {
        let given = self.given.entry((number, port.transport())).or_default();
        given.push(Given {
            address: port.address(),
            service: service.to_owned(),
        });
    }

    /// Gives as many of a range as are needed, where so many are free. The engine takes the first ones.
    fn take(&mut self, asked: &Asked, range: PortRange) -> bool {
        let free = self.free_in(&asked.port, range).take(asked.need);
        let free: Vec<u16> = free.collect();
        let enough = free.len() == asked.need;
        for number in free.into_iter().filter(|_| enough) {
            self.give(&asked.service, &asked.port, number);
        }
        enough
    }

    /// The declared range where enough of it is free, else ports in a row that all are, with who has the declared one.
    fn find(&mut self, asked: &Asked) -> (PortRange, Option<Holder>) {
        let Asked {
            service,
            port,
            range,
            ..
        } = asked;
        if self.take(asked, *range) {
            return (*range, None);
        }
        let holder = (range.first..=range.last).find_map(|number| self.holder(port, number));
        let holder = holder.unwrap_or_else(|| Holder::Service(service.clone()));
        match self.row(asked) {
            Some(row) if self.take(asked, row) => (row, Some(holder)),
            // All are taken: the check of the plan says so.
            _ => (*range, None),
        }
    }

    /// Free ports in a row: of this folder, service and port always the same ones, as long as they are free.
    fn row(&self, asked: &Asked) -> Option<PortRange> {
        let Asked { service, port, .. } = asked;
        let row = u16::try_from(asked.need.max(1) - 1).ok()?;
        let row = Some(row).filter(|row| *row <= LAST - FIRST)?;
        let places = LAST - FIRST - row.min(LAST - FIRST) + 1;
        let start = seed(&self.folder, service, port) % u64::from(LAST - FIRST);
        let start = u16::try_from(start).ok()? % places;
        (0..places)
            .map(|step| FIRST + (start + step) % places)
            .map(|first| PortRange {
                first,
                last: first + row,
            })
            .find(|range| {
                (range.first..=range.last).all(|number| {
                    !self.declared.contains(&number) && self.holder(port, number).is_none()
                })
            })
    }
}

fn seed(folder: &Path, service: &str, port: &Port) -> u64 {
    let mut writer = DigestWriter::new("larder-ports-v1");
    writer.text(&folder.to_string_lossy()).text(service);
    writer.text(&key(port, port.published.as_deref().unwrap_or_default()));
    let digest = writer.finish().to_string();
    let head = digest.get(..15).unwrap_or_default();
    u64::from_str_radix(head, 16).unwrap_or_default()
}
