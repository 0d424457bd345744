//! Credentials for a registry, from where `docker login` put them. They go to the engine with a pull, and
//! into no message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;
use tokio::process::Command;

use super::config_file::ConfigFile;
use super::program::answer;
use crate::runtime::Login;

/// The key that credentials for Docker Hub are kept under.
const HUB: &str = "https://index.docker.io/v1/";
/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(10);

/// What the engine presents to a registry (moby `registry.AuthConfig`).
#[derive(Default, PartialEq, Eq, Serialize)]
pub(super) struct Credentials {
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(rename = "identitytoken", skip_serializing_if = "Option::is_none")]
    identity_token: Option<String>,
    #[serde(rename = "serveraddress")]
    server_address: String,
}

impl Credentials {
    /// The value of `X-Registry-Auth`. bollard's own is in base64 of the wrong alphabet, which the engine
    /// takes for no credentials when a `+` or `/` comes up in it.
    pub(super) fn header(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What BuildKit presents to a registry: a token goes without a user (buildx `authprovider`).
    pub(super) fn login(self) -> Login {
        match self.identity_token {
            Some(secret) => Login {
                username: String::new(),
                secret,
            },
            None => Login {
                username: self.username,
                secret: self.password,
            },
        }
    }
}

impl ConfigFile {
    /// The credentials for a registry, where there are any (docker/cli `GetCredentialsStore`).
    pub(super) async fn credentials(&self, registry: &str) -> Option<Credentials> {
        let key = match registry {
            "docker.io" | "registry-1.docker.io" => HUB,
            other => other,
        };
        let helper = self.cred_helpers.get(key).or(self.creds_store.as_ref());
        if let Some(helper) = helper {
            return helped(helper, key).await;
        }
        let host = |key: &str| {
            let key = key.split_once("://").map_or(key, |(_, rest)| rest);
            key.split('/').next().unwrap_or_default().to_owned()
        };
        let entry = self.auths.get(key).or_else(|| {
            self.auths
                .iter()
                .find_map(|(other, auth)| (host(other) == host(key)).then_some(auth))
        })?;
        let decoded = STANDARD.decode(&entry.auth).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (username, password) = decoded.split_once(':').unwrap_or_default();
        let found = Credentials {
            username: username.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
            identity_token: entry.identity_token.clone(),
            server_address: key.to_owned(),
        };
        (!found.username.is_empty() || found.identity_token.is_some()).then_some(found)
    }
}

/// `config.json` with credentials and nothing else.
#[derive(Serialize)]
struct Kept {
    auths: BTreeMap<String, KeptAuth>,
}

/// One registry's credentials as `docker login` writes them without a helper.
#[derive(Serialize)]
struct KeptAuth {
    #[serde(skip_serializing_if = "String::is_empty")]
    auth: String,
    #[serde(rename = "identitytoken", skip_serializing_if = "Option::is_none")]
    identity_token: Option<String>,
}

impl ConfigFile {
    /// All credentials, those that helpers keep included, as a `config.json` that needs no helper (docker/cli
    /// `GetAllCredentials`, `SaveToWriter`).
    pub(super) async fn all_credentials(&self) -> String {
        let mut keys: BTreeSet<String> = self.cred_helpers.keys().cloned().collect();
        match &self.creds_store {
            Some(helper) => keys.extend(listed(helper).await),
            None => keys.extend(self.auths.keys().cloned()),
        }
        let mut auths = BTreeMap::new();
        for key in keys {
            let Some(found) = self.credentials(&key).await else {
                continue;
            };
            let pair = format!("{}:{}", found.username, found.password);
            let auth = if found.username.is_empty() && found.password.is_empty() {
                String::new()
            } else {
                STANDARD.encode(pair)
            };
            let identity_token = found.identity_token;
            let kept = KeptAuth {
                auth,
                identity_token,
            };
            auths.insert(key, kept);
        }
        let mut text = Vec::new();
        let tabs = PrettyFormatter::with_indent(b"\t");
        let mut writer = Serializer::with_formatter(&mut text, tabs);
        // A map of text has nothing that JSON cannot hold.
        let _ = Kept { auths }.serialize(&mut writer);
        String::from_utf8(text).unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The registries that a helper keeps credentials for.
async fn listed(helper: &str) -> Vec<String> {
    let listed = asked(helper, "list", "").await;
    let listed = listed.and_then(|output| serde_json::from_slice(&output).ok());
    let listed: BTreeMap<String, String> = listed.unwrap_or_default();
    listed.into_keys().collect()
}

/// What `docker-credential-HELPER` answers. One that does not work means no credentials.
async fn asked(helper: &str, verb: &str, input: &str) -> Option<Vec<u8>> {
    let program = format!("docker-credential-{helper}");
    let mut command = Command::new(&program);
    let run = answer(command.arg(verb), input);
    match tokio::time::timeout(HELPER, run).await {
        Ok(Ok(output)) => Some(output.stdout),
        Ok(Err(error)) => {
            tracing::warn!("`{program}` gave no credentials: {error}");
            None
        }
        Err(_) => {
            tracing::warn!("`{program}` gave no credentials in time");
            None
        }
    }
}

/// Asks a helper for the credentials of one registry. One that has none means a pull without credentials.
async fn helped(helper: &str, key: &str) -> Option<Credentials> {
    let output = asked(helper, "get", key).await?;
    let answer: Answer = serde_json::from_slice(&output).ok()?;
    let server_address = key.to_owned();
    // A helper marks a token by this name (docker-credential-helpers).
    Some(if answer.username == "<token>" {
        Credentials {
            identity_token: Some(answer.secret),
            server_address,
            ..Credentials::default()
        }
    } else {
        Credentials {
            username: answer.username,
            password: answer.secret,
            server_address,
            ..Credentials::default()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(auths: &str) -> ConfigFile {
        serde_json::from_str(&format!(r#"{{"auths": {auths}}}"#)).unwrap()
    }

    #[tokio::test]
    async fn a_registry_is_found_however_it_was_written() {
        let auth = STANDARD.encode("me:pa:ss");
        for key in ["r.example", "https://r.example", "https://r.example/v2/"] {
            let file = file(&format!(r#"{{"{key}": {{"auth": "{auth}"}}}}"#));
            let found = file.credentials("r.example").await.unwrap();
            assert_eq!(
                (found.username.as_str(), found.password.as_str()),
                ("me", "pa:ss")
            );
            assert!(file.credentials("docker.io").await.is_none());
        }
    }

    #[tokio::test]
    async fn all_credentials_are_one_file() {
        let auth = STANDARD.encode("me:pa:ss");
        let file = file(&format!(
            r#"{{"r.example": {{"auth": "{auth}"}}, "t.example": {{"auth": "", "identitytoken": "t"}}, "none": {{"auth": ""}}}}"#
        ));
        let expected = format!(
            "{{\n\t\"auths\": {{\n\t\t\"r.example\": {{\n\t\t\t\"auth\": \"{auth}\"\n\t\t}},\n\t\t\"t.example\": {{\n\t\t\t\
             \"identitytoken\": \"t\"\n\t\t}}\n\t}}\n}}"
        );
        assert_eq!(file.all_credentials().await, expected);
        let none = ConfigFile::default().all_credentials().await;
        assert_eq!(none, "{\n\t\"auths\": {}\n}");
    }

    #[tokio::test]
    async fn the_header_survives_every_password() {
        let auth = STANDARD.encode("me:~~~>>>???");
        let file = file(&format!(r#"{{"{HUB}": {{"auth": "{auth}"}}}}"#));
        let header = file.credentials("docker.io").await.unwrap().header();
        assert!(!header.contains(['+', '/']), "{header}");
        let json = String::from_utf8(URL_SAFE.decode(header).unwrap()).unwrap();
        assert!(json.contains("~~~>>>???"), "{json}");
    }
}
