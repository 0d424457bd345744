//! What a build section itself adds to an image, apart from its Dockerfile and files.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut writer = DigestWriter::new("larder-fp-v4 build");
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
            .text(&limit.soft.to_string())
            .text(&limit.hard.to_string());
    }
    let secrets = build
        .secrets
        .iter()
        .map(|secret| secret.target.as_ref().unwrap_or(&secret.source).as_str());
    ids(&mut writer, secrets.collect());
    // The paths behind them are this machine's.
    let ssh = build.ssh.iter().map(|own| own.split('=').next());
    ids(&mut writer, ssh.flatten().collect());
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

/// The key of the whole image: the last instruction's, and what is put on top.
pub(super) fn image(last: &Digest, build: &Build) -> Digest {
    let mut writer = DigestWriter::new("larder-fp-v4 image");
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

fn steers_buildkit(name: &str) -> bool {
    name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH"
}

/// An attribute that is not known here counts as it is written, rather than be passed over.
fn counts_as_text(name: &str) -> bool {
    !WITHOUT_EFFECT.contains(&name) && !name.starts_with("x-")
}
