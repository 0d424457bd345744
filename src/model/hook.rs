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

/// Its command on one line, cut where it is longer than anybody reads in passing.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        let command = self.command.as_deref().unwrap_or_default().join(" ");
        let line: Vec<&str> = command.split_whitespace().collect();
        let line = line.join(" ");
        if line.chars().count() <= LONGEST {
            return f.write_str(&line);
        }
        let kept: String = line.chars().take(LONGEST - 1).collect();
        write!(f, "{}…", kept.trim_end())
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
    fn a_long_command_is_cut() {
        let hook = |command: &[&str]| Hook {
            command: Some(command.iter().map(ToString::to_string).collect()),
            ..Hook::default()
        };
        assert_eq!(hook(&["sh", "-c", "a\n  b"]).to_string(), "sh -c a b");
        let long = hook(&["sh", "-c", &"make all; ".repeat(20)]).to_string();
        assert!(long.ends_with('…') && long.chars().count() <= 60, "{long}");
    }
}
