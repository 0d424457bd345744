//! What an engine would refuse half of a stack later although each service is right for itself: addresses outside of
//! their network, and addresses and ports of the host that two services have. Docker compose says nothing of it when it
//! reads, and one of two may have ended before the other starts: these are warnings.

use std::collections::HashMap;
use std::net::IpAddr;

use super::notice::Notices;
use super::path::TreePath;
use crate::model::{Attachment, Network, Port, PortRange, Project, addresses_meet};

/// So many holders of one port are told apart.
const HOLDERS: usize = 64;

/// Warns of it in a settled project.
pub(super) fn warn(project: &Project, notices: &mut Notices) {
    addresses(project, notices);
    ports(project, notices);
}

fn addresses(project: &Project, notices: &mut Notices) {
    let subnets_of = project.networks.iter();
    let subnets_of: HashMap<&str, Vec<Subnet>> = subnets_of
        .map(|(name, network)| (name.as_str(), subnets(network)))
        .collect();
    let mut taken: HashMap<(&str, IpAddr), &str> = HashMap::new();
    let services = project.services.iter();
    for (name, service) in services.filter(|(_, service)| service.replicas() > 0) {
        for (network, attachment) in &service.networks {
            let Some(attachment) = attachment else {
                continue;
            };
            for (attribute, address) in fixed(attachment) {
                let path = TreePath::of(&["services", name, "networks", network, attribute]);
                let subnets = subnets_of.get(network.as_str());
                let subnets = subnets.map(Vec::as_slice).unwrap_or_default();
                let of_kind = |subnet: &&Subnet| subnet.0.is_ipv4() == address.is_ipv4();
                let mut of_kind = subnets.iter().filter(of_kind).peekable();
                if of_kind.peek().is_some() && !of_kind.any(|subnet| holds(*subnet, address)) {
                    let text = format!(
                        "the address `{address}` of service `{name}` lies in no subnet of its network `{network}`: an \
                         engine refuses it"
                    );
                    notices.say_at(text, path.clone(), None);
                }
                let text = match taken.insert((network, address), name) {
                    Some(first) => format!(
                        "services `{first}` and `{name}` have the same address in network `{network}`, `{address}`: \
                         only one of them can run at a time"
                    ),
                    None if service.replicas() > 1 => format!(
                        "service `{name}` has more than one container, and one address in network `{network}`, \
                         `{address}`: only one of them can run at a time"
                    ),
                    None => continue,
                };
                notices.say_at(text, path, None);
            }
        }
    }
}

fn fixed(attachment: &Attachment) -> impl Iterator<Item = (&'static str, IpAddr)> {
    let both = [
        ("ipv4_address", &attachment.ipv4_address),
        ("ipv6_address", &attachment.ipv6_address),
    ];
    let parsed = both.map(|(name, text)| Some((name, text.as_deref()?.parse().ok()?)));
    parsed.into_iter().flatten()
}

/// A host's address, where one is said, and the service that asks for a port of it.
type Holder<'a> = (Option<IpAddr>, &'a str);

/// An address, and how many of its bits count.
type Subnet = (IpAddr, u32);

/// The subnets of a network; of one that somebody else made none is known.
fn subnets(network: &Network) -> Vec<Subnet> {
    let pools = network.ipam.iter().filter(|_| !network.external);
    let pools = pools.flat_map(|ipam| &ipam.config);
    let subnet = |text: &str| {
        let (address, bits) = text.split_once('/')?;
        Some((address.parse().ok()?, bits.parse().ok()?))
    };
    pools
        .filter_map(|pool| subnet(pool.subnet.as_deref()?))
        .collect()
}

fn holds((subnet, bits): Subnet, address: IpAddr) -> bool {
    let same =
        |differ: u128, width: u32| differ.checked_shr(width.saturating_sub(bits)).unwrap_or(0) == 0;
    match (subnet, address) {
        (IpAddr::V4(subnet), IpAddr::V4(address)) => {
            same(u128::from(subnet.to_bits() ^ address.to_bits()), 32)
        }
        (IpAddr::V6(subnet), IpAddr::V6(address)) => {
            same(subnet.to_bits() ^ address.to_bits(), 128)
        }
        _ => false,
    }
}

fn ports(project: &Project, notices: &mut Notices) {
    let mut taken: HashMap<(&str, u16), Vec<Holder<'_>>> = HashMap::new();
    let services = project.services.iter();
    for (name, service) in
        services.filter(|(_, service)| service.replicas() > 0 && service.publishes())
    {
        for (index, port) in service.ports.iter().enumerate() {
            let Some((ip, published)) = on_host(port) else {
                continue;
            };
            let shown = format!("`{published}/{}`", port.protocol);
            let holders = taken.entry((&port.protocol, published)).or_default();
            let mut others = holders.iter().filter(|(_, holder)| holder != name);
            let first = others.find(|(other, _)| addresses_meet(*other, ip));
            let first = first.map(|(_, first)| *first);
            if holders.len() < HOLDERS {
                holders.push((ip, name));
            }
            let text = match first {
                Some(first) => format!(
                    "services `{first}` and `{name}` publish the same port of the host, {shown}: only one of them can \
                     run at a time"
                ),
                None if service.replicas() > 1 => format!(
                    "service `{name}` has more than one container, and one port of the host, {shown}: only one of \
                     them can run at a time"
                ),
                None => continue,
            };
            let path = TreePath::of(&["services", name, "ports"]);
            notices.say_at(text, path.and_item(index, &published.to_string()), None);
        }
    }
}

/// The one port of the host that a port asks for, with its address where it says one.
fn on_host(port: &Port) -> Option<(Option<IpAddr>, u16)> {
    let published: PortRange = port.published.as_deref()?.parse().ok()?;
    let ip = port.host_ip.as_deref().unwrap_or_default();
    let ip: Option<IpAddr> = ip.parse().ok();
    (published.count() == 1 && published.first > 0).then_some((ip, published.first))
}

#[cfg(test)]
mod tests {
    use super::super::load::{LoadOptions, load_text};

    fn warnings(text: &str) -> Vec<String> {
        let options = LoadOptions {
            working_dir: "/p".into(),
            ..LoadOptions::default()
        };
        let project = load_text(&options, text).unwrap();
        let warnings = project.warnings.into_iter();
        let shown = warnings.map(|warning| {
            let (line, column) = warning.place.and_then(|place| place.at).unwrap();
            let text = warning.text.split(':').next().unwrap_or_default();
            format!("{line}:{column} {text}")
        });
        shown.collect()
    }

    #[test]
    fn addresses_lie_in_their_network_and_are_each_one_service_s() {
        let text = "
services:
  a: {image: a, networks: {n: {ipv4_address: 10.8.255.1, ipv6_address: 'fd00::1'}}}
  b: {image: b, networks: {n: {ipv4_address: 10.9.0.1, ipv6_address: 'fd00:0:0:0::1'}}}
  c: {image: c, scale: 2, networks: {n: {ipv4_address: 10.8.0.3, ipv6_address: 'fe00::1'}}}
  d: {image: d, profiles: [p], networks: {n: {ipv4_address: 10.8.0.3}}}
  e: {image: e, networks: {m: {ipv4_address: 10.8.0.3}, o: {ipv4_address: 1.2.3.4}}}
networks:
  n: {ipam: {config: [{subnet: 10.7.0.0/16}, {subnet: 10.8.0.0/16}, {subnet: 'fd00::/64'}]}}
  m: {ipam: {config: [{subnet: 'fd01::/64'}]}}
  o: {external: true}
";
        assert_eq!(
            warnings(text),
            [
                "4:32 the address `10.9.0.1` of service `b` lies in no subnet of its network `n`",
                "4:56 services `a` and `b` have the same address in network `n`, `fd00",
                "5:42 service `c` has more than one container, and one address in network `n`, `10.8.0.3`",
                "5:66 the address `fe00",
                "5:66 service `c` has more than one container, and one address in network `n`, `fe00",
            ]
        );
    }

    #[test]
    fn a_port_of_the_host_is_one_service_s() {
        let text = "
services:
  a: {image: a, ports: ['80:80', '127.0.0.1:81:1', '90-91:1', '82', '53:53/udp', '7:8', '7:9']}
  b: {image: b, ports: ['443:80', '0.0.0.0:80:1', '81:1', '90-91:1', '82', '53:53']}
  c: {image: c, ports: ['127.0.0.1:81:2', '[::]:80:80', '127.0.0.2:81:1']}
  d: {image: d, profiles: [p], ports: ['80:80']}
  e: {image: e, network_mode: host, ports: ['80:80']}
  z: {image: e, scale: 0, ports: ['80:80']}
  f: {image: f, scale: 2, ports: ['70:80', '90-91:1', '1']}
";
        assert_eq!(
            warnings(text),
            [
                "4:35 services `a` and `b` publish the same port of the host, `80/tcp`",
                "4:51 services `a` and `b` publish the same port of the host, `81/tcp`",
                "5:25 services `a` and `c` publish the same port of the host, `81/tcp`",
                "5:43 services `a` and `c` publish the same port of the host, `80/tcp`",
                "5:57 services `b` and `c` publish the same port of the host, `81/tcp`",
                "9:35 service `f` has more than one container, and one port of the host, `70/tcp`",
            ]
        );
    }
}
