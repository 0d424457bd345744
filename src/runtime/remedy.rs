//! What may mend a call that failed: to look at the engine again, to wait for it, to ask a registry again. Engines say much
//! of this in their words only (20.10 answers 500 for whatever a registry says), so words count as well as the status.

use super::engine_error::EngineError;

/// An engine took a call and did not answer it.
#[derive(Debug, thiserror::Error)]
#[error("{action} was not answered within {} s", .limit.as_secs())]
pub struct Silent {
    /// What was asked of it.
    pub action: String,
    /// How long it had.
    pub limit: std::time::Duration,
}

/// What an engine says when what a plan speaks of is not as it was when somebody looked (moby `daemon`, `libnetwork`).
const OVERTAKEN: [(u16, &str); 21] = [
    (404, "no such container"),
    (404, "no such image"),
    (404, "no such volume"),
    (404, "no such network"),
    (404, "no such exec instance"),
    (404, "network "),
    (409, "is already in use by container"),
    (409, "is marked for removal"),
    (409, "removal of container"),
    (409, "already exists"),
    (409, "is paused"),
    (409, "is not paused"),
    (409, "is restarting, wait until"),
    (409, "is not running"),
    (409, "renaming a container with the same name"),
    // Of 20.10, which says it with this status.
    (500, "is marked for removal"),
    (500, "no such container"),
    (500, "could not find network"),
    (
        500,
        "joining network namespace of container: no such container",
    ),
    // Two networks of one name, which engines below API 1.44 let somebody make; one of them goes at once.
    (400, "is ambiguous ("),
    (500, "is ambiguous ("),
];

/// What does not change by asking again, whatever else is said.
const FINAL: [&str; 9] = [
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "denied",
    "forbidden",
    "manifest unknown",
    "not found",
    "no such host",
    "invalid reference",
];

/// What a registry, or the way to it, may get over; with what is told of it.
const PASSING: [(&str, &str); 18] = [
    ("toomanyrequests", BUSY),
    ("too many requests", BUSY),
    ("rate limit", BUSY),
    ("internal server error", FAILED),
    ("bad gateway", FAILED),
    ("service unavailable", FAILED),
    ("gateway timeout", FAILED),
    ("gateway time-out", FAILED),
    ("unexpected http status: 5", FAILED),
    ("connection refused", CUT),
    ("connection reset", CUT),
    ("broken pipe", CUT),
    ("unexpected eof", CUT),
    ("tls handshake timeout", CUT),
    ("i/o timeout", CUT),
    ("timeout exceeded", CUT),
    ("temporary failure in name resolution", CUT),
    ("server misbehaving", CUT),
];
const BUSY: &str = "the registry says that there are too many requests";
const FAILED: &str = "the registry failed";
const CUT: &str = "the registry does not answer";

impl EngineError {
    /// Whether the engine went away, or its answer did: it may be back soon, and what it did is to be seen there. One that
    /// was silent for as long as a call may take is not waited for any longer.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => {
                let late = source.downcast_ref::<std::io::Error>();
                let late = late.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
                !late && !source.is::<Silent>()
            }
            _ => false,
        }
    }

    /// Whether somebody else changed what was looked at, or was just about to.
    pub fn is_overtaken(&self) -> bool {
        let Self::Refused {
            status: Some(status),
            source,
            ..
        } = self
        else {
            return false;
        };
        let words = source.to_string().to_lowercase();
        OVERTAKEN
            .iter()
            .any(|(own, part)| own == status && words.contains(part))
    }

    /// Why a registry that was asked through the engine may answer when it is asked again; nothing where it gave its answer.
    pub fn passes(&self) -> Option<&'static str> {
        let Self::Refused { status, source, .. } = self else {
            return None;
        };
        let words = source.to_string().to_lowercase();
        let of = |(part, told): &(&str, &'static str)| words.contains(part).then_some(*told);
        let said = PASSING.iter().find_map(of);
        match (status, said) {
            // What is said of limits speaks of accounts, too.
            (Some(429), _) | (_, Some(BUSY)) => Some(BUSY),
            (Some(400..=499), _) => None,
            _ if FINAL.iter().any(|part| words.contains(part)) => None,
            (Some(502..=504), None) => Some(FAILED),
            (_, said) => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    fn refused(status: impl Into<Option<u16>>, words: &str) -> EngineError {
        EngineError::Refused {
            action: "doing".to_owned(),
            status: status.into(),
            source: words.into(),
        }
    }

    /// As engines of 20.10 and 28.5 said it; registries were stand-ins that answer each request so.
    #[test]
    fn what_a_registry_may_get_over_is_told_from_its_answer() {
        let again = [
            (
                500,
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and \
                 upgrading: https://www.docker.com/increase-rate-limit",
                BUSY,
            ),
            (
                429,
                "toomanyrequests: You have reached your pull rate limit.",
                BUSY,
            ),
            (429, "", BUSY),
            (
                500,
                "received unexpected HTTP status: 500 Internal Server Error",
                FAILED,
            ),
            (
                500,
                "received unexpected HTTP status: 503 Service Unavailable",
                FAILED,
            ),
            (503, "busy", FAILED),
            (
                500,
                "Get \"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                CUT,
            ),
            (
                500,
                "Get \"https://r.example/v2/\": net/http: TLS handshake timeout",
                CUT,
            ),
            (
                500,
                "Get \"http://127.0.0.1:5000/v2/\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
                CUT,
            ),
            (
                500,
                "Head \"http://r/v2/a/manifests/1\": unexpected EOF",
                CUT,
            ),
        ];
        for (status, words, told) in again {
            assert_eq!(refused(status, words).passes(), Some(told), "{words}");
        }
        let never = [
            (
                500,
                "Head \"http://r/v2/a/manifests/1\": no basic auth credentials",
            ),
            (
                500,
                "Head \"https://r/v2/a/manifests/1\": unauthorized: authentication required",
            ),
            (403, "denied: requested access to the resource is denied"),
            (500, "denied: requested access to the resource is denied"),
            (
                404,
                "pull access denied for a, repository does not exist or may require 'docker login'",
            ),
            (500, "manifest for r/a:1 not found: manifest unknown"),
            (404, "manifest unknown"),
            (
                500,
                "error unmarshalling content: invalid character '<' looking for beginning of value",
            ),
            (
                500,
                "Get \"https://none.example/v2/\": dial tcp: lookup none.example: no such host",
            ),
            (500, "no space left on device"),
            (400, "invalid reference format"),
        ];
        for (status, words) in never {
            assert_eq!(refused(status, words).passes(), None, "{words}");
        }
        assert_eq!(refused(None, "unexpected EOF").passes(), Some(CUT));
        assert_eq!(refused(None, "no space left on device").passes(), None);
    }

    #[test]
    fn another_look_helps_where_somebody_was_quicker() {
        let yes = [
            (404, "No such container: 3e3b"),
            (404, "No such image: sha256:3e3b"),
            (404, "network hub_default not found"),
            (
                409,
                "Conflict. The container name \"/hub-db-1\" is already in use by container \"3e\". You have to remove (or \
                 rename) that container to be able to reuse that name.",
            ),
            (409, "container is marked for removal and cannot be started"),
            (
                409,
                "Container 3e3b is paused. Unpause the container before stopping or killing",
            ),
            (
                400,
                "network hub_default is ambiguous (2 matches found on name)",
            ),
        ];
        for (status, words) in yes {
            assert!(refused(status, words).is_overtaken(), "{words}");
        }
        let no = [
            (
                404,
                "pull access denied for a, repository does not exist or may require 'docker login'",
            ),
            (
                400,
                "OCI runtime create failed: exec: \"nothing\": executable file not found in $PATH: unknown",
            ),
            (
                500,
                "driver failed programming external connectivity: port is already allocated",
            ),
            (
                500,
                "failed to mount local volume: no such file or directory",
            ),
        ];
        for (status, words) in no {
            assert!(!refused(status, words).is_overtaken(), "{words}");
        }
    }

    #[test]
    fn an_engine_that_was_silent_is_not_waited_for() {
        let unreachable = |source| EngineError::Unreachable {
            address: "unix:///x".to_owned(),
            source,
        };
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::UnexpectedEof,
        ] {
            assert!(unreachable(io::Error::from(kind).into()).is_lost());
        }
        let late = io::Error::from(io::ErrorKind::TimedOut);
        assert!(!unreachable(late.into()).is_lost());
        let silent = Silent {
            action: "listing".to_owned(),
            limit: Duration::from_secs(1),
        };
        assert!(!unreachable(silent.into()).is_lost());
        assert!(!refused(500, "EOF").is_lost());
    }
}
