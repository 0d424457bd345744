//! What a one-shot service reads of this machine through bind mounts: in no image, and nobody else sees it change.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::confighash::config_hash;
use super::error::Error;
use super::extras::folder_digest;
use super::gather::file_digest;
use super::ignorefile::Patterns;
use super::statcache::StatCache;
use crate::model::{Digest, DigestWriter, MountKind, Project};

/// The digest of the container of a service that is run to its end: [`config_hash`] with the content of its bind mounts.
/// Where that cannot be known, `unknown` stands for it, which should be another one each time: a folder outside the project's
/// may be of any size, and is not read.
///
/// # Errors
/// As [`config_hash`].
pub fn one_shot_hash(
    project: &Project,
    name: &str,
    cache: &StatCache,
    unknown: &[u8],
) -> Result<Digest, Error> {
    let config = config_hash(project, name)?;
    let mounts = project.services.get(name).into_iter();
    let binds = mounts
        .flat_map(|service| &service.volumes)
        .filter(|mount| mount.kind == MountKind::Bind);
    let sources: Vec<&Path> = binds
        .filter_map(|mount| mount.source.as_deref().map(Path::new))
        .collect();
    if sources.is_empty() {
        return Ok(config);
    }
    let mut writer = DigestWriter::new("larder-config-v1 mounted");
    writer.digest(&config).number(sources.len() as u64);
    for source in sources {
        match content(&project.working_dir, source, cache) {
            Some(content) => writer.digest(&content),
            None => writer.field(unknown),
        };
    }
    Ok(writer.finish())
}

/// What is there; `None` where that cannot be known.
fn content(project: &Path, source: &Path, cache: &StatCache) -> Option<Digest> {
    let found = match fs::metadata(source) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Digest::of(b"")),
        Err(_) => return None,
    };
    if found.is_dir() {
        let inside = source.starts_with(project);
        let digest = || folder_digest(source, &Patterns::default(), cache).ok();
        return inside.then(digest).flatten();
    }
    if found.is_file() {
        return file(source, &found);
    }
    // A socket or a device has no content.
    Some(Digest::of(b"special"))
}

fn file(source: &Path, found: &Metadata) -> Option<Digest> {
    let (_, content) = file_digest(source).ok()?;
    let mut writer = DigestWriter::new("larder-config-v1 mounted file");
    writer
        .number(u64::from(found.mode() & 0o7755))
        .digest(&content);
    Some(writer.finish())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_mounted_counts_and_what_cannot_be_known_is_never_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("project/sql/deep")).unwrap();
        fs::create_dir(root.join("outside")).unwrap();
        fs::write(root.join("outside/file"), "1").unwrap();
        let _socket = UnixListener::bind(root.join("outside/socket")).unwrap();
        let hash_by = |unknown: &[u8], source: &str| {
            let mount =
                serde_json::json!({"type": "bind", "source": root.join(source), "target": "/x"});
            let service = serde_json::json!({"image": "a", "volumes": [mount]});
            let project = Project {
                working_dir: root.join("project"),
                services: [("s".to_owned(), serde_json::from_value(service).unwrap())].into(),
                ..Project::default()
            };
            one_shot_hash(&project, "s", &StatCache::open(None), unknown).unwrap()
        };
        let hash = |source: &str| hash_by(b"1", source);
        let changes: [(&str, &dyn Fn()); 4] = [
            ("project/sql", &|| {
                fs::write(root.join("project/sql/deep/a"), "1").unwrap();
            }),
            ("project/sql", &|| {
                fs::write(root.join("project/sql/deep/a"), "2").unwrap();
            }),
            ("project/sql", &|| {
                symlink("a", root.join("project/sql/l")).unwrap();
            }),
            ("outside/file", &|| {
                fs::write(root.join("outside/file"), "2").unwrap();
            }),
        ];
        for (source, change) in changes {
            let before = hash(source);
            assert_eq!(hash(source), before, "{source}");
            change();
            assert_ne!(hash(source), before, "{source}");
        }
        let absent = hash("project/absent");
        assert_eq!(hash("project/absent"), absent);
        fs::create_dir(root.join("project/absent")).unwrap();
        assert_ne!(hash("project/absent"), absent);
        assert_eq!(hash("outside/socket"), hash("outside/socket"));
        assert_ne!(hash("outside"), hash_by(b"2", "outside"));
        assert_eq!(hash("project/sql"), hash_by(b"2", "project/sql"));
    }
}
