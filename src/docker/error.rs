//! From what bollard reports to what a step reports: the engine's own words, its status, or nobody there.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;

use super::Docker;
use crate::runtime::EngineError;

impl Docker {
    /// Waits for one call, at most `limit`; an engine that accepts a call and never answers it is as good as
    /// none.
    pub(super) async fn call<T>(
        &self,
        limit: Duration,
        action: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| self.failed(action, error)),
            Err(_) => Err(self.silent(action, limit)),
        }
    }

    /// The error of a call that ended with one.
    pub(super) fn failed(&self, action: &str, error: Error) -> EngineError {
        failed(&self.address.text, action, error)
    }

    /// The error of a call that did not end in time.
    pub(super) fn silent(&self, action: &str, limit: Duration) -> EngineError {
        silent(&self.address.text, action, limit)
    }
}

/// The error of a call to the engine at `address` that did not end in time.
pub(super) fn silent(address: &str, action: &str, limit: Duration) -> EngineError {
    EngineError::Unreachable {
        address: address.to_owned(),
        source: Box::new(Silent {
            action: action.to_owned(),
            limit,
        }),
    }
}

/// The error of a call to the engine at `address` that ended with one.
pub(super) fn failed(address: &str, action: &str, error: Error) -> EngineError {
    let refused = |status, words: String| EngineError::Refused {
        action: action.to_owned(),
        status,
        source: Box::new(Words(words)),
    };
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => refused(Some(status_code), message.trim_end().to_owned()),
        Error::DockerStreamError { error } => refused(None, error.trim_end().to_owned()),
        Error::RequestTimeoutError
        | Error::SocketNotFoundError(_)
        | Error::HyperLegacyError { .. }
        | Error::HyperResponseError { .. }
        | Error::IOError { .. } => EngineError::Unreachable {
            address: address.to_owned(),
            source: Box::new(error),
        },
        other => EngineError::Refused {
            action: action.to_owned(),
            status: None,
            source: Box::new(other),
        },
    }
}

/// The HTTP status that the engine answered with.
pub(super) fn status(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::Refused { status, .. } => *status,
        _ => None,
    }
}

/// A result in which "it is gone" counts as done.
pub(super) fn gone_is_fine(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if status(&error) == Some(404) => Ok(()),
        other => other,
    }
}

/// What the engine said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Words(pub(super) String);

/// A call without an answer.
#[derive(Debug, thiserror::Error)]
#[error("{action} was not answered within {} s", .limit.as_secs())]
struct Silent {
    action: String,
    limit: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_engines_words_come_through_without_a_frame() {
        let error = Error::DockerResponseServerError {
            status_code: 500,
            message: "driver failed: address already in use\n".to_owned(),
        };
        let error = failed("unix:///x", "starting container `a`", error);
        assert_eq!(error.to_string(), "starting container `a` failed");
        let source = error.source().map(ToString::to_string);
        assert_eq!(
            source.as_deref(),
            Some("driver failed: address already in use")
        );
        assert_eq!(status(&error), Some(500));
    }

    #[test]
    fn a_broken_connection_is_no_refusal() {
        let error = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(
            failed("a", "b", error),
            EngineError::Unreachable { .. }
        ));
    }
}
