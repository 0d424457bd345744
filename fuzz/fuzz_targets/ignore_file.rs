//! Ignore files: larder's answers against each other, and against the regular expressions that moby/patternmatcher makes
//! of the same patterns, with its quick ways for plain text, prefixes and suffixes.
#![no_main]

use larder_fuzz::fuzzing;
use libfuzzer_sys::fuzz_target;
use regex::Regex;

fuzz_target!(|data: &[u8]| {
    fuzzing::ignore_file(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.split('\0');
    let text = parts.next().unwrap_or_default();
    // One pattern, plain enough that moby's own slips with escapes do not matter.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "*?[]^-/. +()$~#!".contains(c);
    if !text.chars().all(is_plain) || text.starts_with(['#', '!']) || text.trim().is_empty() {
        return;
    }
    let Some(Some(pattern)) = cleaned(text.trim()).map(Pattern::new) else {
        return;
    };
    for path in parts.filter(|path| is_path(path)).take(16) {
        let Some(ignored) = fuzzing::ignored(text, path) else {
            return;
        };
        let ends = path.match_indices('/').map(|(at, _)| at);
        let by_moby = ends
            .chain([path.len()])
            .any(|end| pattern.matches(&path[..end]));
        assert_eq!(ignored, by_moby, "{text:?} {path:?}");
    }
});

fn is_path(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\n')
}

/// A pattern as Go's `filepath.Clean` leaves it; `None` for those that it would change in other ways than to drop
/// empty parts.
fn cleaned(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let plain = !parts.is_empty() && parts.iter().all(|part| !matches!(*part, "." | ".."));
    plain.then(|| parts.join("/"))
}

enum Kind {
    Exact,
    Prefix,
    Suffix,
    Regex(Regex),
}

struct Pattern {
    text: String,
    kind: Kind,
}

impl Pattern {
    /// `Pattern.compile` of moby/patternmatcher.
    fn new(text: String) -> Option<Self> {
        let mut regex = "^".to_owned();
        let mut kind = Kind::Exact;
        let mut is_regex = false;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    let _ = chars.next_if_eq(&'/');
                    if chars.peek().is_none() {
                        if !is_regex && matches!(kind, Kind::Exact) {
                            kind = Kind::Prefix;
                        } else {
                            regex.push_str(".*");
                            is_regex = true;
                        }
                    } else {
                        regex.push_str("(.*/)?");
                        is_regex = true;
                    }
                    if first {
                        kind = Kind::Suffix;
                        is_regex = false;
                    }
                }
                '*' => {
                    regex.push_str("[^/]*");
                    is_regex = true;
                }
                '?' => {
                    regex.push_str("[^/]");
                    is_regex = true;
                }
                '.' | '+' | '(' | ')' | '$' => {
                    regex.push('\\');
                    regex.push(c);
                }
                '[' | ']' => {
                    regex.push(c);
                    is_regex = true;
                }
                c => regex.push(c),
            }
            first = false;
        }
        if is_regex {
            regex.push('$');
            // Rust has classes within classes, and `~~`, `--` and `&&` between them, which Go has not.
            let strange = ["~~", "--", "&&"].iter().any(|sign| regex.contains(sign));
            if strange || regex.matches('[').count() != regex.matches(']').count() {
                return None;
            }
            kind = Kind::Regex(Regex::new(&regex).ok()?);
        }
        Some(Self { text, kind })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix => path.starts_with(&self.text[..self.text.len() - 2]),
            Kind::Suffix => {
                let suffix = &self.text[2..];
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Kind::Regex(regex) => regex.is_match(path),
        }
    }
}
