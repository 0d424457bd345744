//! The sockets of this machine that have a port, from the kernel's tables (proc(5), `net/tcp`), and the processes that have
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;

/// A socket that has a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Socket {
    /// Its address, `None` for all of them.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// `tcp` or `udp`.
    pub(super) protocol: &'static str,
    /// The number of the user whose it is.
    pub(super) user: u32,
    inode: u64,
    /// The process that has it, where that was asked for and may be known.
    pub(super) pid: Option<u32>,
    /// Its name.
    pub(super) command: Option<String>,
    /// Its control groups.
    pub(super) cgroup: Option<String>,
}

/// The sockets that listen; of those on `wanted` ports with their processes. What cannot be read is left out.
pub(super) fn sockets(wanted: &BTreeSet<u16>) -> Vec<Socket> {
    let mut all = Vec::new();
    for (file, protocol) in [
        ("tcp", "tcp"),
        ("tcp6", "tcp"),
        ("udp", "udp"),
        ("udp6", "udp"),
    ] {
        let table = fs_err::read_to_string(format!("/proc/net/{file}"));
        let table = table.unwrap_or_default();
        all.extend(table.lines().filter_map(|line| socket(line, protocol)));
    }
    let asked = |socket: &&mut Socket| wanted.contains(&socket.port);
    let inodes: BTreeSet<u64> = all
        .iter()
        .filter(|socket| wanted.contains(&socket.port))
        .map(|socket| socket.inode)
        .collect();
    let owners = owners(&inodes);
    for socket in all.iter_mut().filter(asked) {
        socket.address = reach(socket);
        if let Some(pid) = owners.get(&socket.inode) {
            let read = |file: &str| fs_err::read_to_string(format!("/proc/{pid}/{file}")).ok();
            socket.pid = Some(*pid);
            socket.command = read("comm").map(|name| name.trim_end().to_owned());
            socket.cgroup = read("cgroup");
        }
    }
    all
}

/// A line of a table, where its socket listens: state `0A` with TCP, with UDP any that has no peer, `07`.
fn socket(line: &str, protocol: &'static str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let user = fields.nth(3)?;
    let inode = fields.nth(1)?;
    let listens = if protocol == "tcp" { "0A" } else { "07" };
    if state != listens {
        return None;
    }
    let address = match self::address(address)?.to_canonical() {
        // Mostly one for both kinds.
        IpAddr::V6(any) if any.is_unspecified() => None,
        address => Some(address),
    };
    Some(Socket {
        address,
        port: u16::from_str_radix(port, 16).ok()?,
        protocol,
        user: user.parse().ok()?,
        inode: inode.parse().ok()?,
        ..Socket::default()
    })
}

/// Groups of four bytes, each in the order of this machine.
fn address(hex: &str) -> Option<IpAddr> {
    let group = |at: usize| {
        let group = hex.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(group, 16).ok().map(u32::to_ne_bytes)
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(group(0)?).into());
    }
    let groups = [group(0)?, group(1)?, group(2)?, group(3)?];
    let bytes: [u8; 16] = groups.concat().try_into().ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// The address of a socket for all addresses: those of version 6 alone, where the others can be had all the same. The table
/// does not say it.
fn reach(socket: &Socket) -> Option<IpAddr> {
    if socket.address.is_some() {
        return socket.address;
    }
    let all = (Ipv4Addr::UNSPECIFIED, socket.port);
    let had = match socket.protocol {
        "tcp" => TcpListener::bind(all).map(drop),
        _ => UdpSocket::bind(all).map(drop),
    };
    had.is_ok().then_some(Ipv6Addr::UNSPECIFIED.into())
}

/// The processes that have sockets, of several the one that was there first. Those of other users are mostly hidden.
fn owners(inodes: &BTreeSet<u64>) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    if inodes.is_empty() {
        return found;
    }
    let entries = |folder: &Path| fs_err::read_dir(folder).into_iter().flatten().flatten();
    for process in entries(Path::new("/proc")) {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for open in entries(&process.path().join("fd")) {
            let target = fs_err::read_link(open.path()).unwrap_or_default();
            let inode = target.to_str().and_then(|target| {
                let number = target.strip_prefix("socket:[")?.strip_suffix(']')?;
                number.parse::<u64>().ok()
            });
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                let first = found.entry(inode).or_insert(pid);
                *first = pid.min(*first);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_with_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all = sockets(&[port].into());
        let own = all.iter().find(|socket| socket.port == port).unwrap();
        assert_eq!(own.address, Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(own.pid, Some(std::process::id()));
        assert!(own.command.is_some());
    }

    #[test]
    fn a_listener_for_all_addresses_has_those_of_both_kinds() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all = sockets(&[port].into());
        let own = all.iter().find(|socket| socket.port == port).unwrap();
        assert_eq!(own.address, None);
    }

    #[test]
    fn only_what_listens_has_a_port() {
        let connected =
            "0: 0100007F:1F90 0100007F:A001 01 00000000:00000000 00:00000000 00000000   999 0 17 1";
        assert_eq!(socket(connected, "tcp"), None);
        let udp =
            "0: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   999 0 17 1";
        let found = socket(udp, "udp").unwrap();
        assert_eq!((found.port, found.user, found.inode), (53, 999, 17));
    }
}
