//! What stands in front of the registry on this machine: it hands questions on, but for those that a rule answers, and counts
//! what it gives out.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::shop::REGISTRY;

/// A question, as far as rules look at it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: String,
    /// With what stands behind a `?`.
    pub(crate) path: String,
    /// The value of its `Authorization`.
    pub(crate) login: String,
}

impl Question {
    /// Whether it asks for something, as opposed to putting it there.
    pub(crate) fn is_get(&self) -> bool {
        self.method == "GET" || self.method == "HEAD"
    }

    pub(crate) fn is_of(&self, what: &str) -> bool {
        self.path.contains(&format!("/{what}/"))
    }
}

/// What is done with a question.
pub(crate) enum Say {
    /// The registry answers it.
    On,
    /// This is the answer: status line and headers, and the content.
    This(String, Vec<u8>),
    /// The head of an answer, and then bytes without end.
    Endless(&'static str),
    /// Nothing, for a minute.
    Silence,
    /// The connection ends.
    Cut,
}

impl Say {
    pub(crate) fn status(status: &str, body: &str) -> Self {
        let head = format!("{status}\r\nContent-Type: application/json");
        Self::This(head, body.as_bytes().to_vec())
    }
}

/// What becomes of each question.
pub(crate) type Rule = Box<dyn Fn(&Question) -> Say + Send>;

/// Ends with the test.
pub(crate) struct Front {
    pub(crate) host: String,
    inner: Arc<Inner>,
}

struct Inner {
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Question>>,
    /// Bytes of blobs that were given out.
    given: AtomicU64,
    closed: AtomicBool,
}

impl Front {
    pub(crate) fn start(rule: impl Fn(&Question) -> Say + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let inner = Arc::new(Inner {
            rule: Mutex::new(Box::new(rule)),
            asked: Mutex::default(),
            given: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        listen(listener, &inner);
        Self { host, inner }
    }

    /// Hands everything on.
    pub(crate) fn open() -> Self {
        Self::start(|_| Say::On)
    }

    /// Listens at the same address in the network of another process, too.
    pub(crate) fn also_at(&self, process: u32) {
        let (host, inner) = (self.host.clone(), Arc::clone(&self.inner));
        let entered = std::thread::spawn(move || {
            let network = std::fs::File::open(format!("/proc/{process}/ns/net")).unwrap();
            let network = std::os::fd::AsFd::as_fd(&network);
            move_into_link_name_space(network, Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind(host).unwrap()
        });
        // A socket stays in the network that it was made in; who it hands on to is reached from here.
        listen(entered.join().unwrap(), &inner);
    }

    pub(crate) fn rule(&self, rule: impl Fn(&Question) -> Say + Send + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// Gone from now on: it answers nobody, and nothing listens once the next one came.
    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.inner.asked.lock().unwrap())
    }

    /// Bytes of blobs that were given out since the last time.
    pub(crate) fn given(&self) -> u64 {
        self.inner.given.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.close();
        // Wakes who waits for a connection.
        let _ = TcpStream::connect(&self.host);
    }
}

fn listen(listener: TcpListener, inner: &Arc<Inner>) {
    let inner = Arc::clone(inner);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if inner.closed.load(Ordering::SeqCst) {
                return;
            }
            let inner = Arc::clone(&inner);
            // Who asked may go at any time.
            std::thread::spawn(move || inner.serve(stream));
        }
    });
}

impl Inner {
    /// Answers one question.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        /// How a TLS connection begins (RFC 8446, section 5.1: a record of type handshake).
        const HANDSHAKE: u8 = 0x16;
        let mut first = [0];
        if stream.peek(&mut first).ok()? == 1 && first[0] == HANDSHAKE {
            // By this a client knows that plain HTTP is spoken here.
            return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").ok();
        }
        let head = head(&mut stream)?;
        let mut words = head.split_whitespace();
        let question = Question {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            login: header(&head, "authorization")
                .unwrap_or_default()
                .to_owned(),
        };
        self.asked.lock().unwrap().push(question.clone());
        let say = (self.rule.lock().unwrap())(&question);
        match say {
            Say::On => self.hand_on(stream, &head, &question)?,
            Say::This(head, body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).ok()?;
                if question.method != "HEAD" {
                    stream.write_all(&body).ok()?;
                }
                // What was sent along is read, or the answer would be lost with the connection.
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
            Say::Endless(head) => {
                write!(stream, "HTTP/1.1 {head}\r\n\r\n").ok()?;
                let much = vec![b' '; 1 << 20];
                while stream.write_all(&much).is_ok() {}
            }
            Say::Silence => std::thread::sleep(Duration::from_mins(1)),
            Say::Cut => {}
        }
        Some(())
    }

    fn hand_on(&self, mut stream: TcpStream, asked: &str, question: &Question) -> Option<()> {
        let mut registry = TcpStream::connect(REGISTRY).ok()?;
        let lines = asked.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !line.is_empty() && !name.eq_ignore_ascii_case("connection")
        });
        let lines: Vec<&str> = lines.collect();
        write!(
            registry,
            "{}\r\nConnection: close\r\n\r\n",
            lines.join("\r\n")
        )
        .ok()?;
        let mut rest = stream.try_clone().ok()?;
        let mut to = registry.try_clone().ok()?;
        let sent = std::thread::spawn(move || drop(std::io::copy(&mut rest, &mut to)));
        let answered = head(&mut registry)?;
        stream.write_all(answered.as_bytes()).ok()?;
        let bytes = std::io::copy(&mut registry, &mut stream).unwrap_or_default();
        if question.method == "GET" && question.is_of("blobs") {
            self.given.fetch_add(bytes, Ordering::SeqCst);
        }
        let _ = stream.shutdown(Shutdown::Both);
        let _ = sent.join();
        Some(())
    }
}

/// The head of a message, its empty line included.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
