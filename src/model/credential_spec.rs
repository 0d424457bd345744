//! `credential_spec`: who a container of a Windows engine is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `credential_spec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CredentialSpec {
    /// A config of a swarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// A file in the engine's folder of credential specs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A value in the Windows registry of the engine's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// `x-*`.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

impl CredentialSpec {
    /// The engine's name for it: `file://NAME`, `registry://NAME`, `config://NAME`.
    pub fn source(&self) -> Option<String> {
        let sources = [
            ("config", &self.config),
            ("file", &self.file),
            ("registry", &self.registry),
        ];
        let named = sources
            .into_iter()
            .find_map(|(kind, name)| Some((kind, name.as_deref()?)));
        named.map(|(kind, name)| format!("{kind}://{name}"))
    }
}
