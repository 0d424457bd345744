//! `additional_contexts`: what their names stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::chain;
use super::error::Error;
use super::gather::gather;
use super::ignorefile::Patterns;
use super::sources::Source;
use super::statcache::StatCache;
use super::walk::Folder;
use crate::model::{Build, Digest, DigestWriter, ImageRef, Project};

/// One additional context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// A folder of this machine.
    Folder(PathBuf),
    /// An image, another service's or one that is named.
    Image(ImageRef),
    /// A repository, an archive: nothing here pins it.
    Elsewhere(String),
}

/// The additional contexts of a build section, by name as [`short`] has it.
pub(super) fn of(project: &Project, build: &Build) -> BTreeMap<String, Extra> {
    let contexts = build.additional_contexts.iter();
    contexts
        .map(|(name, value)| (short(name), extra(project, value)))
        .collect()
}

/// The name by which BuildKit looks for a context: an image's as people write it, where `:latest` adds nothing
/// (`dockerui/config.go`, `NamedContext`).
pub(super) fn short(name: &str) -> String {
    let familiar = name.parse::<ImageRef>().map(|image| image.familiar());
    let name = familiar.unwrap_or_else(|_| name.to_owned());
    name.strip_suffix(":latest").unwrap_or(&name).to_owned()
}

fn extra(project: &Project, value: &str) -> Extra {
    let elsewhere = || Extra::Elsewhere(value.to_owned());
    let image = |name: &str| name.parse().map_or_else(|_| elsewhere(), Extra::Image);
    if let Some(name) = value.strip_prefix("docker-image://") {
        image(name)
    } else if let Some(service) = value.strip_prefix("service:") {
        image(&project.image_name(service))
    } else if Build::is_elsewhere(value) {
        elsewhere()
    } else {
        Extra::Folder(PathBuf::from(value))
    }
}

/// The digest of everything in a folder but what is ignored; of a folder that is not there, as of an empty one.
pub(super) fn folder_digest(
    domain: &str,
    root: &Path,
    ignore: &Patterns,
    cache: &StatCache,
) -> Result<Digest, Error> {
    let folder = Folder { root, ignore };
    let gathered = gather(folder, &[Source::everything()].into(), cache)?;
    let mut writer = DigestWriter::new(domain);
    let all: Vec<usize> = (0..gathered.context.entries.len()).collect();
    chain::write_entries(&mut writer, &gathered.context, &all);
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_one_name() {
        for (written, name) in [
            ("more", "more"),
            ("alpine:latest", "alpine"),
            ("docker.io/library/alpine:3", "alpine:3"),
            ("ghcr.io/a/b", "ghcr.io/a/b"),
            ("Odd", "Odd"),
        ] {
            assert_eq!(short(written), name);
        }
    }

    #[test]
    fn a_value_says_what_it_is() {
        let project = Project {
            name: "hub".to_owned(),
            ..Project::default()
        };
        let of = |value: &str| extra(&project, value);
        assert_eq!(of("/a/b"), Extra::Folder("/a/b".into()));
        let image = |name: &str| Extra::Image(name.parse().unwrap());
        assert_eq!(of("docker-image://redis:7"), image("redis:7"));
        assert_eq!(of("service:web"), image("hub-web"));
        for value in [
            "https://a/b.git",
            "git@a:b",
            "oci-layout://x",
            "docker-image://X Y",
        ] {
            assert_eq!(of(value), Extra::Elsewhere(value.to_owned()));
        }
    }
}
