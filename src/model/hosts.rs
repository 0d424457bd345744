//! `extra_hosts` as canonical Compose writes it: a sorted list of `NAME=IP`, one line per address.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Names and their addresses.
type Hosts = BTreeMap<String, Vec<String>>;

pub(super) fn serialize<S: Serializer>(hosts: &Hosts, serializer: S) -> Result<S::Ok, S::Error> {
    let lines = hosts
        .iter()
        .flat_map(|(name, ips)| ips.iter().map(move |ip| format!("{name}={ip}")));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    serializer.collect_seq(lines)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hosts, D::Error> {
    let mut hosts = Hosts::new();
    for line in Vec::<String>::deserialize(deserializer)? {
        let (name, ip) = line
            .split_once('=')
            .ok_or_else(|| D::Error::custom("`NAME=IP` is expected"))?;
        hosts
            .entry(name.to_owned())
            .or_default()
            .push(ip.to_owned());
    }
    Ok(hosts)
}
