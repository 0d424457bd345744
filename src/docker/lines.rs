//! A container's output, cut into lines, each with the moment at which it was printed. It comes in pieces: a piece
//! may hold several lines, or part of one.

use std::borrow::Cow;

use bollard::container::LogOutput;

use super::stamp::Stamp;

/// A line that nobody ends is handed on in pieces of this size, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The length of a moment and the blank behind it, as the engine puts one in front of each part of a line (moby
/// `jsonlog.RFC3339NanoFixed`).
const MOMENT: usize = "2006-01-02T15:04:05.000000000Z ".len();
/// The length of such a part, of a line that is longer, in bytes (moby `daemon/logger/copier.go`, `defaultBufSize`).
const PART: usize = 16 * 1024;

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
            let (bytes, behind) = held.bytes[start..].split_at(length);
            lines.push(line(stream, held.at.take(), bytes, &behind[1..]));
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
        (!bytes.is_empty()).then(|| line(stream, at, &bytes, &[]))
    }
}

/// A whole line. A container with a terminal has the moment in it still; what comes behind the line begins with the next one's.
fn line(stream: LogStream, at: Option<Stamp>, bytes: &[u8], behind: &[u8]) -> LogLine {
    let (at, bytes) = match (at, stamped(bytes)) {
        (None, Some((at, rest))) => {
            let latest = stamped(behind).map_or_else(Stamp::now, |(next, _)| next);
            let rest = joined(&at, rest, &latest);
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

/// A line without the moments between its parts. Nothing tells them from those that the program prints but where they stand
/// and what they say: they come where the engine's buffer was full, or right behind what was not ended when the container was
/// restarted, and are no older than `at`, when the engine heard of the first part. Then they are no later than `latest`, too.
/// Where that leaves a doubt, it is the program's.
fn joined(at: &Stamp, bytes: &[u8], latest: &Stamp) -> Vec<u8> {
    let mut whole = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    // Where the part began.
    let mut begun = 0;
    while let Some(end) = rest.windows(2).position(|two| two == b"Z ") {
        let (before, behind) = rest.split_at(end + 2);
        rest = behind;
        whole.extend_from_slice(before);
        let Some(start) = whole.len().checked_sub(MOMENT).filter(|at| *at >= begun) else {
            continue;
        };
        let own = stamped(&whole[start..]).filter(|(own, left)| left.is_empty() && own >= at);
        let full = start - begun == PART;
        let glued = whole[begun..start]
            .last()
            .is_some_and(|b| !b.is_ascii_whitespace());
        if own.is_some_and(|(own, _)| full || glued && own <= *latest) {
            whole.truncate(start);
            begun = start;
        }
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
    fn a_moment_that_the_program_printed_is_text() {
        let [at, soon, next] = ["01.191005896Z", "05.000000000Z", "09.000000000Z"]
            .map(|seconds| format!("2026-11-24T01:35:{seconds}"));
        let far = "2099-01-01T00:00:00.123456789Z";
        for text in [
            format!("lease until {far} ok"),
            format!("{far} {far} ok"),
            format!("next run {soon} ok"),
            format!("until={far} ok"),
        ] {
            let message = format!("{at} {text}\r\n{next} 2\r\n").into_bytes().into();
            let mut lines = Lines::default();
            let read = lines.push(&LogOutput::Console { message });
            assert_eq!(read[0].text, text);
        }
        // One that is later than the next line is no part's, and neither is one of a time to come.
        let text = format!("until={next} ok");
        for behind in [format!("{soon} 2\r\n"), String::new()] {
            let text = text.replace(&next, if behind.is_empty() { far } else { &next });
            let message = format!("{at} {text}\r\n{behind}").into_bytes().into();
            let mut lines = Lines::default();
            let read = lines.push(&LogOutput::Console { message });
            assert_eq!(read[0].text, text);
        }
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
