//! Two canonical trees into one: what a later file, or an extending service, changes in an earlier one
//! (compose-go `override/merge.go`). The tables say which rule an attribute follows.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::{Error, ErrorKind};
use super::lower::{distinct, kind};
use super::path::{At, Segment, TreePath};
use super::pools::merge_pools;
use super::schema::{Identity, Merge, Shape};

/// Merges `over` into `base`.
///
/// # Errors
/// A list where the other file has a map, and the like.
pub(super) fn merge(base: &mut Value, over: Value, shape: &Shape, at: At<'_>) -> Result<(), Error> {
    by_rule(base, over, shape, Merge::Deep, at)
}

fn by_rule(
    base: &mut Value,
    over: Value,
    shape: &Shape,
    rule: Merge,
    at: At<'_>,
) -> Result<(), Error> {
    let replaces = match rule {
        Merge::Replace => true,
        Merge::Logging => match (base.get("driver"), over.get("driver")) {
            (Some(base), Some(over)) => base != over,
            _ => false,
        },
        _ => false,
    };
    if replaces || base.is_null() {
        *base = over;
        return Ok(());
    }
    match (&mut *base, over) {
        // An empty later value says nothing.
        (_, Value::Null) => Ok(()),
        (Value::Object(map), Value::Object(over)) => {
            for (key, value) in over {
                match map.get_mut(&key) {
                    Some(base) if matches!(rule, Merge::ReplaceEach) => *base = value,
                    None => _ = map.insert(key, value),
                    Some(base) => entry(base, value, shape, at.key(&key))?,
                }
            }
            Ok(())
        }
        (Value::Array(items), Value::Array(over)) => {
            append(items, over, rule, at)?;
            match shape {
                Shape::Distinct(_) => distinct(base, at),
                _ => Ok(()),
            }
        }
        (Value::Array(items), Value::Object(over)) if at.as_written => {
            items.extend(as_list(over));
            Ok(())
        }
        (Value::Object(map), Value::Array(over)) if at.as_written => {
            let items = as_list(std::mem::take(map)).chain(over);
            *base = items.collect();
            Ok(())
        }
        (Value::Object(_) | Value::Array(_), over) => Err(ErrorKind::Merge {
            path: at.path(),
            base: kind(base),
            over: kind(&over),
        }
        .into()),
        (_, over) => {
            *base = over;
            Ok(())
        }
    }
}

/// A map in the form of a list, where the other side has to stay one: there are variables in its names.
fn as_list(map: Map<String, Value>) -> impl Iterator<Item = Value> {
    map.into_iter()
        .map(|(name, value)| match super::scalar::text(&value) {
            Some(text) => format!("{name}={text}").into(),
            None => name.into(),
        })
}

/// A key that both maps have.
fn entry(base: &mut Value, over: Value, shape: &Shape, at: At<'_>) -> Result<(), Error> {
    match shape.canonical() {
        // A variable without a value is one all the same: it is taken from the environment.
        Shape::Variables | Shape::Labels => {
            *base = over;
            Ok(())
        }
        Shape::Fields(table) => match at.last().and_then(|key| table.field(key)) {
            Some(field) => by_rule(base, over, &field.shape, field.merge, at),
            None => by_rule(base, over, &Shape::Any, Merge::Deep, at),
        },
        Shape::Named(inner) | Shape::Map(inner) => merge(base, over, inner, at),
        _ => merge(base, over, &Shape::Any, at),
    }
}

fn append(items: &mut Vec<Value>, over: Vec<Value>, rule: Merge, at: At<'_>) -> Result<(), Error> {
    match rule {
        Merge::Pools => return merge_pools(items, over, at),
        Merge::Unique(identity) => {
            items.extend(over);
            keep_last(items, identity);
        }
        _ => items.extend(over),
    }
    Ok(())
}

/// Of items with one identity the last stays, in the first one's place.
pub(super) fn keep_last(items: &mut Vec<Value>, identity: Identity) {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        match places.entry(identity(&item)) {
            std::collections::hash_map::Entry::Occupied(place) => kept[*place.get()] = item,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
        }
    }
    *items = kept;
}

/// Drops what stands at these paths (`!reset`, `!override` in a later document). Items of lists stay, and all that is in
/// them, as in compose-go.
pub(super) fn reset<'a>(tree: &mut Value, paths: impl IntoIterator<Item = &'a TreePath>) {
    for path in paths {
        let Some((Segment::Key(last), above)) = path.0.split_last() else {
            continue;
        };
        let mut node = Some(&mut *tree);
        for segment in above {
            node = match segment {
                Segment::Key(key) => node.and_then(|node| node.get_mut(key)),
                Segment::Index(_) | Segment::Item(..) => None,
            };
        }
        if let Some(Value::Object(map)) = node {
            map.swap_remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::lower::lower;
    use super::super::top_level::ROOT;
    use super::*;

    #[allow(clippy::needless_pass_by_value)] // `json!` makes values
    fn merged(base: Value, over: Value) -> Result<Value, Error> {
        let mut tree = json!({"services": {"a": base}});
        let mut over = json!({"services": {"a": over}});
        lower(&mut tree, &ROOT, At::ROOT)?;
        lower(&mut over, &ROOT, At::ROOT)?;
        merge(&mut tree, over, &ROOT, At::ROOT)?;
        Ok(tree["services"]["a"].take())
    }

    #[test]
    fn every_attribute_has_its_rule() {
        let cases = [
            (
                json!({"command": ["a", "b"]}),
                json!({"command": "c"}),
                json!({"command": ["c"]}),
            ),
            (
                json!({"environment": {"A": 1, "B": 2}}),
                json!({"environment": ["A", "C=3"]}),
                json!({"environment": {"A": null, "B": "2", "C": "3"}}),
            ),
            (
                json!({"expose": [1, 2]}),
                json!({"expose": [2, 3]}),
                json!({"expose": ["1", "2", "3"]}),
            ),
            (
                json!({"dns": "1"}),
                json!({"dns": ["2", "1"]}),
                json!({"dns": ["1", "2"]}),
            ),
            (
                json!({"logging": {"driver": "json-file", "options": {"a": "1"}}}),
                json!({"logging": {"driver": "syslog"}}),
                json!({"logging": {"driver": "syslog"}}),
            ),
            (
                json!({"logging": {"driver": "json-file", "options": {"a": "1"}}}),
                json!({"logging": {"options": {"b": 2}}}),
                json!({"logging": {"driver": "json-file", "options": {"a": "1", "b": "2"}}}),
            ),
            (
                json!({"ulimits": {"nofile": {"soft": 1, "hard": 2}}}),
                json!({"ulimits": {"nofile": 5}}),
                json!({"ulimits": {"nofile": 5}}),
            ),
            (
                json!({"depends_on": ["b"]}),
                json!({"depends_on": {"b": {"condition": "service_healthy"}, "c": {"condition": "service_started"}}}),
                json!({"depends_on": {"b": {"condition": "service_healthy", "required": true},
                                      "c": {"condition": "service_started"}}}),
            ),
            (
                json!({"build": "."}),
                json!({"build": {"target": "t"}}),
                json!({"build": {"context": ".", "target": "t"}}),
            ),
            (
                json!({"hostname": "a"}),
                json!({}),
                json!({"hostname": "a"}),
            ),
            (
                json!({"networks": ["n"]}),
                json!({"networks": {"n": {"priority": 1}}}),
                json!({"networks": {"n": {"priority": 1}}}),
            ),
            (
                json!({"extra_hosts": ["a=1"]}),
                json!({"extra_hosts": {"a": ["1", "2"]}}),
                json!({"extra_hosts": ["a=1", "a=2"]}),
            ),
        ];
        for (base, over, expected) in cases {
            assert_eq!(merged(base, over).unwrap(), expected);
        }
    }

    #[test]
    fn mounts_and_ports_are_replaced_by_identity() {
        let service = merged(
            json!({"volumes": ["aa:/xx", "bb:/yy"], "ports": ["80:80", "81:81"]}),
            json!({"volumes": ["./c:/xx:ro"], "ports": ["80-82:80-82"]}),
        );
        let service = service.unwrap();
        assert_eq!(service["volumes"][0]["source"], "./c");
        assert_eq!(service["volumes"].as_array().unwrap().len(), 2);
        assert_eq!(service["ports"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_list_does_not_merge_with_a_map() {
        let error = merged(json!({"x-a": {"b": 1}}), json!({"x-a": [1]})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`services.a.x-a` cannot be merged: one file writes a map, another a list"
        );
    }

    #[test]
    fn resets_drop_what_came_before() {
        let mut tree = json!({"services": {"a": {"ports": [1], "environment": {"A": "1", "B": "2"}, "volumes": [{"source": "v"}]}}});
        let paths = [
            TreePath::of(&["services", "a", "ports"]),
            TreePath::of(&["services", "a", "environment", "A"]),
            TreePath::of(&["services", "b", "ports"]),
            TreePath::of(&["services", "a", "volumes"])
                .and_index(0)
                .and("source"),
        ];
        reset(&mut tree, &paths);
        assert_eq!(
            tree,
            json!({"services": {"a": {"environment": {"B": "2"}, "volumes": [{"source": "v"}]}}})
        );
    }
}
