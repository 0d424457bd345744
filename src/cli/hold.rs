//! One command at a time changes a project on an engine: a file of this user's that is locked as long as the process lives.
//! The second one waits, says for whom, and then looks at what the first one left. Images are everybody's: who goes by them
//! shares a second file, and who removes some has it alone.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rustix::fs::{Mode, OFlags, open, openat};
use serde::{Deserialize, Serialize};

use super::invocation::Invocation;
use crate::docker::{Docker, since_epoch};
use crate::failure::Failure;
use crate::model::DigestWriter;
use crate::settings::{self, Environment};
use crate::term::{Waiting, duration};

/// The project is this process's as long as it has this.
pub(super) struct Hold {
    _file: File,
    pub(super) project: String,
    /// Whether another one had it before.
    pub(super) waited: bool,
}

/// Who has a project, as its file says.
#[derive(Serialize, Deserialize)]
struct Holder {
    command: String,
    process: u32,
    /// Seconds since 1970.
    since: u64,
}

/// Takes hold of a project, behind whoever has it. Nothing where no lock can be kept, which is told.
///
/// # Errors
/// The engine does not say which one it is.
pub(super) async fn take(
    invocation: &Invocation,
    engine: &Docker,
    command: &str,
    project: &str,
) -> Result<Option<Hold>, Failure> {
    let mut name = DigestWriter::new("larder project lock");
    name.text(&engine.identity().await?).text(project);
    let name = name.finish().to_string();
    match locked(invocation, &name, Way::Alone, None).await {
        Ok((mut file, waited)) => {
            sign(&mut file, command);
            Ok(Some(Hold {
                _file: file,
                project: project.to_owned(),
                waited,
            }))
        }
        Err(error) => {
            invocation.warning(&format!(
                "project `{project}` cannot be locked, so nothing keeps another larder from changing it meanwhile: {error}"
            ));
            Ok(None)
        }
    }
}

/// That nobody removes images of an engine that larder made, as long as a process has this.
pub(super) struct Images {
    _file: File,
}

/// How images are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Beside others: by who makes images, and goes by those that are there.
    Shared,
    /// By nobody else: by who removes some.
    Alone,
}

/// Takes hold of larder's images on an engine. Nothing where no lock can be kept, which is told by who removes some.
///
/// # Errors
/// The engine does not say which one it is.
pub(super) async fn images(
    invocation: &Invocation,
    engine: &Docker,
    way: Way,
) -> Result<Option<Images>, Failure> {
    let mut name = DigestWriter::new("larder images lock");
    name.text(&engine.identity().await?);
    let name = name.finish().to_string();
    // Of many that share it nobody has written down who they are.
    let others = (way == Way::Alone)
        .then_some("others that make images, or start from some, on this engine");
    match locked(invocation, &name, way, others).await {
        Ok((mut file, _)) => {
            if way == Way::Alone {
                sign(&mut file, &invocation.global.word);
            }
            Ok(Some(Images { _file: file }))
        }
        Err(error) if way == Way::Alone => {
            invocation.warning(&format!(
                "what other larders on this machine are about to use cannot be told, as there is no lock: {error}"
            ));
            Ok(None)
        }
        Err(error) => {
            tracing::debug!(%error, "nothing keeps images from being removed meanwhile");
            Ok(None)
        }
    }
}

/// Locks the file of this name; whether it had to be waited for, until `others` gave it back, or who has written down that it is
/// theirs. A lock goes with the process that has it, however that ends.
async fn locked(
    invocation: &Invocation,
    name: &str,
    way: Way,
    others: Option<&str>,
) -> io::Result<(File, bool)> {
    let mut file = file(&invocation.environment, name)?;
    let tried = match way {
        Way::Alone => file.try_lock(),
        Way::Shared => file.try_lock_shared(),
    };
    match tried {
        Ok(()) => return Ok((file, false)),
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {}
    }
    let others = others.map_or_else(|| holder(&mut file), ToOwned::to_owned);
    let doing = format!("waiting for {others}");
    let mode = invocation.progress();
    let shown = Waiting::show(mode, &invocation.screen, &doing);
    invocation.tell_program(&doing);
    let lock = move || match way {
        Way::Alone => file.lock().map(|()| (file, true)),
        Way::Shared => file.lock_shared().map(|()| (file, true)),
    };
    let locked = tokio::task::spawn_blocking(lock).await;
    drop(shown);
    locked.map_err(io::Error::other)?
}

/// Who has the lock, for a person.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let holder: Option<Holder> = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    let Some(holder) = holder else {
        return "another larder".to_owned();
    };
    let since = Duration::from_secs(since_epoch().as_secs().saturating_sub(holder.since));
    let Holder {
        command, process, ..
    } = holder;
    format!(
        "`larder {command}` (process {process}, begun {} ago)",
        duration(since)
    )
}

/// Says who has the lock. It is only for those who wait.
fn sign(file: &mut File, command: &str) {
    let holder = Holder {
        command: command.to_owned(),
        process: std::process::id(),
        since: since_epoch().as_secs(),
    };
    let written = file.set_len(0).and_then(|()| {
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&holder)?)
    });
    if let Err(error) = written {
        tracing::debug!(%error, "a lock does not say whose it is");
    }
}

/// The file of a lock, in the first folder that can be used.
fn file(environment: &Environment, name: &str) -> io::Result<File> {
    let mut error = io::Error::other("neither XDG_RUNTIME_DIR nor HOME names a folder for locks");
    for folder in folders(environment) {
        match file_in(&folder, name) {
            Ok(file) => return Ok(file),
            Err(own) => error = own,
        }
    }
    Err(error)
}

/// A relative path is invalid and ignored (XDG Base Directory Specification).
fn folders(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let own = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|path| path.is_absolute());
    let own = own.map(|path| path.join("larder"));
    let cache = settings::cache(environment).map(|path| path.join("locks"));
    own.into_iter().chain(cache)
}

/// Opens a file in a folder of this user's alone. Neither is followed where somebody put a link in its place.
fn file_in(folder: &Path, name: &str) -> io::Result<File> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(told(folder, &error.to_string()));
        }
        _ => {}
    }
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = open(folder, flags | OFlags::DIRECTORY, Mode::empty());
    let opened = opened.map_err(|error| told(folder, &error.to_string()))?;
    let opened = File::from(opened);
    let found = opened.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own || found.mode() & 0o022 != 0 {
        return Err(told(folder, "it is not this user's alone"));
    }
    let flags = flags | OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK;
    let file = openat(&opened, name, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(file.map_err(|error| told(&folder.join(name), &error.to_string()))?);
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != own {
        return Err(told(&folder.join(name), "it is not this user's"));
    }
    Ok(file)
}

fn told(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("`{}`: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_lock_is_had_once_and_says_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("larder");
        let mut first = file_in(&folder, "a").unwrap();
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
        first.try_lock().unwrap();
        let mut second = file_in(&folder, "a").unwrap();
        assert_eq!(holder(&mut second), "another larder");
        sign(&mut first, "up");
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        let process = std::process::id();
        let told = holder(&mut second);
        assert!(
            told.starts_with(&format!("`larder up` (process {process}, begun ")),
            "{told}"
        );
        file_in(&folder, "b").unwrap().try_lock().unwrap();
        drop(first);
        second.try_lock().unwrap();
    }

    #[test]
    fn what_others_could_have_put_there_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("real")).unwrap();
        symlink(path("real"), path("link")).unwrap();
        assert!(file_in(&path("link"), "a").is_err());
        let open = |mode| fs::set_permissions(path("real"), PermissionsExt::from_mode(mode));
        open(0o777).unwrap();
        assert!(file_in(&path("real"), "a").is_err());
        open(0o700).unwrap();
        fs::write(path("elsewhere"), "kept").unwrap();
        symlink(path("elsewhere"), path("real").join("a")).unwrap();
        assert!(file_in(&path("real"), "a").is_err());
        file_in(&path("real"), "b").unwrap();
        assert_eq!(fs::read_to_string(path("elsewhere")).unwrap(), "kept");
    }

    #[test]
    fn the_cache_folder_takes_the_place_of_a_runtime_folder() {
        let environment = |pairs: &[(&str, &str)]| -> Environment {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        let named = environment(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/home/me")]);
        let all: Vec<PathBuf> = folders(&named).collect();
        assert_eq!(
            all,
            [
                Path::new("/run/user/1/larder"),
                Path::new("/home/me/.cache/larder/locks")
            ]
        );
        let relative = environment(&[("XDG_RUNTIME_DIR", "here")]);
        assert_eq!(folders(&relative).count(), 0);
        assert!(file(&relative, "a").is_err());
    }
}
