//! What is asked for: a path as it is typed, and what it leads to in a tree. Keys may have dots in them, so that only the
//! tree says where one ends; a key in quotes is one whatever is in it.

use serde_json::Value;

use crate::compose::error::{Error, ErrorKind};

/// A piece of a path as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A key, or what is between two dots of one; also the number of an item.
    Word(String),
    /// A whole key, or the number of an item: what stands in brackets.
    Inside(String),
    /// A whole key: what stands in quotes.
    Quoted(String),
}

/// One step from the top of a model to a value in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Key(String),
    /// An item of a list: its number there, and what it is.
    Item(usize, Value),
}

impl Part {
    fn text(&self) -> &str {
        let (Self::Word(text) | Self::Inside(text) | Self::Quoted(text)) = self;
        text
    }

    /// The number of the item that it may be.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Quoted(_) => None,
            Self::Word(text) | Self::Inside(text) => text.parse().ok(),
        }
    }
}

/// The pieces of `services.web.labels["a.b"]` and the like.
///
/// # Errors
/// A bracket or a quote has no end, or something stands behind it that belongs to nothing.
pub(super) fn parse(subject: &str) -> Result<Vec<Part>, Error> {
    let wrong = |reason: &str| {
        Error::from(ErrorKind::Rule(format!(
            "`{subject}` is not a path: {reason}"
        )))
    };
    if matches!(subject, "" | ".") {
        return Err(wrong("it names nothing"));
    }
    let mut parts = Vec::new();
    // As jq has it.
    let mut rest = subject.strip_prefix('.').unwrap_or(subject);
    while !rest.is_empty() {
        let inside = rest.strip_prefix('[');
        let start = inside.unwrap_or(rest);
        let quote = start.chars().next().filter(|c| matches!(c, '"' | '\''));
        rest = match (quote, inside) {
            (Some(quote), _) => {
                let (key, behind) =
                    quoted(&start[1..], quote).ok_or_else(|| wrong("a quote in it has no end"))?;
                parts.push(Part::Quoted(key));
                match inside {
                    Some(_) => behind
                        .strip_prefix(']')
                        .ok_or_else(|| wrong("a quote in brackets ends in front of a `]`"))?,
                    None => behind,
                }
            }
            (None, Some(inside)) => {
                let (key, behind) = inside
                    .split_once(']')
                    .ok_or_else(|| wrong("a `[` in it has no `]`"))?;
                parts.push(Part::Inside(key.to_owned()));
                behind
            }
            (None, None) => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                parts.push(Part::Word(rest[..end].to_owned()));
                &rest[end..]
            }
        };
        rest = match rest.strip_prefix('.') {
            Some("") => return Err(wrong("it ends with a dot")),
            Some(behind) => behind,
            None if rest.is_empty() || rest.starts_with('[') => rest,
            None => {
                return Err(wrong(
                    "behind a bracket or a quote comes a dot or a bracket",
                ));
            }
        };
    }
    Ok(parts)
}

/// The text up to its quote, in which a backslash stands before a quote or a backslash of the text; and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((key, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                next if next == quote || next == '\\' => key.push(next),
                next => key.extend(['\\', next]),
            },
            _ => key.push(c),
        }
    }
    None
}

/// A path, and what is there.
pub(super) type Found<'a> = (Vec<Step>, &'a Value);

/// How much of a path there is.
#[derive(Debug, PartialEq)]
pub(super) struct Missing {
    pub(super) above: Vec<Step>,
    /// The keys that are asked for there, the shortest first.
    pub(super) asked: Vec<String>,
    /// Those that there are.
    pub(super) known: Vec<String>,
}

impl Missing {
    fn below(mut self, step: Step) -> Self {
        self.above.insert(0, step);
        self
    }
}

/// Follows a path; where it ends, what there is instead.
pub(super) fn find<'a>(value: &'a Value, parts: &[Part]) -> Result<Found<'a>, Missing> {
    if parts.is_empty() {
        return Ok((Vec::new(), value));
    }
    let mut missing = Missing {
        above: Vec::new(),
        asked: Vec::new(),
        known: Vec::new(),
    };
    match value {
        Value::Object(map) => {
            missing.known = map.keys().cloned().collect();
            missing.asked = keys(parts).map(|(key, _)| key).collect();
            for (key, behind) in keys(parts) {
                let Some(inner) = map.get(&key) else { continue };
                match find(inner, behind) {
                    Ok((mut steps, found)) => {
                        steps.insert(0, Step::Key(key));
                        return Ok((steps, found));
                    }
                    Err(inside) => missing = inside.below(Step::Key(key)),
                }
            }
        }
        Value::Array(items) => {
            let index = parts[0].index();
            let item = index.and_then(|index| Some((index, items.get(index)?)));
            let Some((index, item)) = item else {
                missing.known = (0..items.len()).map(|index| index.to_string()).collect();
                return Err(missing);
            };
            let step = Step::Item(index, item.clone());
            return match find(item, &parts[1..]) {
                Ok((mut steps, found)) => {
                    steps.insert(0, step);
                    Ok((steps, found))
                }
                Err(inside) => Err(inside.below(step)),
            };
        }
        _ => {}
    }
    Err(missing)
}

/// The keys that a path may begin with, each with what is behind it: words make one together.
fn keys(parts: &[Part]) -> impl Iterator<Item = (String, &[Part])> {
    let words = parts.iter();
    let words = words
        .take_while(|part| matches!(part, Part::Word(_)))
        .count();
    (1..=words.max(1)).map(move |length| {
        let (key, behind) = parts.split_at(length);
        let key: Vec<_> = key.iter().map(Part::text).collect();
        (key.join("."), behind)
    })
}

/// The path as keys alone, each part one.
pub(super) fn as_keys(parts: &[Part]) -> Vec<Step> {
    let keys = parts.iter().map(|part| Step::Key(part.text().to_owned()));
    keys.collect()
}

/// Whether a path of keys is what was typed.
pub(super) fn is_typed(keys_of_it: &[&str], parts: &[Part]) -> bool {
    let Some((first, rest)) = keys_of_it.split_first() else {
        return parts.is_empty();
    };
    !parts.is_empty() && keys(parts).any(|(key, behind)| key == *first && is_typed(rest, behind))
}

/// The path as it is printed.
pub(super) fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Item(index, _) => text.extend(["[", &index.to_string(), "]"]),
        }
    }
    text
}

/// The keys of a path up to its first item.
pub(super) fn leading_keys(steps: &[Step]) -> Vec<&str> {
    let keys = steps.iter().map_while(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Item(..) => None,
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(subject: &str) -> String {
        match parse(subject) {
            Ok(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Word(text) => format!("{text} "),
                    Part::Inside(text) => format!("[{text}] "),
                    Part::Quoted(text) => format!("'{text}' "),
                })
                .collect::<String>()
                .trim_end()
                .to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_path_has_dots_brackets_and_quotes() {
        let both = [
            (
                "services.web.ports[0].target",
                "services web ports [0] target",
            ),
            ("ports.0", "ports 0"),
            (".a.b", "a b"),
            (r#"a["b.c"].d"#, "a 'b.c' d"),
            ("a['b]c'][0]", "a 'b]c' [0]"),
            (r#"a."b.c""#, "a 'b.c'"),
            (r#"a["b\"c\\d\e"]"#, r#"a 'b"c\d\e'"#),
            ("a[b.c]", "a [b.c]"),
            ("a[", "`a[` is not a path: a `[` in it has no `]`"),
            ("a['b]", "`a['b]` is not a path: a quote in it has no end"),
            (
                "a['b'",
                "`a['b'` is not a path: a quote in brackets ends in front of a `]`",
            ),
            (
                "a['b']c",
                "`a['b']c` is not a path: behind a bracket or a quote comes a dot or a bracket",
            ),
            ("a.", "`a.` is not a path: it ends with a dot"),
        ];
        for (subject, expected) in both {
            assert_eq!(parsed(subject), expected);
        }
    }

    #[test]
    fn the_tree_says_where_a_key_ends() {
        let tree = json!({"a": {"b": 1, "b.c": 2, "b.c.d": {"e": 3}, "l": [4, {"x": 5}], "0": 6}});
        let at = |subject| find(&tree, &parse(subject).unwrap()).map(|found| found.1.clone());
        assert_eq!(at("a.b"), Ok(json!(1)));
        assert_eq!(at("a.b.c"), Ok(json!(2)));
        assert_eq!(at("a['b.c']"), Ok(json!(2)));
        assert_eq!(at("a.b.c.d.e"), Ok(json!(3)));
        assert_eq!(at("a[b.c.d].e"), Ok(json!(3)));
        assert_eq!(at("a.l[1].x"), Ok(json!(5)));
        assert_eq!(at("a.l.0"), Ok(json!(4)));
        assert_eq!(at("a[0]"), Ok(json!(6)));
        assert!(at("a['b'].c").is_err() && at("a.l['0']").is_err());
        let missing = at("a.l[1].y.z").unwrap_err();
        assert_eq!(shown(&missing.above), "a.l[1]");
        assert_eq!(missing.asked, ["y", "y.z"]);
        assert_eq!(missing.known, ["x"]);
        assert!(is_typed(&["a", "b.c", "d"], &parse("a.b.c.d").unwrap()));
        assert!(!is_typed(&["a", "b.c"], &parse("a.b['c']").unwrap()));
    }
}
