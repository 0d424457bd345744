//! A document checked against the tables and brought to canonical form: unknown attributes and wrong types
//! refused, short forms made long, text cast where a variable stood for a number. Knows no other document.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::error::{Error, ErrorKind};
use super::nulls::is_unsaid;
use super::path::At;
use super::schema::{Check, Extensions, ItemForm, Merge, Shape, Table, is_extension};
use super::{scalar, single};

/// An item of a list of variables, in the words of an error.
pub(super) const VARIABLE: &str = "`NAME=value`";

/// Brings `value` to the canonical form of `shape`.
///
/// # Errors
/// An unknown attribute, a wrong type, a value that its notation does not have.
pub(super) fn lower(value: &mut Value, shape: &Shape, at: At<'_>) -> Result<(), Error> {
    if at.as_written && waits_for_variables(value, shape) {
        return Ok(());
    }
    match shape {
        Shape::Any
        | Shape::Text
        | Shape::Scalar
        | Shape::Digits
        | Shape::Bool
        | Shape::Int
        | Shape::Whole
        | Shape::Number
        | Shape::Size
        | Shape::Duration
        | Shape::OneOf(_) => single::lower(value, shape, at),
        Shape::List(item) => list(value, item, at),
        Shape::Texts => {
            if value.is_string() {
                *value = Value::Array(vec![value.take()]);
            }
            list(value, &Shape::Text, at)
                .map_err(|error| error.expecting("text or a list of text", at))
        }
        Shape::Variables => variables(value, at, &Value::Null),
        Shape::Labels => variables(value, at, &Value::from("")),
        Shape::Fields(table) => fields(value, table, at),
        Shape::Named(inner) => named(value, inner, at),
        Shape::Map(inner) => map(value, inner, at),
        Shape::Distinct(inner) => {
            distinct(value, at)?;
            lower(value, inner, at)?;
            if let (Shape::List(Shape::Digits), Value::Array(items)) = (inner, value) {
                one_of_each(items);
            }
            Ok(())
        }
        Shape::NoText(inner) if value.is_string() => Err(no_text(value, inner, at)),
        Shape::OnlyText(_) if !value.is_string() => Err(wrong(value, "text", at)),
        Shape::Maybe(_) if value.is_null() => Ok(()),
        Shape::NoText(inner) | Shape::OnlyText(inner) | Shape::Maybe(inner) => {
            lower(value, inner, at)
        }
        Shape::Checked(check, inner) => {
            lower(value, inner, at)?;
            checked(value, *check, at)
        }
        Shape::IntOr(words, inner) => one_or_both(value, words, inner, at),
        Shape::Long(long, words, inner) => {
            *value = long(value.take());
            lower(value, inner, at).map_err(|error| error.expecting(words, at))
        }
        Shape::Parsed(parsed, words, inner) => {
            *value = parsed(value.take(), at)?;
            lower(value, inner, at).map_err(|error| error.expecting(words, at))
        }
        Shape::Items(long, words, inner) => items(value, *long, words, inner, at),
    }
}

/// A limit: one number, or a soft and a hard one.
fn one_or_both(
    value: &mut Value,
    words: &'static str,
    both: &Shape,
    at: At<'_>,
) -> Result<(), Error> {
    if !matches!(value, Value::Number(_) | Value::String(_)) {
        return lower(value, both, at).map_err(|error| error.expecting(words, at));
    }
    lower(value, &Shape::Int, at)?;
    if *value == 0 {
        // For Go it is no number then, but two.
        *value = json!({"soft": 0, "hard": 0});
    }
    Ok(())
}

/// Whether only variables say what a value is: it stays as it is written until they are known. Of a list of `NAME=value`
/// the names count, and a list of short forms is one value.
fn waits_for_variables(value: &Value, shape: &Shape) -> bool {
    let in_list = |items: &[Value], part: fn(&str) -> &str| {
        let mut texts = items.iter().filter_map(Value::as_str);
        texts.any(|text| part(text).contains('$'))
    };
    match (shape, value) {
        (_, Value::String(text)) => text.contains('$') && !is_one_whatever_it_says(shape),
        (Shape::Variables | Shape::Labels, Value::Array(items)) => {
            in_list(items, |text| text.split('=').next().unwrap_or(text))
        }
        (Shape::Parsed(..), Value::Array(items)) => in_list(items, |text| text),
        _ => false,
    }
}

/// Whether a text is one item of a list, or one attribute of a map, whatever its variables are.
fn is_one_whatever_it_says(shape: &Shape) -> bool {
    match shape {
        Shape::Texts | Shape::Long(..) => true,
        Shape::Distinct(inner)
        | Shape::Maybe(inner)
        | Shape::Checked(_, inner)
        | Shape::NoText(inner)
        | Shape::OnlyText(inner) => is_one_whatever_it_says(inner),
        _ => false,
    }
}

fn list(value: &mut Value, item: &Shape, at: At<'_>) -> Result<(), Error> {
    let Value::Array(items) = value else {
        return Err(wrong(value, "a list", at));
    };
    items
        .iter_mut()
        .enumerate()
        .try_for_each(|(index, value)| lower(value, item, at.index(index)))
}

/// Items that are written in two ways, as a number and as text, are one.
fn one_of_each(items: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
}

/// No two items of a list are the same as they are written (`uniqueItems` of the compose-spec's JSON schema).
///
/// # Errors
/// Two of them are.
pub(super) fn distinct(value: &Value, at: At<'_>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let items = value.as_array().into_iter().flatten();
    match items.enumerate().find(|(_, item)| !seen.insert(*item)) {
        None => Ok(()),
        Some((index, item)) => {
            let said = scalar::text(item).map(|text| format!("`{text}` is"));
            let said = said.unwrap_or_else(|| "the same item is".to_owned());
            let (path, reason) = (at.index(index).path(), format!("{said} in the list twice"));
            Err(ErrorKind::Invalid { path, reason }.into())
        }
    }
}

fn no_text(value: &Value, inner: &Shape, at: At<'_>) -> Error {
    let expected = match inner {
        Shape::Bool => "true or false",
        Shape::IntOr(words, _) => words,
        _ => "a number",
    };
    wrong(value, expected, at)
}

/// Of each item its long forms, in place of the item.
fn items(
    value: &mut Value,
    long: ItemForm,
    words: &'static str,
    inner: &Shape,
    at: At<'_>,
) -> Result<(), Error> {
    let Value::Array(items) = value else {
        return Err(wrong(value, "a list", at));
    };
    let mut all = Vec::with_capacity(items.len());
    for (index, item) in items.iter_mut().enumerate() {
        let at = at.index(index);
        if at.as_written && waits_for_variables(item, inner) {
            all.push(item.take());
            continue;
        }
        for mut item in long(item.take(), at)? {
            lower(&mut item, inner, at).map_err(|error| error.expecting(words, at))?;
            all.push(item);
        }
    }
    *items = all;
    Ok(())
}

fn checked(value: &Value, check: Check, at: At<'_>) -> Result<(), Error> {
    let text = scalar::text(value).unwrap_or_default();
    check(&text).map_err(|reason| {
        let path = at.path();
        ErrorKind::Invalid { path, reason }.into()
    })
}

/// Names and values; where a name stands alone, `absent` is its value. Null: they are variables, and docker compose
/// looks at how their names end.
fn variables(value: &mut Value, at: At<'_>, absent: &Value) -> Result<(), Error> {
    let mut map = Map::new();
    match value.take() {
        Value::Object(entries) => {
            for (key, entry) in entries {
                let at = at.key(&key);
                if key.is_empty() {
                    return Err(nameless(at));
                }
                let text = match scalar::text(&entry) {
                    Some(_) if entry.is_null() => absent.clone(),
                    Some(text) => text.into(),
                    None => {
                        let expected = "text, a number, true, false or nothing";
                        return Err(wrong(&entry, expected, at));
                    }
                };
                map.insert(key, text);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let at = at.index(index);
                let Value::String(line) = item else {
                    return Err(wrong(&item, VARIABLE, at));
                };
                let (key, text) = match line.split_once('=') {
                    Some((key, text)) => (key, text.into()),
                    None => (line.as_str(), absent.clone()),
                };
                if key.is_empty() {
                    return Err(nameless(at));
                }
                if absent.is_null() && key.ends_with(char::is_whitespace) {
                    let reason = format!("`{key}` ends with a blank");
                    let path = at.path();
                    return Err(ErrorKind::Invalid { path, reason }.into());
                }
                map.insert(key.to_owned(), text);
            }
        }
        other => return Err(wrong(&other, "a map or a list of `NAME=value`", at)),
    }
    *value = map.into();
    Ok(())
}

fn nameless(at: At<'_>) -> Error {
    let path = at.above();
    let reason = "it has no name: nothing stands in front of the value".to_owned();
    let error = Error::from(ErrorKind::Invalid { path, reason });
    let path = Some(at.path());
    Error { path, ..error }
}

fn fields(value: &mut Value, table: &'static Table, at: At<'_>) -> Result<(), Error> {
    let Value::Object(map) = value else {
        return Err(wrong(value, "a map", at));
    };
    if table.extensions == Extensions::Dropped {
        map.retain(|key, _| !is_extension(key));
    }
    for (key, value) in map.iter_mut() {
        let at = at.key(key);
        match table.field(key) {
            // What another file says there stays.
            Some(field) if is_unsaid(value, &field.shape, at) => {}
            Some(field) => {
                lower(value, &field.shape, at)?;
                if let (Merge::Unique(identity), Value::Array(items)) = (field.merge, value) {
                    super::merge::keep_last(items, identity);
                }
            }
            None if is_extension(key) && table.extensions == Extensions::Kept => {}
            None if table.open => {}
            None => return Err(unknown(key, table, at)),
        }
    }
    Ok(())
}

fn unknown(key: &str, table: &Table, at: At<'_>) -> Error {
    let owner = at.above();
    let owner = if owner.0.is_empty() {
        "a Compose file".to_owned()
    } else {
        format!("`{owner}`")
    };
    let known = table.fields.iter().map(|field| field.name).collect();
    Error::from(ErrorKind::UnknownKey {
        owner,
        key: key.to_owned(),
        known,
    })
    .at(at.path())
}

fn named(value: &mut Value, inner: &Shape, above: At<'_>) -> Result<(), Error> {
    let Value::Object(map) = value else {
        return Err(wrong(value, "a map", above));
    };
    let mut empty: Option<String> = None;
    for (key, value) in map.iter_mut() {
        let at = above.key(key);
        if key.is_empty()
            || !key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        {
            let reason = format!("`{key}` is not a name: letters, digits, `.`, `_` and `-`");
            return Err(ErrorKind::Invalid {
                path: at.path(),
                reason,
            }
            .into());
        }
        if is_unsaid(value, inner, at) {
            empty.get_or_insert_with(|| key.clone());
            continue;
        }
        let is_text = value.is_string();
        if let Err(error) = lower(value, inner, at) {
            // What belongs to an empty entry stands beside it: that is what is wrong.
            let beside = empty.filter(|_| is_text && matches!(inner, Shape::Fields(_)));
            return match beside {
                Some(key) => lower(&mut Value::Null, inner, above.key(&key)),
                None => Err(error),
            };
        }
    }
    Ok(())
}

fn map(value: &mut Value, inner: &Shape, at: At<'_>) -> Result<(), Error> {
    let Value::Object(map) = value else {
        return Err(wrong(value, "a map", at));
    };
    for (key, value) in map.iter_mut() {
        let at = at.key(key);
        if key.is_empty() {
            return Err(nameless(at));
        }
        lower(value, inner, at)?;
    }
    Ok(())
}

/// A value of the wrong kind.
pub(super) fn wrong(value: &Value, expected: &'static str, at: At<'_>) -> Error {
    ErrorKind::WrongType {
        path: at.path(),
        expected,
        found: kind(value),
        value: scalar::text(value).filter(|_| !value.is_f64()),
    }
    .into()
}

/// What a value is, for a person.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::super::top_level::ROOT;
    use super::*;

    #[allow(clippy::needless_pass_by_value)] // `json!` makes values
    fn service(service: Value) -> Result<Value, Error> {
        let mut tree = json!({"services": {"a": service}});
        lower(&mut tree, &ROOT, At::ROOT)?;
        Ok(tree["services"]["a"].take())
    }

    #[test]
    fn short_forms_become_long() {
        let lowered = service(json!({
            "build": ".", "command": "a 'b c'", "depends_on": ["b"], "networks": ["n"], "env_file": "e",
            "environment": ["A=1", "B"], "labels": {"n": 1, "t": true, "e": null}, "ulimits": {"nofile": "5"},
            "healthcheck": {"test": "x", "interval": "90s"}, "mem_limit": "1g", "tty": "yes", "scale": "2",
            "configs": ["c"], "dns": "1.1.1.1", "expose": [80], "group_add": [-1, "-1", "x"]
        }));
        let long = json!({
            "build": {"context": "."}, "command": ["a", "b c"],
            "depends_on": {"b": {"condition": "service_started", "required": true}}, "networks": {"n": null},
            "env_file": [{"path": "e"}], "environment": {"A": "1", "B": null},
            "labels": {"n": "1", "t": "true", "e": ""}, "ulimits": {"nofile": 5},
            "healthcheck": {"test": ["CMD-SHELL", "x"], "interval": "1m30s"}, "mem_limit": "1073741824", "tty": true,
            "scale": 2, "configs": [{"source": "c"}], "dns": ["1.1.1.1"], "expose": ["80"],
            "group_add": ["-1", "x"]
        });
        assert_eq!(lowered.unwrap(), long);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        let cases = [
            (
                json!({"imgae": "x"}),
                "`services.a` has no attribute `imgae`",
            ),
            (
                json!({"hostname": 12}),
                "`services.a.hostname` must be text, not a number",
            ),
            (
                json!({"command": [1]}),
                "`services.a.command[0]` must be text, not a number",
            ),
            (
                json!({"ports": ["80:x"]}),
                "`services.a.ports[0]`: `80:x`: `x` is not a port (0 to 65535)",
            ),
            (
                json!({"shm_size": "1x"}),
                "`services.a.shm_size`: `1x` is not a size, as in `64m` or `1.5g`",
            ),
            (
                json!({"env_file": ["a", 1]}),
                "`services.a.env_file[1]` must be a path or a map, not a number",
            ),
            (
                json!({"scale": 1.5}),
                "`services.a.scale`: `1.5` is not a whole number",
            ),
            (
                json!({"memswap_limit": -2}),
                "`services.a.memswap_limit`: `-2` is less than nothing",
            ),
            (
                json!({"mem_limit": 1.5}),
                "`services.a.mem_limit`: it is a whole number of bytes, or text with a unit, as in `64m`",
            ),
            (
                json!({"security_opt": ["a", "b", "a"]}),
                "`services.a.security_opt[2]`: `a` is in the list twice",
            ),
            (
                json!({"deploy": {"resources": {"limits": {"memory": 5}}}}),
                "`services.a.deploy.resources.limits.memory` must be text, not a number",
            ),
            (
                json!({"use_api_socket": "yes"}),
                "`services.a.use_api_socket` must be true or false, not text",
            ),
            (
                json!({"blkio_config": {"x-a": 1}}),
                "`services.a.blkio_config` has no attribute `x-a`",
            ),
            (
                json!({"labels": {"": 1}}),
                "`services.a.labels`: it has no name: nothing stands in front of the value",
            ),
            (
                json!({"tty": "maybe"}),
                "`services.a.tty` must be true or false, not text",
            ),
            (
                json!({"environment": ["A =1"]}),
                "`services.a.environment[0]`: `A ` ends with a blank",
            ),
            (
                json!({"depends_on": {"b": {"condition": "up"}}}),
                "`services.a.depends_on.b.condition`: `up` is not one of `service_started`, `service_healthy`, \
                 `service_completed_successfully`",
            ),
        ];
        for (value, message) in cases {
            assert_eq!(service(value).unwrap_err().to_string(), message);
        }
        let mut tree = json!({"servcies": {}});
        let error = lower(&mut tree, &ROOT, At::ROOT).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a Compose file has no attribute `servcies`"
        );
        assert_eq!(error.hints(), ["did you mean `services`?"]);
    }

    #[test]
    fn numbers_are_cut_and_rounded_as_go_does_it() {
        let lowered = service(json!({"pids_limit": 1.5, "cpus": 0.123_456_789, "mem_limit": -1}));
        let expected = json!({"pids_limit": 1, "cpus": 0.123_456_79, "mem_limit": "-1"});
        assert_eq!(lowered.unwrap(), expected);
    }

    #[test]
    fn of_two_items_with_one_identity_the_last_stays() {
        let lowered =
            service(json!({"volumes": ["aa:/x", "bb:/x/", "cc:/y"], "ports": ["80:80", "80:80"]}))
                .unwrap();
        assert_eq!(lowered["volumes"][0]["source"], "bb");
        assert_eq!(lowered["volumes"].as_array().unwrap().len(), 2);
        assert_eq!(lowered["ports"].as_array().unwrap().len(), 1);
    }
}
