//! Image names as the engine and the registries read them (distribution/reference `normalize.go`).

use std::fmt;
use std::str::FromStr;

/// A parsed image name: where it lives, which repository, and the tag or digest that picks one image.
///
/// `python:3.11-slim` is `docker.io`, `library/python`, tag `3.11-slim`; without tag and digest the tag is
/// `latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// The registry's host, with a port where one was written.
    pub registry: String,
    /// The repository on it, `library/` included where Docker Hub adds it.
    pub repository: String,
    /// The tag, `None` only where a digest alone was written.
    pub tag: Option<String>,
    /// `sha256:<hex>`, where the name pins one.
    pub digest: Option<String>,
}

impl ImageRef {
    /// The name as people write it: `docker.io/` and `library/` left out, as `docker images` shows it.
    pub fn familiar(&self) -> String {
        let mut name = self.familiar_name();
        if let Some(tag) = &self.tag {
            name = format!("{name}:{tag}");
        }
        match &self.digest {
            Some(digest) => format!("{name}@{digest}"),
            None => name,
        }
    }

    /// The name in full, `docker.io/library/` included.
    pub fn canonical(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}"));
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}"));
        let (registry, repository) = (&self.registry, &self.repository);
        format!(
            "{registry}/{repository}{}{}",
            tag.unwrap_or_default(),
            digest.unwrap_or_default()
        )
    }

    /// The familiar name without tag and digest.
    pub fn familiar_name(&self) -> String {
        match self.registry.as_str() {
            "docker.io" => self
                .repository
                .strip_prefix("library/")
                .unwrap_or(&self.repository)
                .to_owned(),
            registry => format!("{registry}/{}", self.repository),
        }
    }
}

/// The name under which an engine lists an image; one that does not parse stays as it is.
pub fn familiar(name: &str) -> String {
    let parsed = name.parse::<ImageRef>();
    parsed.map_or_else(|_| name.to_owned(), |image| image.familiar())
}

/// An image's name for a person: of a digest, and of a key that is its tag, the first 12 hex digits.
pub fn short_name(name: &str) -> String {
    let marks = ["@sha256:", ":fp-", ":dep-"].into_iter();
    let split = marks.filter_map(|mark| Some((mark, name.split_once(mark)?)));
    let mut split = split.filter(|(_, (_, hex))| hex.len() == 64);
    match split.next() {
        Some((mark, (image, hex))) => format!("{image}{mark}{}", hex.get(..12).unwrap_or(hex)),
        None => name.to_owned(),
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

impl FromStr for ImageRef {
    type Err = InvalidImageRef;

    fn from_str(text: &str) -> Result<Self, InvalidImageRef> {
        let invalid = || InvalidImageRef(text.to_owned());
        let (name, digest) = match text.split_once('@') {
            None => (text, None),
            Some((name, digest)) if is_digest(digest) => (name, Some(digest.to_owned())),
            Some(_) => return Err(invalid()),
        };
        // A colon after the last slash starts the tag; one before it belongs to the registry's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (name, None),
        };
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid());
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest))
                if first.contains(['.', ':'])
                    || first == "localhost"
                    || first.chars().any(char::is_uppercase) =>
            {
                (first, rest)
            }
            _ => ("docker.io", name),
        };
        let registry = if registry == "index.docker.io" {
            "docker.io"
        } else {
            registry
        };
        if path.is_empty() || !path.split('/').all(is_path_component) {
            return Err(invalid());
        }
        let repository = if registry == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_tag(text: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(ok) && !text.starts_with(['.', '-'])
}

fn is_path_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(a), Some(z)) if word(*a) && word(*z))
        && bytes
            .iter()
            .all(|b| word(*b) || matches!(b, b'.' | b'_' | b'-'))
}

/// The text is not an image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image name")]
pub struct InvalidImageRef(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_engine_reads_them() {
        let cases = [
            ("python", "docker.io", "library/python", Some("latest")),
            (
                "python:3.11-slim",
                "docker.io",
                "library/python",
                Some("3.11-slim"),
            ),
            ("me/app", "docker.io", "me/app", Some("latest")),
            ("localhost/app:1", "localhost", "app", Some("1")),
            (
                "localhost:5000/a/b",
                "localhost:5000",
                "a/b",
                Some("latest"),
            ),
            ("ghcr.io/a/b:v1", "ghcr.io", "a/b", Some("v1")),
        ];
        for (text, registry, repository, tag) in cases {
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(
                (image.registry.as_str(), image.repository.as_str()),
                (registry, repository)
            );
            assert_eq!(image.tag.as_deref(), tag, "{text}");
        }
        assert_eq!(
            "docker.io/library/redis:7"
                .parse::<ImageRef>()
                .unwrap()
                .to_string(),
            "redis:7"
        );
    }

    #[test]
    fn a_digest_needs_no_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let image: ImageRef = format!("redis@{digest}").parse().unwrap();
        assert_eq!(short_name(&image.familiar()), "redis@sha256:aaaaaaaaaaaa");
        assert_eq!((image.tag, image.digest), (None, Some(digest)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "Python",
            "a//b",
            "a:",
            "a@sha256:12",
            "-a",
            "a b",
            "http://a/b",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
