//! Repositories on registries: image names without a tag, under which larder gives tags of its own.

use std::fmt;
use std::str::FromStr;

use super::{Digest, ImageRef};

/// A repository on a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// The host of its registry, with a port where one was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name of the image with a full fingerprint.
    pub fn image(&self, fingerprint: &Digest) -> ImageRef {
        self.tagged(format!("fp-{fingerprint}"))
    }

    /// The name of the dependency image with this key.
    pub fn dependencies(&self, key: &Digest) -> ImageRef {
        self.tagged(format!("dep-{key}"))
    }

    /// The name of the image with a key, be it a dependency image or not.
    pub fn keyed(&self, key: &Digest, is_dependencies: bool) -> ImageRef {
        if is_dependencies {
            self.dependencies(key)
        } else {
            self.image(key)
        }
    }

    /// Whether an image has a name as it has in such a repository: by a fingerprint, or by a cut's key.
    pub fn is_keyed(image: &ImageRef) -> bool {
        let tag = image.tag.as_deref().unwrap_or_default();
        let key = tag.strip_prefix("fp-").or_else(|| tag.strip_prefix("dep-"));
        key.is_some_and(|key| key.parse::<Digest>().is_ok())
    }

    /// Whether it is what a prefix names: a registry's host, or that with some of its path.
    pub fn is_under(&self, prefix: &str) -> bool {
        let name = self.to_string();
        let rest = name.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn tagged(&self, tag: String) -> ImageRef {
        ImageRef {
            registry: self.registry.clone(),
            repository: self.path.clone(),
            tag: Some(tag),
            digest: None,
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tagged(String::new()).familiar_name())
    }
}

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        let invalid = || InvalidRepository(text.to_owned());
        let last = text.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) {
            return Err(invalid());
        }
        let parsed: ImageRef = text.parse().map_err(|_| invalid())?;
        Ok(Self {
            registry: parsed.registry,
            path: parsed.repository,
        })
    }
}

/// A text is no repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no repository, as in `registry.example.com/team/app`: a name without tag and digest"
)]
pub struct InvalidRepository(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_a_name_without_a_tag() {
        let parsed: Repository = "r.example:5000/team/app".parse().unwrap();
        assert_eq!(parsed.registry(), "r.example:5000");
        assert_eq!(parsed.to_string(), "r.example:5000/team/app");
        let key = Digest::of(b"x");
        let name = format!("r.example:5000/team/app:fp-{key}");
        assert_eq!(parsed.image(&key).familiar(), name);
        assert_eq!(name.parse::<ImageRef>().unwrap(), parsed.image(&key));
        assert!(Repository::is_keyed(&parsed.image(&key)));
        assert!(Repository::is_keyed(&parsed.dependencies(&key)));
        assert!(!Repository::is_keyed(&"app:fp-1".parse().unwrap()));
        for text in ["app:1", "r.example/app@sha256:0", "", "a//b", "App"] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
        assert_eq!("app".parse::<Repository>().unwrap().to_string(), "app");
    }

    #[test]
    fn a_prefix_ends_where_a_part_of_the_name_does() {
        let parsed: Repository = "r.example/team/app".parse().unwrap();
        for prefix in [
            "r.example",
            "r.example/",
            "r.example/team",
            "r.example/team/app",
        ] {
            assert!(parsed.is_under(prefix), "{prefix}");
        }
        for prefix in ["r.exam", "r.example/te", "other", "r.example/team/app/more"] {
            assert!(!parsed.is_under(prefix), "{prefix}");
        }
    }
}
