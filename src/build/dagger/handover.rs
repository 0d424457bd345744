//! What a build gives to Dagger: the folder of exactly the files that were fingerprinted, secrets, and an SSH agent. Must not
//! know what is built of it.

use std::path::Path;

use dagger_sdk::Id;

use super::failure::{lost, unreachable};
use super::secrets::Taken;
use super::session::Session;
use crate::build::buildkit::{Agents, faulty};
use crate::build::context::{ContextError, Upload};
use crate::build::parts::secrets;
use crate::build::resume::Rewritten;
use crate::model::Digest;
use crate::plan::BuilderKind;
use crate::runtime::{BuildError, BuildRequest};

/// What the session has for a build, as long as this is there.
pub(super) struct Handed<'a> {
    pub(super) secrets: Vec<Id>,
    pub(super) agent: Option<Id>,
    pub(super) _taken: Taken<'a>,
}

/// Hands the secrets of a build and its SSH agent to the session; `own` is the user's agent.
///
/// # Errors
/// One is not there, or Dagger does not take it.
pub(super) async fn hand_over<'a>(
    session: &'a Session,
    request: &BuildRequest<'_>,
    own: Option<&Path>,
) -> Result<Handed<'a>, BuildError> {
    let service = &request.recipe.service;
    let query = session.query();
    let secrets = secrets(request).await?;
    let taken = session.secrets().take(&secrets).await;
    let mut ids = Vec::new();
    for (id, content) in secrets {
        let content = String::from_utf8(content).map_err(|_| BuildError::Unsupported {
            service: service.clone(),
            builder: BuilderKind::Dagger,
            attribute: format!("secrets.{id} (its content is not UTF-8)"),
        })?;
        let handed = query.set_secret(id, content).id().await;
        ids.push(handed.map_err(|error| unreachable(lost(&error)))?);
    }
    let agents = Agents::of(&request.recipe.build, own);
    let agents = agents.map_err(|none| BuildError::NoAgent {
        service: service.clone(),
        id: none.id,
        reason: none.reason,
    })?;
    // More than one is refused before.
    let agent = match agents.sockets().next() {
        Some((_, socket)) => {
            let socket = query.host().unix_socket(socket.to_string_lossy());
            let handed = socket.id().await;
            Some(handed.map_err(|error| unreachable(lost(&error)))?)
        }
        None => None,
    };
    Ok(Handed {
        secrets: ids,
        agent,
        _taken: taken,
    })
}

/// Writes the context with a Dockerfile in it to a folder that is not there yet; the Dockerfile's name.
///
/// # Errors
/// A file is not what was fingerprinted, or cannot be read.
pub(super) async fn unpacked(
    request: &BuildRequest<'_>,
    dockerfile: &Rewritten,
    context: &Path,
) -> Result<String, BuildError> {
    let upload = Upload::new(request.recipe, &request.part);
    let file = free_name(&upload, &dockerfile.text);
    let (context, name, text) = (context.to_owned(), file.clone(), dockerfile.text.clone());
    let unpack = move || unpack(&upload, &context, &name, &text);
    let unpacked = tokio::task::spawn_blocking(unpack).await;
    let unpacked = unpacked.map_err(std::io::Error::other);
    unpacked
        .map_err(ContextError::from)
        .flatten()
        .map_err(|fault| faulty(&request.recipe.service, fault))?;
    Ok(file)
}

/// Writes the context with the Dockerfile in it, since Dagger takes one folder. An ignore file of the Dockerfile's own
/// keeps both out of what `COPY . .` reads.
fn unpack(upload: &Upload, context: &Path, file: &str, text: &str) -> Result<(), ContextError> {
    std::fs::create_dir(context)?;
    upload.unpack(context)?;
    std::fs::write(context.join(file), text)?;
    let ignored = format!("/{file}\n/{file}.dockerignore\n");
    Ok(std::fs::write(
        context.join(format!("{file}.dockerignore")),
        ignored,
    )?)
}

/// A name for the Dockerfile that nothing in the context has.
fn free_name(upload: &Upload, text: &str) -> String {
    let mut name = format!(".larder-{}.Dockerfile", Digest::of(text.as_bytes()).short());
    while upload
        .entries()
        .any(|entry| entry.path.starts_with(name.as_bytes()))
    {
        name.insert(1, '_');
    }
    name
}
