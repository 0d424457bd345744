//! What makes two items of a list the same one, so that a later file replaces rather than repeats it
//! (compose-go `override/uncity.go`). All of them read the long form.

use serde_json::Value;

/// The text itself.
pub(super) fn whole(item: &Value) -> String {
    super::scalar::text(item).unwrap_or_default()
}

/// The text up to its `=`.
pub(super) fn before_equals(item: &Value) -> String {
    let text = whole(item);
    text.split('=').next().unwrap_or_default().to_owned()
}

/// The container path of a mount, as it is written in a long form.
pub(super) fn mount(item: &Value) -> String {
    part(item, "target").unwrap_or_default().to_owned()
}

/// The container path of a device.
pub(super) fn device(item: &Value) -> String {
    part(item, "target").unwrap_or_default().to_owned()
}

/// The container path of a secret.
pub(super) fn secret(item: &Value) -> String {
    file(item, "/run/secrets")
}

/// The container path of a config.
pub(super) fn config(item: &Value) -> String {
    file(item, "")
}

fn file(item: &Value, folder: &str) -> String {
    let by_source = || format!("{folder}/{}", part(item, "source").unwrap_or_default());
    part(item, "target").map_or_else(by_source, str::to_owned)
}

/// The path of an env file.
pub(super) fn env_file(item: &Value) -> String {
    part(item, "path").unwrap_or_default().to_owned()
}

/// A part of an item; the whole of one that is text still, as there are variables in it.
fn part<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    item.as_str()
        .or_else(|| item.get(key).and_then(Value::as_str))
}
