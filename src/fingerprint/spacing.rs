//! An instruction's arguments as they are keyed: where BuildKit takes words apart at white space, how much of it there
//! is, and where a line is broken, changes nothing.

use std::borrow::Cow;

use super::dockerfile::Instruction;
use super::parse;

/// The arguments of an instruction, with one space between words where it consists of words. Where that is not plain to
/// see (escapes, white space of other kinds, JSON, a shell's line) they stay as they are written.
pub(super) fn keyed(instruction: &Instruction) -> Cow<'_, str> {
    let written = instruction.arguments.as_str();
    match words(&instruction.keyword, written) {
        Some(words) => Cow::Owned(words.join(" ")),
        None => Cow::Borrowed(written),
    }
}

fn words(keyword: &str, written: &str) -> Option<Vec<String>> {
    let odd = |c: char| matches!(c, '\\' | '`') || c.is_whitespace() && !matches!(c, ' ' | '\t');
    if written.contains(odd) {
        return None;
    }
    // Without an escape in sight it does not matter which one is in force.
    let (flags, rest) = parse::flags(written, '\\');
    let head = &written.trim()[..written.trim().len() - rest.len()];
    if head.contains(['"', '\'']) || flags.len() != head.split_whitespace().count() {
        return None;
    }
    let found = match keyword {
        "ADD" | "COPY" | "EXPOSE" | "VOLUME" if !rest.starts_with('[') => {
            rest.split_whitespace().map(str::to_owned).collect()
        }
        "ARG" | "ENV" | "LABEL" => {
            let words = parse::assignments(rest, '\\');
            // `ENV NAME the rest of the line`.
            let pairs = keyword == "ARG" || words.first().is_some_and(|word| word.contains('='));
            pairs.then_some(words)?
        }
        _ => return None,
    };
    Some(flags.into_iter().chain(found).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed_as(keyword: &str, arguments: &str) -> String {
        let instruction = Instruction {
            keyword: keyword.to_owned(),
            arguments: arguments.to_owned(),
            heredocs: Vec::new(),
            source: String::new(),
            lines: (1, 1),
        };
        keyed(&instruction).into_owned()
    }

    #[test]
    fn white_space_between_words_is_one_space() {
        for (keyword, written, keyed) in [
            (
                "COPY",
                "--from=a   --chown=1 \t x  y ",
                "--from=a --chown=1 x y",
            ),
            ("ADD", "x\ty", "x y"),
            ("COPY", "<<A   <<B  /x/", "<<A <<B /x/"),
            ("EXPOSE", "80   81", "80 81"),
            ("VOLUME", "/a   /b", "/a /b"),
            (
                "ENV",
                "A=1   B=\"x  y\"  C='z  $A'",
                "A=1 B=\"x  y\" C='z  $A'",
            ),
            ("LABEL", "a=b    c=d", "a=b c=d"),
            ("ARG", "A   B=2", "A B=2"),
        ] {
            assert_eq!(keyed_as(keyword, written), keyed);
        }
    }

    #[test]
    fn where_it_may_matter_it_stays() {
        for (keyword, written) in [
            ("RUN", "echo a  b"),
            ("RUN", "--mount=target=/m  echo"),
            ("CMD", "echo a  b"),
            ("ENV", "A b  c"),
            ("LABEL", "a b  c"),
            ("ENV", "A=b\\  c  D=e"),
            ("COPY", "a`  b  c"),
            ("COPY", "--chown=\"a  b\"  c  d"),
            ("COPY", "--  --from=a  b"),
            ("COPY", "[\"a  b\",  \"c\"]"),
            ("ENV", "A=1\u{a0}  B=2"),
            ("ENV", "A=1\r  B=2"),
            ("WORKDIR", "/a  b"),
            ("ONBUILD", "ENV A=1  B=2"),
        ] {
            assert_eq!(keyed_as(keyword, written), written);
        }
    }
}
