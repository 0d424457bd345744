//! Versions of the Docker Engine's API.

use std::fmt;
use std::str::FromStr;

/// A version of the Docker Engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(u32, u32);

impl ApiVersion {
    /// Whether this version has what came with `other`.
    pub fn at_least(self, other: &str) -> bool {
        other.parse().is_ok_and(|other: Self| self >= other)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, InvalidApiVersion> {
        let invalid = || InvalidApiVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(invalid)?;
        let number = |text: &str| text.parse().map_err(|_| invalid());
        Ok(Self(number(major)?, number(minor)?))
    }
}

/// The text is not an API version.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a version of the Docker Engine's API")]
pub struct InvalidApiVersion(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| text.parse::<ApiVersion>().unwrap();
        assert!(version("1.100") > version("1.44"));
        assert!(!version("1.41").at_least("1.44"));
        assert!(version("1.44").at_least("1.44"));
        assert!("1".parse::<ApiVersion>().is_err());
    }
}
