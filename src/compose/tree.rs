//! YAML text in, one tree per document out: aliases and merge keys resolved within a budget, `!reset` and
//! `!override` noted by path, scalars as docker compose's YAML reader has them. Knows nothing of Compose's
//! attributes.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::{Error, ErrorKind};
use super::locate::Spots;
use super::path::{At, TreePath};
use super::scalar;
use super::weight;
use crate::model::Place;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) tree: Value,
    /// What earlier documents said at these paths is dropped before this one is merged (`!reset`, `!override`).
    pub(super) resets: Vec<TreePath>,
}

/// What aliases may add to a file, in units of [`Reader::spend`]: to a small one about 200,000 nodes, to a large
/// one 64 times itself (ten thousand services that share a block of fifty lines), never more than the last. A bomb
/// needs billions.
const EXPANSION: usize = 8 << 20;
const EXPANSION_RATIO: usize = 64;
const EXPANSION_LIMIT: usize = 32 << 20;
/// What a node costs besides its text.
const NODE: usize = 32;
/// How deep a document may nest: serde_yaml's own limit.
pub(super) const DEPTH: usize = 128;

/// The documents in `text`, empty ones left out.
///
/// # Errors
/// Text that is not YAML, a key written twice or not text, and aliases that expand beyond the budget.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, Error> {
    weight::check(text)?;
    let expansion = (EXPANSION + text.len() * EXPANSION_RATIO).min(EXPANSION_LIMIT);
    let state = State {
        budget: Cell::new(text.len() * (NODE + 1) + expansion),
        resets: RefCell::default(),
        failed: RefCell::default(),
        old_numbers: Cell::new(false),
    };
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let read = Reader {
            state: &state,
            at: At::ROOT,
        }
        .deserialize(document);
        let resets = state.resets.take();
        match read {
            Ok(tree) => documents.push(Document {
                tree: tree.unwrap_or(Value::Null),
                resets,
            }),
            Err(error) => return Err(state.failed.take().unwrap_or_else(|| yaml_error(&error))),
        }
    }
    if state.old_numbers.get() {
        let spots = Spots::read(text);
        for (number, document) in documents.iter_mut().enumerate() {
            reread_numbers(&mut document.tree, At::ROOT, &|path| {
                spots.is_plain(number, path)
            });
        }
    }
    documents.retain(|document| !document.tree.is_null());
    Ok(documents)
}

fn yaml_error(error: &serde_yaml::Error) -> Error {
    let text = error.to_string();
    let kind = if text.contains("repetition limit") {
        ErrorKind::Expansion
    } else if text.contains("recursion limit") {
        ErrorKind::Depth(DEPTH)
    } else {
        // The place is printed on a line of its own.
        ErrorKind::Yaml(text.split(" at line ").next().unwrap_or(&text).to_owned())
    };
    let place = |location: serde_yaml::Location| Place {
        file: PathBuf::new(),
        at: Some((location.line(), location.column())),
    };
    let place = error.location().map(place);
    Error {
        place,
        ..Error::from(kind)
    }
}

/// Text that YAML 1.1 reads as a number (`010`, `1_000`), which serde_yaml hands over as text whether it was
/// quoted or not: the file's events tell.
fn reread_numbers(value: &mut Value, at: At<'_>, is_plain: &dyn Fn(&TreePath) -> bool) {
    match value {
        Value::String(text) => {
            if let Some(number) = scalar::old_number(text)
                && is_plain(&at.path())
            {
                *value = number;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                reread_numbers(item, at.index(index), is_plain);
            }
        }
        Value::Object(map) => {
            for (key, item) in map.iter_mut() {
                reread_numbers(item, at.key(key), is_plain);
            }
        }
        _ => {}
    }
}

struct State {
    budget: Cell<usize>,
    resets: RefCell<Vec<TreePath>>,
    /// The error behind a failed read, which serde can carry only as text.
    failed: RefCell<Option<Error>>,
    old_numbers: Cell<bool>,
}

/// Reads the node at a path; `None` for one that is reset. serde_yaml refuses to go more than 128 deep, so
/// this recursion, and every later walk over the tree, is bounded.
#[derive(Clone, Copy)]
struct Reader<'a> {
    state: &'a State,
    at: At<'a>,
}

impl Reader<'_> {
    fn spend<E: serde::de::Error>(&self, text: usize) -> Result<(), E> {
        let left = self.state.budget.get().checked_sub(NODE + text);
        left.map(|left| self.state.budget.set(left))
            .ok_or_else(|| self.fail(ErrorKind::Expansion))
    }

    fn fail<E: serde::de::Error>(&self, kind: ErrorKind) -> E {
        let message = E::custom(&kind);
        self.state
            .failed
            .borrow_mut()
            .get_or_insert_with(|| Error::from(kind).at(self.at.path()));
        message
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Option<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<Value>, E> {
        self.spend(0)?;
        Ok(Some(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Option<Value>, E> {
        self.visit_unit()
    }

    fn visit_bool<E: serde::de::Error>(self, bool: bool) -> Result<Option<Value>, E> {
        self.spend(0)?;
        Ok(Some(Value::Bool(bool)))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Option<Value>, E> {
        self.spend(0)?;
        Ok(Some(number.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Option<Value>, E> {
        self.spend(0)?;
        Ok(Some(number.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, number: i128) -> Result<Option<Value>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<Option<Value>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Option<Value>, E> {
        self.spend(0)?;
        // `.inf` and `.nan` mean nothing to Compose: they stay text.
        let number =
            Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number);
        Ok(Some(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<Value>, E> {
        self.spend(text.len())?;
        if scalar::old_number(text).is_some() {
            self.state.old_numbers.set(true);
        }
        Ok(Some(Value::String(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        self.spend(0)?;
        let mut list = Vec::new();
        let mut index = 0;
        while let Some(item) = items.next_element_seed(Reader {
            at: self.at.index(index),
            ..self
        })? {
            list.extend(item);
            index += 1;
        }
        Ok(Some(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Value>, A::Error> {
        self.spend(0)?;
        let mut map = Map::new();
        let mut merged = Vec::new();
        let mut reset: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key(self))? {
            self.spend(key.len())?;
            if key == "<<" {
                merged.extend(entries.next_value_seed(self)?);
                continue;
            }
            if map.contains_key(&key) || reset.contains(&key) {
                let at = self.at.key(&key);
                return Err(Reader { at, ..self }.fail(ErrorKind::DuplicateKey(key.clone())));
            }
            match entries.next_value_seed(Reader {
                at: self.at.key(&key),
                ..self
            })? {
                Some(value) => {
                    map.insert(key, value);
                }
                None => _ = reset.insert(key),
            }
        }
        for value in merged {
            self.merge_key(&mut map, value)?;
        }
        Ok(Some(Value::Object(map)))
    }

    /// A node with a tag of its own (`!reset`, `!override`, or one that means nothing here).
    fn visit_enum<A: EnumAccess<'de>>(self, node: A) -> Result<Option<Value>, A::Error> {
        let (tag, content) = node.variant::<String>()?;
        let value = content.newtype_variant_seed(self)?;
        match tag.trim_start_matches('!') {
            "reset" => {
                self.state.resets.borrow_mut().push(self.at.path());
                Ok(None)
            }
            "override" => {
                self.state.resets.borrow_mut().push(self.at.path());
                Ok(value)
            }
            _ => Ok(value),
        }
    }
}

impl Reader<'_> {
    /// `<<`: a map, or a list of maps; a key that is there already wins, then the earlier map.
    fn merge_key<E: serde::de::Error>(
        &self,
        map: &mut Map<String, Value>,
        value: Value,
    ) -> Result<(), E> {
        let sources = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        for source in sources {
            let Value::Object(source) = source else {
                let reason = "`<<` takes a map or a list of maps".to_owned();
                return Err(self.fail(ErrorKind::Yaml(reason)));
            };
            for (key, value) in source {
                if !map.contains_key(&key) {
                    map.insert(key, value);
                }
            }
        }
        Ok(())
    }
}

/// Reads a key, which compose-go wants to be text (`convertToStringKeysRecursive`).
struct Key<'a>(Reader<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("true or false")))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("a number")))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("a number")))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("a number")))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("empty")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Value {
        parse(text).unwrap().remove(0).tree
    }

    #[test]
    fn scalars_are_read_as_docker_compose_reads_them() {
        let text = "{a: 010, b: '010', c: 1_000, d: 0x10, e: 1e3, f: 1.10, g: yes, h: 12:30, i: ~, j: .5, k: '1_0'}";
        assert_eq!(
            tree(text),
            json!({"a": 8, "b": "010", "c": 1000, "d": 16, "e": 1e3, "f": 1.1, "g": "yes", "h": "12:30",
                   "i": null, "j": 0.5, "k": "1_0"})
        );
    }

    #[test]
    fn merge_keys_take_maps_and_lists_of_maps() {
        let text = "
x: &x {a: 1, b: 1}
y: &y {b: 2, c: 2}
l: &l [*y, *x]
one: {<<: *x, b: 3}
many: {<<: [*x, *y]}
list: {<<: *l}";
        let tree = tree(text);
        assert_eq!(tree["one"], json!({"a": 1, "b": 3}));
        assert_eq!(tree["many"], json!({"a": 1, "b": 1, "c": 2}));
        assert_eq!(tree["list"], json!({"a": 1, "b": 2, "c": 2}));
    }

    #[test]
    fn resets_are_noted_and_documents_kept_apart() {
        let documents = parse("a: 1\n---\nb: {c: !reset null, d: !override [1]}\n---\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].tree, json!({"b": {"d": [1]}}));
        let paths: Vec<_> = documents[1]
            .resets
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(paths, ["b.c", "b.d"]);
    }

    #[test]
    fn keys_are_text_and_written_once() {
        assert_eq!(
            parse("a: {b: 1, b: 2}").unwrap_err().to_string(),
            "`b` is written twice"
        );
        let number = parse("a: {1: 2}").unwrap_err();
        assert_eq!(
            number.to_string(),
            "keys must be text, and this one is a number"
        );
    }

    #[test]
    fn expansion_has_a_budget() {
        let wide = format!(
            "a: &a [{}]\nb: [{}]",
            "x,".repeat(10_000),
            "*a,".repeat(1_000)
        );
        let long = format!(
            "a: &a {}\nb: [{}]",
            "x".repeat(1_000_000),
            "*a,".repeat(1_000)
        );
        let ten = |name: char, item: &str| format!("{name}: &{name} [{}]\n", item.repeat(10));
        let above = |(name, above): (char, char)| ten(name, &format!("*{above},"));
        let deep = ten('a', "x,")
            + &('b'..='j')
                .zip('a'..)
                .map(above)
                .collect::<Vec<_>>()
                .concat();
        for bomb in [wide, long, deep] {
            let error = parse(&bomb).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Expansion), "{error}");
        }
        let flat = format!("a: [{}]", "x,".repeat(299_990));
        assert!(parse(&flat).is_ok());
    }

    #[test]
    fn depth_and_cycles_are_errors() {
        for deep in [
            "[".repeat(100_000),
            "{a: ".repeat(100_000),
            "- ".repeat(100_000),
        ] {
            let error = parse(&deep).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Depth(_)), "{error}");
        }
        assert!(parse("a: &a {b: *a}").is_err());
        assert!(parse(&format!("a: '{}'", "[".repeat(1000))).is_ok());
    }
}
