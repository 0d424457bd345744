//! What a builder inside the engine needs beside the API: connections that the engine turns into gRPC, and the user's
//! credentials. Must not know what a build is.

use futures_util::future::BoxFuture;
use http_body_util::Empty;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;

use super::Docker;
use super::address::Address;
use super::config_file::ConfigFile;
use crate::runtime::{Duplex, EngineAccess, EngineError, Login};

/// The way to one engine, and the user's settings for it.
#[derive(Clone)]
pub(super) struct Access {
    address: Address,
    config: ConfigFile,
}

impl Docker {
    /// What those who build inside this engine need of it.
    pub fn access(&self) -> impl EngineAccess + use<> {
        Access {
            address: self.address.clone(),
            config: self.config.clone(),
        }
    }
}

impl EngineAccess for Access {
    fn upgrade<'a>(
        &'a self,
        path: &'a str,
        headers: Vec<(&'static str, String)>,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, EngineError>> {
        Box::pin(async move {
            let stream = self.address.dial().await;
            let stream = stream.map_err(|error| self.lost(error.into()))?;
            self.converted(stream, path, headers).await
        })
    }

    fn lost(&self, source: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
        EngineError::Unreachable {
            address: self.address.text.clone(),
            source,
        }
    }

    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Option<Login>> {
        Box::pin(async move {
            let found = self.config.credentials(registry).await;
            found.map(super::credentials::Credentials::login)
        })
    }
}

impl Access {
    async fn converted(
        &self,
        stream: Box<dyn Duplex>,
        path: &str,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Box<dyn Duplex>, EngineError> {
        let mut request = Request::post(path)
            .header(header::HOST, "docker")
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "h2c");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let refused =
            |source: Box<dyn std::error::Error + Send + Sync>, status| EngineError::Refused {
                action: format!("opening `{path}` on the engine"),
                status,
                source,
            };
        let request = request.body(Empty::<bytes::Bytes>::new());
        let request = request.map_err(|error| refused(error.into(), None))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.lost(error.into()))?;
        let connection = tokio::spawn(connection.with_upgrades());
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| self.lost(error.into()))?;
        let status = answer.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            connection.abort();
            return Err(refused(status.to_string().into(), Some(status.as_u16())));
        }
        let upgraded = hyper::upgrade::on(answer).await;
        let upgraded = upgraded.map_err(|error| self.lost(error.into()))?;
        Ok(Box::new(TokioIo::new(upgraded)))
    }
}
