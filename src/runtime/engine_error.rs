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
    if says(&["port is already allocated", "address already in use"]) {
        Some("another process or container holds the port: change `ports`, or stop it")
    } else if says(&[
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
        "access denied",
        "access to the resource is denied",
    ]) {
        Some("the registry wants credentials: `docker login` keeps them, and the name may be wrong")
    } else if says(&["is already in use by container"]) {
        Some("rename or remove that container, or choose another project name with `-p`")
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
                "Get \"https://r/v2/\": no basic auth credentials",
                "`docker login`",
            ),
            (
                "Conflict. The container name \"/a\" is already in use by container \"1\".",
                "`-p`",
            ),
        ];
        for (words, hint) in cases {
            assert!(refused(words).hints()[0].contains(hint), "{words}");
        }
        assert!(refused("something else").hints().is_empty());
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
