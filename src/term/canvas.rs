//! The block of lines at the bottom of a terminal that is drawn over and over: what was drawn before is found
//! again, also when the window changed its width meanwhile.

use std::fmt::Write;

use super::text::columns;

/// What stands at the bottom of the terminal. The cursor is on the line below it.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    /// The lines, without their colours' width in mind.
    drawn: Vec<String>,
}

impl Canvas {
    /// What to write so that these lines take the place of those that stand there, with `above` in front of them
    /// for good, in a window `width` columns wide. Empty when nothing changes.
    pub(super) fn redraw(&mut self, above: &[String], lines: Vec<String>, width: usize) -> String {
        if above.is_empty() && lines == self.drawn {
            return String::new();
        }
        let mut out = String::new();
        let up: usize = self.drawn.iter().map(|line| rows(line, width)).sum();
        if up > 0 {
            let _ = write!(out, "\x1b[{up}A");
        }
        out.push('\r');
        for line in above.iter().chain(&lines) {
            // Erased behind the line, so that nothing flickers.
            let _ = write!(out, "{line}\x1b[K\r\n");
        }
        out.push_str("\x1b[J");
        self.drawn = lines;
        out
    }
}

/// How many rows a line takes in a window of this width: terminals wrap what was drawn when it was wider.
fn rows(line: &str, width: usize) -> usize {
    columns(line).div_ceil(width.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_take_the_place_of_those_before() {
        let mut canvas = Canvas::default();
        assert_eq!(
            canvas.redraw(&[], own(&["one", "two"]), 80),
            "\rone\x1b[K\r\ntwo\x1b[K\r\n\x1b[J"
        );
        assert_eq!(canvas.redraw(&[], own(&["one", "two"]), 80), "");
        assert_eq!(
            canvas.redraw(&own(&["note"]), own(&["three"]), 80),
            "\x1b[2A\rnote\x1b[K\r\nthree\x1b[K\r\n\x1b[J"
        );
    }

    #[test]
    fn what_the_terminal_wrapped_is_found_again() {
        let mut canvas = Canvas::default();
        canvas.redraw(&[], own(&["\x1b[32m123456789\x1b[0m", ""]), 80);
        let drawn = canvas.redraw(&[], own(&["1"]), 4);
        assert!(drawn.starts_with("\x1b[4A\r"), "{drawn:?}");
    }
}
