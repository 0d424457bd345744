//! What a container is made of besides its image, as one digest: what the Compose file says about running
//! it, and the content of the files that are put into it.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::Error;
use super::extras;
use super::gather;
use super::ignorefile::Patterns;
use super::statcache::{Stat, StatCache};
use crate::model::{Digest, DigestWriter, FileObject, FileReference, MountKind, Project, Service};

/// Attributes that say how a service is built, ordered, chosen or counted, and not what its container is; and
/// those whose content is in `environment` and `labels` already.
const BESIDE_THE_CONTAINER: &[&str] = &[
    "build",
    "depends_on",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "scale",
    "develop",
    "attach",
    "env_file",
    "label_file",
    "configs",
    "secrets",
];

/// The digest of a service's container: its canonical definition, the engine's names of its networks and
/// volumes, and the content of its configs and secrets. Only what is set is in it, so that a new version of
/// larder that knows more attributes gives the same digest for a file that does not use them.
///
/// # Errors
/// A service, config or secret that the project does not have, or a file that cannot be read.
pub fn config_hash(project: &Project, service: &str) -> Result<Digest, Error> {
    let unknown = || Error::Unknown {
        kind: "service",
        name: service.to_owned(),
    };
    let service = project.services.get(service).ok_or_else(unknown)?;
    let mut writer = DigestWriter::new("larder-config-v1");
    writer.tree(&definition(service));
    writer.number(service.networks.len() as u64);
    for key in service.networks.keys() {
        writer.text(key).text(&project.network_name(key));
    }
    let named = service
        .volumes
        .iter()
        .filter(|mount| mount.kind == MountKind::Volume);
    let volumes: Vec<&str> = named.filter_map(|mount| mount.source.as_deref()).collect();
    writer.number(volumes.len() as u64);
    for key in volumes {
        writer.text(key).text(&project.volume_name(key));
    }
    for (kind, references, objects) in [
        ("config", &service.configs, &project.configs),
        ("secret", &service.secrets, &project.secrets),
    ] {
        writer.number(references.len() as u64);
        for reference in references {
            let unknown = || Error::Unknown {
                kind,
                name: reference.source.clone(),
            };
            let object = objects.get(&reference.source).ok_or_else(unknown)?;
            write_file(&mut writer, reference, object)?;
        }
    }
    Ok(writer.finish())
}

/// The service's canonical tree without what stays beside the container.
fn definition(service: &Service) -> Value {
    // A service is plain data; it has no keys that are not strings.
    let tree = serde_json::to_value(service).unwrap_or_default();
    let Value::Object(tree) = tree else {
        return tree;
    };
    let mut kept = Map::new();
    for (name, mut value) in tree {
        if BESIDE_THE_CONTAINER.contains(&name.as_str())
            || name.starts_with("x-")
            || value.is_null()
        {
            continue;
        }
        if name == "deploy"
            && let Some(deploy) = value.as_object_mut()
        {
            deploy.retain(|name, value| name != "replicas" && !value.is_null());
            if deploy.is_empty() {
                continue;
            }
        }
        kept.insert(name, value);
    }
    Value::Object(kept)
}

/// A config or secret as the container sees it. Where its file lies counts too: it may be bound from there.
fn write_file(
    writer: &mut DigestWriter,
    reference: &FileReference,
    object: &FileObject,
) -> Result<(), Error> {
    writer.text(&reference.source);
    for part in [
        &reference.target,
        &reference.uid,
        &reference.gid,
        &reference.mode,
    ] {
        writer.optional(part.as_deref().map(str::as_bytes));
    }
    for part in [
        &object.name,
        &object.file,
        &object.environment,
        &object.content,
    ] {
        writer.optional(part.as_deref().map(str::as_bytes));
    }
    writer.number(u64::from(object.external));
    match &object.file {
        Some(file) => writer.number(1).digest(&content(Path::new(file))?),
        None => writer.number(0),
    };
    Ok(())
}

fn content(path: &Path) -> Result<Digest, Error> {
    let read = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    // The engine follows links on the way to a bound file.
    let path = path.canonicalize().map_err(read)?;
    let metadata = path.metadata().map_err(read)?;
    let cache = StatCache::open(None);
    if metadata.is_dir() {
        return extras::folder_digest(&path, &Patterns::default(), &cache);
    }
    let (_, digest) = gather::digest(&path, Stat::of(&metadata), &cache)?;
    Ok(digest)
}
