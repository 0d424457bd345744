//! Where a path of the tree is written: the file's events with their lines and columns. Read only when
//! something must be reported, or for `reread`.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::path::{Segment, TreePath};

/// The nodes of a file and where each starts. What follows a syntax error is missing.
#[derive(Default)]
pub(super) struct Spots {
    pub(super) nodes: Vec<Node>,
    pub(super) documents: Vec<usize>,
    anchors: HashMap<usize, usize>,
}

pub(super) struct Node {
    /// Line and column, both from 1.
    pub(super) at: (usize, usize),
    pub(super) content: Content,
    /// `!reset`: no part of the tree.
    pub(super) is_reset: bool,
}

pub(super) enum Content {
    Scalar {
        text: String,
        writing: Writing,
    },
    List(Vec<usize>),
    /// Keys and values by turns.
    Map(Vec<usize>),
    Alias(usize),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Without quotes and without a tag: what it is depends on its characters.
    Plain,
    /// `!!binary`.
    Binary,
    /// With a tag that is not of YAML itself, `!override` say.
    Tagged,
    /// Text that is meant as it stands.
    Literal,
}

/// The end of a search: how many segments of the path were found, and where the last of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) depth: usize,
    /// Whether every item on the way has what was looked for, and is not only as many items down.
    pub(super) sure: bool,
    pub(super) at: (usize, usize),
}

/// A node with where its key or item starts, and whether it is what was looked for.
type Step = (usize, (usize, usize), bool);

impl Spots {
    pub(super) fn read(text: &str) -> Self {
        let mut spots = Self::default();
        let mut open: Vec<usize> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            let is_reset = is_reset(&event);
            let (content, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let writing = match tag {
                        Some(tag) if tag.suffix == "binary" => Writing::Binary,
                        Some(tag) if !tag.is_yaml_core_schema() => Writing::Tagged,
                        None if style == ScalarStyle::Plain => Writing::Plain,
                        _ => Writing::Literal,
                    };
                    let text = text.into_owned();
                    (Content::Scalar { text, writing }, anchor)
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
            spots.nodes[node].is_reset = is_reset;
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
            is_reset: false,
        });
        match parent.map(|parent| &mut self.nodes[parent].content) {
            Some(Content::List(children) | Content::Map(children)) => children.push(number),
            _ => self.documents.push(number),
        }
        number
    }

    /// Where a document starts.
    pub(super) fn document(&self, number: usize) -> Option<(usize, usize)> {
        self.documents.get(number).map(|&root| self.nodes[root].at)
    }

    /// The deepest part of `path` that is written in any of the file's documents, the last one first.
    pub(super) fn find(&self, path: &TreePath) -> Option<Found> {
        let found = self.documents.iter().map(|&root| self.walk(root, path));
        found.max_by_key(|found| (found.depth, found.sure))
    }

    /// The first alias on the way down `path`, in the last document that has one.
    pub(super) fn first_alias(&self, path: &TreePath) -> Option<(usize, usize)> {
        let in_document = |root: usize| {
            let mut node = root;
            for segment in &path.0 {
                (node, _, _) = self.step(node, segment)?;
                if matches!(self.nodes[node].content, Content::Alias(_)) {
                    return Some(self.nodes[node].at);
                }
            }
            None
        };
        self.documents
            .iter()
            .rev()
            .find_map(|&root| in_document(root))
    }

    /// The place of the last key or item of `path` that is there.
    fn walk(&self, root: usize, path: &TreePath) -> Found {
        let mut node = root;
        let mut found = Found {
            depth: 0,
            sure: true,
            at: self.nodes[root].at,
        };
        for segment in &path.0 {
            let Some((next, at, sure)) = self.step(node, segment) else {
                break;
            };
            node = next;
            found = Found {
                depth: found.depth + 1,
                sure: found.sure && sure,
                at,
            };
        }
        found
    }

    pub(super) fn resolved(&self, node: usize) -> usize {
        match self.nodes[node].content {
            Content::Alias(anchor) => self.anchors.get(&anchor).copied().unwrap_or(node),
            _ => node,
        }
    }

    fn step(&self, node: usize, segment: &Segment) -> Option<Step> {
        let at = |item: usize, sure| (item, self.nodes[item].at, sure);
        match (&self.nodes[self.resolved(node)].content, segment) {
            (Content::List(items), Segment::Index(index)) => {
                items.get(*index).map(|&item| at(item, true))
            }
            (Content::List(items), Segment::Item(index, name)) => {
                let there = items.get(*index);
                let named = there.filter(|item| self.has(**item, name));
                let named =
                    named.or_else(|| items.iter().rev().find(|item| self.has(**item, name)));
                let named = named.map(|&item| at(item, true));
                named.or_else(|| there.map(|&item| at(item, false)))
            }
            (Content::Map(entries), Segment::Key(key)) => self
                .entry(entries, key)
                .map(|(value, at)| (value, at, true)),
            // The list form of what became a map: `- db`, `- KEY=value`.
            (Content::List(items), Segment::Key(key)) => items.iter().rev().find_map(|&item| {
                let Content::Scalar { text, .. } = &self.nodes[self.resolved(item)].content else {
                    return None;
                };
                let rest = text.strip_prefix(key.as_str())?;
                let named = rest.is_empty() || rest.starts_with(['=', ':']);
                named.then_some(at(item, true))
            }),
            _ => None,
        }
    }

    /// Whether an item says `name`: as one of the parts of a short form, or as a value of a long one.
    fn has(&self, item: usize, name: &str) -> bool {
        let is_text = |node: usize| match &self.nodes[self.resolved(node)].content {
            Content::Scalar { text, .. } => {
                text == name || text.split(':').any(|part| part == name)
            }
            _ => false,
        };
        match &self.nodes[self.resolved(item)].content {
            Content::Map(entries) => entries.chunks_exact(2).any(|pair| is_text(pair[1])),
            _ => is_text(item),
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

fn is_reset(event: &Event<'_>) -> bool {
    let (Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, tag) | Event::MappingStart(_, tag)) =
        event
    else {
        return false;
    };
    tag.as_ref().is_some_and(|tag| tag.suffix == "reset")
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
                sure: true,
                at: (4, 3)
            }
        );
        assert_eq!(
            at(&web.clone().and("ports").and_index(1)),
            Found {
                depth: 4,
                sure: true,
                at: (8, 9)
            }
        );
        assert_eq!(
            at(&web.clone().and("depends_on").and("cache")),
            Found {
                depth: 4,
                sure: true,
                at: (9, 22)
            }
        );
        assert_eq!(
            at(&web.clone().and("image")),
            Found {
                depth: 3,
                sure: true,
                at: (2, 3)
            }
        );
        assert_eq!(
            at(&web.and("nope").and("deeper")),
            Found {
                depth: 2,
                sure: true,
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
    fn an_item_of_a_merged_list_is_found_by_what_it_says() {
        let text = "v:\n- aa:/x\n- {type: bind, source: ./b, target: /y}\n- ${C}:/z:ro\n";
        let spots = Spots::read(text);
        let find = |index, name| {
            let found = spots
                .find(&TreePath::of(&["v"]).and_item(index, name))
                .unwrap();
            (found.at.0, found.sure)
        };
        assert_eq!(find(9, "aa"), (2, true));
        assert_eq!(find(9, "/y"), (3, true));
        assert_eq!(find(9, "/z"), (4, true));
        assert_eq!(find(1, "nobody"), (3, false));
        let mirrored = Spots::read("v:\n- /a:/b\n- /b:/c\n");
        let found = mirrored.find(&TreePath::of(&["v"]).and_item(0, "/b"));
        assert_eq!(found.unwrap().at.0, 2);
    }

    #[test]
    fn a_broken_file_shows_what_comes_before_the_break() {
        let spots = Spots::read("a:\n  b: 1\n  c: [\n");
        assert_eq!(spots.find(&TreePath::of(&["a", "b"])).unwrap().at, (2, 3));
    }
}
