//! Text made fit to be shown: durations in words, other people's bytes made harmless.

use std::time::Duration;

use anstream::adapter::strip_str;

/// A duration as people say it: `12 ms`, `3.2 s`, `41 s`, `2 min 05 s`.
pub fn duration(took: Duration) -> String {
    let millis = took.as_millis();
    let tenths = (millis + 50) / 100;
    let seconds = (millis + 500) / 1000;
    match millis {
        0..1000 => format!("{millis} ms"),
        _ if tenths < 100 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ if seconds < 60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// A line that somebody else wrote, harmless on a terminal: no escape sequences, no control characters, no
/// turning of the writing direction. Of a line that was overwritten with carriage returns the last version.
pub fn visible(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let last = line.rsplit('\r').next().unwrap_or(line);
    strip_str(last)
        .to_string()
        .chars()
        .filter(|char| *char == '\t' || !(char.is_control() || turns_direction(*char)))
        .collect()
}

/// The characters behind which text may look like other text (Unicode TR 36, "Trojan Source").
fn turns_direction(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let shown = |millis| duration(Duration::from_millis(millis));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1000), "1.0 s");
        assert_eq!(shown(9_949), "9.9 s");
        assert_eq!(shown(9_950), "10 s");
        assert_eq!(shown(59_499), "59 s");
        assert_eq!(shown(59_500), "1 min 00 s");
        assert_eq!(shown(125_000), "2 min 05 s");
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        assert_eq!(visible("\u{1b}[31mred\u{1b}[0m\n"), "red");
        assert_eq!(visible("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(visible("a\u{8}\u{7}b\u{9b}c\td"), "abc\td");
        assert_eq!(visible("user\u{202e}txt"), "usertxt");
    }

    #[test]
    fn of_an_overwritten_line_the_last_version_stays() {
        assert_eq!(visible("10 %\r50 %\r100 %\r\n"), "100 %");
    }
}
