//! The files of a build, served to BuildKit as it asks for them: the sending side of fsutil (tonistiigi/fsutil
//! `send.go`) behind BuildKit's `FileSync` (moby/buildkit `session/filesync`). Must not know what is built of them.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc as blocking};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::shared_key::Sent;
use super::wire::{Kind, Of, Packet, Stat, go_mode};
use crate::build::context::{ContextError, Upload};
use crate::fingerprint::{Entry, EntryKind};
use crate::model::{Digest, DigestWriter};

/// The name of the Dockerfile in its folder.
pub(super) const DOCKERFILE: &str = "Dockerfile";
/// The ignore file that BuildKit takes before the context's own. What it would leave out is not sent; an empty file
/// would not count.
const IGNORE_FILE: (&str, &str) = ("Dockerfile.dockerignore", "# everything here is read\n");
/// How many packets may wait to be sent.
const WAITING: usize = 16;

/// The folders of one build.
#[derive(Clone)]
pub(super) struct Files {
    folders: Arc<Folders>,
}

struct Folders {
    context: Upload,
    /// The context's entries in the order in which they are sent: each one's number, and what BuildKit is told of it.
    entries: Vec<(usize, Stat)>,
    /// The Dockerfile's text.
    dockerfile: String,
    fault: Mutex<Option<ContextError>>,
    /// The folders that BuildKit has.
    arrived: Mutex<Vec<Folder>>,
}

/// A way to send packets; it fails when nobody takes them any more.
type Sender = mpsc::Sender<Result<Packet, Status>>;

impl Files {
    /// Looks at all that is to be sent.
    ///
    /// # Errors
    /// Something is not what was fingerprinted.
    pub(super) fn look(context: Upload, dockerfile: String) -> Result<Self, ContextError> {
        let entries = context.entries().enumerate();
        let entries = entries.map(|(number, entry)| {
            let modified = context.modified(entry)?;
            Ok((number, stat(entry, modified)))
        });
        let mut entries = entries.collect::<Result<Vec<_>, ContextError>>()?;
        entries.sort_by(|(_, one), (_, other)| by_part(&one.path).cmp(by_part(&other.path)));
        Ok(Self {
            folders: Arc::new(Folders {
                context,
                entries,
                dockerfile,
                fault: Mutex::default(),
                arrived: Mutex::default(),
            }),
        })
    }

    /// Each file as BuildKit compares it, with the digest of its content, and each folder, of which it compares only
    /// that there is one, with its mode.
    pub(super) fn contents(&self) -> Sent {
        let folders = &*self.folders;
        let entries = folders.entries.iter();
        let context =
            entries.filter_map(|(number, stat)| match folders.context.entry(*number).kind {
                EntryKind::File { digest, .. } => Some(sent_file(Folder::Context, stat, &digest)),
                EntryKind::Directory => {
                    let mut seen = DigestWriter::new("larder sent folder");
                    seen.field(&stat.path);
                    Some((seen.finish().to_string(), stat.mode.to_string()))
                }
                EntryKind::Symlink { .. } => None,
            });
        let text = Digest::of(folders.dockerfile.as_bytes());
        let stat = dockerfile_stat(&folders.dockerfile);
        let dockerfile = sent_file(Folder::Dockerfile, &stat, &text);
        context.chain([dockerfile]).collect()
    }

    /// Whether BuildKit has everything; it does not ask for a context that the Dockerfile does not read.
    pub(super) fn have_arrived(&self) -> bool {
        let arrived = self.folders.arrived.lock();
        let arrived = arrived.unwrap_or_else(PoisonError::into_inner);
        let empty = self.folders.entries.is_empty();
        arrived.contains(&Folder::Dockerfile) && (empty || arrived.contains(&Folder::Context))
    }

    /// Why the context could not be sent, where it was so.
    pub(super) fn fault(&self) -> Option<ContextError> {
        self.fault_slot().take()
    }

    /// The name that a BuildKit did not understand: newer ones take UTF-8 only (seen with engine 28).
    pub(super) fn unspeakable(&self, refusal: &str) -> Option<ContextError> {
        let mut entries = self.folders.context.entries();
        let odd = entries.find(|entry| str::from_utf8(&entry.path).is_err());
        let odd = odd.filter(|_| refusal.contains("invalid UTF-8"))?;
        let path = String::from_utf8_lossy(&odd.path).into_owned();
        Some(ContextError::NotUtf8(path))
    }

    fn fault_slot(&self) -> std::sync::MutexGuard<'_, Option<ContextError>> {
        let slot = self.folders.fault.lock();
        slot.unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self, folder: Folder) {
        let arrived = self.folders.arrived.lock();
        let mut arrived = arrived.unwrap_or_else(PoisonError::into_inner);
        arrived.push(folder);
    }

    /// Serves one folder until all that is wanted of it was sent.
    async fn serve(
        self,
        folder: Folder,
        mut wishes: Streaming<Packet>,
        out: Sender,
    ) -> Result<(), Status> {
        let (wanted, queue) = blocking::channel();
        let sending = {
            let out = out.clone();
            let files = self.clone();
            tokio::task::spawn_blocking(move || files.send(folder, &queue, &out))
        };
        while let Some(packet) = wishes.message().await? {
            match packet.kind() {
                // Whoever sends has stopped; its reason is on the way already.
                Kind::Request if wanted.send(packet.id).is_err() => break,
                Kind::Finished => {
                    drop(wanted);
                    self.arrived(folder);
                    // BuildKit hung up when this cannot be sent: then it has all it wants.
                    let _ = out.send(Ok(Packet::of(Kind::Finished))).await;
                    break;
                }
                _ => {}
            }
        }
        sending
            .await
            .map_err(|error| Status::internal(error.to_string()))
    }

    /// Sends the entries, and then the contents that are asked for.
    fn send(&self, folder: Folder, wanted: &blocking::Receiver<u32>, out: &Sender) {
        let sent = match folder {
            Folder::Dockerfile => self.folders.send_dockerfile(wanted, out),
            Folder::Context => self.folders.send_context(wanted, out),
            Folder::Ignored => push(out, Packet::of(Kind::Stat)).map_err(ContextError::from),
        };
        if let Err(error) = sent {
            let mut packet = Packet::of(Kind::Failed);
            packet.data = error.to_string().into_bytes();
            // Nobody is left who could be told.
            let _ = out.blocking_send(Ok(packet));
            if !matches!(error, ContextError::Dropped(_)) {
                self.fault_slot().get_or_insert(error);
            }
        }
    }
}

fn sent_file(folder: Folder, stat: &Stat, content: &Digest) -> (String, String) {
    let mut seen = DigestWriter::new("larder sent file");
    seen.number(folder as u64).field(&stat.path);
    seen.number(u64::from(stat.mode));
    seen.field(&stat.size.to_be_bytes());
    seen.field(&stat.modified.to_be_bytes());
    (seen.finish().to_string(), content.to_string())
}

impl Folders {
    fn send_context(
        &self,
        wanted: &blocking::Receiver<u32>,
        out: &Sender,
    ) -> Result<(), ContextError> {
        let stat = |(_, stat): &(usize, Stat)| stat.clone();
        let read = |(number, _): &(usize, Stat), take: &mut Take<'_>| {
            self.context.read(self.context.entry(*number), take)
        };
        transfer(&self.entries, stat, read, wanted, out)
    }

    fn send_dockerfile(
        &self,
        wanted: &blocking::Receiver<u32>,
        out: &Sender,
    ) -> Result<(), ContextError> {
        let (name, text) = IGNORE_FILE;
        let files = [
            (dockerfile_stat(&self.dockerfile), self.dockerfile.as_str()),
            (text_stat(name, text), text),
        ];
        let stat = |(stat, _): &(Stat, &str)| stat.clone();
        let read = |(_, text): &(Stat, &str), take: &mut Take<'_>| {
            let mut pieces = text.as_bytes().chunks(PIECE);
            Ok(pieces.try_for_each(take)?)
        };
        transfer(&files, stat, read, wanted, out)
    }
}

/// A Dockerfile that differs has another time, since another size it need not have.
fn dockerfile_stat(text: &str) -> Stat {
    let digest = Digest::of(text.as_bytes());
    let head = digest.as_bytes().iter().take(6);
    Stat {
        modified: head.fold(0, |all, byte| all << 8 | i64::from(*byte)),
        ..text_stat(DOCKERFILE, text)
    }
}

fn text_stat(name: &str, text: &str) -> Stat {
    Stat {
        path: name.as_bytes().to_vec(),
        mode: go_mode(Of::File, 0o644),
        size: i64::try_from(text.len()).unwrap_or(i64::MAX),
        ..Stat::default()
    }
}

/// How much of the Dockerfile goes into one packet, in bytes.
const PIECE: usize = 128 * 1024;

/// Takes a piece of a content.
type Take<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// Sends what there is, and then the contents that are asked for, until nobody asks any more.
fn transfer<E>(
    entries: &[E],
    stat: impl Fn(&E) -> Stat,
    read: impl Fn(&E, &mut Take<'_>) -> Result<(), ContextError>,
    wanted: &blocking::Receiver<u32>,
    out: &Sender,
) -> Result<(), ContextError> {
    for entry in entries {
        push(out, Packet::entry(stat(entry)))?;
    }
    push(out, Packet::of(Kind::Stat))?;
    for id in wanted {
        let entry = usize::try_from(id).ok().and_then(|at| entries.get(at));
        let entry = entry.ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        read(entry, &mut |piece| push(out, Packet::data(id, piece)))?;
        push(out, Packet::data(id, &[]))?;
    }
    Ok(())
}

fn push(out: &Sender, packet: Packet) -> io::Result<()> {
    let sent = out.blocking_send(Ok(packet));
    sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// A path's bytes such that folders stand right in front of what is in them: fsutil compares part by part
/// (`ComparePath`).
fn by_part(path: &[u8]) -> impl Iterator<Item = u8> {
    // No name has a zero byte in it.
    path.iter()
        .map(|byte| if *byte == b'/' { 0 } else { *byte })
}

/// Owners are 0:0 (docker/cli `resetUIDAndGID`).
fn stat(entry: &Entry, modified: SystemTime) -> Stat {
    let (of, size, link): (_, _, &[u8]) = match &entry.kind {
        EntryKind::Directory => (Of::Directory, 0, &[]),
        EntryKind::File { size, .. } => (Of::File, *size, &[]),
        EntryKind::Symlink { target } => (Of::Symlink, target.len() as u64, target),
    };
    let mode = match of {
        Of::Symlink => 0o777,
        Of::File | Of::Directory => entry.mode,
    };
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Stat {
        path: entry.path.clone(),
        mode: go_mode(of, mode),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        modified: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        link: link.to_vec(),
        ..Stat::default()
    }
}

impl Packet {
    fn of(kind: Kind) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    fn entry(stat: Stat) -> Self {
        Self {
            stat: Some(stat),
            ..Self::of(Kind::Stat)
        }
    }

    fn data(id: u32, piece: &[u8]) -> Self {
        Self {
            id,
            data: piece.to_vec(),
            ..Self::of(Kind::Data)
        }
    }
}

/// What BuildKit's Dockerfile frontend asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folder {
    Context,
    /// The context's own ignore file alone: the one beside the Dockerfile counts, so there is none.
    Ignored,
    Dockerfile,
}

impl Folder {
    /// What the head of a request asks for (moby/buildkit `session/filesync`, `keyDirName` and `keyFollowPaths`).
    fn asked_for(head: &MetadataMap) -> Option<Self> {
        let only: Vec<_> = head.get_all("followpaths").iter().collect();
        match head.get("dir-name")?.as_bytes() {
            b"context" if only == [".dockerignore"] => Some(Self::Ignored),
            b"context" => Some(Self::Context),
            b"dockerfile" => Some(Self::Dockerfile),
            _ => None,
        }
    }
}

impl StreamingService<Packet> for Files {
    type Response = Packet;
    type ResponseStream = ReceiverStream<Result<Packet, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Packet>>) -> Self::Future {
        let files = self.clone();
        Box::pin(async move {
            let folder = Folder::asked_for(request.metadata());
            let folder = folder.ok_or_else(|| Status::not_found("no folder of that name"))?;
            let (out, packets) = mpsc::channel(WAITING);
            tokio::spawn(async move {
                if let Err(error) = files.serve(folder, request.into_inner(), out).await {
                    tracing::debug!(%error, ?folder, "a folder was not wanted to its end");
                }
            });
            Ok(Response::new(ReceiverStream::new(packets)))
        })
    }
}

impl NamedService for Files {
    const NAME: &'static str = "moby.filesync.v1.FileSync";
}

impl Service<http::Request<Body>> for Files {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let files = self.clone();
        Box::pin(async move {
            if request.uri().path() != super::session::DIFF_COPY {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::<Packet, Packet>::default());
            Ok(grpc.streaming(files, request).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_right_in_front_of_what_is_in_it() {
        let mut paths = ["a-b", "a/b", "a", "a/b/c", "a.b"];
        paths.sort_by(|one, other| by_part(one.as_bytes()).cmp(by_part(other.as_bytes())));
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a-b", "a.b"]);
    }
}
