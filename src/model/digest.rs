//! SHA-256 values and the explicit byte encoding that everything hashed in larder goes through:
//! a domain tag, then length-prefixed fields, so that no two different inputs share an encoding.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 value, printed as 64 lower-case hex digits without a prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes` alone, with no domain tag: what `sha256sum` prints.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of what `value` says: its serialised tree, under a domain.
    pub fn of_tree<T: serde::Serialize>(domain: &str, value: &T) -> Self {
        let mut writer = DigestWriter::new(domain);
        // Plain data with string keys always serialises; a type that did not would miss, never hit.
        writer.tree(&serde_json::to_value(value).unwrap_or(serde_json::Value::Null));
        writer.finish()
    }

    /// The first 12 hex digits: enough for a person to compare, never for a program.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let hex = text.as_bytes();
        if hex.len() != 64 {
            return Err(InvalidDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(hex: u8) -> Result<u8, InvalidDigest> {
    match hex {
        b'0'..=b'9' => Ok(hex - b'0'),
        b'a'..=b'f' => Ok(hex - b'a' + 10),
        _ => Err(InvalidDigest),
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not 64 lower-case hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not a SHA-256 value in hex")]
pub struct InvalidDigest;

/// Feeds fields into a digest. Every field is written with its length in front (8 bytes, big endian).
pub struct DigestWriter {
    hash: Sha256,
    /// What was written last: many short fields are hashed at once.
    last: Vec<u8>,
}

/// How much is hashed at once, in bytes.
const AT_ONCE: usize = 8 * 1024;

impl DigestWriter {
    /// Starts an encoding whose meaning is named by `domain`, for example `larder-fp-v6 instruction`.
    pub fn new(domain: &str) -> Self {
        let mut writer = Self {
            hash: Sha256::new(),
            last: Vec::new(),
        };
        writer.field(domain.as_bytes());
        writer
    }

    /// One field of raw bytes.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64).raw(bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.last.extend_from_slice(bytes);
        if self.last.len() >= AT_ONCE {
            self.hash.update(&self.last);
            self.last.clear();
        }
        self
    }

    /// One field of text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    /// A number: a count in front of a list, a mode, a size.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    /// Another digest, for chaining.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.field(digest.as_bytes())
    }

    /// A value that may be absent: absent and empty are told apart.
    pub fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            None => self.number(0),
            Some(bytes) => self.number(1).field(bytes),
        }
    }

    /// A tree as Compose means it: object keys in sorted order, every node behind its type.
    pub fn tree(&mut self, value: &serde_json::Value) -> &mut Self {
        use serde_json::Value;
        match value {
            Value::Null => self.number(0),
            Value::Bool(bool) => self.number(1).number(u64::from(*bool)),
            Value::Number(number) => self.number(2).text(&number.to_string()),
            Value::String(text) => self.number(3).text(text),
            Value::Array(items) => {
                self.number(4).number(items.len() as u64);
                for item in items {
                    self.tree(item);
                }
                self
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                self.number(5).number(entries.len() as u64);
                for (key, value) in entries {
                    self.text(key).tree(value);
                }
                self
            }
        }
    }

    /// The digest of all that was written.
    pub fn finish(mut self) -> Digest {
        self.hash.update(&self.last);
        Digest(self.hash.finalize().into())
    }
}

/// An image's ID on an engine, as the engine gives it: `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ImageId(pub String);

impl ImageId {
    /// The first 12 hex digits, as `docker images` shows them.
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        &hex[..hex.len().min(12)]
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_fields_apart() {
        let two = |a: &str, b: &str| {
            let mut writer = DigestWriter::new("test");
            writer.text(a).text(b);
            writer.finish()
        };
        assert_ne!(two("a", "bc"), two("ab", "c"));
        assert_ne!(two("", "x"), two("x", ""));
    }

    #[test]
    fn what_is_hashed_is_what_was_written_however_long() {
        for length in [0, AT_ONCE - 30, AT_ONCE - 20, AT_ONCE, 5 * AT_ONCE + 1] {
            let bytes = vec![7; length];
            let mut writer = DigestWriter::new("test");
            writer.field(&bytes).number(9);
            let mut expected = [&4_u64.to_be_bytes()[..], b"test"].concat();
            expected.extend((length as u64).to_be_bytes());
            expected.extend(&bytes);
            expected.extend(9_u64.to_be_bytes());
            assert_eq!(writer.finish(), Digest::of(&expected), "{length}");
        }
    }

    #[test]
    fn key_order_does_not_count_and_values_do() {
        let digest = |json: &str| {
            let mut writer = DigestWriter::new("test");
            writer.tree(&serde_json::from_str(json).unwrap());
            writer.finish()
        };
        assert_eq!(
            digest(r#"{"a":1,"b":[null]}"#),
            digest(r#"{"b":[null],"a":1}"#)
        );
        assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":"1"}"#));
        assert_ne!(digest(r#"{"a":null}"#), digest("{}"));
        assert_ne!(digest("[[],[]]"), digest("[[[]]]"));
    }

    #[test]
    fn hex_goes_both_ways() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("BA78".parse::<Digest>().is_err());
    }
}
