//! An image as what a container sees of it: its file system, layer over layer, and its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use larder::model::Digest;
use serde_json::Value;
use tar::{Archive, EntryType};

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    /// Each path with its kind, permission bits, owner, link and content. No times.
    files: BTreeMap<String, String>,
    config: Value,
}

/// What of an image's description says when and by what it was made, and how it is stored.
const ABOUT_THE_BUILD: &[&str] = &[
    "created",
    "history",
    "rootfs",
    "container",
    "container_config",
    "docker_version",
    "id",
    "parent",
    "moby.buildkit.buildinfo.v1",
    "moby.buildkit.cache.v0",
];

impl Image {
    /// Reads what `docker save` writes.
    pub(crate) fn read(archive: &[u8]) -> Self {
        let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut links = Vec::new();
        for entry in Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            // A layer that is there twice is a link to the first.
            if let Some(target) = entry.link_name().unwrap() {
                links.push((path, target.to_string_lossy().into_owned()));
                continue;
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            parts.insert(path, content);
        }
        for (path, target) in links {
            let target = target.trim_start_matches("../");
            let content = parts
                .get(target)
                .cloned()
                .unwrap_or_else(|| panic!("{path} -> {target}"));
            parts.insert(path, content);
        }
        let manifest: Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
        let config = manifest[0]["Config"].as_str().unwrap();
        let mut files = BTreeMap::new();
        for layer in manifest[0]["Layers"].as_array().unwrap() {
            apply(&parts[layer.as_str().unwrap()], &mut files);
        }
        Self {
            files,
            config: settled(serde_json::from_slice(&parts[config]).unwrap()),
        }
    }

    /// One without a layer, of this configuration.
    pub(crate) fn bare(config: &Value) -> Self {
        Self {
            files: BTreeMap::new(),
            config: settled(serde_json::json!({"config": config})),
        }
    }

    /// What differs from another one, for a person; nothing where they are the same.
    pub(crate) fn difference(&self, other: &Self) -> Vec<String> {
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        let paths = paths
            .into_iter()
            .filter(|path| self.files.get(*path) != other.files.get(*path));
        let show = |file: Option<&String>| file.cloned().unwrap_or_else(|| "nothing".to_owned());
        let mut all: Vec<String> = paths
            .map(|path| {
                format!(
                    "/{path}: {} | {}",
                    show(self.files.get(path)),
                    show(other.files.get(path))
                )
            })
            .collect();
        if self.config != other.config {
            all.push(format!("config: {} | {}", self.config, other.config));
        }
        all
    }
}

/// The description without what is about the build, without larder's labels, and without what is not set.
fn settled(mut description: Value) -> Value {
    let all = description.as_object_mut().unwrap();
    all.retain(|key, _| !ABOUT_THE_BUILD.contains(&key.as_str()));
    if let Some(config) = all.get_mut("config").and_then(Value::as_object_mut) {
        // Of the container in which an engine without BuildKit worked.
        config.retain(|key, _| !matches!(key.as_str(), "Hostname" | "Image"));
        if let Some(labels) = config.get_mut("Labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| !name.starts_with("dev.larder."));
        }
        config.retain(|_, value| !value.is_null() && *value != serde_json::json!({}));
    }
    description
}

/// Lays a layer over what is there (OCI image specification, "Applying Changesets").
fn apply(layer: &[u8], files: &mut BTreeMap<String, String>) {
    // What this layer takes away lay below it, wherever in the archive it says so.
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    for entry in Archive::new(layer).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let inside = |name: &str| {
            if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            }
        };
        if name == ".wh..wh..opq" {
            remove(files, folder, false);
            continue;
        }
        if let Some(name) = name.strip_prefix(".wh.") {
            remove(files, &inside(name), true);
            continue;
        }
        let what = describe(&mut entry, files, &own);
        if !what.starts_with("Directory") {
            remove(files, &path, true);
        }
        own.insert(path, what);
    }
    files.extend(own);
}

fn remove(files: &mut BTreeMap<String, String>, path: &str, itself: bool) {
    let below = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let goes = |own: &str| own.starts_with(&below) || itself && own == path;
    files.retain(|own, _| !goes(own));
}

fn describe<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    files: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> String {
    let attributes: Vec<(String, Vec<u8>)> = entry
        .pax_extensions()
        .unwrap()
        .into_iter()
        .flatten()
        .map(|pair| pair.unwrap())
        .filter(|pair| pair.key().is_ok_and(|key| key.starts_with("SCHILY.xattr.")))
        .map(|pair| {
            (
                pair.key().unwrap().to_owned(),
                pair.value_bytes().to_owned(),
            )
        })
        .collect();
    let link = entry
        .link_name_bytes()
        .map(|link| String::from_utf8_lossy(&link).into_owned());
    let header = entry.header().clone();
    let kind = header.entry_type();
    if kind == EntryType::Link {
        // The same file under another name.
        let target = link.unwrap_or_default();
        let target = target.trim_start_matches("./").trim_start_matches('/');
        let found = own.get(target).or_else(|| files.get(target));
        return found
            .cloned()
            .unwrap_or_else(|| panic!("a link to {target}, which is not there"));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    let device = (
        header.device_major().ok().flatten(),
        header.device_minor().ok().flatten(),
    );
    let device = matches!(kind, EntryType::Char | EntryType::Block).then_some(device);
    format!(
        "{kind:?} {:o} {}:{} {} {} {}",
        header.mode().unwrap() & 0o7777,
        header.uid().unwrap(),
        header.gid().unwrap(),
        link.map(|link| format!("-> {link}")).unwrap_or_default(),
        if kind == EntryType::Regular {
            shown(&content)
        } else {
            String::new()
        },
        if attributes.is_empty() && device.is_none() {
            String::new()
        } else {
            format!("{attributes:?} {device:?}")
        },
    )
}

/// A content in a few letters: itself where it is short.
fn shown(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) if text.len() <= 600 => format!("{text:?}"),
        _ => format!("{} bytes {}", content.len(), Digest::of(content)),
    }
}
