//! The record of a fingerprint: what it was made of, kept so that a later run can say what changed. A line with
//! its kind and the digest of what follows, then JSON. It holds no content of a file and no value of an argument. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ingredients::{Ingredients, Section};
use super::inputs::INLINE;
use super::recipe::{Entry, EntryKind, Link, Recipe};
use crate::model::Digest;

/// The first word of a record. Another layout gets another number.
const KIND: &str = "larder-record-v1";
/// How fingerprints are written (docs/fingerprint.md, "Encoding").
const SCHEMA: &str = "larder-fp-v6";

/// What an image's fingerprint was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How the fingerprint was written.
    pub schema: String,
    /// The fingerprint.
    pub full: Digest,
    /// The dependency fingerprint.
    pub dependencies: Option<Digest>,
    /// Each stage's cut: how many instructions are in front of it.
    pub cuts: BTreeMap<usize, usize>,
    /// Why the Dockerfile was not understood, where it was not.
    pub opaque: Option<String>,
    /// The Dockerfile's name.
    pub dockerfile: String,
    /// The names of the stages that have one.
    pub stages: BTreeMap<usize, String>,
    /// The build section.
    pub section: Section,
    /// The instructions, in the chain's order.
    pub chain: Vec<Recorded>,
    /// All that they read of the context, sorted by path.
    pub entries: Vec<RecordedEntry>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The stage's number.
    pub stage: usize,
    /// Its number in the stage: 0 is FROM, and the triggers behind it.
    pub instruction: usize,
    /// The line it starts on.
    pub line: usize,
    /// The chain's key behind it.
    pub key: Digest,
    /// What it is made of besides files.
    #[serde(flatten)]
    pub ingredients: Ingredients,
    /// The files it reads: runs of entries, each a first one and how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<(usize, usize)>,
}

impl Recorded {
    /// The indexes of the entries that it reads.
    pub fn entries(&self) -> impl Iterator<Item = usize> {
        self.reads
            .iter()
            .flat_map(|(first, count)| *first..first.saturating_add(*count))
    }
}

/// A file, link or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEntry {
    /// Its path in the context.
    pub path: Bytes,
    /// The permission bits that count.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A file: the digest of its content.
    File(Digest),
    /// A link: its text.
    Link(Bytes),
    /// A folder.
    Folder,
}

impl Content {
    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Link(_) => "link",
            Self::Folder => "folder",
        }
    }
}

/// A path or a link's text: in JSON a string, or `{"hex": …}` where it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Other { hex: String },
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut hex = String::new();
        for byte in &self.0 {
            let _ = write!(hex, "{byte:02x}");
        }
        Written::Other { hex }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = match Written::deserialize(deserializer)? {
            Written::Text(text) => return Ok(Self(text.into_bytes())),
            Written::Other { hex } => hex,
        };
        let pairs = hex.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| {
            let pair = std::str::from_utf8(pair).ok();
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("no hex digits"))
    }
}

/// Why bytes are no record of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another larder wrote it, in a form that this one does not know.
    #[error("it was written by another version of larder")]
    Foreign,
    /// It is not what was written.
    #[error("it is damaged")]
    Broken,
    /// It is about another fingerprint.
    #[error("it belongs to another fingerprint")]
    Other,
}

impl Record {
    /// What a recipe's fingerprint is made of.
    pub fn of(recipe: &Recipe) -> Self {
        // Variables of the Compose file were filled in there, which may be secret.
        let is_inline = recipe.dockerfile.name == INLINE;
        let ingredients = |link: &Link| {
            if is_inline {
                link.ingredients.concealed()
            } else {
                link.ingredients.clone()
            }
        };
        let stages = recipe.dockerfile.stages.iter().enumerate();
        let named = |(number, stage): (usize, &super::Stage)| Some((number, stage.name.clone()?));
        Self {
            schema: SCHEMA.to_owned(),
            full: recipe.full,
            dependencies: recipe.dependencies,
            cuts: recipe
                .cuts
                .iter()
                .map(|cut| (cut.stage, cut.instructions))
                .collect(),
            opaque: recipe.opaque.clone(),
            dockerfile: recipe.dockerfile.name.clone(),
            stages: stages.filter_map(named).collect(),
            section: recipe.section.clone(),
            chain: recipe
                .chain
                .iter()
                .map(|link| Recorded {
                    stage: link.stage,
                    instruction: link.instruction,
                    line: link.line,
                    key: link.key,
                    ingredients: ingredients(link),
                    reads: runs(&link.reads),
                })
                .collect(),
            entries: recipe.context.entries.iter().map(recorded).collect(),
        }
    }

    /// As it is kept. The same record gives the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Plain data with string keys always serialises.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = format!("{KIND} {}\n", Digest::of(&json)).into_bytes();
        bytes.extend(json);
        bytes
    }

    /// Reads what was kept for the fingerprint `full`.
    ///
    /// # Errors
    /// It is not what [`Record::encode`] made for it.
    pub fn decode(bytes: &[u8], full: &Digest) -> Result<Self, RecordError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (head, json) = bytes.split_at(end.ok_or(RecordError::Broken)?);
        let json = &json[1..];
        let head = std::str::from_utf8(head).map_err(|_| RecordError::Broken)?;
        let (kind, checksum) = head.split_once(' ').ok_or(RecordError::Broken)?;
        if kind != KIND {
            let known = kind.starts_with("larder-record-v");
            return Err(if known {
                RecordError::Foreign
            } else {
                RecordError::Broken
            });
        }
        if checksum != Digest::of(json).to_string() {
            return Err(RecordError::Broken);
        }
        let record: Self = serde_json::from_slice(json).map_err(|_| RecordError::Foreign)?;
        let count = record.entries.len();
        let within =
            |(first, own): &(usize, usize)| first.checked_add(*own).is_some_and(|end| end <= count);
        if !record
            .chain
            .iter()
            .all(|link| link.reads.iter().all(within))
        {
            return Err(RecordError::Broken);
        }
        if record.full != *full {
            return Err(RecordError::Other);
        }
        Ok(record)
    }
}

fn recorded(entry: &Entry) -> RecordedEntry {
    RecordedEntry {
        path: Bytes(entry.path.clone()),
        mode: entry.mode,
        content: match &entry.kind {
            EntryKind::File { digest, .. } => Content::File(*digest),
            EntryKind::Symlink { target } => Content::Link(Bytes(target.clone())),
            EntryKind::Directory => Content::Folder,
        },
    }
}

/// Sorted indexes as runs: an instruction that reads a whole context is one.
fn runs(indexes: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &index in indexes {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == index => *count += 1,
            _ => runs.push((index, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::fingerprint::lab::Lab;

    fn record() -> Record {
        let lab = Lab::new("FROM base\nARG TOKEN\nCOPY a.txt b /x/\nRUN make\nCOPY . /x\n")
            .files(&["a.txt", "b/c", "z"])
            .link("b/link", "c")
            .arg("TOKEN", "hunter2");
        let odd = lab.path("").join(OsStr::from_bytes(b"odd-\xff"));
        std::fs::write(odd, "").unwrap();
        Record::of(&lab.recipe())
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let record = record();
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes, &record.full), Ok(record.clone()));
        assert_eq!(record.encode(), bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#"{"hex":"6f64642dff"}"#), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("TOKEN"), "{text}");
    }

    #[test]
    fn what_is_broken_foreign_or_newer_is_told_apart() {
        let record = record();
        let bytes = record.encode();
        let decode = |bytes: &[u8]| Record::decode(bytes, &record.full).unwrap_err();
        for end in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..end]), RecordError::Broken, "{end}");
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&flipped), RecordError::Broken);
        let newer = [b"larder-record-v2 ".as_slice(), &bytes[17..]].concat();
        assert_eq!(decode(&newer), RecordError::Foreign);
        assert_eq!(decode(b"something else\n{}"), RecordError::Broken);
        let other = Record::decode(&bytes, &Digest::of(b"other"));
        assert_eq!(other, Err(RecordError::Other));
    }

    #[test]
    fn indexes_are_kept_as_runs() {
        assert_eq!(runs(&[0, 1, 2, 5, 7, 8]), [(0, 3), (5, 1), (7, 2)]);
        assert_eq!(runs(&[]), []);
    }
}
