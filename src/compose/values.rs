//! Texts that have a grammar of their own: what is wrong with one, said where it is written and not by the engine
//! once half of a stack has been started.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{PortRange, PullPolicy, Repository, RestartPolicy};

/// `restart`.
pub(super) fn restart(text: &str) -> Result<(), String> {
    unless_empty(text, |text| said(text.parse::<RestartPolicy>()))
}

/// `deploy.restart_policy.condition`: the number of times stands beside it.
pub(super) fn condition(text: &str) -> Result<(), String> {
    unless_empty(text, |text| match text.parse() {
        Ok(RestartPolicy::OnFailure(Some(_))) | Err(_) => Err(format!(
            "`{text}` is none of `none`, `on-failure` and `any`"
        )),
        Ok(_) => Ok(()),
    })
}

/// `pull_policy`.
pub(super) fn pull_policy(text: &str) -> Result<(), String> {
    said(text.parse::<PullPolicy>())
}

/// How many containers, or how many times.
pub(super) fn count(text: &str) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "`{text}` is not a whole number from 0 to {}",
            u32::MAX
        )),
    }
}

/// A number that is not less than nothing.
pub(super) fn natural(text: &str) -> Result<(), String> {
    match text.parse::<i64>() {
        Ok(0..) => Ok(()),
        _ => Err(format!("`{text}` is not a whole number from 0 on")),
    }
}

/// Hundredths.
pub(super) fn percent(text: &str) -> Result<(), String> {
    within(text, 0, 100)
}

/// `oom_score_adj`.
pub(super) fn oom_score(text: &str) -> Result<(), String> {
    within(text, -1000, 1000)
}

/// A weight among the users of a disk; 0 is none.
pub(super) fn weight(text: &str) -> Result<(), String> {
    if text == "0" {
        Ok(())
    } else {
        within(text, 10, 1000)
    }
}

fn within(text: &str, least: i64, most: i64) -> Result<(), String> {
    let number = text.parse::<i64>().ok();
    match number.filter(|number| (least..=most).contains(number)) {
        Some(_) => Ok(()),
        None => Err(format!(
            "`{text}` is not a whole number from {least} to {most}"
        )),
    }
}

/// A path that is there.
pub(super) fn not_blank(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(())
}

/// A number of seconds that something may take.
pub(super) fn seconds(text: &str) -> Result<(), String> {
    count(text)?;
    if text == "0" {
        return Err("in no time at all nothing is ready: leave it out for no limit".to_owned());
    }
    Ok(())
}

/// What cannot be less than nothing: a number, a duration.
pub(super) fn not_negative(text: &str) -> Result<(), String> {
    if text.starts_with('-') {
        return Err(format!("`{text}` is less than nothing"));
    }
    Ok(())
}

/// The port of a container.
pub(super) fn port(text: &str) -> Result<(), String> {
    match text.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("`{text}` is not a port (1 to 65535)")),
    }
}

/// The port of a host, or a range of them.
pub(super) fn ports(text: &str) -> Result<(), String> {
    said(text.parse::<PortRange>())
}

/// A port, or a range of them, with or without a protocol.
pub(super) fn exposed(text: &str) -> Result<(), String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, ""));
    ports(range)?;
    self::protocol(protocol)
}

/// What a port speaks; nothing for tcp.
pub(super) fn protocol(text: &str) -> Result<(), String> {
    match text.to_lowercase().as_str() {
        "" | "tcp" | "udp" | "sctp" => Ok(()),
        _ => Err(format!("`{text}` is no protocol: tcp, udp or sctp")),
    }
}

/// An address of the host.
pub(super) fn host_ip(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not an IP address")),
    }
}

/// An address in a network.
pub(super) fn address(text: &str) -> Result<(), String> {
    unless_empty(text, host_ip)
}

/// An IPv4 address in a network.
pub(super) fn ipv4(text: &str) -> Result<(), String> {
    unless_empty(text, |text| match text.parse::<Ipv4Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not an IPv4 address")),
    })
}

/// An IPv6 address in a network.
pub(super) fn ipv6(text: &str) -> Result<(), String> {
    unless_empty(text, |text| match text.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not an IPv6 address")),
    })
}

/// How mounts below a bind propagate.
pub(super) fn propagation(text: &str) -> Result<(), String> {
    const KNOWN: [&str; 6] = [
        "private", "rprivate", "rshared", "rslave", "shared", "slave",
    ];
    unless_empty(text, |text| one_of(text, &KNOWN))
}

/// How a Windows engine keeps containers apart; the engine takes it in any case (moby `container.Isolation`).
pub(super) fn isolation(text: &str) -> Result<(), String> {
    unless_empty(text, |text| {
        one_of(&text.to_lowercase(), &["default", "hyperv", "process"])
    })
}

/// A network's range of addresses.
pub(super) fn subnet(text: &str) -> Result<(), String> {
    unless_empty(text, |text| {
        let fits = || {
            let (address, length) = text.split_once('/')?;
            let bits = match address.parse().ok()? {
                IpAddr::V4(_) => 32,
                IpAddr::V6(_) => 128,
            };
            length.parse::<u8>().ok().filter(|length| *length <= bits)
        };
        match fits() {
            Some(_) => Ok(()),
            None => Err(format!("`{text}` is not a subnet, as in `172.28.0.0/16`")),
        }
    })
}

/// A container's name (moby `RestrictedNameChars`).
pub(super) fn container_name(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.len() < 2 || !text.chars().all(fits) || text.starts_with(['_', '.', '-']) {
        return Err(format!(
            "`{text}` is not a container's name: two or more of letters, digits, `_`, `.` and `-`, a letter or \
             digit first"
        ));
    }
    Ok(())
}

/// A platform (containerd `platforms.Parse`).
pub(super) fn platform(text: &str) -> Result<(), String> {
    unless_empty(text, |text| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let mut parts = text.split('/');
        if parts.clone().count() > 3 || parts.any(|part| part.is_empty() || !part.chars().all(fits))
        {
            return Err(format!(
                "`{text}` is not a platform, as in `linux/amd64` or `linux/arm/v7`"
            ));
        }
        Ok(())
    })
}

/// A repository on a registry.
pub(super) fn repository(text: &str) -> Result<(), String> {
    unless_empty(text, |text| said(text.parse::<Repository>()))
}

fn one_of(text: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&text) {
        return Ok(());
    }
    Err(format!("`{text}` is none of `{}`", known.join("`, `")))
}

/// An empty text says nothing.
fn unless_empty(text: &str, check: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { check(text) }
}

fn said<T>(parsed: Result<T, impl ToString>) -> Result<(), String> {
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::schema::Check;
    use super::*;

    #[test]
    fn what_the_engine_would_refuse_is_refused_here() {
        let cases: [(Check, &[&str], &[&str]); 19] = [
            (restart, &["", "no", "any"], &["sometimes"]),
            (pull_policy, &["daily"], &["", "sometimes"]),
            (natural, &["0", "5000000000"], &["-1", "1.5"]),
            (percent, &["0", "100"], &["101", "-1"]),
            (oom_score, &["-1000", "0"], &["1001"]),
            (weight, &["0", "10", "1000"], &["9", "-1"]),
            (not_blank, &["a"], &[""]),
            (
                condition,
                &["", "any", "always", "on-failure"],
                &["on-failure:3", "sometimes"],
            ),
            (isolation, &["", "Default", "process"], &["chroot"]),
            (propagation, &["", "rslave"], &["slaves"]),
            (count, &["0", "7"], &["-1", "5000000000"]),
            (seconds, &["1"], &["0", "-1"]),
            (not_negative, &["0.5", "1m30s"], &["-1", "-1s"]),
            (port, &["80"], &["0", "70000"]),
            (
                exposed,
                &["80", "80-90/udp", "80/"],
                &["abc", "80:80", "99999", "80/foo", "9-8"],
            ),
            (ipv4, &["", "10.0.0.1"], &["999.1.1.1", "::1"]),
            (
                subnet,
                &["", "10.0.0.0/8", "fd00::/64"],
                &["notacidr", "10.0.0.0", "10.0.0.0/33"],
            ),
            (
                container_name,
                &["ab", "a.b-c_d"],
                &["", "x", "my name", "-ab"],
            ),
            (
                platform,
                &["", "linux", "linux/arm/v7"],
                &["foo/bar/baz/q", "linux/", "a b"],
            ),
        ];
        for (check, right, wrong) in cases {
            for text in right {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in wrong {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }
}
