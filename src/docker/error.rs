//! From what bollard reports to what a step reports: the engine's own words, its status, or nobody there.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bollard::errors::Error;

use super::Docker;
use super::connect::{FIRST_ANSWER, HEAD, QUICK};
use super::greeting::greet;
use crate::runtime::{EngineError, Silent};

/// How many times as long as a call may take it is waited for while the engine answers others.
const SLOW: u32 = 6;

impl Docker {
    /// Asks what changes nothing, and asks again where the answer was lost.
    pub(super) async fn ask<T, F>(
        &self,
        action: &str,
        question: impl Fn() -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.ask_while(action, question, EngineError::is_lost).await
    }

    /// Asks for a list. An engine with containerd's image store knows nothing of any image (404) while it loses one.
    pub(super) async fn ask_list<T, F>(
        &self,
        action: &str,
        question: impl Fn() -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let again = |error: &EngineError| error.is_lost() || status(error) == Some(404);
        self.ask_while(action, question, again).await
    }

    async fn ask_while<T, F>(
        &self,
        action: &str,
        question: impl Fn() -> F,
        again: impl FnMut(&EngineError) -> bool,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(50))
            .with_max_times(2);
        let asked = || self.call(QUICK, action, question());
        asked.retry(pauses).when(again).await
    }

    /// Waits for one call. An engine that has not answered it by `limit`, and says nothing else either, is as good as
    /// none; one that is only slow is waited for, for [`SLOW`] times as long.
    pub(super) async fn call<T>(
        &self,
        limit: Duration,
        action: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        let mut call = Box::pin(call);
        for _ in 0..SLOW {
            match tokio::time::timeout(limit, &mut call).await {
                Ok(result) => return result.map_err(|error| self.failed(action, error)),
                Err(_) if self.answers().await => {}
                Err(_) => return Err(self.silent(action, limit)),
            }
        }
        Err(self.silent(action, limit * SLOW))
    }

    /// Whether the engine answers the cheapest question now.
    pub(super) async fn answers(&self) -> bool {
        let asked = tokio::time::timeout(FIRST_ANSWER, Box::pin(greet(&self.address))).await;
        asked.is_ok_and(|answer| answer.is_ok())
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
        Error::RequestTimeoutError => silent(address, action, HEAD),
        Error::SocketNotFoundError(_)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    /// Answers a ping as long as `alive`, and any other question after half a second.
    async fn slow_engine(listener: tokio::net::UnixListener, alive: Arc<AtomicBool>) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let alive = Arc::clone(&alive);
            tokio::spawn(async move {
                let mut question = [0; 4096];
                let length = stream.read(&mut question).await.unwrap();
                let ping = question[..length].starts_with(b"GET /_ping");
                if !alive.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                if !ping {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                let answer =
                    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10 (linux)\r\n\
                    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
                stream.write_all(answer).await.unwrap();
            });
        }
    }

    #[tokio::test]
    async fn a_slow_engine_is_waited_for_and_a_frozen_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("slow.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let alive = Arc::new(AtomicBool::new(true));
        tokio::spawn(slow_engine(listener, Arc::clone(&alive)));
        let host = format!("unix://{}", socket.display());
        let environment = [("DOCKER_HOST".to_owned(), host)].into();
        let engine = Docker::connect(&environment).await.unwrap();
        let list = || {
            let call = engine.client().list_containers(None);
            engine.call(Duration::from_millis(100), "listing containers", call)
        };
        assert_eq!(list().await.unwrap(), []);
        alive.store(false, Ordering::SeqCst);
        let error = list().await.unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
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
