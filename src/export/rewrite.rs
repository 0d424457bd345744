//! A project's tree as a file that needs neither larder nor sources: images in place of builds, paths from where it lies, names
//! of variables in place of what came from somebody's environment. A pure function.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Paths;

/// What images are in an export.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// The image of each service.
    pub services: BTreeMap<String, String>,
    /// The images that services mount, by the names that the project has for them.
    pub mounted: BTreeMap<String, String>,
    /// Whether they are on the engine when it is started, and nowhere else.
    pub bundled: bool,
}

/// A path that the export needs beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// The path, as the export has it.
    pub path: String,
    /// Where: `services.api.volumes`.
    pub by: String,
}

/// A tree that was rewritten, and what to know of it.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The tree.
    pub tree: Value,
    /// The project's files that it needs.
    pub needed: BTreeSet<Needed>,
    /// The variables that it takes from the environment of whoever starts it.
    pub variables: BTreeSet<String>,
}

/// Rewrites a tree. `written` is the same project with its variables as they are written.
pub fn rewrite(mut tree: Value, written: &Value, pins: &Pins, paths: &Paths) -> Rewritten {
    let mut rewriter = Rewriter {
        pins,
        paths,
        needed: BTreeSet::new(),
        variables: BTreeSet::new(),
    };
    let project = tree["name"].as_str().unwrap_or_default().to_owned();
    if let Some(all) = tree.as_object_mut() {
        all.remove("x-larder");
    }
    if let Some(services) = tree.get_mut("services").and_then(Value::as_object_mut) {
        services.retain(|name, _| pins.services.contains_key(name));
        for (name, service) in services {
            if let Some(service) = service.as_object_mut() {
                rewriter.service(name, service, &written["services"][name]);
            }
        }
    }
    for kind in ["networks", "volumes", "configs", "secrets"] {
        rewriter.top_level(kind, &mut tree, &project);
    }
    Rewritten {
        tree,
        needed: rewriter.needed,
        variables: rewriter.variables,
    }
}

struct Rewriter<'a> {
    pins: &'a Pins,
    paths: &'a Paths,
    needed: BTreeSet<Needed>,
    variables: BTreeSet<String>,
}

impl Rewriter<'_> {
    fn service(&mut self, name: &str, service: &mut Map<String, Value>, written: &Value) {
        // What it was built from, what watches sources, and when it is pulled: the image is there or at its digest.
        for key in ["build", "develop", "x-larder", "pull_policy"] {
            service.remove(key);
        }
        service.insert("image".to_owned(), json!(self.pins.services[name]));
        if self.pins.bundled {
            service.insert("pull_policy".to_owned(), json!("never"));
        }
        self.environment(service, written);
        if let Some(on) = service.get_mut("depends_on").and_then(Value::as_object_mut) {
            on.retain(|name, _| self.pins.services.contains_key(name));
        }
        for key in ["env_file", "label_file"] {
            for file in listed(service, key) {
                let by = format!("services.{name}.{key}");
                match file {
                    Value::Object(long) => self.path(long.get_mut("path"), by),
                    short => self.path(Some(short), by),
                }
            }
        }
        for mount in listed(service, "volumes") {
            let Some(mount) = mount.as_object_mut() else {
                continue;
            };
            match mount.get("type").and_then(Value::as_str) {
                Some("bind") => {
                    self.path(mount.get_mut("source"), format!("services.{name}.volumes"));
                }
                Some("image") => {
                    let pinned = mount.get("source").and_then(Value::as_str);
                    let pinned = pinned.and_then(|source| self.pins.mounted.get(source));
                    if let Some(pinned) = pinned.cloned() {
                        mount.insert("source".to_owned(), json!(pinned));
                    }
                }
                _ => {}
            }
        }
    }

    /// Variables without a value are taken from whoever starts it, as they are written: what they were here may be a secret.
    fn environment(&mut self, service: &mut Map<String, Value>, written: &Value) {
        let Some(own) = service
            .get_mut("environment")
            .and_then(Value::as_object_mut)
        else {
            return;
        };
        let Some(written) = written.get("environment").and_then(Value::as_object) else {
            return;
        };
        // A name that is a variable itself, with no value beside it.
        let mut without = written.iter().filter(|(_, value)| value.is_null());
        let dynamic = without.any(|(name, _)| name.contains('$'));
        for (name, value) in own {
            let as_written = written.get(name);
            if as_written.is_some_and(Value::is_null) || dynamic && as_written.is_none() {
                *value = Value::Null;
                self.variables.insert(name.clone());
            }
        }
    }

    /// Leaves what no service uses, and names that the project's name would give as well.
    fn top_level(&mut self, kind: &str, tree: &mut Value, project: &str) {
        let used = match kind {
            "configs" | "secrets" => Some(sources(tree, kind)),
            _ => None,
        };
        let Some(all) = tree.get_mut(kind).and_then(Value::as_object_mut) else {
            return;
        };
        if let Some(used) = used {
            all.retain(|key, _| used.contains(key));
        }
        for (key, value) in all.iter_mut() {
            let Some(value) = value.as_object_mut() else {
                continue;
            };
            let own = format!("{project}_{key}");
            if value.get("external") != Some(&json!(true)) && value.get("name") == Some(&json!(own))
            {
                value.remove("name");
            }
            if let ("configs" | "secrets", Some(variable)) =
                (kind, value.get("environment").and_then(Value::as_str))
            {
                self.variables.insert(variable.to_owned());
            }
            self.path(value.get_mut("file"), format!("{kind}.{key}"));
            if let Some(options) = value.get_mut("driver_opts") {
                self.path(options.get_mut("device"), format!("{kind}.{key}"));
            }
        }
        if all.is_empty()
            && let Some(tree) = tree.as_object_mut()
        {
            tree.remove(kind);
        }
    }

    fn path(&mut self, value: Option<&mut Value>, by: String) {
        let Some(value) = value else { return };
        let Some(path) = value.as_str() else { return };
        if let Some(path) = self.paths.relative(path) {
            *value = json!(path);
            self.needed.insert(Needed { path, by });
        }
    }
}

/// The items of a list; of one that may be a single item, that one.
fn listed<'a>(
    service: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Value> {
    let (many, one) = match service.get_mut(key) {
        Some(Value::Array(items)) => (Some(items), None),
        other => (None, other),
    };
    many.into_iter().flatten().chain(one)
}

/// The configs, or secrets, that services have.
fn sources(tree: &Value, kind: &str) -> BTreeSet<String> {
    let services = tree["services"].as_object().into_iter().flatten();
    let references = services.filter_map(|(_, service)| service.get(kind)?.as_array());
    let names = references.flatten().filter_map(|item| match item {
        Value::String(name) => Some(name.as_str()),
        long => long.get("source")?.as_str(),
    });
    names.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_builds_sources_and_larder() {
        let tree = json!({
            "name": "hub",
            "x-larder": {"frozen": true},
            "x-mine": 1,
            "services": {
                "api": {
                    "build": {"context": "/p", "secrets": [{"source": "built"}]},
                    "develop": {},
                    "x-larder": {},
                    "pull_policy": "build",
                    "environment": {"A": "one", "TOKEN": "secret"},
                    "env_file": ["/p/a.env", {"path": "/p/b.env", "required": false}],
                    "depends_on": {"db": {"condition": "service_healthy"}, "off": {}},
                    "secrets": [{"source": "pass"}, {"source": "tok"}],
                    "volumes": [
                        {"type": "bind", "source": "/p/src", "target": "/app"},
                        {"type": "bind", "source": "/etc/x", "target": "/x"},
                        {"type": "image", "source": "busybox", "target": "/b"},
                        {"type": "volume", "source": "data", "target": "/d"},
                    ],
                },
                "db": {"image": "redis:7"},
                "off": {"image": "x"},
            },
            "networks": {"default": {"name": "hub_default"}, "other": {"name": "mine"}},
            "volumes": {"data": {"name": "hub_data"}, "theirs": {"name": "hub_theirs", "external": true}},
            "secrets": {
                "pass": {"name": "hub_pass", "file": "/p/pass.txt"},
                "tok": {"name": "hub_tok", "environment": "TOK"},
                "built": {"file": "/p/built"},
            },
        });
        let written = json!({"services": {"api": {"environment": {"A": "${A}", "TOKEN": null}}}});
        let pins = Pins {
            services: [("api", "r/api@sha256:a"), ("db", "redis:7@sha256:b")]
                .map(|(name, image)| (name.to_owned(), image.to_owned()))
                .into(),
            mounted: [("busybox".to_owned(), "busybox@sha256:c".to_owned())].into(),
            bundled: false,
        };
        let paths = Paths {
            project: "/p".into(),
            export: "/p/deploy".into(),
        };
        let done = rewrite(tree, &written, &pins, &paths);
        let expected = json!({
            "name": "hub",
            "x-mine": 1,
            "services": {
                "api": {
                    "image": "r/api@sha256:a",
                    "environment": {"A": "one", "TOKEN": null},
                    "env_file": ["../a.env", {"path": "../b.env", "required": false}],
                    "depends_on": {"db": {"condition": "service_healthy"}},
                    "secrets": [{"source": "pass"}, {"source": "tok"}],
                    "volumes": [
                        {"type": "bind", "source": "../src", "target": "/app"},
                        {"type": "bind", "source": "/etc/x", "target": "/x"},
                        {"type": "image", "source": "busybox@sha256:c", "target": "/b"},
                        {"type": "volume", "source": "data", "target": "/d"},
                    ],
                },
                "db": {"image": "redis:7@sha256:b"},
            },
            "networks": {"default": {}, "other": {"name": "mine"}},
            "volumes": {"data": {}, "theirs": {"name": "hub_theirs", "external": true}},
            "secrets": {"pass": {"file": "../pass.txt"}, "tok": {"environment": "TOK"}},
        });
        assert_eq!(done.tree, expected);
        let needed: Vec<&str> = done.needed.iter().map(|own| own.path.as_str()).collect();
        assert_eq!(needed, ["../a.env", "../b.env", "../pass.txt", "../src"]);
        assert_eq!(Vec::from_iter(done.variables), ["TOK", "TOKEN"]);
    }

    #[test]
    fn a_variable_whose_name_is_a_variable_has_no_value_either() {
        let environment = |written: Value| {
            let tree = json!({"services": {"api": {"environment": {"TOKEN": "s3cret", "A": "1"}}}});
            let written = json!({"services": {"api": {"environment": written}}});
            let pins = Pins {
                services: [("api".to_owned(), "r/api@sha256:a".to_owned())].into(),
                ..Pins::default()
            };
            let paths = Paths {
                project: "/p".into(),
                export: "/p".into(),
            };
            let done = rewrite(tree, &written, &pins, &paths);
            done.tree["services"]["api"]["environment"].clone()
        };
        let hidden = environment(json!({"${WHICH}": null, "A": "1"}));
        assert_eq!(hidden, json!({"TOKEN": null, "A": "1"}));
        let given = environment(json!({"${WHICH}": "${VALUE}", "A": "1"}));
        assert_eq!(given, json!({"TOKEN": "s3cret", "A": "1"}));
    }
}
