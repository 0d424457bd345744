//! `additional_contexts`: what their names stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::chain;
use super::error::Error;
use super::gather::gather;
use super::ignorefile::Patterns;
use super::sources::Source;
use super::statcache::StatCache;
use super::walk::Folder;
use crate::model::{Build, Digest, DigestWriter, ImageRef};

/// One additional context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// A folder of this machine.
    Folder(PathBuf),
    /// An image.
    Image(ImageRef),
    /// Another service's image, another stage, a repository: nothing here pins it.
    Unpinned(String),
}

/// The additional contexts of a build section, by name.
pub(super) fn of(build: &Build) -> BTreeMap<String, Extra> {
    let Some(contexts) = build.other.get("additional_contexts") else {
        return BTreeMap::new();
    };
    let pairs: Vec<(&str, &str)> = match contexts {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("")))
            .collect(),
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|pair| pair.split_once('='))
            .collect(),
        _ => Vec::new(),
    };
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), extra(value)))
        .collect()
}

fn extra(value: &str) -> Extra {
    if let Some(image) = value.strip_prefix("docker-image://") {
        return image
            .parse()
            .map_or_else(|_| Extra::Unpinned(value.to_owned()), Extra::Image);
    }
    let remote = value.contains("://")
        || ["service:", "target:", "git@", "github.com/"]
            .iter()
            .any(|prefix| value.starts_with(prefix));
    if remote {
        Extra::Unpinned(value.to_owned())
    } else {
        Extra::Folder(PathBuf::from(value))
    }
}

/// The domain of an additional context's digest.
pub(super) const CONTEXT: &str = "larder-fp-v4 context";

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
