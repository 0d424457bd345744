//! The two streams that larder writes to, their colours, and what becomes of a reader that went away. Nothing
//! here knows what is written.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::adapter::strip_str;
use anstream::stream::{AsLockedWrite, RawStream};
use anstream::{AutoStream, ColorChoice};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::calls::Calls;
use super::text::visible;
use super::warnings::Warnings;
use crate::settings::{self, Environment};

/// Standard output and standard error. Text is written with its colours in it; they are taken out where the
/// stream wants none.
pub struct Screen {
    out: ColorChoice,
    err: ColorChoice,
    live: bool,
    deaf: AtomicBool,
    fault: Mutex<Option<io::Error>>,
    above: Mutex<Option<Above>>,
}

/// Takes the lines that are to stand above those that are drawn over and over.
type Above = Box<dyn Fn(&str) + Send>;

impl Screen {
    /// The streams of this process, coloured as its environment wants them.
    pub fn new(environment: &Environment) -> Self {
        let choice = |terminal| {
            if settings::colour(environment, terminal) {
                ColorChoice::AlwaysAnsi
            } else {
                ColorChoice::Never
            }
        };
        let live = io::stderr().is_terminal();
        Self {
            out: choice(io::stdout().is_terminal()),
            err: choice(live),
            live,
            deaf: AtomicBool::new(false),
            fault: Mutex::new(None),
            above: Mutex::new(None),
        }
    }

    /// Whether standard error is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.live
    }

    /// Whether a person can type: standard input and standard output are a terminal.
    pub fn reads_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Whether standard error is written in colour.
    pub fn is_coloured(&self) -> bool {
        self.err != ColorChoice::Never
    }

    /// Writes text to standard output as it is.
    pub fn out(&self, text: &str) {
        let wrote = write(io::stdout().lock(), self.out, text);
        self.note(wrote);
    }

    /// Writes text to standard error as it is. What cannot be written there can be told nowhere.
    pub fn err(&self, text: &str) {
        let _ = write(io::stderr().lock(), self.err, text);
    }

    /// Writes whole lines to standard error, above live lines where such are drawn.
    pub(super) fn tell(&self, text: &str) {
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(above) = &*above else {
            return self.err(text);
        };
        for line in text.lines() {
            if self.is_coloured() {
                above(line);
            } else {
                above(&strip_str(line).to_string());
            }
        }
    }

    /// Writes a whole line to standard output, or as an `error` to standard error: above live lines, where such are drawn on the
    /// same terminal.
    pub(super) fn line(&self, text: &str, error: bool) {
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        let live = above.is_some();
        drop(above);
        if error || (live && io::stdout().is_terminal()) {
            self.tell(text);
        } else {
            self.out(text);
        }
    }

    /// Hands what is told to whoever draws live lines, or to nobody any more.
    pub(super) fn lend(&self, above: Option<Above>) {
        *self.above.lock().unwrap_or_else(PoisonError::into_inner) = above;
    }

    /// Asks a person, for whom no is the default; `None` where nobody can be asked.
    pub fn ask(&self, question: &str) -> Option<bool> {
        if !(self.live && io::stdin().is_terminal()) {
            return None;
        }
        self.err(&format!("{} [y/N] ", visible(question)));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        if read.is_ok_and(|length| length == 0) {
            self.err("\n");
        }
        let answer = answer.trim().to_lowercase();
        Some(answer == "y" || answer == "yes")
    }

    /// How many columns the terminal on standard output has, where it is one.
    pub fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let columns = usize::from(size.ws_col);
        Some(columns).filter(|columns| *columns > 0)
    }

    /// The size of the terminal on standard error, in columns and rows.
    pub(super) fn size() -> (usize, usize) {
        match rustix::termios::tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            // Some terminals of build machines say nothing.
            _ => (80, 24),
        }
    }

    /// Writes to a terminal on standard error, with all that moves its cursor.
    pub(super) fn draw(text: &str) {
        let mut stream = io::stderr().lock();
        let _ = stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush());
    }

    /// Writes bytes that are not larder's to standard output, untouched.
    pub fn raw_out(&self, bytes: &[u8]) {
        let mut stream = io::stdout().lock();
        self.note(stream.write_all(bytes).and_then(|()| stream.flush()));
    }

    /// Lets larder tell what it does on standard error: once for its own rooms, twice for its calls to the engine, too; else what it warns of
    /// far from any command.
    pub fn trace(self: &Arc<Self>, verbose: u8) {
        let filter = match verbose {
            0 => {
                let warnings = Warnings::new(Arc::clone(self));
                return tracing_subscriber::registry().with(warnings).init();
            }
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let own = tracing_subscriber::fmt::layer()
            .with_ansi(self.is_coloured())
            .with_writer(io::stderr)
            .with_filter(Targets::new().with_target("larder", filter));
        let calls = (verbose > 1).then(|| Calls(Arc::clone(self)).with_filter(LevelFilter::DEBUG));
        tracing_subscriber::registry().with(own).with(calls).init();
    }

    /// Whether whoever read standard output went away: `larder logs | head -1`.
    pub fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// The first error of standard output that is not a reader gone away: a full disk.
    pub fn fault(&self) -> Option<io::Error> {
        self.fault.lock().ok().and_then(|mut fault| fault.take())
    }

    fn note(&self, wrote: io::Result<()>) {
        let Err(error) = wrote else { return };
        if error.kind() == ErrorKind::BrokenPipe {
            self.deaf.store(true, Ordering::Relaxed);
        } else if let Ok(mut fault) = self.fault.lock() {
            fault.get_or_insert(error);
        }
    }
}

fn write(
    stream: impl RawStream + AsLockedWrite,
    choice: ColorChoice,
    text: &str,
) -> io::Result<()> {
    let mut stream = AutoStream::new(stream, choice);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
