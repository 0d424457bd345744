//! What a service's `restart` and `pull_policy` ask for.

use std::str::FromStr;

/// When the engine starts a container again that ended (docker/compose `mapRestartPolicyCondition`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// `no`, or `none`.
    #[default]
    No,
    /// `always`, or `any`.
    Always,
    /// `on-failure`, with the number of times in `on-failure:N`.
    OnFailure(Option<u32>),
    /// `unless-stopped`.
    UnlessStopped,
}

/// When an image that a service only names is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// At each start, once.
    Always,
    /// When it is not on the engine.
    #[default]
    Missing,
    /// Not at all.
    Never,
    /// Not at all: it is built.
    Build,
    /// When it is old: `daily`, `weekly`, `every_12h`, `refresh`.
    Aged,
}

/// A text that is none of the policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of {known}")]
pub struct InvalidPolicy {
    text: String,
    known: &'static str,
}

impl FromStr for RestartPolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text {
            "no" | "none" => return Ok(Self::No),
            "always" | "any" => return Ok(Self::Always),
            "on-failure" => return Ok(Self::OnFailure(None)),
            "unless-stopped" => return Ok(Self::UnlessStopped),
            _ => {}
        }
        let times = text.strip_prefix("on-failure:");
        let times = times.and_then(|times| times.parse().ok());
        times
            .map(|times| Self::OnFailure(Some(times)))
            .ok_or_else(|| InvalidPolicy {
                text: text.to_owned(),
                known: "`no`, `always`, `on-failure`, `on-failure:TIMES` and `unless-stopped`",
            })
    }
}

impl FromStr for PullPolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text {
            "always" => Ok(Self::Always),
            "missing" | "if_not_present" => Ok(Self::Missing),
            "never" => Ok(Self::Never),
            "build" => Ok(Self::Build),
            "daily" | "weekly" | "refresh" => Ok(Self::Aged),
            _ if text.strip_prefix("every_").is_some_and(is_age) => Ok(Self::Aged),
            _ => Err(InvalidPolicy {
                text: text.to_owned(),
                known: "`always`, `missing`, `never`, `build`, `daily`, `weekly` and `every_12h`",
            }),
        }
    }
}

/// `1w2d`: numbers, each with a unit behind it.
fn is_age(text: &str) -> bool {
    let mut digits = 0;
    let pairs = text.chars().all(|char| match char {
        '0'..='9' => {
            digits += 1;
            true
        }
        'w' | 'd' | 'h' | 'm' | 's' => std::mem::take(&mut digits) > 0,
        _ => false,
    });
    pairs && digits == 0 && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_docker_compose_reads_them() {
        let restart = |text: &str| text.parse::<RestartPolicy>().ok();
        assert_eq!(restart("none"), Some(RestartPolicy::No));
        assert_eq!(restart("any"), Some(RestartPolicy::Always));
        assert_eq!(
            restart("on-failure:3"),
            Some(RestartPolicy::OnFailure(Some(3)))
        );
        for text in ["", "sometimes", "on-failure:x", "always:3"] {
            assert_eq!(restart(text), None, "{text}");
        }
        let pull = |text: &str| text.parse::<PullPolicy>().ok();
        assert_eq!(pull("every_1w2d"), Some(PullPolicy::Aged));
        for text in ["", "every_", "every_x", "every_1", "every_h", "sometimes"] {
            assert_eq!(pull(text), None, "{text}");
        }
    }
}
