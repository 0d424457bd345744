//! The first question to an engine: is it there, and which API does it speak.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::ApiVersion;
use super::address::{Address, Transport};
use super::connect::client;
use super::error::failed;
use crate::runtime::EngineError;

/// What an engine says of itself in the head of every answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) api: ApiVersion,
    pub(super) version: String,
}

/// Asks the engine whether it is there. `/_ping` takes half a millisecond and `/version` twenty, and bollard
/// does not show the head of an answer, where `/_ping` says its version: so it is asked by hand, but for TLS.
pub(super) async fn greet(address: &Address) -> Result<Greeting, EngineError> {
    let unreachable = |source: io::Error| EngineError::Unreachable {
        address: address.text.clone(),
        source: source.into(),
    };
    let answer = match &address.transport {
        Transport::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => ping(stream).await,
            Err(error) => Err(error),
        },
        Transport::Tcp(host) => match TcpStream::connect(host.as_str()).await {
            Ok(stream) => ping(stream).await,
            Err(error) => Err(error),
        },
        Transport::Tls(..) => return greet_over_tls(address).await,
    };
    let answer = answer.map_err(unreachable)?;
    Greeting::read(&answer).ok_or_else(|| {
        unreachable(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers there is no Docker Engine",
        ))
    })
}

async fn greet_over_tls(address: &Address) -> Result<Greeting, EngineError> {
    let failed = |error| failed(&address.text, "asking for the engine's version", error);
    let version = client(address)
        .map_err(failed)?
        .version()
        .await
        .map_err(failed)?;
    let api = version.api_version.unwrap_or_default();
    Ok(Greeting {
        api: api.parse().map_err(|error| EngineError::Unreachable {
            address: address.text.clone(),
            source: Box::new(error),
        })?,
        version: version.version.unwrap_or_default(),
    })
}

async fn ping(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
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
