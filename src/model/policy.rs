//! What a service's `restart` and `pull_policy` ask for.

use std::str::FromStr;
use std::time::Duration;

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
    /// When it got its name longer ago than that: `daily`, `weekly`, `every_12h`.
    Aged(Duration),
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
            // docker compose's pattern has `refresh`, too, and does nothing about it.
            "missing" | "if_not_present" | "refresh" => Ok(Self::Missing),
            "never" => Ok(Self::Never),
            "build" => Ok(Self::Build),
            "daily" => Ok(Self::Aged(Duration::from_hours(24))),
            "weekly" => Ok(Self::Aged(Duration::from_hours(7 * 24))),
            _ => text.strip_prefix("every_").and_then(age).map(Self::Aged).ok_or(InvalidPolicy {
                text: text.to_owned(),
                known: "`always`, `missing`, `never`, `build`, `daily`, `weekly` and `every_12h`",
            }),
        }
    }
}

/// `1w2d`: numbers, each with a unit behind it.
fn age(text: &str) -> Option<Duration> {
    let mut age = Duration::ZERO;
    let mut left = text;
    while !left.is_empty() {
        let end = left.find(|char: char| !char.is_ascii_digit())?;
        let number: u64 = left[..end].parse().ok()?;
        let seconds = match left.as_bytes()[end] {
            b'w' => 7 * 24 * 3600,
            b'd' => 24 * 3600,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        age = age.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
        left = &left[end + 1..];
    }
    (!text.is_empty()).then_some(age)
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
        let aged = |seconds| Some(PullPolicy::Aged(Duration::from_secs(seconds)));
        assert_eq!(pull("daily"), aged(86_400));
        assert_eq!(pull("weekly"), aged(7 * 86_400));
        assert_eq!(
            pull("every_1w2d3h4m5s"),
            aged(9 * 86_400 + 3 * 3600 + 4 * 60 + 5)
        );
        assert_eq!(pull("refresh"), Some(PullPolicy::Missing));
        for text in [
            "",
            "every_",
            "every_x",
            "every_1",
            "every_h",
            "every_1é",
            "every_99999999999999999w",
            "sometimes",
        ] {
            assert_eq!(pull(text), None, "{text}");
        }
    }
}
