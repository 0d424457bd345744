//! What a YAML text would cost the parser, told from its bytes: the parser builds the whole document, and only then
//! somebody can look at its size or depth.

use super::error::ErrorKind;
use super::tree::DEPTH;

/// The most values a file may have, keys not counted. Each takes up to 500 bytes while it is read; ten thousand
/// services of thirty lines have as many.
const VALUES: usize = 300_000;
/// Brackets open at once times bytes, beyond which a file is not given to the parser: it spends that much work on
/// a file before it looks at the depth. About half a second.
const FLOW_WORK: usize = 200_000_000;

/// Whether a text can be given to the parser.
///
/// # Errors
/// It has too many values, or nests too deep.
pub(super) fn check(text: &str) -> Result<(), ErrorKind> {
    let weight = Weight::of(text);
    if weight.values > VALUES {
        return Err(ErrorKind::TooMany(VALUES));
    }
    if weight.depth > DEPTH && weight.depth.saturating_mul(text.len()) > FLOW_WORK {
        return Err(ErrorKind::Depth(DEPTH));
    }
    Ok(())
}

/// Bounds that one look at the bytes gives. What stands in quotes and comments is counted, too, so that they are
/// never too low.
struct Weight {
    values: usize,
    /// The most brackets open at once.
    depth: usize,
}

impl Weight {
    fn of(text: &str) -> Self {
        let (mut open, mut depth) = (0_usize, 0);
        let (mut values, mut before) = (1, b' ');
        for byte in text.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            depth = depth.max(open);
            // Every value but the first stands behind one of these; a list's `-` has white space behind it, of any
            // alphabet.
            let ends_dash = before == b'-' && (byte.is_ascii_whitespace() || !byte.is_ascii());
            let begins = matches!(byte, b',' | b'[' | b'{' | b':' | b'?');
            values += usize::from(begins || ends_dash);
            before = byte;
        }
        Self { values, depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_writing_has_more_values_than_are_counted() {
        let block = [
            "- a\n",
            "- a\r",
            "-\n",
            "- \u{2028}",
            "-\u{85}",
            "- - ",
            "a: b\n",
            "? a\n",
            "---\n",
            "- {}\n",
            "- [[]]\n",
        ];
        let in_brackets = ["a,", ",", "a: b,", "{},", "[],", "{a: [b]},", "*a,"];
        let flow = |item: &&str| format!("[{}]", item.repeat(1000));
        let texts = block.iter().map(|item| item.repeat(1000));
        for text in texts.chain(in_brackets.iter().map(flow)) {
            let shown: String = text.chars().take(10).collect();
            assert!(Weight::of(&text).values >= 1000, "{shown:?}");
        }
    }

    #[test]
    fn a_file_of_too_many_values_is_not_parsed() {
        let refused = |text: &str| matches!(check(text), Err(ErrorKind::TooMany(_)));
        assert!(refused(&"- a\n".repeat(VALUES)));
        assert!(!refused(&"- a\n".repeat(VALUES - 1)));
        assert!(!refused(&format!("a: |\n{}", "  text\n".repeat(VALUES))));
    }
}
