//! One difference between what two fingerprints were made of, and its sentence.

use std::fmt;

use serde::Serialize;

use super::ingredients::Value;
use super::record::{Bytes, RecordedEntry};
use crate::model::Digest;

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The instruction, where it is one's.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

/// Where an instruction stands; of one that is gone, where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The stage's number.
    pub stage: usize,
    /// Its number in the stage: 0 is FROM, and the triggers behind it.
    pub instruction: usize,
    /// The line it starts on.
    pub line: usize,
    /// Keyword and arguments.
    pub text: String,
    /// Whether it is a trigger (ONBUILD) of what the stage starts from.
    pub trigger: bool,
}

/// What a difference is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum What {
    /// Fingerprints are written in another way.
    Schema {
        /// Then.
        before: String,
        /// Now.
        now: String,
    },
    /// A value of the build section.
    Section {
        /// Its name in a Compose file.
        name: String,
        /// Then.
        before: Option<Value>,
        /// Now.
        now: Option<Value>,
    },
    /// Another stage is built.
    Target {
        /// Then; `None` is the last one.
        before: Option<String>,
        /// Now.
        now: Option<String>,
    },
    /// The Dockerfile is understood now, or is not any more: why not.
    Understood {
        /// Then.
        before: Option<String>,
        /// Now.
        now: Option<String>,
    },
    /// A Dockerfile of which nothing more is known: its digests.
    Dockerfile {
        /// Then.
        before: Option<Digest>,
        /// Now.
        now: Option<Digest>,
    },
    /// The text of an instruction; `None` on the side that does not have it.
    Instruction {
        /// Then.
        before: Option<String>,
        /// Now.
        now: Option<String>,
    },
    /// The here-documents of an instruction.
    Document,
    /// The value of an argument, as digests.
    Argument {
        /// Its name.
        name: String,
        /// Then.
        before: Option<Digest>,
        /// Now.
        now: Option<Digest>,
    },
    /// An image that a stage starts from or reads from.
    Base {
        /// As the Dockerfile names it.
        name: String,
        /// The one that the same words named then, when it is another one: `FROM python:$VERSION`.
        #[serde(skip_serializing_if = "Option::is_none")]
        was: Option<String>,
        /// Its identity then.
        before: Option<String>,
        /// And now.
        now: Option<String>,
    },
    /// An additional context.
    Context {
        /// Its name.
        name: String,
        /// The digest of what it stood for.
        before: Digest,
        /// And of what it stands for.
        now: Digest,
    },
    /// Files that an instruction reads.
    Files {
        /// All of them, sorted by path.
        files: Vec<FileChange>,
    },
    /// The ignore file, where files came or went: it decides which count.
    Ignore {
        /// Its name.
        name: String,
    },
    /// A key is another one, and nothing here says why.
    Key,
}

/// A file, link or folder that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path.
    pub path: Bytes,
    /// In which way.
    pub how: How,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<RecordedEntry>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<RecordedEntry>,
}

/// In which way a file is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It has other content, or a link another text; its mode may be another, too.
    Changed,
    /// Only its mode is another.
    Mode,
    /// It is something else: a link where there was a file.
    Kind,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Mode => "mode",
            Self::Kind => "kind",
        })
    }
}

/// Text of others in one line that says what it holds: no control character is left, each byte that is no text is written
/// as `\xff`.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if char.is_control() || turns || char == '\\' {
                out.extend(char.escape_default());
            } else {
                out.push(char);
            }
        }
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// An instruction in one line.
pub fn shown_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    shown(words.join(" ").as_bytes())
}

impl Change {
    /// Whether it is another image under the same name, which a lock would have pinned: not one that a service builds.
    pub fn a_lock_would_hold(&self) -> bool {
        let is_digest = |identity: &Option<String>| {
            let identity = identity.as_ref();
            identity.is_some_and(|identity| identity.starts_with("sha256:"))
        };
        matches!(&self.what, What::Base { before, now, was: None, .. } if is_digest(before) && is_digest(now))
    }
}

/// What it is, in one sentence without an end: `` `app/main.py` changed (line 7, `COPY . /app`)``.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Schema { before, now } => {
                write!(f, "fingerprints were written as {before}, and are as {now}")
            }
            What::Section { name, .. } => write!(f, "`build.{name}` changed"),
            What::Target { before, now } => {
                let name = |target: &Option<String>| match target {
                    Some(name) => format!("stage `{}`", shown(name.as_bytes())),
                    None => "the last stage".to_owned(),
                };
                write!(f, "{} is built, and not {}", name(now), name(before))
            }
            What::Understood { now: Some(why), .. } => {
                write!(f, "the Dockerfile is not understood any more: {why}")
            }
            What::Understood { now: None, .. } => write!(f, "the Dockerfile is understood now"),
            What::Dockerfile { .. } => write!(f, "the Dockerfile changed"),
            What::Instruction { before: None, .. } => write!(f, "an instruction is new"),
            What::Instruction { now: None, .. } => write!(f, "an instruction is gone"),
            What::Instruction { .. } => write!(f, "an instruction changed"),
            What::Document => write!(f, "a here-document changed"),
            What::Argument { name, .. } => write!(f, "argument `{name}` has another value"),
            What::Base { name, was, .. } => match was {
                Some(was) => write!(f, "base `{name}` was `{was}`"),
                None => write!(f, "base `{name}` is another image"),
            },
            What::Context { name, .. } => write!(f, "additional context `{name}` changed"),
            What::Files { files } => files_changed(files, f),
            What::Ignore { name } => write!(f, "`{name}` changed"),
            What::Key => write!(f, "its key changed, for something that no record names"),
        }?;
        match &self.place {
            Some(place) if place.text.is_empty() => Ok(()),
            Some(place) => {
                let text = shown_line(&place.text);
                let kept: String = text.chars().take(60).collect();
                let cut = if kept.len() < text.len() { "…" } else { "" };
                write!(f, " (line {}, `{kept}{cut}`)", place.line)
            }
            None => Ok(()),
        }
    }
}

fn files_changed(files: &[FileChange], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(first) = files.first() else {
        return write!(f, "files changed");
    };
    let path = shown(&first.path.0);
    match (files.len(), first.how) {
        (1, How::Added) => write!(f, "`{path}` is new"),
        (1, How::Removed) => write!(f, "`{path}` is gone"),
        (1, How::Mode) => write!(f, "the mode of `{path}` changed"),
        (1, How::Kind | How::Changed) => write!(f, "`{path}` changed"),
        (2, _) => write!(f, "`{path}` and 1 more file changed"),
        (count, _) => write!(f, "`{path}` and {} more files changed", count - 1),
    }
}
