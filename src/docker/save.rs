//! Images as an archive, read while the engine writes it. Layers that several share are in it once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::Docker;
use crate::runtime::EngineError;

/// How long an engine may take until the next piece of an archive: it reads all layers before the first one.
const STILL: Duration = Duration::from_mins(10);

impl Docker {
    /// The archive of images, as `docker save` writes it, under these names.
    pub fn save(&self, names: &[String]) -> impl Stream<Item = Result<Bytes, EngineError>> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pieces = self.patient(STILL).export_images(&names);
        stream::unfold(Some(Box::pin(pieces)), async |pieces| {
            let mut pieces = pieces?;
            let action = "saving images";
            match tokio::time::timeout(STILL, pieces.next()).await {
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
                Ok(Some(Err(error))) => Some((Err(self.failed(action, error)), None)),
                Ok(None) => None,
                Err(_) => Some((Err(self.silent(action, STILL)), None)),
            }
        })
    }
}
