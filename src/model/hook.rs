//! Hooks: commands that are run in a container right after it was started, or before it is stopped.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of `post_start` or `pre_stop`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The command and its arguments.
    pub command: Option<Vec<String>>,
    /// The user it runs as; the container's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it runs with all the engine's privileges.
    #[serde(skip_serializing_if = "super::service::is_off")]
    pub privileged: Option<bool>,
    /// The folder it starts in; the container's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// More environment; a `None` value removes the container's variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Option<String>>,
    /// `x-*`.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

/// Its program, for a person: what that is told may be secret.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.command.as_ref().and_then(|words| words.first());
        f.write_str(program.map_or("", String::as_str))
    }
}

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookTime {
    /// `post_start`.
    PostStart,
    /// `pre_stop`.
    PreStop,
}

impl fmt::Display for HookTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_told_by_its_program() {
        let command = Some(["sh", "-c", "echo $PASSWORD"].map(str::to_owned).to_vec());
        let hook = Hook {
            command,
            ..Hook::default()
        };
        assert_eq!(hook.to_string(), "sh");
        assert_eq!(Hook::default().to_string(), "");
    }
}
