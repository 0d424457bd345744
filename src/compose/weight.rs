//! What a YAML text would cost the parser, told from its bytes: the parser builds the whole document, and only then
//! somebody can look at its size or depth. And what all files of a project may cost together.

use super::error::ErrorKind;
use super::reader::NODE;
use super::tree::DEPTH;

/// So large may all Compose files of a project be, in bytes: their texts are kept for finding lines.
const BYTES: usize = 32 << 20;
/// So many values may they have. A file that is included twice has them twice.
const ALL_VALUES: usize = 600_000;
/// What aliases may add to a project, in units of what the reader spends: to small files about 130,000 nodes, to large
/// ones 64 times themselves (ten thousand services that share a block of fifty lines), never more than the last. A
/// bomb needs billions.
const EXPANSION: usize = 4 << 20;
const EXPANSION_RATIO: usize = 64;
const EXPANSION_LIMIT: usize = 32 << 20;

/// What is left for the files of a project.
pub(super) struct Budget {
    bytes: usize,
    values: usize,
    /// What aliases have added.
    expanded: usize,
    /// What was read that aliases may multiply.
    read: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: BYTES,
            values: ALL_VALUES,
            expanded: 0,
            read: 0,
        }
    }
}

impl Budget {
    /// Counts a text that is kept.
    ///
    /// # Errors
    /// It is too much with those before it.
    pub(super) fn keep(&mut self, text: &str) -> Result<(), ErrorKind> {
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.ok_or(ErrorKind::TooLargeTogether(BYTES >> 20))?;
        Ok(())
    }

    /// Counts a text that is to be parsed; what may be spent on it, and how much of that is its own.
    ///
    /// # Errors
    /// It has too many values, alone or with those before it, or nests too deep.
    pub(super) fn begin(&mut self, text: &str) -> Result<Allowance, ErrorKind> {
        let values = check(text)?;
        let left = self.values.checked_sub(values);
        self.values = left.ok_or(ErrorKind::TooManyTogether(ALL_VALUES))?;
        self.read = self.read.saturating_add(text.len());
        let most = (EXPANSION + self.read.saturating_mul(EXPANSION_RATIO)).min(EXPANSION_LIMIT);
        // A value may have a key, and stand in a list or map that has no sign of its own.
        let own = text.len() + values * 3 * NODE;
        Ok(Allowance {
            own,
            all: own + most.saturating_sub(self.expanded),
        })
    }

    /// Counts what the parsing of a text left of its allowance.
    pub(super) fn end(&mut self, allowance: Allowance, left: usize) {
        let spent = allowance.all - left;
        self.expanded += spent.saturating_sub(allowance.own);
    }
}

/// What may be spent on a text.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    /// Without aliases.
    own: usize,
    pub(super) all: usize,
}

/// The most values a file may have, keys not counted. Each takes up to 500 bytes while it is read; ten thousand
/// services of thirty lines have as many.
const VALUES: usize = 300_000;
/// Brackets open at once times bytes, beyond which a file is not given to the parser: it spends that much work on
/// a file before it looks at the depth. About half a second.
const FLOW_WORK: usize = 200_000_000;

/// Whether a text can be given to the parser, and how many values it has at most.
fn check(text: &str) -> Result<usize, ErrorKind> {
    let weight = Weight::of(text);
    if weight.values > VALUES {
        return Err(ErrorKind::TooMany(VALUES));
    }
    if weight.depth > DEPTH && weight.depth.saturating_mul(text.len()) > FLOW_WORK {
        return Err(ErrorKind::Depth(DEPTH));
    }
    Ok(weight.values)
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
