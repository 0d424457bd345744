//! `build`: what a service's image is made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bytes, FileReference, Ulimit};

/// A build section in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// The folder that COPY and ADD read from, absolute; or a remote one, as written.
    pub context: String,
    /// The Dockerfile, relative to the context or absolute; `Dockerfile` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The Dockerfile's text, in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_inline: Option<String>,
    /// Build arguments with their values; one the environment does not define is left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, Option<String>>,
    /// Further contexts by name: a folder, absolute; an image, `docker-image://…`; the image of a service,
    /// `service:…`; or something that is not on this machine.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_contexts: BTreeMap<String, String>,
    /// The SSH agents that RUN steps may use: `default`, or an id with the path of one, `id=path`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<String>,
    /// The stage to build; the last one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Labels on the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The platforms to build for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// The network that RUN steps see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Lines for the hosts file of RUN steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", with = "super::hosts")]
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// The size of `/dev/shm` in RUN steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Bytes>,
    /// Resource limits of RUN steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Secrets that RUN steps may mount; `target` is the id that `RUN --mount=type=secret` names, the source when
    /// absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<FileReference>,
    /// More names for the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether the builder's cache is left alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_cache: bool,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Build {
    /// Whether the context is not a folder on this machine (compose-go `isRemoteContext`).
    pub fn is_remote(&self) -> bool {
        Self::is_elsewhere(&self.context)
    }

    /// The Dockerfile that is called `name` in the context; none where it stands in the Compose file.
    pub fn dockerfile_path(&self, name: &str) -> Option<PathBuf> {
        let is_file = self.dockerfile_inline.is_none();
        is_file.then(|| Path::new(&self.context).join(name))
    }

    /// The same for any context.
    pub fn is_elsewhere(context: &str) -> bool {
        context.contains("://") || context.starts_with("github.com/") || context.starts_with("git@")
    }

    /// A context for a person: of a URL everything but who it is read as.
    pub fn shown_context(context: &str) -> String {
        let parts = context.split_once("://").and_then(|(scheme, rest)| {
            let end = rest.find('/').unwrap_or(rest.len());
            let at = rest[..end].rfind('@')?;
            Some(format!("{scheme}://…{}", &rest[at..]))
        });
        parts.unwrap_or_else(|| context.to_owned())
    }

    /// The services whose images are among the additional contexts, each with the context's name.
    pub fn services_as_contexts(&self) -> impl Iterator<Item = (&String, &str)> {
        let contexts = self.additional_contexts.iter();
        contexts.filter_map(|(name, context)| Some((name, context.strip_prefix("service:")?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        for (context, shown) in [
            (
                "https://me:pass@host/a/b.git#x@y",
                "https://…@host/a/b.git#x@y",
            ),
            ("https://token@host", "https://…@host"),
            ("https://host/a@b", "https://host/a@b"),
            ("git@host:a/b", "git@host:a/b"),
            ("../a@b", "../a@b"),
        ] {
            assert_eq!(Build::shown_context(context), shown);
        }
    }
}
