//! This machine: docker compose's command, larder's cache folder, room on disks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::settings::{self, Environment};
use crate::term::Check;

/// With less room builds and pulls fail soon.
const LITTLE: u64 = 2 << 30;
/// How long docker compose may take to say its version.
const ANSWER: Duration = Duration::from_secs(5);

/// docker compose's command: larder does without it.
pub(super) async fn compose(environment: &Environment) -> Check {
    const NAME: &str = "compose";
    let asked = Command::new("docker")
        .args(["compose", "version", "--short"])
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let version = match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(said)) if said.status.success() => {
            String::from_utf8_lossy(&said.stdout).trim().to_owned()
        }
        _ => String::new(),
    };
    Check::ok(
        NAME,
        if version.is_empty() {
            "`docker compose` is not there; larder does without it".to_owned()
        } else {
            format!("docker compose {version}, which works on the same stacks")
        },
    )
}

/// The folder of larder's caches.
pub(super) fn cache(environment: &Environment) -> Check {
    const NAME: &str = "cache";
    let Some(folder) = settings::cache(environment) else {
        return Check::warning(
            NAME,
            "there is no folder for it: every file is hashed at each start",
            "set `HOME` or `XDG_CACHE_HOME`",
        );
    };
    let shown = folder.display();
    if let Err(error) = writable(&folder) {
        return Check::warning(
            NAME,
            format!("`{shown}` cannot be written ({error}): every file is hashed at each start"),
            "make it yours, or set `XDG_CACHE_HOME`",
        );
    }
    space(NAME, "larder's cache", &folder).unwrap_or_else(|| Check::ok(NAME, format!("`{shown}`")))
}

/// Whether a folder, which may be yet to be made, can be written to.
fn writable(folder: &Path) -> std::io::Result<()> {
    fs_err::create_dir_all(folder)?;
    tempfile::NamedTempFile::new_in(folder).map(drop)
}

/// How much room is left where a folder is.
pub(super) fn space(name: &'static str, what: &str, folder: &Path) -> Option<Check> {
    let there: PathBuf = folder
        .ancestors()
        .find(|folder| folder.exists())?
        .to_owned();
    let found = rustix::fs::statvfs(&there).ok()?;
    let left = found.f_bavail.saturating_mul(found.f_frsize);
    let shown = folder.display();
    let text = format!("{what}, `{shown}`, has {} left", bytes(left));
    if left < LITTLE {
        let hint = "make room: `docker system df` shows what the engine keeps, `docker builder prune` what builds left";
        return Some(Check::warning(name, text, hint));
    }
    Some(Check::ok(name, text))
}

/// An amount as people say it.
pub(super) fn bytes(amount: u64) -> String {
    let tenths = |unit: u64| amount / (unit / 10).max(1);
    let (tenths, unit) = match amount {
        0..0x4000_0000 => (tenths(1 << 20), "MiB"),
        _ => (tenths(1 << 30), "GiB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Health;

    #[test]
    fn amounts_are_said_in_their_unit() {
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
    }

    #[test]
    fn a_cache_that_cannot_be_kept_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let state = |path: &Path| {
            let home = ("XDG_CACHE_HOME".to_owned(), path.display().to_string());
            cache(&[home].into()).state
        };
        assert_eq!(state(&file), Health::Warning);
        assert_eq!(cache(&Environment::new()).state, Health::Warning);
        assert_ne!(state(folder.path()), Health::Failure);
    }
}
