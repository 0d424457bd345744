//! Where in a file a step leads: to a key of a map or what `<<` brings into it, through aliases, to an item of a list.
//! Reads the file's events, and nothing of Compose.

use std::collections::HashSet;

use crate::compose::locate::{Content, Spots};

/// Where something is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The node there; `None` where what is looked for is only made from it.
    node: Option<usize>,
    /// Line and column of its key or item.
    pub(super) at: (usize, usize),
    /// What brings it to where it counts.
    pub(super) through: Option<Through>,
}

/// What stands where the thing counts, in place of the thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// `<<`.
    Merge((usize, usize)),
    Alias((usize, usize)),
}

impl Spot {
    /// The top of a document.
    pub(super) fn top(spots: &Spots, document: usize) -> Option<Self> {
        let &node = spots.documents.get(document)?;
        Some(Self {
            node: Some(node),
            at: spots.nodes[node].at,
            through: None,
        })
    }

    /// The spot of a key; where there is none to be seen, what it is made from.
    pub(super) fn key(self, spots: &Spots, key: &str) -> Self {
        let found = self.find(spots, key, false);
        found.unwrap_or(Self { node: None, ..self })
    }

    /// The spot of the key of a map, or of the item of a list that became one: `- KEY=value`. `resets`: one with `!reset`
    /// counts, too.
    pub(super) fn find(self, spots: &Spots, key: &str, resets: bool) -> Option<Self> {
        let (node, below) = self.open(spots)?;
        let (node, at, merged) = match &spots.nodes[node].content {
            Content::Map(_) => {
                let own = own(spots, node, key, resets).map(|found| (found, None));
                let merged = || {
                    let (found, merge) = merged(spots, node, key, &mut HashSet::new())?;
                    Some((found, Some(merge)))
                };
                let ((value, at), merge) = own.or_else(merged)?;
                (value, at, merge)
            }
            Content::List(items) => {
                let mut items = items.iter().rev();
                let &item = items.find(|item| {
                    let text = text(spots, **item).unwrap_or_default();
                    let rest = text.strip_prefix(key);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
                })?;
                (item, spots.nodes[item].at, None)
            }
            Content::Scalar { .. } | Content::Alias(_) => return None,
        };
        Some(Self {
            node: Some(node),
            at,
            through: below.or(merged.map(Through::Merge)),
        })
    }

    /// What `<<` brings into the map here, and a key of the map itself takes the place of.
    pub(super) fn passed_over(self, spots: &Spots, key: &str) -> Option<Self> {
        let (node, below) = self.open(spots)?;
        own(spots, node, key, false)?;
        let ((value, at), merge) = merged(spots, node, key, &mut HashSet::new())?;
        Some(Self {
            node: Some(value),
            at,
            through: below.or(Some(Through::Merge(merge))),
        })
    }

    /// The spot of an item of a list, those with `!reset` not counted.
    pub(super) fn item(self, spots: &Spots, index: usize) -> Self {
        let made_from = Self { node: None, ..self };
        let Some((node, through)) = self.open(spots) else {
            return made_from;
        };
        let Content::List(items) = &spots.nodes[node].content else {
            return made_from;
        };
        let mut items = items.iter().filter(|item| !is_reset(spots, **item));
        items.nth(index).map_or(made_from, |&item| Self {
            node: Some(item),
            at: spots.nodes[item].at,
            through,
        })
    }

    /// The text here, if it is one.
    pub(super) fn text(self, spots: &Spots) -> Option<&str> {
        text(spots, self.node?)
    }

    /// The node with its alias followed, and what something in it comes through.
    fn open(self, spots: &Spots) -> Option<(usize, Option<Through>)> {
        let node = self.node?;
        let inner = spots.resolved(node);
        let through = (inner != node).then_some(Through::Alias(self.at));
        Some((inner, self.through.or(through)))
    }
}

/// A value and the place of its key.
type Entry = (usize, (usize, usize));

fn own(spots: &Spots, map: usize, key: &str, resets: bool) -> Option<Entry> {
    let Content::Map(entries) = &spots.nodes[map].content else {
        return None;
    };
    let mut pairs = entries.chunks_exact(2).rev();
    let pair = pairs
        .find(|pair| text(spots, pair[0]) == Some(key) && (resets || !is_reset(spots, pair[1])))?;
    Some((pair[1], spots.nodes[pair[0]].at))
}

/// An entry that `<<` brings into a map, with the place of that `<<`: of several maps the first that has it. No map is
/// looked through twice.
fn merged(
    spots: &Spots,
    map: usize,
    key: &str,
    seen: &mut HashSet<usize>,
) -> Option<(Entry, (usize, usize))> {
    let Content::Map(entries) = &spots.nodes[map].content else {
        return None;
    };
    if !seen.insert(map) {
        return None;
    }
    let mut merges = entries.chunks_exact(2);
    let merge = merges.find(|pair| text(spots, pair[0]) == Some("<<"))?;
    let source = spots.resolved(merge[1]);
    let sources = match &spots.nodes[source].content {
        Content::List(items) => items.iter().map(|item| spots.resolved(*item)).collect(),
        _ => vec![source],
    };
    let found = sources.into_iter().find_map(|source| {
        let inner = own(spots, source, key, false);
        inner.or_else(|| merged(spots, source, key, seen).map(|(found, _)| found))
    })?;
    Some((found, spots.nodes[merge[0]].at))
}

fn text(spots: &Spots, node: usize) -> Option<&str> {
    match &spots.nodes[spots.resolved(node)].content {
        Content::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn is_reset(spots: &Spots, node: usize) -> bool {
    spots.nodes[node].is_reset || spots.nodes[spots.resolved(node)].is_reset
}
