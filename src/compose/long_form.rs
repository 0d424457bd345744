//! Short forms turned into long ones (compose-go `transform`). A value that is neither form is left as it is:
//! the shape behind the long form says what is wrong with it. Those that have a grammar can fail.

use serde_json::{Map, Value, json};

use super::error::{Error, ErrorKind};
use super::path::At;
use super::schema::is_extension;
use super::{mounts, words};

fn invalid(at: At<'_>, reason: impl Into<String>) -> Error {
    ErrorKind::Invalid {
        path: at.path(),
        reason: reason.into(),
    }
    .into()
}

/// A text that is one attribute of an object: `build: .`.
fn only(key: &str, value: Value) -> Value {
    match value {
        Value::String(text) => json!({ key: text }),
        other => other,
    }
}

/// `build: DIR`.
pub(super) fn build(value: Value) -> Value {
    only("context", value)
}

/// `cache: REPOSITORY`.
pub(super) fn cache(value: Value) -> Value {
    only("from", value)
}

/// One text in place of a list.
pub(super) fn one_or_more(value: Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value]),
        other => other,
    }
}

/// `extends: SERVICE`.
pub(super) fn extends(value: Value) -> Value {
    only("service", value)
}

/// An included file by its path.
pub(super) fn included(value: Value) -> Value {
    only("path", value)
}

/// A config or secret by its name.
pub(super) fn file_reference(value: Value) -> Value {
    only("source", value)
}

/// An env file by its path.
pub(super) fn env_file(value: Value) -> Value {
    only("path", value)
}

/// A command as one text is cut into words; a null one keeps the image's, an empty one clears it.
pub(super) fn command(value: Value, at: At<'_>) -> Result<Value, Error> {
    match value {
        Value::String(line) => words::split(&line)
            .map(Value::from)
            .map_err(|reason| invalid(at, reason)),
        other => Ok(other),
    }
}

/// A health check as one text runs in a shell.
pub(super) fn health_test(value: Value) -> Value {
    match value {
        Value::String(line) => json!(["CMD-SHELL", line]),
        other => other,
    }
}

/// A list of names as a map to nothing.
pub(super) fn keyed_by_name(value: Value, at: At<'_>) -> Result<Value, Error> {
    named(value, at, || Value::Null)
}

/// A list of services to wait for, with docker compose's defaults.
pub(super) fn depends_on(value: Value, at: At<'_>) -> Result<Value, Error> {
    named(value, at, || {
        // There may be hundreds of thousands of them.
        let mut dependency = Map::with_capacity(2);
        dependency.insert("condition".into(), "service_started".into());
        dependency.insert("required".into(), true.into());
        dependency.into()
    })
}

fn named(value: Value, at: At<'_>, content: impl Fn() -> Value) -> Result<Value, Error> {
    let Value::Array(names) = value else {
        return Ok(value);
    };
    let mut map = Map::new();
    for (index, name) in names.into_iter().enumerate() {
        let Value::String(name) = name else {
            return Err(invalid(at.index(index), "a name is expected here"));
        };
        map.insert(name, content());
    }
    Ok(map.into())
}

/// A volume as text.
pub(super) fn volume(value: Value, at: At<'_>) -> Result<Value, Error> {
    match value {
        Value::String(text) => {
            mounts::volume(&text).map_err(|reason| invalid(at, format!("`{text}`: {reason}")))
        }
        other => Ok(other),
    }
}

/// A device as text.
pub(super) fn device(value: Value, at: At<'_>) -> Result<Value, Error> {
    match value {
        Value::String(text) => {
            mounts::device(&text).map_err(|reason| invalid(at, format!("`{text}`: {reason}")))
        }
        other => Ok(other),
    }
}

/// A request for devices: all of them, `-1` for the engine, where neither a count nor ids are given.
pub(super) fn device_request(mut value: Value) -> Value {
    if let Some(request) = value.as_object_mut() {
        let all = match request.get("count") {
            Some(Value::String(count)) => count.eq_ignore_ascii_case("all"),
            Some(_) => false,
            None => !request.contains_key("device_ids"),
        };
        if all {
            request.insert("count".into(), json!(-1));
        }
    }
    value
}

/// `gpus: all`.
pub(super) fn gpus(value: Value, at: At<'_>) -> Result<Value, Error> {
    match value {
        Value::String(text) if text == "all" => Ok(json!([{"count": "all"}])),
        Value::String(text) => Err(invalid(at, format!("`{text}` is neither `all` nor a list"))),
        other => Ok(other),
    }
}

/// An object in which what is not said is said.
fn filled(mut value: Value, unsaid: Value) -> Value {
    if let (Some(object), Value::Object(unsaid)) = (value.as_object_mut(), unsaid) {
        for (key, value) in unsaid {
            object.entry(key).or_insert(value);
        }
    }
    value
}

/// How much of a device, at most.
pub(super) fn device_rate(value: Value) -> Value {
    filled(value, json!({"path": "", "rate": 0}))
}

/// How much of a device, against others.
pub(super) fn device_weight(value: Value) -> Value {
    filled(value, json!({"path": "", "weight": 0}))
}

/// A number of things that only their owner knows.
pub(super) fn discrete_resource(value: Value) -> Value {
    filled(value, json!({"kind": "", "value": 0}))
}

/// Empty text for nothing.
pub(super) fn blank(value: Value) -> Value {
    match value {
        Value::Null => "".into(),
        other => other,
    }
}

/// Hosts as a map, or a list of `NAME=IP` or `NAME:IP`; long as a list of `NAME=IP`, one address each.
pub(super) fn hosts(value: Value, at: At<'_>) -> Result<Value, Error> {
    let mut lines = Vec::new();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let Some(text) = item.as_str() else {
                    return Ok(Value::Array(items));
                };
                let Some((name, ips)) = text.split_once('=').or_else(|| text.split_once(':'))
                else {
                    return Err(invalid(
                        at.index(index),
                        format!("`{text}` has no address: `NAME=IP`"),
                    ));
                };
                ips.split(',')
                    .for_each(|ip| lines.push((name.to_owned(), ip.to_owned())));
            }
        }
        Value::Object(map) => {
            for (name, ips) in map {
                let at = at.key(&name);
                let ips = match ips {
                    Value::Array(ips) => ips,
                    ip => vec![ip],
                };
                for ip in ips {
                    let Value::String(ip) = ip else {
                        return Err(invalid(at, "an address is text, in quotes where need be"));
                    };
                    lines.push((name.clone(), ip));
                }
            }
        }
        other => return Ok(other),
    }
    let line = |(name, ip): (String, String)| {
        if name.is_empty() || name.contains([':', '=']) {
            return Err(invalid(at, format!("`{name}` is not a host's name")));
        }
        let bare = ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .filter(|ip| !ip.is_empty())
            .unwrap_or(&ip);
        Ok(Value::from(format!("{name}={bare}")))
    };
    lines.into_iter().map(line).collect()
}

/// `additional_contexts` as a list needs a value behind every name.
pub(super) fn contexts(value: Value, at: At<'_>) -> Result<Value, Error> {
    let Value::Array(items) = value else {
        return Ok(value);
    };
    let mut map = Map::new();
    for (index, item) in items.iter().enumerate() {
        let pair = item.as_str().and_then(|text| text.split_once('='));
        let Some((name, context)) = pair else {
            return Err(invalid(at.index(index), "`NAME=CONTEXT` is expected here"));
        };
        map.insert(name.to_owned(), context.into());
    }
    Ok(map.into())
}

/// SSH agents and keys, a list of `default` or `ID=PATH`, or a map.
pub(super) fn ssh(value: Value, at: At<'_>) -> Result<Value, Error> {
    let mut lines = Vec::new();
    match value {
        Value::Object(map) => {
            for (id, path) in map {
                match path {
                    Value::String(path) if !path.is_empty() => lines.push(format!("{id}={path}")),
                    Value::String(_) | Value::Null => lines.push(id),
                    _ => return Err(invalid(at.key(&id), "a path is text")),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let Value::String(line) = item else {
                    return Err(invalid(
                        at.index(index),
                        "`default` or `ID=PATH` is expected here",
                    ));
                };
                lines.push(line);
            }
        }
        other => return Ok(other),
    }
    match lines
        .iter()
        .find(|line| *line != "default" && line.find('=').is_none_or(|end| end == 0))
    {
        Some(line) if line.starts_with('=') => {
            Err(invalid(at, format!("`{line}` has no id: `ID=PATH`")))
        }
        Some(line) => Err(invalid(
            at,
            format!("`{line}` has no path: only `default` may have none"),
        )),
        None => Ok(lines.into()),
    }
}

/// True and false as text.
pub(super) fn printed(value: Value) -> Value {
    match value {
        Value::Bool(bool) => bool.to_string().into(),
        other => other,
    }
}

/// Permission bits as octal text: of a number, or of text that is octal already.
pub(super) fn mode(value: Value, at: At<'_>) -> Result<Value, Error> {
    let bits = match &value {
        Value::String(text) => u32::from_str_radix(text, 8)
            .map_err(|_| invalid(at, format!("`{text}` is not an octal mode, as in `0440`")))?
            .into(),
        _ => mode_bits(value, at)?,
    };
    match bits {
        Value::Number(number) => Ok(format!("0{:o}", number.as_u64().unwrap_or(0)).into()),
        other => Ok(other),
    }
}

/// Permission bits as a number.
pub(super) fn mode_bits(value: Value, at: At<'_>) -> Result<Value, Error> {
    match &value {
        Value::Number(number)
            if number
                .as_u64()
                .is_none_or(|mode| u32::try_from(mode).is_err()) =>
        {
            Err(invalid(at, format!("`{number}` is not a mode")))
        }
        _ => Ok(value),
    }
}

/// The same where docker compose takes nothing else in `external`.
pub(super) fn external_by_name(value: Value, at: At<'_>) -> Result<Value, Error> {
    if let Some(Value::Object(external)) = value.get("external") {
        let at = at.key("external");
        for (key, value) in external {
            let at = at.key(key);
            match value {
                _ if is_extension(key) => {}
                Value::String(_) if key == "name" => {}
                _ if key == "name" => return Err(invalid(at, "a name is text")),
                _ => {
                    let kind = ErrorKind::UnknownKey {
                        owner: format!("`{}`", at.above()),
                        key: key.clone(),
                        known: vec!["name"],
                    };
                    return Err(Error::from(kind).at(at.path()));
                }
            }
        }
    }
    external(value, at)
}

/// `external: {name: NAME}`, an old way to write `external: true` and `name: NAME`.
pub(super) fn external(mut value: Value, at: At<'_>) -> Result<Value, Error> {
    let Some(object) = value.as_object_mut() else {
        return Ok(value);
    };
    if let Some(Value::Object(external)) = object.get_mut("external") {
        let name = external.shift_remove("name");
        object.insert("external".into(), true.into());
        match (name, object.get("name")) {
            (Some(name), None) => _ = object.insert("name".into(), name),
            (Some(name), Some(own)) if name != *own => {
                return Err(invalid(
                    at,
                    "`name` and `external.name` differ: write `name` only",
                ));
            }
            _ => {}
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lines_of_name_and_address() {
        let long = |value| hosts(value, At::ROOT);
        let lines = json!(["a=1.1.1.1", "b=2.2.2.2", "c=::1", "d=1.1.1.1", "d=2.2.2.2"]);
        let list = json!(["a=1.1.1.1", "b:2.2.2.2", "c=[::1]", "d=1.1.1.1,2.2.2.2"]);
        assert_eq!(long(list).unwrap(), lines);
        let map = json!({"a": "1.1.1.1", "b": "2.2.2.2", "c": "::1", "d": ["1.1.1.1", "2.2.2.2"]});
        assert_eq!(long(map).unwrap(), lines);
        assert!(long(json!(["a"])).is_err());
        assert!(long(json!(["=1.1.1.1"])).is_err());
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode(json!(288), At::ROOT).unwrap(), json!("0440"));
        assert_eq!(mode(json!("0440"), At::ROOT).unwrap(), json!("0440"));
        assert_eq!(mode_bits(json!(493), At::ROOT).unwrap(), json!(493));
        assert!(mode(json!("rw"), At::ROOT).is_err());
        assert!(mode_bits(json!(-1), At::ROOT).is_err());
    }

    #[test]
    fn the_old_form_of_external_still_reads() {
        let read = external(json!({"external": {"name": "n"}}), At::ROOT).unwrap();
        assert_eq!(read, json!({"external": true, "name": "n"}));
        assert!(external(json!({"external": {"name": "n"}, "name": "m"}), At::ROOT).is_err());
    }

    #[test]
    fn ssh_needs_a_path_for_all_but_default() {
        let list = ssh(json!(["default", "a=/k"]), At::ROOT).unwrap();
        assert_eq!(
            list,
            ssh(json!({"default": null, "a": "/k"}), At::ROOT).unwrap()
        );
        assert!(ssh(json!(["a"]), At::ROOT).is_err());
    }
}
