//! What the installed docker compose is asked: `config --hash` of the same files, with one more over them that says what it
//! only does when it starts containers. It reads no env file for a hash, and knows no IDs.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Map, Value, json};

use crate::compose;
use crate::model::{Digest, Project, Service};

/// One question.
pub(super) struct Question {
    /// What docker compose is called with.
    pub(super) arguments: Vec<OsString>,
    /// The file that it reads from standard input.
    pub(super) text: String,
    /// The services as they are made.
    services: BTreeMap<String, Service>,
}

impl Question {
    /// About services as they are made, as far as a file can say them; `None` where there is nothing to ask.
    pub(super) fn of(project: &Project, mut services: BTreeMap<String, Service>) -> Option<Self> {
        if !compose::can_be_read_again(project) {
            return None;
        }
        // An ID in `volumes_from` would be a service's name, and what the API socket stands for is not written in a file.
        services.retain(|_, own| own.volumes_from.is_empty() && own.use_api_socket != Some(true));
        if services.is_empty() || project.files.is_empty() {
            return None;
        }
        let names: Vec<&str> = services.keys().map(String::as_str).collect();
        let mut arguments: Vec<OsString> = vec!["--project-directory".into()];
        arguments.push(project.working_dir.clone().into());
        arguments.extend(["-p", &project.name, "--profile", "*"].map(OsString::from));
        for file in &project.env_files {
            arguments.extend(["--env-file".into(), file.clone().into()]);
        }
        for file in &project.files {
            arguments.extend(["-f".into(), file.clone().into()]);
        }
        arguments.extend(["-f", "-", "config", "--hash"].map(OsString::from));
        arguments.push(names.join(",").into());
        Some(Self {
            arguments,
            text: text(project, &services),
            services,
        })
    }

    /// The services that it is about.
    pub(super) fn services(&self) -> impl Iterator<Item = &String> {
        self.services.keys()
    }

    /// The services that an answer is about, each with its hash.
    pub(super) fn answers<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a Service, Digest)> {
        text.lines().filter_map(|line| {
            let (name, hash) = line.split_once(' ')?;
            Some((self.services.get(name)?, hash.trim().parse().ok()?))
        })
    }
}

/// A Compose file, which is JSON but for the tags.
fn text(project: &Project, services: &BTreeMap<String, Service>) -> String {
    let each = services.iter().map(|(name, made)| {
        let set = made.environment.iter();
        let set = set.filter_map(|(name, value)| Some((name.clone(), plain(value.as_ref()?))));
        let labels = made.labels.iter();
        let labels = labels.map(|(name, value)| (name.clone(), plain(value)));
        let mut over = Map::from_iter([
            ("environment".to_owned(), Value::Object(set.collect())),
            ("labels".to_owned(), Value::Object(labels.collect())),
        ]);
        let written = &project.services[name];
        for (key, made, written) in [
            ("network_mode", &made.network_mode, &written.network_mode),
            ("ipc", &made.ipc, &written.ipc),
            ("pid", &made.pid, &written.pid),
        ] {
            if let Some(mode) = made.as_ref().filter(|_| made != written) {
                over.insert(key.to_owned(), plain(mode));
            }
        }
        let over = Value::Object(over).to_string();
        let over = over.strip_suffix('}').unwrap_or_default();
        let name = json!(name);
        format!("{name}: {over}, \"env_file\": !reset [], \"label_file\": !reset []}}")
    });
    let each: Vec<String> = each.collect();
    format!("{{\"services\": {{{}}}}}\n", each.join(", "))
}

/// A text without variables.
fn plain(text: &str) -> Value {
    text.replace('$', "$$").into()
}
