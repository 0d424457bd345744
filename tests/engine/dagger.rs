//! A stand-in for a Dagger session: it answers queries as a test wants it, and pushes or writes the image that it is asked for. It
//! builds nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use larder::build::DaggerSource;
use larder::model::Digest;
use serde_json::{Value, json};

/// What it says to a query.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// What was asked for.
    Fine,
    /// An error of the build.
    Fault(&'static str),
    /// Nothing: the connection breaks off.
    Broken,
}

/// The session; it answers as long as it is there.
pub(crate) struct StandIn {
    port: u16,
    folder: tempfile::TempDir,
    /// Each query that came.
    pub(crate) queries: Arc<Mutex<Vec<String>>>,
    /// The layers that it was told are there, of those it offered to push.
    pub(crate) there: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    /// One with an image of these layers, the lowest of which are those of a base. `answer` is given each query and how
    /// many times one like it came before.
    pub(crate) fn with_image(
        base: &[String],
        answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = Self {
            port: listener.local_addr().unwrap().port(),
            folder: tempfile::tempdir().unwrap(),
            queries: Arc::default(),
            there: Arc::default(),
        };
        let image = Image::of(base);
        let (queries, there) = (Arc::clone(&own.queries), Arc::clone(&own.there));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (queries, there) = (Arc::clone(&queries), Arc::clone(&there));
                let (image, answer) = (image.clone(), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some((_, body)) = message(&stream) else {
                        return;
                    };
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let query = body["query"].as_str().unwrap().to_owned();
                    let kind = kind(&query);
                    let before = {
                        let mut queries = queries.lock().unwrap();
                        queries.push(query.clone());
                        queries.iter().filter(|own| self::kind(own) == kind).count() - 1
                    };
                    let said = match answer(kind, before) {
                        Answer::Broken => return,
                        Answer::Fault(words) => json!({"errors": [{"message": words}]}),
                        Answer::Fine => {
                            let root = query.trim_start_matches("query{");
                            let root = root.split(['(', '{']).next().unwrap();
                            json!({"data": {root: image.give(&query, &there)}})
                        }
                    };
                    respond(&mut stream, "200 OK", "", said.to_string().as_bytes());
                });
            }
        });
        own
    }

    /// The session as one that is open.
    pub(crate) fn open(&self) -> DaggerSource {
        DaggerSource::Session {
            port: self.port.into(),
            token: "token".to_owned(),
        }
    }

    /// A command that opens it, at most `times` times.
    pub(crate) fn command(&self, times: usize) -> DaggerSource {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("dagger");
        let text = format!(
            "#!/bin/sh\necho x >>{folder}/opened\n[ $(wc -l <{folder}/opened) -gt {times} ] && {{ echo gone >&2; exit 1; }}\n\
             echo '{{\"port\":{port},\"session_token\":\"token\"}}'\ncat >/dev/null\n",
            folder = self.folder.path().display(),
            port = self.port,
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        DaggerSource::Command(path)
    }

    /// How many times the command was started.
    pub(crate) fn opened(&self) -> usize {
        let opened = std::fs::read_to_string(self.folder.path().join("opened"));
        opened.unwrap_or_default().lines().count()
    }

    /// The queries of a kind: `sync`, `publish`, `export`, `id`.
    pub(crate) fn asked(&self, kind: &str) -> Vec<String> {
        let queries = self.queries.lock().unwrap();
        let asked = queries.iter().filter(|query| self::kind(query) == kind);
        asked.cloned().collect()
    }
}

/// What a query asks for: its last field.
fn kind(query: &str) -> &str {
    let last = query.trim_end_matches('}');
    // Only arguments in brackets may have braces of their own.
    ["publish(", "export("]
        .iter()
        .find(|field| last.contains(&format!("{{{field}")))
        .map_or_else(
            || last.rsplit('{').next().unwrap(),
            |field| field.trim_end_matches('('),
        )
}

/// An image with one layer of its own above those of a base, of which there are no files.
#[derive(Clone)]
struct Image {
    base: Vec<String>,
    layer: Vec<u8>,
    config: Vec<u8>,
}

impl Image {
    fn of(base: &[String]) -> Self {
        let mut layer = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        layer
            .append_data(&mut header, "made", &b"here"[..])
            .unwrap();
        let layer = layer.into_inner().unwrap();
        let mut layers = base.to_vec();
        layers.push(name(&layer));
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["MADE=here"]},
            "rootfs": {"type": "layers", "diff_ids": layers},
        });
        Self {
            base: base.to_vec(),
            layer,
            config: config.to_string().into_bytes(),
        }
    }

    fn layers(&self) -> Vec<String> {
        let own = [name(&self.layer)];
        self.base.iter().cloned().chain(own).collect()
    }

    /// Does what a query asks for; the value of its last field.
    fn give(&self, query: &str, there: &Mutex<Vec<String>>) -> String {
        let argument = |name: &str| {
            let (_, rest) = query.split_once(&format!("{name}:\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        match kind(query) {
            "publish" => self.push(&argument("address"), there),
            "export" => self.write(Path::new(&argument("path").replace("\\/", "/"))),
            _ => {}
        }
        "an-id".to_owned()
    }

    fn push(&self, address: &str, there: &Mutex<Vec<String>>) {
        let (host, repository) = address.split_once('/').unwrap();
        let host = host.replace("localhost", "127.0.0.1");
        let repository = repository.rsplit_once(':').unwrap().0;
        let ask = |method: &str, path: &str, body: &[u8]| {
            let mut stream = TcpStream::connect(&host).unwrap();
            let path = match path.strip_prefix("/v2/") {
                Some(_) => path.to_owned(),
                None => format!("/v2/{repository}/{path}"),
            };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
            let (head, _) = message(&stream).unwrap();
            let status: u16 = head[0].split(' ').nth(1).unwrap().parse().unwrap();
            let place = head
                .iter()
                .find_map(|line| line.strip_prefix("location: "))
                .map(str::to_owned);
            (status, place)
        };
        let blobs = [&self.layer, &self.config];
        for digest in self.layers().into_iter().chain([name(&self.config)]) {
            let (status, _) = ask("HEAD", &format!("blobs/{digest}"), b"");
            if status == 200 {
                there.lock().unwrap().push(digest);
                continue;
            }
            let blob = blobs.iter().find(|blob| name(blob) == digest);
            let blob = blob.expect("a layer of the base, which is on the engine");
            let (_, place) = ask("POST", "blobs/uploads/", b"");
            let place = format!("{}?digest={digest}", place.unwrap());
            assert_eq!(ask("PUT", &place, blob).0, 201);
        }
        let described: Vec<Value> = self
            .layers()
            .iter()
            .map(|own| json!({"digest": own}))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"digest": name(&self.config)},
            "layers": described,
        });
        let manifest = manifest.to_string();
        assert_eq!(ask("PUT", "manifests/image", manifest.as_bytes()).0, 201);
    }

    fn write(&self, path: &Path) {
        let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content).unwrap();
        };
        add("blobs/layer", &self.layer);
        add("blobs/config", &self.config);
        let manifest = json!([{"Config": "blobs/config", "Layers": ["blobs/layer"]}]);
        add("manifest.json", manifest.to_string().as_bytes());
        archive.into_inner().unwrap();
    }
}

fn name(blob: &[u8]) -> String {
    format!("sha256:{}", Digest::of(blob))
}

/// The lines of a message's head, and its body; `None` where nothing comes.
fn message(stream: &TcpStream) -> Option<(Vec<String>, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.parse().ok())?
    });
    // An answer to HEAD tells the length of what does not follow.
    let mut body = Vec::new();
    let mut rest = reader.take(length.unwrap_or(0));
    rest.read_to_end(&mut body).ok()?;
    Some((head, body))
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // Who asked may be gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}
