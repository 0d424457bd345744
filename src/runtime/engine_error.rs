//! Why an engine did not do what it was asked, and what may help.

use std::error::Error as StdError;

/// An engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers.
    #[error("no Docker Engine answers at {address}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It answered with an error.
    #[error("{action} failed")]
    Refused {
        /// What was asked of it: "starting container `hub-api-1`".
        action: String,
        /// The HTTP status, where there was one.
        status: Option<u16>,
        /// Its words.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A step needs what this engine's API version does not have.
    #[error("{what} needs a Docker Engine with API {needs} or later; this one has {has}")]
    TooOld {
        /// What needs it.
        what: String,
        /// The version that has it.
        needs: &'static str,
        /// The version there is.
        has: String,
    },
}

impl EngineError {
    /// What a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unreachable { source, .. } => unreachable_hint(source.as_ref()),
            Self::Refused { source, .. } => refused_hint(&chain(source.as_ref())),
            Self::TooOld { .. } => Some("update the Docker Engine, or leave it out"),
        };
        hint.map(ToOwned::to_owned).into_iter().collect()
    }

    /// Whether a network that a container was made with is gone: the engine takes no other one in its place.
    pub fn is_of_lost_network(&self) -> bool {
        let Self::Refused { source, .. } = self else {
            return false;
        };
        let words = chain(source.as_ref()).to_lowercase();
        let lost = |words: &str| words.contains(" not found");
        words.contains("could not find network")
            || words
                .split_once("network ")
                .is_some_and(|(_, rest)| lost(rest))
    }
}

/// All that an error says, with what it was caused by.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| StdError::source(*error));
    let all: Vec<String> = all.map(ToString::to_string).collect();
    all.join(": ")
}

/// An address that cannot be used at all says so itself; what the system reports needs explaining.
fn unreachable_hint(source: &(dyn StdError + 'static)) -> Option<&'static str> {
    let cause = std::iter::successors(Some(source), |error| StdError::source(*error))
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    Some(if cause.kind() == std::io::ErrorKind::PermissionDenied {
        "your user may not use it: be root, or join the group `docker` and log in again"
    } else {
        "is Docker running? `DOCKER_HOST` and `docker context use` say where it is looked for"
    })
}

/// Engines tell these apart in their words only: 20.10 answers each of them with status 500.
fn refused_hint(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let in_use = says(&["address already in use"]);
    // What listens is told with its port; of an address in a network nothing else is said.
    if says(&["port is already allocated"]) || in_use && says(&["listen", "bind"]) {
        Some("another process or container holds the port: change `ports`, or stop it")
    } else if in_use {
        Some("another container has the address in that network: change it, or stop that one")
    } else if says(&[
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
        "access denied",
        "access to the resource is denied",
    ]) {
        Some("the registry wants credentials: `docker login` keeps them, and the name may be wrong")
    } else if says(&["is already in use by container"]) {
        Some(
            "rename or remove that container, or choose another name: of the project with `larder -p NAME`, of a run with `run --name NAME`",
        )
    } else if says(&["no space left on device"]) {
        Some("the engine's disk is full: `docker system df` shows what takes the space")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &str) -> EngineError {
        EngineError::Refused {
            action: "starting".to_owned(),
            status: Some(500),
            source: words.into(),
        }
    }

    #[test]
    fn hints_are_told_by_the_engines_words() {
        let cases = [
            (
                "Bind for 0.0.0.0:80 failed: port is already allocated",
                "`ports`",
            ),
            (
                "listen tcp4 0.0.0.0:80: bind: address already in use",
                "`ports`",
            ),
            (
                "failed to bind host port for 0.0.0.0:83:172.18.0.2:80/tcp: address already in use",
                "`ports`",
            ),
            (
                "Address already in use",
                "another container has the address",
            ),
            (
                "Get \"https://r/v2/\": no basic auth credentials",
                "`docker login`",
            ),
            (
                "Conflict. The container name \"/a\" is already in use by container \"1\".",
                "`run --name NAME`",
            ),
        ];
        for (words, hint) in cases {
            assert!(refused(words).hints()[0].contains(hint), "{words}");
        }
        assert!(refused("something else").hints().is_empty());
    }

    #[test]
    fn a_network_that_is_gone_is_told_from_the_engines_words() {
        for (words, lost) in [
            ("network 0f5c not found", true),
            (
                "failed to set up container networking: network 0f5c not found",
                true,
            ),
            ("could not find network 0f5c: network 0f5c not found", true),
            ("No such container: 1", false),
            ("file not found on network", false),
        ] {
            assert_eq!(refused(words).is_of_lost_network(), lost, "{words}");
        }
    }

    #[test]
    fn an_engine_that_may_not_be_used_is_not_one_that_is_gone() {
        let hint = |kind: std::io::ErrorKind| {
            let error = EngineError::Unreachable {
                address: "unix:///x".to_owned(),
                source: std::io::Error::from(kind).into(),
            };
            error.hints().remove(0)
        };
        assert!(hint(std::io::ErrorKind::PermissionDenied).contains("group `docker`"));
        assert!(hint(std::io::ErrorKind::NotFound).contains("running"));
    }
}
