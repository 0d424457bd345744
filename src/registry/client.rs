//! The way to registries: by which protocol, with whose credentials, through which proxy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use reqwest::{NoProxy, Proxy};
use tokio::sync::{Mutex, OnceCell};

use super::error::RegistryError;
use super::fetch::Token;
use crate::model::ImageRef;
use crate::runtime::EngineAccess;

/// The user that stands for whoever has an identity token where a registry asks for a name and a password (Azure's, the one
/// that hands out such tokens).
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";
/// This machine, to which no proxy leads.
const OWN: &str = "localhost,127.0.0.0/8,::1";
/// How larder calls itself.
const NAME: &str = concat!("larder/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take, and an answer between two bytes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The registries that a run speaks to.
pub struct Registries {
    access: Arc<dyn EngineAccess>,
    /// The hosts, beside this machine's own, that are spoken to without TLS.
    plain: BTreeSet<String>,
    /// For TLS, for plain HTTP, and the hosts without.
    proxies: [Option<String>; 3],
    with_tls: OnceLock<Client>,
    without_tls: OnceLock<Client>,
    /// Who reads what they have.
    reader: OnceLock<reqwest::Client>,
    /// Credentials by host; a helper is asked once.
    logins: Mutex<HashMap<String, Arc<OnceCell<RegistryAuth>>>>,
    /// Tokens by repository.
    tokens: Mutex<HashMap<String, Arc<Mutex<Token>>>>,
}

impl Registries {
    /// Without a connection yet. `access` has the user's credentials; `plain` are the hosts that the engine speaks to without
    /// TLS; `environment` names proxies.
    pub fn new(
        access: Arc<dyn EngineAccess>,
        plain: BTreeSet<String>,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let proxy = |name: &str| {
            let upper = environment.get(name);
            let set = upper.or_else(|| environment.get(&name.to_lowercase()));
            set.filter(|value| !value.is_empty()).cloned()
        };
        let mut proxies = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"].map(proxy);
        // As with Go's programs: what is on this machine is not asked for elsewhere.
        let others = proxies[2].take().map(|own| format!("{own},"));
        proxies[2] = Some(format!("{}{OWN}", others.unwrap_or_default()));
        Self {
            access,
            plain,
            proxies,
            with_tls: OnceLock::new(),
            without_tls: OnceLock::new(),
            reader: OnceLock::new(),
            logins: Mutex::new(HashMap::new()),
            tokens: Mutex::new(HashMap::new()),
        }
    }

    /// The client for a registry.
    fn client(&self, host: &str) -> Result<&Client, RegistryError> {
        let (cell, protocol) = if self.is_plain(host) {
            (&self.without_tls, ClientProtocol::Http)
        } else {
            (&self.with_tls, ClientProtocol::Https)
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        // A second one changes nothing, and fails.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let [with_tls, without_tls, no_proxy] = self.proxies.clone();
        let config = ClientConfig {
            protocol,
            use_monolithic_push: true,
            read_timeout: Some(PATIENCE),
            connect_timeout: Some(PATIENCE),
            user_agent: NAME,
            https_proxy: with_tls,
            http_proxy: without_tls,
            no_proxy,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| RegistryError::of(host, error))?;
        Ok(cell.get_or_init(|| client))
    }

    /// Who reads what registries have, by the same ways.
    fn reader(&self, host: &str) -> Result<reqwest::Client, RegistryError> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader.clone());
        }
        let [with_tls, without_tls, no_proxy] = &self.proxies;
        let none = no_proxy.as_deref().and_then(NoProxy::from_string);
        let builder = || {
            let mut builder = reqwest::Client::builder()
                .user_agent(NAME)
                .read_timeout(PATIENCE)
                .connect_timeout(PATIENCE);
            if let Some(proxy) = with_tls {
                builder = builder.proxy(Proxy::https(proxy)?.no_proxy(none.clone()));
            }
            if let Some(proxy) = without_tls {
                builder = builder.proxy(Proxy::http(proxy)?.no_proxy(none.clone()));
            }
            builder.build()
        };
        let reader = builder().map_err(|error| RegistryError::of(host, error.into()))?;
        Ok(self.reader.get_or_init(|| reader).clone())
    }

    fn is_plain(&self, host: &str) -> bool {
        is_loopback(host) || self.plain.contains(host)
    }

    /// The client for an image, and its name in that one's words.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) async fn at(&self, image: &ImageRef) -> Result<At<'_>, RegistryError> {
        let client = self.client(&image.registry)?;
        let (registry, repository) = (image.registry.clone(), image.repository.clone());
        let reference = match (&image.digest, &image.tag) {
            (Some(digest), _) => Reference::with_digest(registry, repository, digest.clone()),
            (None, tag) => {
                let tag = tag.clone().unwrap_or_else(|| "latest".to_owned());
                Reference::with_tag(registry, repository, tag)
            }
        };
        // A helper that takes its time holds nobody up but those who ask for the same registry.
        let mut logins = self.logins.lock().await;
        let login = Arc::clone(logins.entry(image.registry.clone()).or_default());
        drop(logins);
        let auth = login.get_or_init(|| self.login(&image.registry)).await;
        let auth = auth.clone();
        let host = reference.resolve_registry().to_owned();
        client.store_auth_if_needed(&host, &auth).await;
        let scheme = if self.is_plain(&image.registry) {
            "http"
        } else {
            "https"
        };
        let address = format!("{scheme}://{host}/v2/{}", reference.repository());
        let token = Arc::clone(self.tokens.lock().await.entry(address.clone()).or_default());
        Ok(At {
            client,
            reader: self.reader(&image.registry)?,
            address,
            token,
            reference,
            auth,
            host: image.registry.clone(),
        })
    }

    async fn login(&self, registry: &str) -> RegistryAuth {
        match self.access.login(registry).await {
            None => RegistryAuth::Anonymous,
            Some(login) if login.username.is_empty() => {
                RegistryAuth::Basic(TOKEN_USER.to_owned(), login.secret)
            }
            Some(login) => RegistryAuth::Basic(login.username, login.secret),
        }
    }
}

/// An image in a registry, as its client is asked for it.
pub(super) struct At<'a> {
    pub(super) client: &'a Client,
    /// Who reads it.
    pub(super) reader: reqwest::Client,
    /// Where its repository is.
    pub(super) address: String,
    /// By which token it is read.
    pub(super) token: Arc<Mutex<Token>>,
    pub(super) reference: Reference,
    pub(super) auth: RegistryAuth,
    /// The registry's host, for a person.
    pub(super) host: String,
}

impl At<'_> {
    /// Its digest, or its tag.
    pub(super) fn version(&self) -> String {
        let own = self.reference.digest().or_else(|| self.reference.tag());
        own.unwrap_or("latest").to_owned()
    }
}

/// Whether a registry is this machine's own, which engines speak to without TLS (moby `registry/config.go`).
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = name.parse().ok();
    name == "localhost" || address.is_some_and(|own| own.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_registries_are_spoken_to_without_tls() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "127.evil.example",
            "127.evil.example:5000",
            "r.example",
            "localhost.example",
            "10.0.0.1:5000",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
