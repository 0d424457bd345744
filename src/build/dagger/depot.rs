//! A registry of this process's own, where Dagger leaves the images that it built: what a push needs of the distribution
//! protocol. It says that it has what the engine has, so that only new layers are moved. Must not know what is built.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::BuildHasher;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::model::Digest;

/// More than any manifest has, in bytes.
const MANIFEST: usize = 4 << 20;

/// The registry; it is gone when it is dropped. Only who knows the name of a shelf, which cannot be guessed, gets anything
/// from it or into it.
pub(super) struct Depot {
    port: u16,
    shelves: Shelves,
    serving: JoinHandle<()>,
}

type Shelves = Arc<Mutex<BTreeMap<String, Arc<Goods>>>>;

impl Depot {
    /// Opens it on this machine alone.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shelves = Shelves::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&shelves)));
        Ok(Self {
            port,
            shelves,
            serving,
        })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// A place for one image, with its files in `folder`. It is said to have the layers that are `there`.
    pub(super) fn shelf(&self, folder: &Path, there: BTreeSet<String>) -> Shelf {
        let goods = Arc::new(Goods {
            folder: folder.to_owned(),
            there,
            arrived: Mutex::default(),
        });
        // Keys of each are the system's random numbers.
        let one = std::hash::RandomState::new().hash_one(self.port);
        let other = std::hash::RandomState::new().hash_one(one);
        let name = format!("{one:016x}{other:016x}");
        locked(&self.shelves).insert(name.clone(), Arc::clone(&goods));
        Shelf {
            name,
            goods,
            shelves: Arc::clone(&self.shelves),
        }
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A place for one image. It is closed when it is dropped; the files stay.
pub(super) struct Shelf {
    name: String,
    goods: Arc<Goods>,
    shelves: Shelves,
}

impl Shelf {
    /// The repository.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The manifest that was pushed.
    pub(super) fn manifest(&self) -> Option<Bytes> {
        locked(&self.goods.arrived).manifest.clone()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        locked(&self.shelves).remove(&self.name);
    }
}

struct Goods {
    folder: PathBuf,
    there: BTreeSet<String>,
    arrived: Mutex<Arrived>,
}

#[derive(Default)]
struct Arrived {
    /// What was begun: two may push one layer at once.
    begun: usize,
    blobs: BTreeSet<String>,
    manifest: Option<Bytes>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is dropped, and all connections with it.
async fn serve(listener: TcpListener, shelves: Shelves) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, which may end.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let shelves = Arc::clone(&shelves);
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let shelves = Arc::clone(&shelves);
                async move { Ok::<_, Infallible>(answer(request, &shelves).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // Who pushes tells of a connection that broke off.
            let _ = connection
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, shelves: &Shelves) -> Answer {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (["v2", name, rest @ ..], method) = (&parts[..], request.method().clone()) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let Some(goods) = locked(shelves).get(*name).cloned() else {
        return plain(StatusCode::NOT_FOUND);
    };
    let answered = match (method, rest) {
        (Method::HEAD, ["blobs", digest]) => Ok(goods.has(digest)),
        (Method::POST, ["blobs", "uploads", ""]) => Ok(goods.begin(name)),
        (Method::PUT, ["blobs", "uploads", number]) => goods.take(request, number).await,
        (Method::PUT, ["manifests", _]) => goods.take_manifest(request).await,
        _ => Ok(plain(StatusCode::NOT_FOUND)),
    };
    answered.unwrap_or_else(|error| {
        tracing::debug!(%error, path, "what Dagger pushes was not taken");
        plain(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

impl Goods {
    fn has(&self, digest: &str) -> Answer {
        if !self.there.contains(digest) && !locked(&self.arrived).blobs.contains(digest) {
            return plain(StatusCode::NOT_FOUND);
        }
        let mut answer = plain(StatusCode::OK);
        // Of layers on the engine the size is not known, and nobody asks.
        let none = HeaderValue::from_static("0");
        answer.headers_mut().insert(CONTENT_LENGTH, none);
        answer
    }

    fn begin(&self, name: &str) -> Answer {
        let number = {
            let mut arrived = locked(&self.arrived);
            arrived.begun += 1;
            arrived.begun
        };
        let mut answer = plain(StatusCode::ACCEPTED);
        let place = format!("/v2/{name}/blobs/uploads/{number}");
        if let Ok(place) = HeaderValue::from_str(&place) {
            answer.headers_mut().insert(LOCATION, place);
        }
        answer
    }

    /// Takes a layer or a configuration, and keeps it where it is what its digest says.
    async fn take(&self, request: Request<Incoming>, number: &str) -> io::Result<Answer> {
        let query = request.uri().query().unwrap_or_default();
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        let said = fields.find_map(|(name, value)| (name == "digest").then(|| value.to_owned()));
        let said = said.map(|digest| digest.replace("%3A", ":").replace("%3a", ":"));
        let hex = said
            .as_deref()
            .and_then(|said| said.strip_prefix("sha256:"));
        let Some(digest) = hex.and_then(|hex| hex.parse::<Digest>().ok()) else {
            return Ok(plain(StatusCode::BAD_REQUEST));
        };
        if number.parse::<usize>().is_err() {
            return Ok(plain(StatusCode::NOT_FOUND));
        }
        let part = self.folder.join(format!("upload-{number}"));
        let mut file = BufWriter::with_capacity(1 << 20, tokio::fs::File::create(&part).await?);
        let mut hash = Sha256::new();
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            if let Some(bytes) = frame.data_ref() {
                hash.update(bytes);
                file.write_all(bytes).await?;
            }
        }
        file.flush().await?;
        if Digest::from_bytes(hash.finalize().into()) != digest {
            return Ok(plain(StatusCode::BAD_REQUEST));
        }
        tokio::fs::rename(&part, self.folder.join(digest.to_string())).await?;
        locked(&self.arrived)
            .blobs
            .insert(format!("sha256:{digest}"));
        Ok(plain(StatusCode::CREATED))
    }

    async fn take_manifest(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let body = Limited::new(request.into_body(), MANIFEST).collect().await;
        let manifest = body.map_err(io::Error::other)?.to_bytes();
        locked(&self.arrived).manifest = Some(manifest);
        Ok(plain(StatusCode::CREATED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Empty;

    type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

    async fn ask(depot: &Depot, method: Method, path: &str, body: &'static str) -> Answered {
        let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, depot.port()));
        let stream = TokioIo::new(stream.await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let body: Body = if body.is_empty() {
            Empty::new().boxed()
        } else {
            Full::from(body).boxed()
        };
        let request = Request::builder().method(method).uri(path).body(body);
        let answer = sender.send_request(request.unwrap()).await.unwrap();
        let place = answer.headers().get(LOCATION);
        Answered {
            status: answer.status().as_u16(),
            place: place.map_or_else(String::new, |place| place.to_str().unwrap().to_owned()),
        }
    }

    struct Answered {
        status: u16,
        place: String,
    }

    #[tokio::test]
    async fn only_what_is_not_there_is_taken_and_only_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::open().await.unwrap();
        let there = BTreeSet::from(["sha256:base".to_owned()]);
        let shelf = depot.shelf(folder.path(), there);
        let at = |path: &str| format!("/v2/{}/{path}", shelf.name());
        let status = async |method, path: &str, body| ask(&depot, method, path, body).await.status;

        assert_eq!(
            status(Method::HEAD, &at("blobs/sha256:base"), "").await,
            200
        );
        let digest = Digest::of(b"layer");
        let blob = at(&format!("blobs/sha256:{digest}"));
        assert_eq!(status(Method::HEAD, &blob, "").await, 404);

        let begun = ask(&depot, Method::POST, &at("blobs/uploads/"), "").await;
        assert_eq!(begun.status, 202);
        let whole = format!("{}?digest=sha256%3A{digest}", begun.place);
        assert_eq!(status(Method::PUT, &whole, "another").await, 400);
        assert_eq!(status(Method::HEAD, &blob, "").await, 404);
        assert_eq!(status(Method::PUT, &whole, "layer").await, 201);
        assert_eq!(status(Method::HEAD, &blob, "").await, 200);
        let kept = std::fs::read(folder.path().join(digest.to_string())).unwrap();
        assert_eq!(kept, b"layer");

        assert_eq!(shelf.manifest(), None);
        assert_eq!(status(Method::PUT, &at("manifests/x"), "{}").await, 201);
        assert_eq!(shelf.manifest().unwrap(), "{}");
        for odd in ["blobs/uploads/../x?digest=sha256:1", "blobs/uploads/1", "x"] {
            assert!(status(Method::PUT, &at(odd), "x").await >= 400, "{odd}");
        }
        let other = "/v2/00000000000000000000000000000000/blobs/uploads/";
        assert_eq!(status(Method::POST, other, "").await, 404);
        let (own, path) = (at("blobs/uploads/"), shelf);
        drop(path);
        assert_eq!(status(Method::POST, &own, "").await, 404);
    }
}
