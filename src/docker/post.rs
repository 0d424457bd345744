//! A call with a body of larder's own making, for fields that bollard does not know because later engines have them no
//! more. Fails as bollard's calls do.

use bollard::errors::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::Address;

impl Address {
    /// Posts `body` on a connection of its own; what the engine answers.
    ///
    /// # Errors
    /// Nobody answers, or the engine refuses.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let request = Request::post(path)
            .header(header::HOST, "docker")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(body.to_string()))?;
        let stream = TokioIo::new(self.dial().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        // It ends with the sender.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status_code = answer.status();
        let answer = answer.into_body().collect().await?.to_bytes();
        if status_code.is_success() {
            return Ok(serde_json::from_slice(&answer)?);
        }
        Err(Error::DockerResponseServerError {
            status_code: status_code.as_u16(),
            message: message(&answer),
        })
    }
}

/// What an engine says when it refuses: `{"message": "…"}`.
fn message(answer: &[u8]) -> String {
    let said: Option<Value> = serde_json::from_slice(answer).ok();
    let said = said.and_then(|said| said["message"].as_str().map(str::to_owned));
    said.unwrap_or_else(|| String::from_utf8_lossy(answer).into_owned())
}
