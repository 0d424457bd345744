//! Scalars that docker compose's YAML reader takes for something else than serde_yaml does, put right in the tree that
//! was read: only the file's events know how each of them is written.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::error::{Error, ErrorKind};
use super::locate::{Content, Spots, Writing};
use super::path::{At, Segment, TreePath};
use super::{date, scalar};

/// Whether a text may be one of them.
pub(super) fn is_doubtful(text: &str) -> bool {
    scalar::old_number(text).is_some() || date::is_date(text)
}

/// Puts the scalars of a document right.
///
/// # Errors
/// A date: no attribute takes one.
pub(super) fn reread(spots: &Spots, document: usize, tree: &mut Value) -> Result<(), Error> {
    let walk = Walk {
        spots,
        date: RefCell::default(),
    };
    if let Some(&root) = spots.documents.get(document) {
        walk.beside(root, tree, At::ROOT);
    }
    match walk.date.into_inner() {
        Some((path, text)) => {
            let reason = format!("`{text}` is a date, and means text only in quotes");
            Err(ErrorKind::Invalid { path, reason }.into())
        }
        None => Ok(()),
    }
}

/// A walk over a tree beside what is written.
struct Walk<'a> {
    spots: &'a Spots,
    /// The first date that stands where none may be.
    date: RefCell<Option<(TreePath, String)>>,
}

impl<'a> Walk<'a> {
    fn beside(&self, node: usize, value: &mut Value, at: At<'_>) {
        let node = self.spots.resolved(node);
        match (&self.spots.nodes[node].content, value) {
            (Content::Scalar { text, writing }, value) => self.scalar(text, *writing, value, at),
            (Content::List(items), Value::Array(values)) => {
                let items = items.iter();
                let items = items.filter(|item| !self.spots.nodes[**item].is_reset);
                for (index, (&item, value)) in items.zip(values).enumerate() {
                    self.beside(item, value, at.index(index));
                }
            }
            (Content::Map(_), Value::Object(map)) => {
                self.entries(node, map, &mut HashSet::new(), at);
            }
            _ => {}
        }
    }

    fn scalar(&self, written: &str, writing: Writing, value: &mut Value, at: At<'_>) {
        let text = value.as_str();
        let changed = match (writing, text) {
            (Writing::Plain, Some(text)) => {
                if date::is_date(text) {
                    self.date(text, at)
                } else {
                    scalar::old_number(text)
                }
            }
            (Writing::Binary, Some(text)) => scalar::binary(text).map(Value::from),
            // What a tag of one's own stands before is no number and no truth value any more.
            (Writing::Tagged, None) => Some(written.into()),
            _ => None,
        };
        if let Some(changed) = changed {
            *value = changed;
        }
    }

    /// A date in an extension is printed as Go prints it; anywhere else it is an error.
    fn date(&self, text: &str, at: At<'_>) -> Option<Value> {
        let path = at.path();
        if is_extension(&path) {
            return date::printed(text).map(Value::from);
        }
        let mut first = self.date.borrow_mut();
        first.get_or_insert_with(|| (path, text.to_owned()));
        None
    }

    /// The entries of a map, then what `<<` brings in of keys that are not `seen` yet.
    fn entries(
        &self,
        node: usize,
        map: &mut Map<String, Value>,
        seen: &mut HashSet<&'a str>,
        at: At<'_>,
    ) {
        let Content::Map(entries) = &self.spots.nodes[node].content else {
            return;
        };
        let mut merged = Vec::new();
        for pair in entries.chunks_exact(2) {
            let key = &self.spots.nodes[self.spots.resolved(pair[0])];
            let Content::Scalar { text, .. } = &key.content else {
                continue;
            };
            if text == "<<" {
                merged.push(self.spots.resolved(pair[1]));
            } else if seen.insert(text)
                && let Some(value) = map.get_mut(text)
            {
                self.beside(pair[1], value, at.key(text));
            }
        }
        for source in merged {
            match &self.spots.nodes[source].content {
                Content::List(items) => {
                    for &item in items {
                        self.entries(self.spots.resolved(item), map, seen, at);
                    }
                }
                _ => self.entries(source, map, seen, at),
            }
        }
    }
}

/// Whether a path leads into an extension: `x-` begins a key, and not one of those that are names of the user's own.
fn is_extension(path: &TreePath) -> bool {
    path.0.iter().enumerate().any(|(number, segment)| {
        let named = number == 1;
        matches!(segment, Segment::Key(key) if key.starts_with("x-") && !named)
    })
}
