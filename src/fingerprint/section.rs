//! What a build section itself adds to an image, apart from its Dockerfile and files.

use std::collections::{BTreeMap, BTreeSet};

use super::dockerfile::Dockerfile;
use super::ingredients::Value as Shown;
use super::platform::Platform;
use crate::model::{Build, Digest, DigestWriter};

/// Attributes that never reach an image: where a builder's cache lies, how it is used, and what a builder notes
/// about itself.
const WITHOUT_EFFECT: &[&str] = &[
    "cache_from",
    "cache_to",
    "no_cache_filter",
    "provenance",
    "pull",
    "sbom",
];

/// What every instruction of the build runs under: the start of every chain. `given` are the build's
/// arguments; those that steer BuildKit itself count without being declared.
pub(super) fn surroundings(
    build: &Build,
    platform: &Platform,
    syntax: Option<&str>,
    given: &BTreeMap<String, String>,
) -> Digest {
    let mut writer = DigestWriter::new("larder-fp-v6 build");
    writer.text(&platform.to_string());
    let several: &[String] = if build.platforms.len() > 1 {
        &build.platforms
    } else {
        &[]
    };
    writer.number(several.len() as u64);
    for platform in several {
        writer.text(platform);
    }
    writer.optional(syntax.map(str::as_bytes));
    let elsewhere = build.is_remote();
    writer.optional(elsewhere.then_some(build.context.as_bytes()));
    writer.optional(
        build
            .dockerfile
            .as_deref()
            .filter(|_| elsewhere)
            .map(str::as_bytes),
    );
    writer.optional(build.network.as_deref().map(str::as_bytes));
    writer.number(build.extra_hosts.len() as u64);
    for (host, addresses) in &build.extra_hosts {
        writer.text(host).number(addresses.len() as u64);
        for address in addresses {
            writer.text(address);
        }
    }
    writer.optional(
        build
            .shm_size
            .map(|size| size.to_string())
            .as_deref()
            .map(str::as_bytes),
    );
    writer.number(build.ulimits.len() as u64);
    for (name, limit) in &build.ulimits {
        writer
            .text(name)
            .text(&limit.soft().to_string())
            .text(&limit.hard().to_string());
    }
    ids(&mut writer, secret_ids(build));
    ids(&mut writer, ssh_ids(build));
    let steering: Vec<_> = given
        .iter()
        .filter(|(name, _)| steers_buildkit(name))
        .collect();
    writer.number(steering.len() as u64);
    for (name, value) in steering {
        writer.text(name).text(value);
    }
    let other: Vec<_> = build
        .other
        .iter()
        .filter(|(name, _)| counts_as_text(name))
        .collect();
    writer.number(other.len() as u64);
    for (name, value) in other {
        writer.text(name).tree(value);
    }
    writer.finish()
}

/// What [`surroundings`] and [`image`] take in, by name. Only what no secret can be in is kept as it is written.
pub(super) fn values(
    build: &Build,
    platform: &Platform,
    dockerfile: &Dockerfile,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, Shown> {
    let mut values = BTreeMap::new();
    let mut plain = |name: &str, value: Option<String>| {
        values.extend(value.map(|value| (name.to_owned(), Shown::Text(value))));
    };
    plain("platform", Some(platform.to_string()));
    let several = build.platforms.len() > 1;
    plain("platforms", several.then(|| build.platforms.join(", ")));
    plain("# syntax", dockerfile.syntax.clone());
    let escape = dockerfile.escape;
    plain("# escape", (escape != '\\').then(|| escape.to_string()));
    plain("network", build.network.clone());
    plain("shm_size", build.shm_size.map(|size| size.to_string()));
    for (name, limit) in &build.ulimits {
        let limit = format!("{}:{}", limit.soft(), limit.hard());
        plain(&format!("ulimits.{name}"), Some(limit));
    }
    for (host, addresses) in &build.extra_hosts {
        plain(&format!("extra_hosts.{host}"), Some(addresses.join(", ")));
    }
    for id in secret_ids(build) {
        plain(&format!("secrets.{id}"), Some("asked for".to_owned()));
    }
    for id in ssh_ids(build) {
        plain(&format!("ssh.{id}"), Some("asked for".to_owned()));
    }
    let mut hidden = |name: String, value: &str| {
        let value = Shown::hidden(&name, value);
        values.insert(name, value);
    };
    if build.is_remote() {
        hidden("context".to_owned(), &build.context);
        if let Some(file) = &build.dockerfile {
            hidden("dockerfile".to_owned(), file);
        }
    }
    for (name, value) in given.iter().filter(|(name, _)| steers_buildkit(name)) {
        hidden(format!("args.{name}"), value);
    }
    for (name, value) in &build.labels {
        hidden(format!("labels.{name}"), value);
    }
    for (name, value) in build.other.iter().filter(|(name, _)| counts_as_text(name)) {
        let digest = Digest::of_tree("larder-record attribute", &(name, value));
        values.insert(name.clone(), Shown::Digest(digest));
    }
    values
}

/// The key of the whole image: the last instruction's, and what is put on top.
pub(super) fn image(last: &Digest, build: &Build) -> Digest {
    let mut writer = DigestWriter::new("larder-fp-v6 image");
    writer.digest(last).number(build.labels.len() as u64);
    for (name, value) in &build.labels {
        writer.text(name).text(value);
    }
    writer.finish()
}

fn ids(writer: &mut DigestWriter, ids: BTreeSet<&str>) {
    writer.number(ids.len() as u64);
    for id in ids {
        writer.text(id);
    }
}

/// The ids of `secrets`.
fn secret_ids(build: &Build) -> BTreeSet<&str> {
    let secrets = build.secrets.iter();
    let id = secrets.map(|secret| secret.target.as_ref().unwrap_or(&secret.source).as_str());
    id.collect()
}

/// The ids of `ssh`: the paths behind them are this machine's.
fn ssh_ids(build: &Build) -> BTreeSet<&str> {
    let ids = build.ssh.iter().filter_map(|own| own.split('=').next());
    ids.collect()
}

fn steers_buildkit(name: &str) -> bool {
    name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH"
}

/// An attribute that is not known here counts as it is written, rather than be passed over.
fn counts_as_text(name: &str) -> bool {
    !WITHOUT_EFFECT.contains(&name) && !name.starts_with("x-")
}
