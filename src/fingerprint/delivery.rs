//! The files that a service's container is given: configs, secrets, seccomp profiles. What of them it has, for its
//! hash; what cannot be put there is told here, before anything changes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::content::Reader;
use super::error::Error;
use super::extras;
use super::ignorefile::Patterns;
use super::statcache::StatCache;
use super::walk::Folder;
use crate::model::{Build, Digest, DigestWriter, FileObject, FileReference, Project, Service};

/// Writes all of them, in order.
///
/// # Errors
/// One that the project does not have, that docker compose could not deliver either, or whose file cannot be
/// read.
pub(super) fn write(
    writer: &mut DigestWriter,
    project: &Project,
    name: &str,
    service: &Service,
) -> Result<(), Error> {
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
            there(kind, &reference.source, object)?;
            if object.file.is_none() {
                fits(kind, name, service, reference)?;
            }
            write_one(writer, reference, object)?;
        }
    }
    profiles(writer, project, name, service)
}

/// The seccomp profiles as the engine gets them. A service that names none writes nothing.
fn profiles(
    writer: &mut DigestWriter,
    project: &Project,
    name: &str,
    service: &Service,
) -> Result<(), Error> {
    for profile in service.seccomp_profiles() {
        let content = seccomp_profile(&project.working_dir.join(profile)).map_err(|source| {
            Error::Seccomp {
                service: name.to_owned(),
                profile: profile.to_owned(),
                source,
            }
        })?;
        writer.text("seccomp").tree(&content);
    }
    Ok(())
}

/// The largest seccomp profile that is read, in bytes; docker's own has 13 KB.
const PROFILE: u64 = 2 << 20;

/// The profile in a file that is one, and no larger than a profile can be.
///
/// # Errors
/// It is not there, is something else, or is no JSON.
pub fn seccomp_profile(path: &Path) -> io::Result<serde_json::Value> {
    // Not `fs_err`: the message names the file as the service does.
    let metadata = std::fs::metadata(path)?;
    let amiss = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    // A pipe would be waited for, and a device may have no end.
    if !metadata.is_file() {
        return amiss("it is no file");
    }
    if metadata.len() > PROFILE {
        return amiss("it is larger than 2 MiB");
    }
    let mut text = Vec::new();
    File::open(path)?.take(PROFILE).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Looks for the secrets of a build. Without its variable there is no secret, and the build goes on, as in
/// docker compose.
///
/// # Errors
/// One is kept somewhere else, or its file is not there.
pub(super) fn check_build(project: &Project, build: &Build) -> Result<(), Error> {
    let named = build.secrets.iter().map(|secret| &secret.source);
    let found = named.filter_map(|name| Some((name, project.secrets.get(name)?)));
    for (name, object) in found {
        match there("secret", name, object) {
            Ok(()) | Err(Error::Unset { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether there is a content at all.
fn there(kind: &'static str, name: &str, object: &FileObject) -> Result<(), Error> {
    let name = || name.to_owned();
    if object.external {
        return Err(Error::External { kind, name: name() });
    }
    if let (Some(variable), None) = (&object.environment, &object.value) {
        return Err(Error::Unset {
            kind,
            name: name(),
            variable: variable.clone(),
        });
    }
    match &object.file {
        Some(file) if !Path::new(file).exists() => Err(Error::NoFile {
            kind,
            name: name(),
            path: file.into(),
        }),
        _ => Ok(()),
    }
}

/// Whether a text can be put into the service's container.
fn fits(
    kind: &'static str,
    service: &str,
    definition: &Service,
    reference: &FileReference,
) -> Result<(), Error> {
    let (service, name) = (service.to_owned(), reference.source.clone());
    if definition.read_only == Some(true) {
        return Err(Error::ReadOnly {
            service,
            kind,
            name,
        });
    }
    let ids = [&reference.uid, &reference.gid];
    match ids
        .into_iter()
        .flatten()
        .find(|id| id.parse::<u32>().is_err())
    {
        Some(id) => Err(Error::Owner {
            service,
            kind,
            name,
            id: id.clone(),
        }),
        None => Ok(()),
    }
}

/// One as the container sees it. Where its file lies counts too: it may be bound from there.
fn write_one(
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
    match (&object.file, &object.value) {
        (Some(file), _) => writer
            .number(1)
            .digest(&content(Path::new(file), &StatCache::open(None))?),
        (None, Some(value)) => writer.number(2).text(value),
        (None, None) => writer.number(0),
    };
    Ok(())
}

/// The domain of a folder's digest.
pub(super) const FOLDER: &str = "larder-config-v1 folder";

/// What a container finds where it is bound: the digest of a file, of a folder, or of nothing that has a content.
pub(super) fn content(path: &Path, cache: &StatCache) -> Result<Digest, Error> {
    let read = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    // The engine follows links on the way to a bound file.
    let path = path.canonicalize().map_err(read)?;
    let metadata = path.metadata().map_err(read)?;
    if metadata.is_dir() {
        return extras::folder_digest(FOLDER, &path, &Patterns::default(), cache);
    }
    if !metadata.is_file() {
        // `/dev/null`, a socket: bound as it is, and never opened here.
        return Ok(DigestWriter::new("larder-config-v1 special").finish());
    }
    let folder = Folder {
        root: path.parent().unwrap_or(&path),
        ignore: &Patterns::default(),
    };
    let gone = || Error::Changed { path: path.clone() };
    let name = path.file_name().unwrap_or_default().as_bytes();
    let item = folder.look(name)?.ok_or_else(gone)?;
    Ok(Reader::new(folder.root, cache).content(&item)?.digest)
}
