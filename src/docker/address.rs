//! Where the engine is: `DOCKER_HOST`, a Docker context, or the usual socket, in the docker command line's
//! order (docker/cli `cli/command/cli.go`, `resolveContextName`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config_file::ConfigFile;
use super::error::Words;
use crate::model::Digest;
use crate::runtime::EngineError;

/// The socket that an engine listens on when nobody says otherwise.
const DEFAULT: &str = "unix:///var/run/docker.sock";

/// An engine's address, and what it takes to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As written: `unix:///var/run/docker.sock`, `tcp://host:2376`.
    pub(super) text: String,
    /// How it is reached.
    pub(super) transport: Transport,
}

/// How an engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, unprotected.
    Tcp(String),
    /// `host:port` over TLS, with the folder of `ca.pem`, `cert.pem` and `key.pem`.
    Tls(String, PathBuf),
}

impl Address {
    /// Finds the engine's address.
    ///
    /// # Errors
    /// A context that is not there, or an address that larder cannot speak to.
    pub(super) fn find(
        environment: &BTreeMap<String, String>,
        config: &ConfigFile,
    ) -> Result<Self, EngineError> {
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        if let Some(host) = set("DOCKER_HOST") {
            let verify = set("DOCKER_TLS_VERIFY").is_some();
            let folder = set("DOCKER_CERT_PATH").map_or_else(|| config.folder.clone(), Into::into);
            return Self::parse(host, verify.then_some(folder));
        }
        let context = set("DOCKER_CONTEXT").or(config.current_context.as_ref());
        match context.filter(|name| !name.is_empty() && *name != "default") {
            None => Self::parse(DEFAULT, None),
            Some(name) => Self::of_context(name, &config.folder),
        }
    }

    /// The endpoint of a context (docker/cli `cli/context/store`).
    fn of_context(name: &str, folder: &Path) -> Result<Self, EngineError> {
        let key = Digest::of(name.as_bytes()).to_string();
        let path = folder.join("contexts/meta").join(&key).join("meta.json");
        let unusable = |source| EngineError::Unreachable {
            address: format!("Docker context `{name}`"),
            source,
        };
        let text = fs_err::read(&path).map_err(|error| unusable(error.into()))?;
        let meta: Meta = serde_json::from_slice(&text).map_err(|error| unusable(error.into()))?;
        let tls = folder.join("contexts/tls").join(&key).join("docker");
        match meta.endpoints.docker.host {
            Some(host) => Self::parse(&host, tls.join("ca.pem").exists().then_some(tls)),
            None => Self::parse(DEFAULT, None),
        }
    }

    fn parse(text: &str, tls: Option<PathBuf>) -> Result<Self, EngineError> {
        let unusable = |why: &str| {
            Err(EngineError::Unreachable {
                address: text.to_owned(),
                source: Box::new(Words(why.to_owned())),
            })
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let rest = rest.trim_end_matches('/');
        let with_port = |port| {
            let colon = rest.rfind(':');
            // In `[::1]` the last colon is part of the address.
            match colon.filter(|at| *at > rest.rfind(']').unwrap_or(0)) {
                Some(_) => rest.to_owned(),
                None => format!("{rest}:{port}"),
            }
        };
        let transport = match (scheme, tls) {
            ("unix", _) if rest.starts_with('/') => Transport::Unix(rest.into()),
            ("unix", _) => return unusable("a socket's path must be absolute"),
            ("tcp" | "http" | "https", _) if rest.is_empty() => {
                return unusable("it names no host");
            }
            ("tcp" | "http" | "https", Some(folder)) => Transport::Tls(with_port(2376), folder),
            ("https", None) => {
                return unusable("TLS needs the certificates that `DOCKER_CERT_PATH` names");
            }
            ("tcp" | "http", None) => Transport::Tcp(with_port(2375)),
            ("ssh", _) => {
                return unusable(
                    "larder does not speak to an engine over ssh: forward its socket with \
                     `ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST` and set \
                     `DOCKER_HOST=unix:///tmp/docker.sock`",
                );
            }
            _ => return unusable("only `unix://` and `tcp://` addresses are understood"),
        };
        Ok(Self {
            text: text.to_owned(),
            transport,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Endpoint {
    host: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)], config: &ConfigFile) -> Result<Address, EngineError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Address::find(&pairs.iter().map(owned).collect(), config)
    }

    #[test]
    fn without_a_word_it_is_the_usual_socket() {
        let address = found(&[("DOCKER_HOST", "")], &ConfigFile::default()).unwrap();
        assert_eq!(
            address.transport,
            Transport::Unix("/var/run/docker.sock".into())
        );
    }

    #[test]
    fn the_host_beats_the_context_and_the_context_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, host: &str| {
            let key = Digest::of(name.as_bytes()).to_string();
            let meta = folder.path().join("contexts/meta").join(key);
            fs_err::create_dir_all(&meta).unwrap();
            let text =
                format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            fs_err::write(meta.join("meta.json"), text).unwrap();
        };
        write("one", "unix:///one");
        write("two", "tcp://two");
        let config = ConfigFile {
            folder: folder.path().to_owned(),
            current_context: Some("one".to_owned()),
            ..ConfigFile::default()
        };
        let text = |pairs: &[(&str, &str)]| found(pairs, &config).unwrap().text;
        assert_eq!(text(&[]), "unix:///one");
        assert_eq!(text(&[("DOCKER_CONTEXT", "two")]), "tcp://two");
        assert_eq!(text(&[("DOCKER_CONTEXT", "default")]), DEFAULT);
        let both = [("DOCKER_CONTEXT", "two"), ("DOCKER_HOST", "unix:///x")];
        assert_eq!(text(&both), "unix:///x");
        let missing = found(&[("DOCKER_CONTEXT", "three")], &config).unwrap_err();
        assert!(missing.to_string().contains("`three`"), "{missing}");
    }

    #[test]
    fn ports_and_tls_are_filled_in() {
        let tls = || Some(PathBuf::from("/certs"));
        let of = |text, tls| Address::parse(text, tls).map(|address| address.transport);
        assert_eq!(
            of("tcp://h", None).unwrap(),
            Transport::Tcp("h:2375".into())
        );
        assert_eq!(
            of("tcp://[::1]", None).unwrap(),
            Transport::Tcp("[::1]:2375".into())
        );
        assert_eq!(
            of("tcp://h:1", tls()).unwrap(),
            Transport::Tls("h:1".into(), "/certs".into())
        );
        for text in ["ssh://h", "npipe:////./pipe/x", "https://h", "unix://x"] {
            assert!(of(text, None).is_err(), "{text}");
        }
    }
}
