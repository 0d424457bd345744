//! One Compose file on its second reading: of each document what it says at a path, and where; its variables as they are
//! written.

use serde_json::Value;

use super::item;
use super::rule::Rule;
use super::spot::Spot;
use super::subject::{Step, leading_keys};
use crate::compose::attributes::SERVICE_SHAPE;
use crate::compose::locate::Spots;
use crate::compose::lower::lower;
use crate::compose::path::{At, Segment, TreePath};
use crate::compose::top_level::ROOT;
use crate::compose::tree;
use crate::compose::weight::Budget;

/// A file.
pub(super) struct File {
    pub(super) documents: Vec<Document>,
    pub(super) spots: Spots,
    /// Whether an `!override` is written in it: else what is reset and said again has `!reset` in one of its anchors.
    pub(super) has_override: bool,
}

/// One of its documents.
pub(super) struct Document {
    /// As it is written, aliases and merge keys followed.
    pub(super) raw: Value,
    /// In canonical form.
    pub(super) tree: Value,
    /// The keys that lead to what has `!reset` or `!override`.
    pub(super) resets: Vec<Vec<String>>,
    number: usize,
}

/// What a document says at a path.
pub(super) struct Said {
    /// In canonical form.
    pub(super) value: Value,
    /// As it is written: where that is shorter, what it is made from.
    pub(super) written: Value,
    pub(super) spot: Option<Spot>,
}

/// Looks a variable up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl File {
    /// Reads a text, which did load a moment ago.
    pub(super) fn read(text: &str) -> Self {
        let documents = tree::parse(text, &mut Budget::default()).unwrap_or_default();
        let documents = documents.into_iter().enumerate();
        let documents = documents.map(|(number, document)| Document {
            tree: canonical(&document.tree),
            raw: document.tree,
            resets: document.resets.iter().filter_map(keys).collect(),
            number,
        });
        Self {
            documents: documents.collect(),
            spots: Spots::read(text),
            has_override: text.contains("!override"),
        }
    }
}

/// A path of keys; what is in a list is nothing that a later file resets.
fn keys(path: &TreePath) -> Option<Vec<String>> {
    let keys = path.0.iter().map(|segment| match segment {
        Segment::Key(key) => Some(key.clone()),
        Segment::Index(_) | Segment::Item(..) => None,
    });
    keys.collect()
}

/// The canonical form of a document. Of one that some are extended from only the services have one, and not each: what is
/// wrong with others does not count.
fn canonical(raw: &Value) -> Value {
    let mut tree = raw.clone();
    if lower(&mut tree, &ROOT, At::AS_WRITTEN).is_ok() {
        return tree;
    }
    tree.clone_from(raw);
    let services = tree.get_mut("services").and_then(Value::as_object_mut);
    for (_, service) in services.into_iter().flatten() {
        let mut lowered = service.clone();
        if lower(&mut lowered, &SERVICE_SHAPE, At::AS_WRITTEN).is_ok() {
            *service = lowered;
        }
    }
    tree
}

impl Document {
    /// What is said at a path.
    pub(super) fn says(&self, steps: &[Step], spots: &Spots, lookup: Lookup<'_>) -> Option<Said> {
        let top = Here {
            value: &self.tree,
            raw: &self.raw,
            is_raw: true,
            rule: Rule::top(),
            spot: Spot::top(spots, self.number),
        };
        top.walk(steps, spots, lookup)
    }

    /// The `!reset` or `!override` that a path is subject to: the keys that lead to it.
    pub(super) fn reset_of(&self, steps: &[Step]) -> Option<&[String]> {
        let keys = leading_keys(steps);
        let mut resets = self.resets.iter();
        let found = resets.find(|reset| {
            reset.len() <= keys.len() && keys.iter().zip(*reset).all(|(a, b)| a == b)
        });
        found.map(Vec::as_slice)
    }

    /// What `!reset` takes away below a path, seen from there.
    pub(super) fn resets_below(&self, steps: &[Step]) -> Vec<String> {
        let keys = leading_keys(steps);
        let below = self.resets.iter().filter(|reset| {
            reset.len() > keys.len()
                && keys.len() == steps.len()
                && keys.iter().zip(*reset).all(|(a, b)| a == b)
        });
        let gone = below.filter(|reset| get(&self.tree, reset).is_none());
        let mut names: Vec<_> = gone.map(|reset| reset[keys.len()..].join(".")).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether anything is at the end of these keys.
    pub(super) fn has(&self, keys: &[String]) -> bool {
        get(&self.tree, keys).is_some()
    }

    /// The logging driver of a path's service.
    pub(super) fn driver(&self, steps: &[Step]) -> Option<&Value> {
        let keys = leading_keys(steps);
        let service = self.tree.get("services")?.get(keys.get(1)?)?;
        service.get("logging")?.get("driver")
    }

    /// Where a `!reset` is written, to which these keys lead.
    pub(super) fn spot_of(&self, keys: &[String], spots: &Spots) -> Option<Spot> {
        let top = Spot::top(spots, self.number)?;
        keys.iter()
            .try_fold(top, |spot, key| spot.find(spots, key, true))
    }

    /// What `<<` would bring in, were it not written beside it: the places, and the texts there.
    pub(super) fn passed_over(&self, steps: &[Step], spots: &Spots) -> Vec<(Spot, Option<String>)> {
        let keys = leading_keys(steps);
        let Some(mut spot) = Spot::top(spots, self.number).filter(|_| keys.len() == steps.len())
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let mut below = keys[number + 1..].iter();
            let other = spot.passed_over(spots, key);
            let other =
                other.and_then(|other| below.try_fold(other, |at, key| at.find(spots, key, false)));
            found.extend(other.map(|other| (other, other.text(spots).map(str::to_owned))));
            spot = spot.key(spots, key);
        }
        found
    }
}

fn get<'a>(tree: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(tree, |value, key| value.get(key))
}

/// A place in a document on the way down.
struct Here<'a> {
    value: &'a Value,
    /// The same as it is written, or what it is made from.
    raw: &'a Value,
    /// Whether it is the same.
    is_raw: bool,
    rule: Rule,
    spot: Option<Spot>,
}

impl Here<'_> {
    fn walk(self, steps: &[Step], spots: &Spots, lookup: Lookup<'_>) -> Option<Said> {
        let Some((step, rest)) = steps.split_first() else {
            return Some(self.said());
        };
        let rule = self.rule.below(step);
        match (step, self.value) {
            // Only its variables say what is in it.
            (_, Value::String(text)) if text.contains('$') => Some(self.said()),
            (Step::Key(key), Value::Array(items)) if rule.is_entry && rest.is_empty() => {
                entry(items, key, self.spot, spots, lookup)
            }
            (Step::Key(key), value) => {
                let raw = self.raw.get(key).filter(|_| self.is_raw);
                let below = Here {
                    value: value.get(key)?,
                    raw: raw.unwrap_or_else(|| self.raw_item(key)),
                    is_raw: raw.is_some(),
                    rule,
                    spot: self.spot.map(|spot| spot.key(spots, key)),
                };
                below.walk(rest, spots, lookup)
            }
            (Step::Item(index, model), value) => {
                let raw = if self.is_raw { self.raw } else { value };
                let items: Vec<&Value> = match (raw, value) {
                    // A text for a list of one.
                    (Value::String(_), _) => vec![raw],
                    // Some lists are made from maps.
                    (Value::Array(items), _) | (_, Value::Array(items)) => items.iter().collect(),
                    _ => return None,
                };
                let found = item::position(&items, (*index, model), self.rule, lookup)?;
                let item = items[found.number];
                let mut written = item::canonical(item.clone(), self.rule, At::AS_WRITTEN);
                let part = found.part.min(written.len().checked_sub(1)?);
                let value = written.swap_remove(part);
                let spot = self.spot.map(|spot| spot.item(spots, found.number));
                let below = Here {
                    value: &value,
                    raw: item,
                    is_raw: true,
                    rule,
                    spot,
                };
                below.walk(rest, spots, lookup)
            }
        }
    }

    /// What is made a key from: a name in a list, else the whole.
    fn raw_item(&self, key: &str) -> &Value {
        let items = self.raw.as_array().into_iter().flatten();
        let mut items = items.filter(|_| self.is_raw);
        let named = |item: &&Value| {
            let rest = item.as_str().and_then(|text| text.strip_prefix(key));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        items.find(named).unwrap_or(self.raw)
    }

    fn said(&self) -> Said {
        let is_part = self.rule.is_entry && !self.is_raw;
        Said {
            value: self.value.clone(),
            written: if is_part { self.value } else { self.raw }.clone(),
            spot: self.spot,
        }
    }
}

/// A variable or label in a list that stays one, as there are variables in its names.
fn entry(
    items: &[Value],
    key: &str,
    spot: Option<Spot>,
    spots: &Spots,
    lookup: Lookup<'_>,
) -> Option<Said> {
    let mut texts = items.iter().enumerate().rev();
    texts.find_map(|(number, item)| {
        let meant = item::meant(item.clone(), lookup);
        let name = meant.as_str()?.split('=').next()?;
        (name == key).then(|| {
            let text = item.as_str().unwrap_or_default();
            let value = match text.split_once('=') {
                Some((name, value)) if !name.contains('$') => value.into(),
                None if !text.contains('$') => Value::Null,
                _ => item.clone(),
            };
            Said {
                written: value.clone(),
                value,
                spot: spot.map(|spot| spot.item(spots, number)),
            }
        })
    })
}
