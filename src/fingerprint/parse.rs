//! A Dockerfile's text into instructions, as BuildKit's parser does it (`frontend/dockerfile/parser`):
//! directives, continuation lines, comments, here-documents. What instructions mean is not known here.

use super::dockerfile::{Heredoc, Instruction};
use super::words;

/// The instructions of a Dockerfile, not yet in stages.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// The line-continuation and escape character.
    pub(super) escape: char,
    /// The frontend that the `syntax` directive asks for.
    pub(super) syntax: Option<String>,
    pub(super) instructions: Vec<Instruction>,
    /// The first thing that BuildKit's parser refuses.
    pub(super) refused: Option<String>,
}

/// Reads a Dockerfile, or a single ONBUILD trigger.
pub(super) fn parse(text: &str) -> Script {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut script = Script {
        escape: '\\',
        syntax: directive(text, "syntax").map(|value| first_word(&value).to_owned()),
        instructions: Vec::new(),
        refused: None,
    };
    match directive(text, "escape").as_deref() {
        None | Some("\\") => {}
        Some("`") => script.escape = '`',
        Some(other) => script.refused = Some(format!("`{other}` is no escape character")),
    }
    let mut reader = Reader {
        lines: text.split_inclusive('\n').collect(),
        at: 0,
        escape: script.escape,
    };
    while let Some(instruction) = reader.instruction() {
        match instruction {
            Ok(instruction) => script.instructions.push(instruction),
            Err(why) => script.refused = script.refused.or(Some(why)),
        }
    }
    script
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// The value of a parser directive: `# name=value` in front of everything else. A frontend may also be
/// named in `//` comments, and behind a `#!` line.
fn directive(text: &str, wanted: &str) -> Option<String> {
    let syntax = wanted == "syntax";
    let text = match text.split_once('\n') {
        Some((first, rest)) if syntax && first.starts_with("#!") => rest,
        _ => text,
    };
    let marks: &[&str] = if syntax { &["#", "//"] } else { &["#"] };
    marks.iter().find_map(|mark| {
        text.lines()
            .map_while(|line| name_and_value(line.trim_start().strip_prefix(mark)?.trim()))
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    })
}

fn name_and_value(comment: &str) -> Option<(String, String)> {
    let (name, value) = comment.split_once('=')?;
    let name = name.trim_end().to_ascii_lowercase();
    let value = value.trim().to_owned();
    (matches!(name.as_str(), "syntax" | "escape" | "check") && !value.is_empty())
        .then_some((name, value))
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    escape: char,
}

impl Reader<'_> {
    /// The next instruction, or why it is none; `None` at the end of the file.
    fn instruction(&mut self) -> Option<Result<Instruction, String>> {
        let (first, logical) = loop {
            let first = self.at;
            let line = without_break(self.lines.get(self.at)?).trim_start();
            self.at += 1;
            if line.starts_with('#') {
                continue;
            }
            let (line, continues) = self.without_continuation(line);
            if !continues && line.is_empty() {
                continue;
            }
            let mut logical = line.to_owned();
            if continues {
                self.continuation(&mut logical);
            }
            break (first, logical);
        };
        let trimmed = logical.trim();
        let (keyword, arguments) = trimmed.split_once(is_space).unwrap_or((trimmed, ""));
        let mut arguments = arguments.trim();
        if keyword.eq_ignore_ascii_case("ONBUILD") {
            // It stays in the image as it is written, white space at its end included (`parseOnbuild`).
            let written = logical.trim_start();
            let behind = written.get(keyword.len()..).unwrap_or_default();
            arguments = behind.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
        }
        let mut instruction = Instruction {
            keyword: keyword.to_ascii_uppercase(),
            arguments: arguments.to_owned(),
            heredocs: Vec::new(),
            source: String::new(),
            lines: (first + 1, self.at),
        };
        if may_open_heredocs(&instruction, self.escape) {
            for opening in openings(&logical) {
                let Some(heredoc) = self.heredoc(&opening) else {
                    let (line, name) = (first + 1, opening.name);
                    return Some(Err(format!(
                        "line {line}: here-document `{name}` does not end"
                    )));
                };
                instruction.heredocs.push(heredoc);
            }
        }
        instruction.lines.1 = self.at;
        without_break(&self.lines[first..self.at].concat()).clone_into(&mut instruction.source);
        Some(Ok(instruction))
    }

    /// Appends the lines that continue an instruction: comments and empty lines among them are dropped.
    fn continuation(&mut self, logical: &mut String) {
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let line = without_break(line);
            if line.trim_start().starts_with('#') || line.trim_start().is_empty() {
                continue;
            }
            let (line, continues) = self.without_continuation(line);
            logical.push_str(line);
            if !continues {
                break;
            }
        }
    }

    /// A line without the character that continues it: the last one on it, and not escaped itself.
    fn without_continuation<'l>(&self, line: &'l str) -> (&'l str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest, true),
            _ => (line, false),
        }
    }

    fn heredoc(&mut self, opening: &Opening) -> Option<Heredoc> {
        let mut body = String::new();
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let mut end = without_break(line);
            if opening.chomp {
                end = end.trim_start_matches('\t');
            }
            if end == opening.name {
                return Some(Heredoc {
                    name: opening.name.clone(),
                    body,
                });
            }
            body.push_str(line);
        }
        None
    }
}

fn without_break(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The white space that the parser splits at.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

/// RUN, COPY and ADD in shell form open here-documents, also behind ONBUILD.
fn may_open_heredocs(instruction: &Instruction, escape: char) -> bool {
    let (mut keyword, mut arguments) =
        (instruction.keyword.clone(), instruction.arguments.as_str());
    if keyword == "ONBUILD" {
        let (inner, rest) = arguments.split_once(is_space).unwrap_or((arguments, ""));
        (keyword, arguments) = (inner.to_ascii_uppercase(), rest);
    }
    matches!(keyword.as_str(), "RUN" | "COPY" | "ADD")
        && arguments.contains("<<")
        && json_list(flags(arguments, escape).1).is_none()
}

/// What opens a here-document.
struct Opening {
    name: String,
    chomp: bool,
}

fn openings(line: &str) -> Vec<Opening> {
    words::split_raw(line)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| opening(word))
        .collect()
}

/// Whether a word opens a here-document: `<<NAME`, `<<-NAME`, with a file descriptor in front or not.
pub(super) fn is_heredoc(word: &str) -> bool {
    opening(word).is_some()
}

fn opening(word: &str) -> Option<Opening> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (rest, chomp) = rest
        .strip_prefix('-')
        .map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let words = words::split(rest, false).ok()?;
    match words.as_slice() {
        [name] => Some(Opening {
            name: name.clone(),
            chomp,
        }),
        _ => None,
    }
}

/// The `--flag` words in front of an instruction's arguments, and what stands behind them
/// (`parser/split_command.go`): quotes and escapes are taken off them.
pub(super) fn flags(arguments: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = arguments.trim();
    while rest.starts_with("--") {
        let (word, behind) = flag(rest, escape);
        rest = behind.trim_start();
        if word == "--" {
            break;
        }
        flags.push(word);
    }
    (flags, rest)
}

fn flag(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => return (word, &text[at..]),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) if c == escape => word.extend(chars.next().map(|(_, escaped)| escaped)),
            (c, _) => word.push(c),
        }
    }
    (word, "")
}

/// The JSON form of an instruction's arguments.
pub(super) fn json_list(arguments: &str) -> Option<Vec<String>> {
    if !arguments.trim_start().starts_with('[') {
        return None;
    }
    serde_json::from_str(arguments).ok()
}

/// The words of ENV, ARG and LABEL, split at white space outside quotes; quotes and escapes stay on
/// (`parser/line_parsers.go`, `parseWords`).
pub(super) fn assignments(arguments: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = arguments.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        if c == escape && quote != Some('\'') {
            // At the very end an escape character is dropped.
            if let Some(escaped) = chars.next() {
                word.push(c);
                word.push(escaped);
            }
            continue;
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, (usize, usize))> {
        let script = parse(text);
        assert_eq!(script.refused, None);
        script
            .instructions
            .into_iter()
            .map(|i| (i.keyword, i.arguments, i.lines))
            .collect()
    }

    fn row(
        keyword: &str,
        arguments: &str,
        lines: (usize, usize),
    ) -> (String, String, (usize, usize)) {
        (keyword.to_owned(), arguments.to_owned(), lines)
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([A-Z]{1,4} |[ -~é\\n\\\\]{0,6}|RUN <<E\n|E\n|# escape=`\n|\\$\\{A[:#%/+-]?|\"|`\n){0,12}") {
            let script = parse(&text);
            for instruction in &script.instructions {
                proptest::prop_assert!(instruction.lines.0 <= instruction.lines.1);
                let (_, rest) = flags(&instruction.arguments, script.escape);
                for word in assignments(rest, script.escape) {
                    let _ = words::expand(&word, script.escape, &|_| Ok(Some("a/b\n".to_owned())));
                }
            }
        }
    }

    #[test]
    fn continuation_lines_join_and_comments_between_them_go() {
        let text = "FROM a\n# note\nrun one \\\n  # inside\n\n  two \\  \n  three\n\nCMD x\n";
        let expected = [
            row("FROM", "a", (1, 1)),
            row("RUN", "one   two   three", (3, 7)),
            row("CMD", "x", (9, 9)),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn an_escaped_continuation_character_continues_nothing() {
        assert_eq!(read("RUN a \\\\\nRUN b").len(), 2);
        assert_eq!(read("# escape=`\nRUN a `\n b\nRUN c \\\n").len(), 2);
    }

    #[test]
    fn white_space_behind_a_trigger_belongs_to_it() {
        for (text, arguments) in [
            ("ONBUILD RUN x", "RUN x"),
            (" onbuild \t RUN  x \t \r\n", "RUN  x \t "),
            ("ONBUILD RUN x \\\n  y  ", "RUN x   y  "),
            ("ONBUILD  ", ""),
            ("RUN x  ", "x"),
        ] {
            assert_eq!(read(text)[0].1, arguments, "{text:?}");
        }
    }

    #[test]
    fn windows_line_ends_are_line_ends() {
        assert_eq!(
            read("FROM a\r\nRUN b \\\r\n c\r\n")[1],
            row("RUN", "b  c", (2, 3))
        );
    }

    #[test]
    fn here_documents_keep_their_lines() {
        let script =
            parse("RUN <<A <<-\"B C\" cat\n# no comment\nA\n\tx\n\tB C\nCOPY <<E /e\nE\nCMD c\n");
        let run = &script.instructions[0];
        assert_eq!(run.heredocs[0].body, "# no comment\n");
        assert_eq!(
            (run.heredocs[1].name.as_str(), run.heredocs[1].body.as_str()),
            ("B C", "\tx\n")
        );
        assert_eq!(run.lines, (1, 5));
        assert!(run.source.ends_with("\tB C"));
        assert_eq!(script.instructions.len(), 3);
    }

    #[test]
    fn what_looks_like_a_here_document_and_is_none() {
        let texts = [
            "RUN [\"a\", \"<<E\"]",
            "RUN a <<< b",
            "CMD <<E",
            "RUN a << ",
            "RUN echo '<<E'",
            "RUN x$((1<<2))",
        ];
        for text in texts {
            assert!(parse(text).instructions[0].heredocs.is_empty(), "{text}");
        }
        assert!(parse("RUN <<E\nx").refused.is_some());
    }

    #[test]
    fn directives_stand_in_front_of_everything() {
        assert_eq!(
            parse("# Syntax = docker/dockerfile:1.7 x\nFROM a")
                .syntax
                .as_deref(),
            Some("docker/dockerfile:1.7")
        );
        assert_eq!(parse("#syntax=a\n# escape=`\nFROM a").escape, '`');
        assert_eq!(parse("# hello\n# syntax=a\nFROM a").syntax, None);
        assert_eq!(parse("\n# escape=`\nFROM a").escape, '\\');
        assert_eq!(parse("#!/bin/x\n# syntax=a\n").syntax.as_deref(), Some("a"));
        assert_eq!(parse("// syntax=a\n").syntax.as_deref(), Some("a"));
        assert!(parse("# escape=x\nFROM a").refused.is_some());
    }

    #[test]
    fn flags_are_taken_off() {
        let (found, rest) = flags("--from=a --chown='b c' --x=\"d\\\"\"  src --not dst", '\\');
        assert_eq!(found, ["--from=a", "--chown=b c", "--x=d\""]);
        assert_eq!(rest, "src --not dst");
        assert_eq!(flags("-- --a b", '\\'), (vec![], "--a b"));
    }

    #[test]
    fn assignments_split_outside_quotes() {
        assert_eq!(
            assignments("a=\"b c\" d=e\\ f g='h \\'", '\\'),
            ["a=\"b c\"", "d=e\\ f", "g='h \\'"]
        );
    }
}
