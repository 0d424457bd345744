//! Where in a document something is: a chain on the stack while a tree is walked, and an owned path once
//! somebody has to be told. Of Compose it knows what names an item.

use std::fmt;

use serde_json::Value;

/// A position during a walk. Costs nothing until [`At::path`] is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    above: Option<&'a At<'a>>,
    step: Step<'a>,
    /// Whether the document's variables stand in it as they are written.
    pub(super) as_written: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
    Item(usize, &'a str),
}

impl<'a> At<'a> {
    /// The top of a document.
    pub(super) const ROOT: At<'static> = At {
        above: None,
        step: Step::Root,
        as_written: false,
    };

    /// The top of a document whose variables are left as they are written.
    pub(super) const AS_WRITTEN: At<'static> = At {
        as_written: true,
        ..Self::ROOT
    };

    pub(super) fn key(&'a self, key: &'a str) -> At<'a> {
        self.below(Step::Key(key))
    }

    pub(super) fn index(&'a self, index: usize) -> At<'a> {
        self.below(Step::Index(index))
    }

    fn below(&'a self, step: Step<'a>) -> At<'a> {
        At {
            above: Some(self),
            step,
            as_written: self.as_written,
        }
    }

    /// As [`TreePath::and_item`].
    pub(super) fn item(&'a self, index: usize, name: &'a str) -> At<'a> {
        self.below(Step::Item(index, name))
    }

    /// An item of a merged list by what it has of a name, and by its number where it has none.
    pub(super) fn of_item(&'a self, index: usize, item: &'a Value) -> At<'a> {
        let keys = ["target", "source"];
        let name = keys.iter().find_map(|key| item.get(key)?.as_str());
        name.map_or(self.index(index), |name| self.item(index, name))
    }

    /// The key this position ends with.
    pub(super) fn last(&self) -> Option<&'a str> {
        match self.step {
            Step::Key(key) => Some(key),
            Step::Root | Step::Index(_) | Step::Item(..) => None,
        }
    }

    /// The position that this one belongs to.
    pub(super) fn above(&self) -> TreePath {
        self.above.map(At::path).unwrap_or_default()
    }

    pub(super) fn path(&self) -> TreePath {
        let mut segments = Vec::new();
        let mut here = Some(self);
        while let Some(at) = here {
            match at.step {
                Step::Root => {}
                Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
                Step::Item(index, name) => segments.push(Segment::Item(index, name.to_owned())),
            }
            here = at.above;
        }
        segments.reverse();
        TreePath(segments)
    }
}

/// A path from the top of a document, printed as `services.web.ports[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TreePath(pub(super) Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
    /// An item of a merged list: where it is there, and what its own file has written of it.
    Item(usize, String),
}

impl TreePath {
    /// A path of keys.
    pub(super) fn of(keys: &[&str]) -> Self {
        Self(
            keys.iter()
                .map(|key| Segment::Key((*key).to_owned()))
                .collect(),
        )
    }

    pub(super) fn and(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned()));
        self
    }

    pub(super) fn and_index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// An item of a merged list. It is printed by its number; as other files, ranges and replaced items may stand in
    /// front of it there, it is looked for by `name`, a text in it.
    pub(super) fn and_item(mut self, index: usize, name: &str) -> Self {
        self.0.push(Segment::Item(index, name.to_owned()));
        self
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if number == 0 => write!(f, "{key}")?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) | Segment::Item(index, _) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_can_say_where_it_is() {
        let services = At::ROOT.key("services");
        let web = services.key("web");
        let ports = web.key("ports");
        let path = ports.index(0).path();
        assert_eq!(path.to_string(), "services.web.ports[0]");
        assert_eq!(
            path,
            TreePath::of(&["services", "web", "ports"]).and_index(0)
        );
        assert_eq!(ports.last(), Some("ports"));
    }
}
