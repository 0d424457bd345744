//! A command written as one text, cut into words as docker compose cuts it (mattn/go-shellwords): quotes and
//! backslashes as in a shell, and nothing of a shell besides.

/// The words of `line`. Like docker compose it ends at an unquoted `;`, `&`, `|`, `<` or `>`.
///
/// # Errors
/// An open quote, a backslash at the end, an unquoted parenthesis that is no `$(…)`.
pub(super) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for char in line.chars() {
        if escaped {
            word.get_or_insert_default().push(char);
            escaped = false;
            continue;
        }
        match (char, quote) {
            ('\\', quote) if quote != Some('\'') => escaped = true,
            (' ' | '\t' | '\r' | '\n', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            ('"' | '\'', Some(open)) if open == char => quote = None,
            ('`', None) => {
                quote = Some('`');
                word.get_or_insert_default().push(char);
            }
            ('`', Some('`')) | (')', Some(')')) => {
                quote = None;
                word.get_or_insert_default().push(char);
            }
            ('(', None) => {
                if !word.as_ref().is_some_and(|word| word.ends_with('$')) {
                    return Err("a parenthesis outside of quotes");
                }
                quote = Some(')');
                word.get_or_insert_default().push(char);
            }
            (')', None) => return Err("a parenthesis outside of quotes"),
            (';' | '&' | '|' | '<' | '>', None) => {
                // `2>` is a redirection: the digit is no word.
                let number = char == '>'
                    && word
                        .as_ref()
                        .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
                if number {
                    word = None;
                }
                break;
            }
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    match (quote, escaped) {
        (None, false) => Ok(words),
        (Some(_), _) => Err("a quote has no end"),
        (None, true) => Err("a backslash at the end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_escapes() {
        let cases: [(&str, &[&str]); 9] = [
            ("a  b\tc", &["a", "b", "c"]),
            (r#"sh -c "a 'b' \"c\"" "#, &["sh", "-c", "a 'b' \"c\""]),
            (r"a\ b 'c\d'", &["a b", "c\\d"]),
            ("'' \"\"", &["", ""]),
            ("a'b'\"c\"", &["abc"]),
            ("", &[]),
            ("echo a; echo b", &["echo", "a"]),
            ("run 2>x", &["run"]),
            (
                "echo $(date -u) `id -u`",
                &["echo", "$(date -u)", "`id -u`"],
            ),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn open_ends_are_errors() {
        for line in ["'a", "\"a", "a\\", "(a)", "a)"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
