//! Relative paths in a canonical tree made absolute (compose-go `paths`). Lexical: nothing is asked of the
//! file system, so a path may name what is not there.

use std::path::Path;

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::path::TreePath;
use crate::model::clean;

/// What relative paths, and those that start with `~`, are read against.
#[derive(Clone, Copy)]
pub(super) struct Against<'a> {
    pub(super) folder: &'a Path,
    pub(super) home: Option<&'a str>,
    /// Whether variables stand in the paths as they are written: what a path that begins with one is read against, its
    /// value says.
    pub(super) as_written: bool,
}

impl Against<'_> {
    /// The absolute form of a path.
    pub(super) fn absolute(&self, path: &str) -> String {
        if self.as_written && path.starts_with('$') {
            return path.to_owned();
        }
        let expanded = match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => clean(&format!("{home}/{rest}")),
            _ => path.to_owned(),
        };
        if expanded.is_empty() || expanded.starts_with('/') || is_windows_path(&expanded) {
            return expanded;
        }
        clean(&format!("{}/{expanded}", self.folder.display()))
    }

    /// The same for a build context, which may be no path at all.
    fn context(&self, context: &str) -> String {
        let is_path = !["github.com/", "git@", "service:"]
            .iter()
            .any(|prefix| context.starts_with(prefix))
            && !context.contains("://");
        if is_path {
            self.absolute(context)
        } else {
            context.to_owned()
        }
    }

    fn set(&self, value: Option<&mut Value>) {
        if let Some(value) = value
            && let Some(path) = value.as_str()
        {
            *value = self.absolute(path).into();
        }
    }
}

/// A drive or a share: absolute for an engine on Windows, so it stays as it is (compose-go `IsWindowsAbs`).
fn is_windows_path(path: &str) -> bool {
    let drive = path.as_bytes();
    let on_drive =
        matches!(drive, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    on_drive || path.starts_with(r"\\")
}

/// Makes every path in `tree` absolute. Twice is as good as once.
///
/// # Errors
/// A bind mount without a source.
pub(super) fn resolve(tree: &mut Value, against: Against<'_>) -> Result<(), Error> {
    for (name, service) in entries(tree.get_mut("services")) {
        if let Some(build) = service.get_mut("build") {
            self::build(build, against);
        }
        for file in items(service.get_mut("env_file")) {
            against.set(file.get_mut("path"));
        }
        for file in items(service.get_mut("label_file")) {
            against.set(Some(file));
        }
        for (index, mount) in items(service.get_mut("volumes")).enumerate() {
            if mount.get("type").and_then(Value::as_str) != Some("bind") {
                continue;
            }
            let source = mount.get("source").and_then(Value::as_str);
            if source.is_none_or(str::is_empty) {
                let target = mount.get("target").and_then(Value::as_str);
                let path = TreePath::of(&["services", name, "volumes"])
                    .and_item(index, target.unwrap_or_default())
                    .and("source");
                let kind = match source {
                    None => ErrorKind::Required { path },
                    Some(_) => ErrorKind::Invalid {
                        path,
                        reason: "it is empty".to_owned(),
                    },
                };
                return Err(kind.into());
            }
            against.set(mount.get_mut("source"));
        }
        for watch in items(
            service
                .get_mut("develop")
                .and_then(|develop| develop.get_mut("watch")),
        ) {
            against.set(watch.get_mut("path"));
        }
    }
    for kind in ["configs", "secrets"] {
        for (_, object) in entries(tree.get_mut(kind)) {
            against.set(object.get_mut("file"));
        }
    }
    for (_, volume) in entries(tree.get_mut("volumes")) {
        // A volume of the local driver that is really a bind mount.
        let local = volume.get("driver").and_then(Value::as_str) == Some("local");
        if let Some(options) = volume.get_mut("driver_opts")
            && local
            && options.get("o").and_then(Value::as_str) == Some("bind")
        {
            against.set(options.get_mut("device"));
        }
    }
    Ok(())
}

fn build(build: &mut Value, against: Against<'_>) {
    if let Some(context) = build.get_mut("context")
        && let Some(text) = context.as_str()
    {
        *context = against.context(text).into();
    }
    for (_, context) in entries(build.get_mut("additional_contexts")) {
        if let Some(text) = context.as_str() {
            *context = against.context(text).into();
        }
    }
    for key in items(build.get_mut("ssh")) {
        if let Some((id, path)) = key.as_str().and_then(|key| key.split_once('=')) {
            *key = format!("{id}={}", against.absolute(path)).into();
        }
    }
}

fn entries(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

fn items(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_become_absolute_and_remote_contexts_stay() {
        let mut tree = json!({
            "services": {"a": {
                "build": {"context": "../app", "additional_contexts": {"x": "./x", "y": "docker-image://y", "z": "service:z"}},
                "env_file": [{"path": "e.env"}, {"path": "/e"}],
                "volumes": [{"type": "bind", "source": "~/d"}, {"type": "volume", "source": "v"}]
            }, "b": {"build": {"context": "https://example.com/x.git"}}},
            "secrets": {"s": {"file": "./s"}},
            "volumes": {"v": {"driver": "local", "driver_opts": {"o": "bind", "device": "d"}}, "w": null}
        });
        let against = Against {
            folder: Path::new("/p/q"),
            home: Some("/root"),
            as_written: false,
        };
        resolve(&mut tree, against).unwrap();
        let a = &tree["services"]["a"];
        assert_eq!(a["build"]["context"], "/p/app");
        let contexts = json!({"x": "/p/q/x", "y": "docker-image://y", "z": "service:z"});
        assert_eq!(a["build"]["additional_contexts"], contexts);
        assert_eq!(
            a["env_file"],
            json!([{"path": "/p/q/e.env"}, {"path": "/e"}])
        );
        assert_eq!(a["volumes"][0]["source"], "/root/d");
        assert_eq!(a["volumes"][1]["source"], "v");
        assert_eq!(
            tree["services"]["b"]["build"]["context"],
            "https://example.com/x.git"
        );
        assert_eq!(tree["secrets"]["s"]["file"], "/p/q/s");
        assert_eq!(tree["volumes"]["v"]["driver_opts"]["device"], "/p/q/d");
        let once = tree.clone();
        resolve(&mut tree, against).unwrap();
        assert_eq!(tree, once);
    }
}
