//! YAML nodes into a tree: aliases and merge keys resolved within a budget, `!reset` and `!override` noted by path.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::{Error, ErrorKind};
use super::path::{At, TreePath};
use super::reread::is_doubtful;
use super::scalar;

/// What a node costs besides its text.
pub(super) const NODE: usize = 32;

/// What the reading of a file shares.
pub(super) struct State {
    /// What may still be read, in units of [`Reader::spend`].
    pub(super) budget: Cell<usize>,
    pub(super) resets: RefCell<Vec<TreePath>>,
    /// The error behind a failed read, which serde can carry only as text.
    pub(super) failed: RefCell<Option<Error>>,
    /// Whether there is a scalar that may be something else to docker compose (see `reread`).
    pub(super) doubtful: Cell<bool>,
}

/// Reads the node at a path; `None` for one that is reset. serde_yaml refuses to go more than 128 deep, so
/// this recursion, and every later walk over the tree, is bounded.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) state: &'a State,
    pub(super) at: At<'a>,
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

    #[allow(clippy::cast_precision_loss)] // what is no 64-bit integer is a float for go-yaml
    fn visit_i128<E: serde::de::Error>(self, number: i128) -> Result<Option<Value>, E> {
        self.visit_f64(number as f64)
    }

    #[allow(clippy::cast_precision_loss)] // as above
    fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<Option<Value>, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Option<Value>, E> {
        self.spend(0)?;
        // JSON has no `.inf` and `.nan`: they become the text that Go prints.
        let number =
            Number::from_f64(number).map_or_else(|| scalar::go_float(number).into(), Value::Number);
        Ok(Some(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<Value>, E> {
        self.spend(text.len())?;
        if is_doubtful(text) {
            self.state.doubtful.set(true);
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
        let mut merged = None;
        let mut reset: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key(self))? {
            self.spend(key.len())?;
            let is_merge = key == "<<";
            if map.contains_key(&key) || reset.contains(&key) || is_merge && merged.is_some() {
                let at = self.at.key(&key);
                return Err(Reader { at, ..self }.fail(ErrorKind::DuplicateKey(key.clone())));
            }
            if is_merge {
                merged = Some(entries.next_value_seed(self)?);
                continue;
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
        if let Some(value) = merged.flatten() {
            self.merge_key(&mut map, value)?;
        }
        Ok(Some(Value::Object(map)))
    }

    /// A node with a tag of its own (`!reset`, `!override`, or one that means nothing here).
    fn visit_enum<A: EnumAccess<'de>>(self, node: A) -> Result<Option<Value>, A::Error> {
        let (tag, content) = node.variant::<String>()?;
        let value = content.newtype_variant_seed(self)?;
        let scalar = |value: &Value| !(value.is_string() || value.is_array() || value.is_object());
        if value.as_ref().is_some_and(scalar) {
            self.state.doubtful.set(true);
        }
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
        let at = self.at.key("<<");
        let (sources, is_list) = match value {
            Value::Array(items) => (items, true),
            one => (vec![one], false),
        };
        for (index, source) in sources.into_iter().enumerate() {
            let Value::Object(source) = source else {
                let reason = "`<<` takes a map or a list of maps".to_owned();
                let at = if is_list { at.index(index) } else { at };
                return Err(Reader { at, ..*self }.fail(ErrorKind::Yaml(reason)));
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

impl Key<'_> {
    fn no_text<E: serde::de::Error>(self, key: &str, what: &'static str) -> E {
        let at = self.0.at.key(key);
        Reader { at, ..self.0 }.fail(ErrorKind::KeyType(what))
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: serde::de::Error>(self, key: bool) -> Result<String, E> {
        Err(self.no_text(&key.to_string(), "true or false"))
    }

    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<String, E> {
        Err(self.no_text(&key.to_string(), "a number"))
    }

    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<String, E> {
        Err(self.no_text(&key.to_string(), "a number"))
    }

    fn visit_f64<E: serde::de::Error>(self, key: f64) -> Result<String, E> {
        Err(self.no_text(&key.to_string(), "a number"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<String, E> {
        Err(self.0.fail(ErrorKind::KeyType("empty")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(self.0.fail(ErrorKind::KeyType("a list")))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(self.0.fail(ErrorKind::KeyType("a map")))
    }
}
