//! The first question to an engine: is it there, and which API does it speak.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ApiVersion;
use super::address::Address;
use crate::runtime::{Duplex, EngineError};

/// What an engine says of itself in the head of every answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) api: ApiVersion,
    pub(super) version: String,
}

/// Asks the engine whether it is there. `/_ping` takes half a millisecond and `/version` twenty, and bollard
/// does not show the head of an answer, where `/_ping` says its version: so it is asked by hand.
pub(super) async fn greet(address: &Address) -> Result<Greeting, EngineError> {
    let unreachable = |source: io::Error| EngineError::Unreachable {
        address: address.text.clone(),
        source: source.into(),
    };
    let stream = address.dial().await.map_err(unreachable)?;
    let answer = ping(stream).await.map_err(unreachable)?;
    Greeting::read(&answer).ok_or_else(|| {
        unreachable(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers there is no Docker Engine",
        ))
    })
}

async fn ping(mut stream: impl Duplex) -> io::Result<String> {
    // Version 1.0 makes the engine close the connection behind its answer.
    stream
        .write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

impl Greeting {
    fn read(answer: &str) -> Option<Self> {
        let head = answer.split("\r\n\r\n").next()?;
        let header = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim())
        };
        // `Server: Docker/28.5.2 (linux)`
        let server = header("server").unwrap_or_default();
        let version = server.split_once('/').map_or("", |(_, rest)| rest);
        Some(Self {
            api: header("api-version")?.parse().ok()?,
            version: version
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_ping_names_the_engine() {
        let answer = "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24+dfsg1 (linux)\r\n\r\nOK";
        let greeting = Greeting::read(answer).unwrap();
        assert_eq!(greeting.api, "1.41".parse().unwrap());
        assert_eq!(greeting.version, "20.10.24+dfsg1");
        assert_eq!(
            Greeting::read("HTTP/1.0 200 OK\r\nServer: nginx\r\n\r\nhello"),
            None
        );
    }
}
