//! A socket in front of the engine's own that does harm to chosen calls. Each connection carries one call, so bytes need not be
//! understood beyond its head, and those that become something else (exec, attach, a build's session) pass.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It takes longer.
    Delay(Duration),
    /// The engine says that it failed, and did nothing.
    Error,
    /// No answer comes, to this one and to all that follow.
    Freeze,
    /// The connection ends after so many bytes of the answer.
    Cut(usize),
    /// The connection ends after a time.
    CutAfter(Duration),
    /// The engine does it, and nobody hears of it.
    LostReply,
    /// larder is killed before the engine hears of it.
    KillBefore,
    /// larder is killed when the engine has done it.
    KillAfter,
    /// larder gets a signal, and the call goes on.
    Signal(Signal),
}

/// Which calls are meant.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// A method, or nothing for all that change something, without what is run in containers.
    pub(crate) method: &'static str,
    /// A kind of path, where a method is given: `/containers/*/start`.
    pub(crate) path: String,
    /// The how manieth of these, from 0; it happens once.
    pub(crate) number: usize,
    pub(crate) fault: Fault,
}

impl Rule {
    /// Whether a call is one of these.
    pub(crate) fn means(&self, call: &Call) -> bool {
        match self.method {
            "" => call.changes(),
            method => call.method == method && call.kind() == self.path,
        }
    }
}

/// A call that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Call {
    /// Its path, without what differs from run to run.
    pub(crate) fn kind(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["containers", id] if id.len() == 64 => "/containers/*".to_owned(),
            ["images", .., last] if parts.len() > 2 => format!("/images/*/{last}"),
            [first, _, last] => format!("/{first}/*/{last}"),
            _ => path.to_owned(),
        }
    }

    /// Whether it changes what the engine has, beside commands that are run in containers.
    pub(crate) fn changes(&self) -> bool {
        self.method != "GET" && self.method != "HEAD" && !self.path.contains("/exec")
    }
}

pub(crate) struct Proxy {
    socket: PathBuf,
    state: Arc<State>,
}

struct State {
    engine: PathBuf,
    rule: Option<Rule>,
    met: Mutex<usize>,
    calls: Mutex<Vec<Call>>,
    frozen: AtomicBool,
    /// The process that is killed; 0 before it is known.
    victim: AtomicU32,
}

impl Proxy {
    /// Stands in front of the engine, with at most one rule.
    pub(crate) fn start(socket: PathBuf, rule: Option<Rule>) -> Self {
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let state = Arc::new(State {
            engine: engine(),
            rule,
            met: Mutex::new(0),
            calls: Mutex::default(),
            frozen: AtomicBool::new(false),
            victim: AtomicU32::new(0),
        });
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let state = Arc::clone(&own);
                // Whoever goes away in the middle is what this is for.
                thread::spawn(move || state.pass(near).unwrap_or_default());
            }
        });
        Self { socket, state }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Whom the rule kills, or sends a signal.
    pub(crate) fn aim(&self, process: u32) {
        self.state.victim.store(process, Ordering::SeqCst);
    }

    /// Whether the rule was met.
    pub(crate) fn struck(&self) -> bool {
        let number = self.state.rule.as_ref().map(|rule| rule.number);
        number.is_some_and(|number| *self.state.met.lock().unwrap() > number)
    }

    /// What came so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }
}

impl State {
    fn pass(&self, mut near: UnixStream) -> std::io::Result<()> {
        let (head, rest) = head(&mut near)?;
        let mut words = head.split_whitespace();
        let call = Call {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
        };
        let fault = self.fault(&call);
        self.calls.lock().unwrap().push(call);
        if self.frozen.load(Ordering::SeqCst) {
            return hang(near);
        }
        match fault {
            Some(Fault::Delay(time)) => thread::sleep(time),
            Some(Fault::Error) => {
                let body = "{\"message\":\"it was made to fail\"}";
                return write!(
                    near,
                    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
            Some(Fault::Freeze) => return hang(near),
            Some(Fault::KillBefore) => {
                self.send(Signal::KILL);
                return Ok(());
            }
            Some(Fault::Signal(signal)) => self.send(signal),
            _ => {}
        }
        let mut far = UnixStream::connect(&self.engine)?;
        far.write_all(single(&head).as_bytes())?;
        far.write_all(&rest)?;
        let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
        let asking = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        match fault {
            Some(Fault::Cut(bytes)) => {
                let mut some = vec![0; bytes];
                let read = far.read(&mut some)?;
                near.write_all(&some[..read])?;
            }
            Some(Fault::LostReply | Fault::KillAfter) => {
                // What goes on for ever is done when it began.
                if head.contains("Upgrade:") || head.contains("upgrade:") {
                    let _ = far.read(&mut [0; 4096])?;
                } else {
                    far.read_to_end(&mut Vec::new())?;
                }
                if fault == Some(Fault::KillAfter) {
                    self.send(Signal::KILL);
                }
            }
            Some(Fault::CutAfter(time)) => {
                let (mut from, mut to) = (far.try_clone()?, near.try_clone()?);
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                thread::sleep(time);
            }
            _ => drop(std::io::copy(&mut far, &mut near)),
        }
        let _ = near.shutdown(Shutdown::Both);
        let _ = far.shutdown(Shutdown::Both);
        let _ = asking.join();
        Ok(())
    }

    /// What is to be done to a call.
    fn fault(&self, call: &Call) -> Option<Fault> {
        let rule = self.rule.as_ref().filter(|rule| rule.means(call))?;
        let mut met = self.met.lock().unwrap();
        let number = *met;
        *met += 1;
        (number == rule.number).then(|| {
            let frozen = rule.fault == Fault::Freeze;
            self.frozen.fetch_or(frozen, Ordering::SeqCst);
            rule.fault
        })
    }

    fn send(&self, signal: Signal) {
        let victim = loop {
            match self.victim.load(Ordering::SeqCst) {
                0 => thread::sleep(Duration::from_millis(1)),
                victim => break victim,
            }
        };
        let victim = Pid::from_raw(victim.cast_signed()).unwrap();
        kill_process(victim, signal).unwrap();
    }
}

/// Says nothing until the other side gives up.
fn hang(mut near: UnixStream) -> std::io::Result<()> {
    std::io::copy(&mut near, &mut std::io::sink()).map(drop)
}

/// Posts to the engine what docker's own command line does not.
pub(crate) fn post(path: &str, body: &str) {
    let mut stream = UnixStream::connect(engine()).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

/// The engine's own socket.
fn engine() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://");
    socket.unwrap_or("/var/run/docker.sock").into()
}

/// The head of a call, and what came behind it.
fn head(stream: &mut UnixStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&piece[..length]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
        }
    }
}

/// The head of a call that is the last of its connection.
fn single(head: &str) -> String {
    if head.to_lowercase().contains("\r\nupgrade:") {
        return head.to_owned();
    }
    let lines = head.split("\r\n").filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.to_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = lines.chain(["Connection: close"]).collect();
    format!("{}\r\n\r\n", lines.join("\r\n"))
}
