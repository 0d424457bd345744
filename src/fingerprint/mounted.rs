//! What a one-shot service reads of this machine through bind mounts: in no image, and nobody else sees it change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::delivery::{self, FOLDER};
use super::extras::folder_digest;
use super::ignorefile::Patterns;
use super::statcache::StatCache;
use crate::model::{Digest, DigestWriter, MountKind, Project};

const DOMAIN: &str = "larder-mounted-v1";

/// The digest of what a service binds; `None` where it binds nothing. Where a content cannot be known, `unknown` stands
/// for it, which should be another one each time: a folder outside the project's may be of any size, and is not read.
pub fn mounted(
    project: &Project,
    service: &str,
    cache: &StatCache,
    unknown: &[u8],
) -> Option<Digest> {
    let mounts = &project.services.get(service)?.volumes;
    let binds = mounts.iter().filter(|mount| mount.kind == MountKind::Bind);
    let sources: Vec<&Path> = binds
        .filter_map(|mount| mount.source.as_deref().map(Path::new))
        .collect();
    if sources.is_empty() {
        return None;
    }
    let mut writer = DigestWriter::new(DOMAIN);
    writer.number(sources.len() as u64);
    for source in sources {
        match content(&project.working_dir, source, cache) {
            Some(content) => writer.digest(&content),
            None => writer.field(unknown),
        };
    }
    Some(writer.finish())
}

/// What is there, behind symbolic links as the engine follows them; `None` where that cannot be known. The engine makes an
/// empty folder of what is not there.
fn content(project: &Path, source: &Path, cache: &StatCache) -> Option<Digest> {
    let source = match fs::canonicalize(source) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return folder_digest(FOLDER, source, &Patterns::default(), cache).ok();
        }
        Err(_) => return None,
    };
    let found = fs::metadata(&source).ok()?;
    if found.is_dir() && !source.starts_with(fs::canonicalize(project).ok()?) {
        return None;
    }
    let content = delivery::content(&source, cache).ok()?;
    if !found.is_file() {
        return Some(content);
    }
    let mut writer = DigestWriter::new(DOMAIN);
    writer.text("file").number(u64::from(found.mode() & 0o7755));
    writer.digest(&content);
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
            mounted(&project, "s", &StatCache::open(None), unknown).unwrap()
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
        assert_eq!(hash("project/absent"), absent, "the engine makes it");
        fs::write(root.join("project/absent/a"), "").unwrap();
        assert_ne!(hash("project/absent"), absent);
        assert_eq!(hash("outside/socket"), hash("outside/socket"));
        symlink(root.join("outside/file"), root.join("project/link")).unwrap();
        assert_eq!(hash("project/link"), hash("outside/file"));
        symlink(root.join("outside"), root.join("project/away")).unwrap();
        assert_ne!(hash("project/away"), hash_by(b"2", "project/away"));
        assert_ne!(hash("outside"), hash_by(b"2", "outside"));
        assert_eq!(hash("project/sql"), hash_by(b"2", "project/sql"));
    }
}
