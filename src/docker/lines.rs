//! A container's output, cut into lines. It comes in pieces: a piece may hold several lines, or part of one.

use bollard::container::LogOutput;

/// A line that nobody ends is handed on in pieces of this size, in bytes.
const LONGEST: usize = 1024 * 1024;

/// One line that a container printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was printed.
    pub stream: LogStream,
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
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Lines {
    /// Takes a piece; the lines that it made whole.
    pub(super) fn push(&mut self, piece: &LogOutput) -> Vec<LogLine> {
        let (stream, held) = match piece {
            LogOutput::StdErr { .. } => (LogStream::Stderr, &mut self.stderr),
            _ => (LogStream::Stdout, &mut self.stdout),
        };
        held.extend_from_slice(piece.as_ref());
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(length) = held[start..].iter().position(|byte| *byte == b'\n') {
            lines.push(line(stream, &held[start..start + length]));
            start += length + 1;
        }
        held.drain(..start);
        if held.len() >= LONGEST {
            lines.push(line(stream, held));
            held.clear();
        }
        lines
    }

    /// What is left when nothing more comes.
    pub(super) fn finish(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for (stream, held) in [
            (LogStream::Stdout, &mut self.stdout),
            (LogStream::Stderr, &mut self.stderr),
        ] {
            if !held.is_empty() {
                lines.push(line(stream, held));
                held.clear();
            }
        }
        lines
    }
}

fn line(stream: LogStream, bytes: &[u8]) -> LogLine {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    LogLine {
        stream,
        text: String::from_utf8_lossy(bytes).into_owned(),
    }
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
