//! An image loaded onto the engine from an archive that is written meanwhile. Must not know what is in it.

use std::io::{self, Write};

use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use futures_util::StreamExt as _;

use crate::build::buildkit::refused;
use crate::build::pieces::pieces;
use crate::model::ImageId;
use crate::runtime::EngineError;

/// Loads what `write` writes; the image's ID, where the engine says it.
pub(super) async fn load(
    docker: &Docker,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Option<ImageId>, EngineError> {
    let (pieces, writing) = pieces(write);
    let options = ImportImageOptions::default();
    let mut answers = docker.import_image(options, bollard::body_try_stream(pieces), None);
    let mut image = None;
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(info) => image = info.stream.as_deref().and_then(loaded).or(image),
            Err(error) => failed = Some(error),
        }
    }
    drop(answers);
    let written = writing.await.map_err(io::Error::other).flatten();
    let refusal = |source| EngineError::Refused {
        action: "loading an image".to_owned(),
        status: None,
        source,
    };
    match (failed, written) {
        (Some(error), _) => Err(refused("loading an image", error)),
        (None, Err(error)) => Err(refusal(error.into())),
        (None, Ok(())) => Ok(image),
    }
}

/// The ID in `Loaded image ID: sha256:…`.
fn loaded(line: &str) -> Option<ImageId> {
    let id = line.strip_prefix("Loaded image ID: ")?.trim();
    Some(ImageId(id.to_owned()))
}
