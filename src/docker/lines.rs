//! A container's output, cut into lines, each with the moment at which it was printed. It comes in pieces: a piece
//! may hold several lines, or part of one.

use std::borrow::Cow;

use bollard::container::LogOutput;

use super::stamp::Stamp;

/// A line that nobody ends is handed on in pieces of this size, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The length of a moment and the blank behind it, as the engine puts one in front of each part of a line (moby
/// `jsonlog.RFC3339NanoFixed`): a line is in parts where it is longer than 16 KiB, and where it was not ended in time.
const MOMENT: usize = "2006-01-02T15:04:05.000000000Z ".len();

/// One line that a container printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was printed.
    pub stream: LogStream,
    /// When it was printed, where the engine says it.
    pub at: Option<Stamp>,
    /// The line without its end. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Where a container prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output; all of it in a container with a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Puts pieces together until a line is whole, each stream for itself.
#[derive(Debug, Default)]
pub(super) struct Lines {
    stdout: Held,
    stderr: Held,
}

/// The part of a line that is there.
#[derive(Debug, Default)]
struct Held {
    at: Option<Stamp>,
    bytes: Vec<u8>,
}

impl Lines {
    /// Takes a piece; the lines that it made whole.
    pub(super) fn push(&mut self, piece: &LogOutput) -> Vec<LogLine> {
        let (stream, held) = match piece {
            LogOutput::StdErr { .. } => (LogStream::Stderr, &mut self.stderr),
            _ => (LogStream::Stdout, &mut self.stdout),
        };
        let mut bytes: &[u8] = piece.as_ref();
        // Without a terminal each piece is what the engine keeps as one: a line or part of one, with its moment. With
        // one the pieces are cut anywhere.
        if !matches!(piece, LogOutput::Console { .. })
            && let Some((at, rest)) = stamped(bytes)
        {
            held.at.get_or_insert(at);
            bytes = rest;
        }
        held.bytes.extend_from_slice(bytes);
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(length) = held.bytes[start..].iter().position(|byte| *byte == b'\n') {
            let bytes = &held.bytes[start..start + length];
            lines.push(line(stream, held.at.take(), bytes));
            start += length + 1;
        }
        held.bytes.drain(..start);
        if held.bytes.len() >= LONGEST {
            lines.extend(held.finish(stream));
        }
        lines
    }

    /// What is left when nothing more comes.
    pub(super) fn finish(&mut self) -> Vec<LogLine> {
        let left = [
            self.stdout.finish(LogStream::Stdout),
            self.stderr.finish(LogStream::Stderr),
        ];
        left.into_iter().flatten().collect()
    }
}

impl Held {
    fn finish(&mut self, stream: LogStream) -> Option<LogLine> {
        let Self { at, bytes } = std::mem::take(self);
        (!bytes.is_empty()).then(|| line(stream, at, &bytes))
    }
}

/// A whole line. A container with a terminal has the moment in it still.
fn line(stream: LogStream, at: Option<Stamp>, bytes: &[u8]) -> LogLine {
    let (at, bytes) = match (at, stamped(bytes)) {
        (None, Some((at, rest))) => {
            let rest = joined(&at, rest);
            (Some(at), Cow::Owned(rest))
        }
        (at, _) => (at, Cow::Borrowed(bytes)),
    };
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
    LogLine {
        stream,
        at,
        text: String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The moment that stands in front.
fn stamped(bytes: &[u8]) -> Option<(Stamp, &[u8])> {
    // Nanoseconds and an offset are no longer than this.
    let space = bytes.iter().take(40).position(|byte| *byte == b' ')?;
    let stamp = Stamp::parse(str::from_utf8(&bytes[..space]).ok()?)?;
    Some((stamp, &bytes[space + 1..]))
}

/// A line without the moments between its parts: those of a long one, and what was printed before a line ended. The program's
/// own are older than the moment at which the engine heard of the first, `at`.
fn joined(at: &Stamp, bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|two| two == b"Z ") {
        let (before, behind) = rest.split_at(end + 2);
        let text = before.split_at_checked(before.len().saturating_sub(MOMENT));
        let own = text.filter(|(_, moment)| {
            stamped(moment).is_some_and(|(own, left)| left.is_empty() && own >= *at)
        });
        whole.extend_from_slice(own.map_or(before, |(text, _)| text));
        rest = behind;
    }
    whole.extend_from_slice(rest);
    whole
}

/// A line without terminal sequences and other control characters, so that it can do nothing to a terminal.
pub(super) fn plain(text: &str) -> String {
    let without = anstream::adapter::strip_str(text).to_string();
    without
        .chars()
        .filter(|c| *c == '\t' || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut {
            message: text.to_owned().into(),
        }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr {
            message: text.to_owned().into(),
        }
    }

    #[test]
    fn pieces_become_lines_and_streams_do_not_mix() {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in [out("one\ntw"), err("oops"), out("o\r\n\nthr"), err("!\n")] {
            all.extend(lines.push(&piece));
        }
        all.extend(lines.finish());
        let texts: Vec<_> = all.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "", "oops!", "thr"]);
        assert_eq!(all[3].stream, LogStream::Stderr);
        assert_eq!(lines.finish(), []);
    }

    #[test]
    fn each_line_has_its_moment_and_a_long_one_its_first() {
        let [first, second] = ["2026-11-24T01:35:01.19Z", "2026-11-24T01:35:02.2Z"];
        let mut lines = Lines::default();
        let parts = [
            out(&format!("{first} one")),
            err(&format!("{second} oops\n")),
            out(&format!("{second} and\n")),
        ];
        let read: Vec<_> = parts.iter().flat_map(|part| lines.push(part)).collect();
        assert_eq!(read[0].text, "oops");
        assert_eq!(read[0].at, Stamp::parse(second));
        assert_eq!(read[1].text, "oneand");
        assert_eq!(read[1].at, Stamp::parse(first));
    }

    #[test]
    fn with_a_terminal_the_moments_stand_in_the_line() {
        let stamp = "2026-11-24T01:35:01.191005896Z";
        let (part, rest) = ("x".repeat(16 * 1024), "y".repeat(5));
        let text = format!("{stamp} {part}{stamp} {part}{stamp} {rest}\r\n{stamp} 2\r\n");
        let mut lines = Lines::default();
        let read: Vec<_> = text
            .as_bytes()
            .chunks(1000)
            .flat_map(|piece| {
                lines.push(&LogOutput::Console {
                    message: piece.to_vec().into(),
                })
            })
            .collect();
        assert_eq!(read[0].text, format!("{part}{part}{rest}"));
        assert_eq!(read[1].text, "2");
        assert_eq!(read[1].at, Stamp::parse(stamp));
    }

    #[test]
    fn what_was_not_ended_before_a_restart_goes_on_and_keeps_its_own_moments() {
        let [own, first, second] = ["01.000000000Z", "01.191005896Z", "09.000000000Z"]
            .map(|seconds| format!("2026-11-24T01:35:{seconds}"));
        let text = format!("{first} {own} [Z {own} ] part{second} part{second} \r\n");
        let mut lines = Lines::default();
        let message = text.into_bytes().into();
        let read = lines.push(&LogOutput::Console { message });
        assert_eq!(read[0].text, format!("{own} [Z {own} ] partpart"));
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let mut lines = Lines::default();
        let piece = out(&"x".repeat(LONGEST / 2));
        assert_eq!(lines.push(&piece).len(), 0);
        assert_eq!(lines.push(&piece)[0].text.len(), LONGEST);
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let text = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}a\tb\u{8}\u{9b}2Jc";
        assert!(plain(text).chars().all(|c| c == '\t' || !c.is_control()));
        assert!(plain(text).starts_with("red a\tb"));
    }
}
