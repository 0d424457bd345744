//! Published ports: the short form, `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, with ranges, in long form
//! (docker/go-connections `nat`), and what makes two of them the same.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::error::{Error, ErrorKind};
use super::path::{At, TreePath};
use super::values;
use crate::model::PortRange;

/// The long forms of one item.
///
/// # Errors
/// What is wrong with a short one, and a long one without its `target`.
pub(super) fn long(mut item: Value, at: At<'_>) -> Result<Vec<Value>, Error> {
    let text = match &mut item {
        Value::String(text) => std::mem::take(text),
        Value::Number(number) => number.to_string(),
        Value::Object(port) => {
            if port.get("published").is_some_and(|port| port == "") {
                // As with docker compose, a port that a variable leaves empty is the engine's to choose.
                port.shift_remove("published");
            }
            if !port.contains_key("target") {
                let path = at.key("target").path();
                return Err(ErrorKind::Required { path }.into());
            }
            return Ok(vec![item]);
        }
        _ => return Ok(vec![item]),
    };
    parse(&text).map_err(|reason| {
        let (path, reason) = (at.path(), format!("`{text}`: {reason}"));
        ErrorKind::Invalid { path, reason }.into()
    })
}

/// The ports that one text stands for, in the order in which docker compose lists them.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, String> {
    let (host, container) = match text.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, text),
    };
    // What stands behind a second slash counts for nothing (`nat.SplitProtoPort`).
    let mut sections = container.split('/');
    let range = sections.next().unwrap_or_default();
    let protocol = sections.next().unwrap_or_default().to_lowercase();
    values::protocol(&protocol)?;
    let protocol = if protocol.is_empty() {
        "tcp"
    } else {
        &protocol
    };
    let range_of = |text: &str| text.parse::<PortRange>().map_err(|error| error.to_string());
    let targets = match range {
        "" => return Err("the container's port is missing".to_owned()),
        range => range_of(range)?,
    };
    let (address, published) = match host.and_then(|host| host.rsplit_once(':')) {
        Some((address, published)) => (Some(ip(address)?), published),
        None => (None, host.unwrap_or_default()),
    };
    let address = address.filter(|address| !address.is_empty());
    let published = match published {
        "" => None,
        range => Some(range_of(range)?),
    };
    if let Some(published) = published
        && published.count() != targets.count()
        && targets.count() != 1
    {
        return Err(format!(
            "{} host ports for {} container ports",
            published.count(),
            targets.count()
        ));
    }
    let mut ports: Vec<(String, Value)> = (targets.first..=targets.last)
        .map(|target| {
            let number = target - targets.first;
            let mut port = Map::new();
            port.insert("mode".into(), "ingress".into());
            if let Some(address) = &address {
                port.insert("host_ip".into(), address.as_str().into());
            }
            port.insert("target".into(), target.into());
            if let Some(published) = published {
                let published = published_of(published, number, targets);
                port.insert("published".into(), published.into());
            }
            port.insert("protocol".into(), json!(protocol));
            (format!("{target}/{protocol}"), Value::Object(port))
        })
        .collect();
    ports.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(ports.into_iter().map(|(_, port)| port).collect())
}

/// The most ports that the documents of a project may have: more than there are.
pub(super) const PORTS: usize = 100_000;

/// Counts the ports that ranges stand for, before any of them is taken apart: a line has 65,536 of them. `left` is what
/// other documents left of [`PORTS`].
///
/// # Errors
/// There are too many.
pub(super) fn check(tree: &Value, left: &mut usize) -> Result<(), Error> {
    let services = tree.get("services").and_then(Value::as_object);
    for (name, service) in services.into_iter().flatten() {
        for list in ["ports", "expose"] {
            let ports = service.get(list).and_then(Value::as_array);
            for (index, text) in ports.into_iter().flatten().enumerate() {
                let rest = left.checked_sub(text.as_str().map_or(1, count));
                *left = rest.ok_or_else(|| {
                    let path = TreePath::of(&["services", name, list]).and_index(index);
                    let text = format!("with `{path}` there are more than {PORTS} ports");
                    Error::from(ErrorKind::Rule(text)).at(path)
                })?;
            }
        }
    }
    Ok(())
}

fn count(text: &str) -> usize {
    let (_, container) = text.rsplit_once(':').unwrap_or(("", text));
    let range = container.split('/').next().unwrap_or_default();
    range.parse().map_or(1, PortRange::count)
}

/// What two entries share when the later one replaces the earlier (compose-go `portIndexer`).
pub(super) fn identity(port: &Value) -> String {
    if let Some(text) = port.as_str() {
        return text.to_owned();
    }
    let text = |key: &str, default: &str| {
        port.get(key)
            .and_then(super::scalar::text)
            .unwrap_or_else(|| default.to_owned())
    };
    let (address, published) = (text("host_ip", "0.0.0.0"), text("published", ""));
    format!(
        "{address}:{published}:{}/{}",
        text("target", ""),
        text("protocol", "tcp")
    )
}

fn ip(text: &str) -> Result<String, String> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let valid = match bracketed {
        Some(inner) => inner.is_empty() || inner.parse::<IpAddr>().is_ok(),
        // An IPv6 address needs its brackets: `::1:80:80` has too many colons to tell.
        None => text.is_empty() || text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    };
    if !valid {
        return Err(format!(
            "`{text}` is not an IP address (an IPv6 one stands in brackets)"
        ));
    }
    Ok(bracketed.unwrap_or(text).to_owned())
}

/// The host's port for the container's port of that number: one each, or the whole range to choose from.
fn published_of(published: PortRange, number: u16, targets: PortRange) -> String {
    if targets.count() == 1 && published.count() > 1 {
        return format!("{}-{}", published.first, published.last);
    }
    (published.first + number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(identity).collect()
    }

    #[test]
    fn every_short_form() {
        let cases: [(&str, &[&str]); 15] = [
            ("80", &["0.0.0.0::80/tcp"]),
            ("3000-3001", &["0.0.0.0::3000/tcp", "0.0.0.0::3001/tcp"]),
            ("9-10", &["0.0.0.0::10/tcp", "0.0.0.0::9/tcp"]),
            ("90-91:80-81", &["0.0.0.0:90:80/tcp", "0.0.0.0:91:81/tcp"]),
            ("8000-8002:80", &["0.0.0.0:8000-8002:80/tcp"]),
            (
                "127.0.0.1:50-51:50-51",
                &["127.0.0.1:50:50/tcp", "127.0.0.1:51:51/tcp"],
            ),
            ("127.0.0.1::70", &["127.0.0.1::70/tcp"]),
            ("[::1]:6001:6001", &["::1:6001:6001/tcp"]),
            ("[::1]::80", &["::1::80/tcp"]),
            (":80:80", &["0.0.0.0:80:80/tcp"]),
            ("0.0.0.0:81:81/TCP", &["0.0.0.0:81:81/tcp"]),
            ("6060:6060/udp", &["0.0.0.0:6060:6060/udp"]),
            ("[1.1.1.1]:80:80", &["1.1.1.1:80:80/tcp"]),
            ("80/", &["0.0.0.0::80/tcp"]),
            ("80/udp/tcp", &["0.0.0.0::80/udp"]),
        ];
        for (text, ports) in cases {
            assert_eq!(shown(text), ports, "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in [
            "80:80-81",
            "8000-8002:80-81",
            "127.0.0.1:80",
            "::1:6000:6000",
            "host:80:80",
            "80/foo",
            "70000:80",
            "80:",
            "",
            "80:80:80:80",
            "5-3",
            "+80",
            "0-65535:1-2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
