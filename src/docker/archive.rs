//! Files of a container as tar archives: what lies at a path, taken out and put in as a stream of any size.

use std::io;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::Docker;
use super::connect::{CHANGE, QUICK};
use super::container::short;
use super::error::status;
use crate::runtime::EngineError;

/// How long all of an upload may take.
const UPLOAD: Duration = Duration::from_hours(24);

/// What lies at a path of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPath {
    /// The last part of its path; `.` or `/` where it was asked for so.
    pub name: String,
    /// What it is.
    pub kind: FoundKind,
}

/// The kinds of things that lie at paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, and the path in the container that it leads to in the end.
    Link(String),
    /// A device, a pipe or a socket.
    Special,
}

impl FoundKind {
    /// The engine gives the bits of Go's `os.FileMode`.
    fn of(mode: u32, target: String) -> Self {
        const FOLDER: u32 = 1 << 31;
        const LINK: u32 = 1 << 27;
        const SPECIAL: u32 = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
        if mode & FOLDER != 0 {
            Self::Folder
        } else if mode & LINK != 0 {
            Self::Link(target)
        } else if mode & SPECIAL != 0 {
            Self::Special
        } else {
            Self::File
        }
    }
}

impl Docker {
    /// What lies at a path of a container; `None` where nothing does. Links on the way are followed, in the container.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn path_in(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<FoundPath>, EngineError> {
        let action = format!("looking at `{path}` in container `{}`", short(container));
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        let call = self
            .client
            .get_container_archive_info(container, Some(options));
        match self.call(QUICK, &action, call).await {
            Ok(found) => Ok(Some(FoundPath {
                kind: FoundKind::of(found.file_mode, found.link_target),
                name: found.name,
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            // An answer without a body.
            Err(EngineError::Refused {
                action,
                status,
                source,
            }) if source.to_string().is_empty() => {
                let words = "the engine does not say why: something on the path may be no folder";
                Err(EngineError::Refused {
                    action,
                    status,
                    source: words.into(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// An archive of what lies at a path of a container, piece by piece.
    pub fn download(
        &self,
        container: &str,
        path: &str,
    ) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static + use<> {
        let action = format!("reading `{path}` in container `{}`", short(container));
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let pieces = self
            .client
            .download_from_container(container, Some(options));
        let address = self.address.text.clone();
        pieces
            .map(move |piece| piece.map_err(|error| super::error::failed(&address, &action, error)))
    }

    /// Unpacks an archive in a folder of a container. With `own` what comes belongs to the container's user, else to
    /// whom the archive says.
    ///
    /// # Errors
    /// The folder is not there, something of another kind is in the way, or the stream ends in an error.
    pub async fn upload(
        &self,
        container: &str,
        folder: &str,
        own: bool,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let action = format!("writing to `{folder}` in container `{}`", short(container));
        let mut options = UploadToContainerOptionsBuilder::new()
            .path(folder)
            .no_overwrite_dir_non_dir("true");
        if own {
            options = options.copy_uidgid("true");
        }
        // The answer comes when all is there.
        let client = self.patient(UPLOAD);
        let archive = body_try_stream(archive);
        let call = client.upload_to_container(container, Some(options.build()), archive);
        let mut call = Box::pin(call);
        // What is sent may come as slowly as it likes, as long as the engine is there.
        loop {
            match tokio::time::timeout(CHANGE, &mut call).await {
                Ok(result) => return result.map_err(|error| self.failed(&action, error)),
                Err(_) if self.answers().await => {}
                Err(_) => return Err(self.silent(&action, CHANGE)),
            }
        }
    }
}
