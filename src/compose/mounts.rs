//! The short forms of what a service mounts: `[SOURCE:]TARGET[:OPTIONS]` for volumes (compose-go
//! `format/volume.go`) and `SOURCE[:TARGET[:PERMISSIONS]]` for devices.

use serde_json::{Map, Value, json};

use crate::model::clean;

/// The long form of a short volume.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn volume(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() <= 2 {
        // docker compose looks no further, and so says nothing of what kind of volume it is.
        return Ok(json!({"type": "volume", "target": clean(text)}));
    }
    let parts = sections(text);
    if parts[0].is_empty() {
        return Err("its source, in front of the colon, is empty".to_owned());
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Err("nothing stands between two colons".to_owned());
    }
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err("it has too many colons".to_owned()),
    };
    let is_bind = source.is_some_and(is_path);
    let mut mount = Map::new();
    mount.insert(
        "type".into(),
        if is_bind { "bind" } else { "volume" }.into(),
    );
    if let Some(source) = source {
        mount.insert("source".into(), source.into());
    }
    mount.insert("target".into(), clean(target).into());
    let (mut bind, mut volume) = (Map::new(), Map::new());
    if is_bind {
        bind.insert("create_host_path".into(), true.into());
    }
    for option in options.split(',') {
        match option {
            "ro" => _ = mount.insert("read_only".into(), true.into()),
            "rw" => _ = mount.remove("read_only"),
            "nocopy" => _ = volume.insert("nocopy".into(), true.into()),
            "z" | "Z" => _ = bind.insert("selinux".into(), option.into()),
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                bind.insert("propagation".into(), option.into());
            }
            // Docker compose passes over what it does not know here, too.
            _ => {}
        }
    }
    if is_bind || !bind.is_empty() {
        mount.insert("bind".into(), bind.into());
    }
    if !is_bind || !volume.is_empty() {
        mount.insert("volume".into(), volume.into());
    }
    Ok(mount.into())
}

/// The parts between colons; the colon of a drive (`C:\x`) and those in `${…}` part nothing.
fn sections(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut braces) = (0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if at > 0 && text.as_bytes()[at - 1] == b'$' => braces += 1,
            b'}' if braces > 0 => braces -= 1,
            b':' if braces == 0 && !is_drive(&text[start..at]) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn is_drive(part: &str) -> bool {
    let mut chars = part.chars();
    matches!((chars.next(), chars.next()), (Some(letter), None) if letter.is_alphabetic())
}

/// Whether a source is a path of the host rather than a volume's name.
fn is_path(source: &str) -> bool {
    let drive = source
        .split_once(':')
        .is_some_and(|(drive, _)| is_drive(drive));
    source.starts_with(['.', '/', '~']) || source.starts_with(r"\\") || drive
}

/// The long form of a short device.
///
/// # Errors
/// More than three parts.
pub(super) fn device(text: &str) -> Result<Value, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, "", "rwm"),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => return Err("it has too many colons".to_owned()),
    };
    let target = if target.is_empty() { source } else { target };
    Ok(json!({"source": source, "target": target, "permissions": permissions}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_form() {
        let bind = |source: &str| json!({"type": "bind", "source": source, "target": "/y", "bind": {"create_host_path": true}});
        let cases = [
            ("/y", json!({"type": "volume", "target": "/y"})),
            (
                "/yy",
                json!({"type": "volume", "target": "/yy", "volume": {}}),
            ),
            (
                "ab:/y/",
                json!({"type": "volume", "source": "ab", "target": "/y", "volume": {}}),
            ),
            // One letter before a colon is a drive, for docker compose too.
            (
                "v:/y",
                json!({"type": "volume", "target": "v:/y", "volume": {}}),
            ),
            ("./x:/y", bind("./x")),
            ("../x:/y:rw", bind("../x")),
            ("~/x:/y", bind("~/x")),
            (r"C:\x:/y", bind(r"C:\x")),
            (
                "${A:-b}:/y",
                json!({"type": "volume", "source": "${A:-b}", "target": "/y", "volume": {}}),
            ),
            (
                "ab:/y:ro,z,nocopy",
                json!({"type": "volume", "source": "ab", "target": "/y", "read_only": true,
                       "bind": {"selinux": "z"}, "volume": {"nocopy": true}}),
            ),
        ];
        for (text, long) in cases {
            assert_eq!(volume(text).unwrap(), long, "{text}");
        }
        for text in ["", ":/y", "ab:/y:ro:rw", "ab::/y"] {
            assert!(volume(text).is_err(), "{text}");
        }
    }

    #[test]
    fn devices_default_to_the_same_path_and_all_permissions() {
        assert_eq!(
            device("/a").unwrap(),
            json!({"source": "/a", "target": "/a", "permissions": "rwm"})
        );
        assert_eq!(
            device("/a:/b:r").unwrap(),
            json!({"source": "/a", "target": "/b", "permissions": "r"})
        );
        assert!(device("a:b:c:d").is_err());
    }
}
