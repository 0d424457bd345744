//! Where a path of the tree is written: the file's events with their lines and columns. Read only when
//! something must be reported, or when only the text can tell `010` from `'010'`.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::path::{Segment, TreePath};

/// The nodes of a file and where each starts. What follows a syntax error is missing.
#[derive(Default)]
pub(super) struct Spots {
    nodes: Vec<Node>,
    documents: Vec<usize>,
    anchors: HashMap<usize, usize>,
}

struct Node {
    /// Line and column, both from 1.
    at: (usize, usize),
    content: Content,
}

enum Content {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<usize>),
    /// Keys and values by turns.
    Map(Vec<usize>),
    Alias(usize),
}

/// The end of a search: how many segments of the path were found, and where the last of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) depth: usize,
    pub(super) at: (usize, usize),
}

impl Spots {
    pub(super) fn read(text: &str) -> Self {
        let mut spots = Self::default();
        let mut open: Vec<usize> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            let (content, anchor) = match event {
                Event::Scalar(text, style, anchor, _) => {
                    let plain = style == ScalarStyle::Plain;
                    (
                        Content::Scalar {
                            text: text.into_owned(),
                            plain,
                        },
                        anchor,
                    )
                }
                Event::SequenceStart(anchor, _) => (Content::List(Vec::new()), anchor),
                Event::MappingStart(anchor, _) => (Content::Map(Vec::new()), anchor),
                Event::Alias(anchor) => (Content::Alias(anchor), 0),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                _ => continue,
            };
            let opens = matches!(content, Content::List(_) | Content::Map(_));
            let node = spots.add(content, span, open.last().copied());
            if anchor > 0 {
                spots.anchors.insert(anchor, node);
            }
            if opens {
                open.push(node);
            }
        }
        spots
    }

    fn add(&mut self, content: Content, span: Span, parent: Option<usize>) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node {
            at: (span.start.line(), span.start.col() + 1),
            content,
        });
        match parent.map(|parent| &mut self.nodes[parent].content) {
            Some(Content::List(children) | Content::Map(children)) => children.push(number),
            _ => self.documents.push(number),
        }
        number
    }

    /// Whether the scalar at `path` in that document is there and unquoted.
    pub(super) fn is_plain(&self, document: usize, path: &TreePath) -> bool {
        let Some(&root) = self.documents.get(document) else {
            return false;
        };
        let (depth, _, node) = self.walk(root, path);
        depth == path.0.len()
            && matches!(
                self.nodes[node].content,
                Content::Scalar { plain: true, .. }
            )
    }

    /// The deepest part of `path` that is written in any of the file's documents, the last one first.
    pub(super) fn find(&self, path: &TreePath) -> Option<Found> {
        let found = self.documents.iter().map(|&root| {
            let (depth, at, _) = self.walk(root, path);
            Found { depth, at }
        });
        found.max_by_key(|found| found.depth)
    }

    /// Depth reached, the place of the last key or item on the way, and the node there.
    fn walk(&self, root: usize, path: &TreePath) -> (usize, (usize, usize), usize) {
        let mut node = root;
        let mut at = self.nodes[root].at;
        for (depth, segment) in path.0.iter().enumerate() {
            match self.step(node, segment) {
                Some((next, place)) => (node, at) = (next, place),
                None => return (depth, at, node),
            }
        }
        (path.0.len(), at, self.resolved(node))
    }

    fn resolved(&self, node: usize) -> usize {
        match self.nodes[node].content {
            Content::Alias(anchor) => self.anchors.get(&anchor).copied().unwrap_or(node),
            _ => node,
        }
    }

    fn step(&self, node: usize, segment: &Segment) -> Option<(usize, (usize, usize))> {
        match (&self.nodes[self.resolved(node)].content, segment) {
            (Content::List(items), Segment::Index(index)) => {
                items.get(*index).map(|&item| (item, self.nodes[item].at))
            }
            (Content::Map(entries), Segment::Key(key)) => self.entry(entries, key),
            // The list form of what became a map: `- db`, `- KEY=value`.
            (Content::List(items), Segment::Key(key)) => items.iter().rev().find_map(|&item| {
                let Content::Scalar { text, .. } = &self.nodes[self.resolved(item)].content else {
                    return None;
                };
                let rest = text.strip_prefix(key.as_str())?;
                let named = rest.is_empty() || rest.starts_with(['=', ':']);
                named.then_some((item, self.nodes[item].at))
            }),
            _ => None,
        }
    }

    /// The last entry of that name, so that of two the second is shown; then what `<<` brings in.
    fn entry(&self, entries: &[usize], key: &str) -> Option<(usize, (usize, usize))> {
        let mut merged = Vec::new();
        let mut found = None;
        for pair in entries.chunks_exact(2) {
            let Content::Scalar { text, .. } = &self.nodes[self.resolved(pair[0])].content else {
                continue;
            };
            if text == key {
                found = Some((pair[1], self.nodes[pair[0]].at));
            } else if text == "<<" {
                merged.push(self.resolved(pair[1]));
            }
        }
        found.or_else(|| {
            merged
                .into_iter()
                .find_map(|source| match &self.nodes[source].content {
                    Content::Map(entries) => self.plain_entry(entries, key),
                    Content::List(items) => items.iter().find_map(|&item| {
                        match &self.nodes[self.resolved(item)].content {
                            Content::Map(entries) => self.plain_entry(entries, key),
                            _ => None,
                        }
                    }),
                    _ => None,
                })
        })
    }

    /// As [`Self::entry`], without what `<<` brings in, so that the search ends in a file of merge cycles too.
    fn plain_entry(&self, entries: &[usize], key: &str) -> Option<(usize, (usize, usize))> {
        entries
            .chunks_exact(2)
            .find_map(|pair| match &self.nodes[pair[0]].content {
                Content::Scalar { text, .. } if text == key => {
                    Some((pair[1], self.nodes[pair[0]].at))
                }
                _ => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
x-base: &base
  image: a
services:
  web:
    <<: *base
    ports:
      - 80:80
      - 90
    depends_on: [db, cache]
";

    fn at(path: &TreePath) -> Found {
        Spots::read(TEXT).find(path).unwrap()
    }

    #[test]
    fn keys_items_lists_and_merges_have_a_place() {
        let web = TreePath::of(&["services", "web"]);
        assert_eq!(
            at(&web),
            Found {
                depth: 2,
                at: (4, 3)
            }
        );
        assert_eq!(
            at(&web.clone().and("ports").and_index(1)),
            Found {
                depth: 4,
                at: (8, 9)
            }
        );
        assert_eq!(
            at(&web.clone().and("depends_on").and("cache")),
            Found {
                depth: 4,
                at: (9, 22)
            }
        );
        assert_eq!(
            at(&web.clone().and("image")),
            Found {
                depth: 3,
                at: (2, 3)
            }
        );
        assert_eq!(
            at(&web.and("nope").and("deeper")),
            Found {
                depth: 2,
                at: (4, 3)
            }
        );
    }

    #[test]
    fn of_two_keys_the_second_is_shown() {
        let spots = Spots::read("a:\n  b: 1\n  b: 2\n");
        assert_eq!(spots.find(&TreePath::of(&["a", "b"])).unwrap().at, (3, 3));
    }

    #[test]
    fn quotes_are_seen() {
        let spots = Spots::read("a: 010\nb: '010'\n---\na: \"010\"");
        assert!(spots.is_plain(0, &TreePath::of(&["a"])));
        assert!(!spots.is_plain(0, &TreePath::of(&["b"])));
        assert!(!spots.is_plain(1, &TreePath::of(&["a"])));
        assert!(!spots.is_plain(2, &TreePath::of(&["a"])));
    }

    #[test]
    fn a_broken_file_shows_what_comes_before_the_break() {
        let spots = Spots::read("a:\n  b: 1\n  c: [\n");
        assert_eq!(spots.find(&TreePath::of(&["a", "b"])).unwrap().at, (2, 3));
    }
}
