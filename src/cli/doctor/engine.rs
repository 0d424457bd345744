//! The engine: whether it answers, who else may use it, and what it is like.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use super::machine;
use crate::docker::{self, Docker, Examination, Way};
use crate::runtime::EngineError;
use crate::term::{Check, Message, duration};

/// So many seconds apart two clocks are taken for one.
const SKEW: i64 = 2;
/// An engine with less memory fails in odd ways.
const MEMORY: u64 = 1 << 30;

/// An engine that does not answer.
pub(super) fn unreachable(error: &EngineError, named_by: &str) -> Check {
    let message = Message::of(error);
    let mut text = format!("{} ({named_by})", message.text);
    for cause in message.causes {
        text.push_str(": ");
        text.push_str(&cause);
    }
    Check::failure("engine", text, error.hints().into_iter().next())
}

/// All about an engine that answers.
pub(super) async fn checks(engine: &Docker, named_by: &str) -> Vec<Check> {
    let begun = Instant::now();
    let found = match engine.examine().await {
        Ok(found) => found,
        Err(error) => return vec![unreachable(&error, named_by)],
    };
    let took = begun.elapsed();
    let now = i64::try_from(docker::since_epoch().as_secs()).unwrap_or_default();
    let mut checks = vec![
        Check::ok(
            "engine",
            format!(
                "{} with API {} at {} ({named_by}), on {}, answered in {}",
                found.version,
                found.api,
                engine.address(),
                found.system,
                duration(took)
            ),
        ),
        access(&engine.way()),
        images(&found),
        buildkit(engine).await,
        memory(&found),
        clock(&found, now),
    ];
    let process = engine.process().await;
    if let (Some(folder), Some(_)) = (&found.folder, process) {
        checks.extend(machine::space("engine-disk", "the engine's folder", folder));
    }
    if let Some(process) = process {
        checks.extend(leftovers(&docker::orphans(process)));
    }
    checks
}

/// Who may use the engine: whoever may is root on its machine.
fn access(way: &Way) -> Check {
    const NAME: &str = "access";
    match way {
        Way::Network { tls: true } => Check::ok(NAME, "over TLS, with certificates on both sides"),
        Way::Network { tls: false } => Check::warning(
            NAME,
            "over TCP without TLS: whoever reaches that port is root on the engine's machine",
            "use a socket, or TLS (`DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`)",
        ),
        Way::Socket(path) => socket(path),
    }
}

fn socket(path: &Path) -> Check {
    const NAME: &str = "access";
    let shown = path.display();
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => return Check::warning(NAME, error.to_string(), "look at its folder"),
    };
    if found.mode() & 0o002 != 0 {
        return Check::warning(
            NAME,
            format!(
                "`{shown}` may be used by everybody on this machine, each of whom is root by that"
            ),
            format!("`chmod o-w {shown}`; who is to use it joins its group"),
        );
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != own {
        return Check::warning(
            NAME,
            format!(
                "`{shown}` is that of user {}, who sees all that is sent there",
                found.uid()
            ),
            "be sure that it is the engine that you mean",
        );
    }
    let mode = found.mode() & 0o777;
    Check::ok(
        NAME,
        format!("the socket is its owner's and its group's (mode {mode:o})"),
    )
}

fn images(found: &Examination) -> Check {
    let store = if found.containerd {
        "containerd's"
    } else {
        "the engine's own"
    };
    Check::ok("images", format!("{store} store, driver {}", found.store))
}

async fn buildkit(engine: &Docker) -> Check {
    const NAME: &str = "buildkit";
    match engine.reach_buildkit().await {
        Ok(()) => Check::ok(NAME, "the engine's BuildKit answers"),
        Err(error) => {
            let hint =
                "nothing can be built on this engine: update it, or build with `--builder dagger`";
            Check::failure(NAME, Message::of(&error).text, Some(hint.to_owned()))
        }
    }
}

fn memory(found: &Examination) -> Check {
    const NAME: &str = "memory";
    let cgroups = found.cgroups.as_deref().unwrap_or("?");
    let has = format!(
        "{} processors, {}, control groups v{cgroups}",
        found.processors,
        machine::bytes(found.memory)
    );
    if !found.limits_memory {
        let text = format!("{has}, which do not limit memory: `mem_limit` has no effect");
        return Check::warning(
            NAME,
            text,
            "switch the memory controller on (kernel `cgroup_enable=memory`)",
        );
    }
    if found.memory < MEMORY {
        let text = format!("{has}: containers may be killed for want of memory");
        return Check::warning(NAME, text, "give the engine's machine more memory");
    }
    Check::ok(NAME, has)
}

/// The engine's clock: ages of images and times in logs are by it, health checks that passed are remembered by both.
fn clock(found: &Examination, now: i64) -> Check {
    const NAME: &str = "clock";
    match found.time.map(|time| time - now) {
        None => Check::ok(NAME, "the engine does not say its time"),
        Some(apart) if apart.abs() <= SKEW => Check::ok(NAME, "the engine's is this machine's"),
        Some(apart) => {
            let how = if apart > 0 { "ahead" } else { "behind" };
            Check::warning(
                NAME,
                format!(
                    "the engine's is {} s {how}: times in logs and the ages that `pull_policy` goes by are wrong by that",
                    apart.abs()
                ),
                "let both keep time (NTP); a virtual machine that slept may have to be started anew",
            )
        }
    }
}

fn leftovers(orphans: &[u32]) -> Option<Check> {
    if orphans.is_empty() {
        return None;
    }
    let pids: Vec<String> = orphans.iter().map(ToString::to_string).collect();
    let pids = pids.join(" ");
    Some(Check::warning(
        "leftovers",
        format!("processes of builds are left of an engine that was killed: {pids}"),
        format!("nobody waits for them: `kill {pids}`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Health;

    #[test]
    fn a_socket_for_everybody_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let state = |mode: u32| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
            access(&Way::Socket(path.clone())).state
        };
        assert_eq!(state(0o660), Health::Ok);
        assert_eq!(state(0o666), Health::Warning);
        assert_eq!(access(&Way::Network { tls: false }).state, Health::Warning);
        assert_eq!(access(&Way::Network { tls: true }).state, Health::Ok);
    }

    #[test]
    fn clocks_apart_and_memory_that_is_not_limited_are_warned_of() {
        let at = |time| Examination {
            time: Some(time),
            ..Examination::default()
        };
        assert_eq!(clock(&at(101), 100).state, Health::Ok);
        let behind = clock(&at(40), 100);
        assert!(behind.text.contains("60 s behind"), "{behind:?}");
        let found = Examination {
            memory: 2 << 30,
            ..Examination::default()
        };
        assert_eq!(memory(&found).state, Health::Warning);
        let found = Examination {
            limits_memory: true,
            ..found
        };
        assert_eq!(memory(&found).state, Health::Ok);
        assert_eq!(leftovers(&[]), None);
        let left = leftovers(&[7, 8]).unwrap();
        assert!(left.hint.unwrap().contains("kill 7 8"));
    }
}
