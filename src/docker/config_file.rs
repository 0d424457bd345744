//! The Docker command line's own settings, `config.json`: which context is current, where credentials are
//! kept, which proxies containers get. Knows nothing of engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What larder reads of `config.json` (docker/cli `cli/config/configfile/file.go`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ConfigFile {
    /// The folder that it lies in.
    #[serde(skip)]
    pub(super) folder: PathBuf,
    /// The context used when nothing else is said.
    pub(super) current_context: Option<String>,
    /// Credentials per registry.
    pub(super) auths: BTreeMap<String, Auth>,
    /// The program that keeps all other credentials.
    pub(super) creds_store: Option<String>,
    /// The program that keeps one registry's.
    pub(super) cred_helpers: BTreeMap<String, String>,
    /// More folders with plugins, in front of all others.
    pub(super) cli_plugins_extra_dirs: Vec<PathBuf>,
    /// Proxies per engine address, `default` for all others.
    pub(super) proxies: BTreeMap<String, BTreeMap<String, String>>,
}

/// One registry's credentials as `docker login` writes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Auth {
    /// `user:password` in base64.
    pub(super) auth: String,
    /// A token in place of a password.
    #[serde(rename = "identitytoken")]
    pub(super) identity_token: Option<String>,
}

impl ConfigFile {
    /// Reads `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. One that is not there, or that is
    /// broken, says nothing: the docker command line warns and goes on too.
    pub(super) fn read(environment: &BTreeMap<String, String>) -> Self {
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let folder = match (set("DOCKER_CONFIG"), set("HOME")) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) => Path::new(home).join(".docker"),
            (None, None) => return Self::default(),
        };
        let path = folder.join("config.json");
        let mut file = match fs_err::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!("`{}` is not read: {error}", path.display());
                Self::default()
            }),
            Err(_) => Self::default(),
        };
        file.folder = folder;
        file
    }

    /// The proxy variables that containers on an engine get underneath their own (docker/cli
    /// `ParseProxyConfig`).
    pub(super) fn proxy_variables(&self, address: &str) -> BTreeMap<String, String> {
        let Some(proxies) = self
            .proxies
            .get(address)
            .or_else(|| self.proxies.get("default"))
        else {
            return BTreeMap::new();
        };
        [
            ("HTTP_PROXY", "httpProxy"),
            ("HTTPS_PROXY", "httpsProxy"),
            ("NO_PROXY", "noProxy"),
            ("FTP_PROXY", "ftpProxy"),
            ("ALL_PROXY", "allProxy"),
        ]
        .into_iter()
        .filter_map(|(name, key)| Some((name, proxies.get(key).filter(|value| !value.is_empty())?)))
        .flat_map(|(name, value)| {
            [
                (name.to_owned(), value.clone()),
                (name.to_lowercase(), value.clone()),
            ]
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_come_in_both_cases() {
        let file: ConfigFile = serde_json::from_str(
            r#"{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": ""}}}"#,
        )
        .unwrap();
        let variables = file.proxy_variables("unix:///x");
        let names: Vec<_> = variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["HTTP_PROXY", "http_proxy"]);
    }

    #[test]
    fn a_broken_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("config.json"), "{").unwrap();
        let environment = BTreeMap::from([(
            "DOCKER_CONFIG".to_owned(),
            folder.path().display().to_string(),
        )]);
        assert!(ConfigFile::read(&environment).current_context.is_none());
    }
}
