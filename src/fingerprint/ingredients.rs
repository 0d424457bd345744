//! What each instruction and the build section put into a fingerprint, by name and for a person: keys are made by `chain`
//! and `section`, and not from this. Values that come from outside are digests here, since an argument may be a password.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::Materials;
use super::dockerfile::{Instruction, StageBase};
use super::sources::Source;
use super::spacing;
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter, ImageRef};

/// What one instruction is made of besides the files it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients {
    /// Keyword and arguments; empty for a Dockerfile that was not understood.
    pub text: String,
    /// The digests of its here-documents, or of the whole Dockerfile that was not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Digest>,
    /// Of a FROM: the `--platform` flag's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The arguments it takes from outside the stage, and the digests of their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<(String, Option<Digest>)>,
    /// What it reads that is no file of the context.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
}

/// Something that an instruction reads and that is no file of the context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// A stage, by its number.
    Stage(usize),
    /// An image.
    Image {
        /// As the Dockerfile names it.
        name: String,
        /// The platform that is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
        /// What keys it.
        identity: Option<String>,
    },
    /// An additional context.
    Context {
        /// Its name.
        name: String,
        /// The digest of what it stands for.
        content: Digest,
    },
}

impl Elsewhere {
    /// What it is called, with the platform that is asked for.
    pub(super) fn name(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Stage(_) => (None, None),
            Self::Image { name, platform, .. } => (Some(name), platform.as_deref()),
            Self::Context { name, .. } => (Some(name), None),
        }
    }
}

/// What the build section is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The key that every stage starts from.
    pub surroundings: Option<Digest>,
    /// Its values, by the names they have in a Compose file.
    pub values: BTreeMap<String, Value>,
    /// The stage that is built, as written. It counts by that stage's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The ignore file: its name, and the digest of its patterns. It counts by the files that it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<(String, Digest)>,
}

/// One value of a build section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// One that no secret can be in.
    Text(String),
    /// The digest of one that somebody wrote.
    Digest(Digest),
}

impl Value {
    /// A value that is kept as its digest.
    pub(super) fn hidden(name: &str, value: &str) -> Self {
        Self::Digest(digest_of(name, value))
    }
}

/// The digest of a value: with its name, so that one list of digests of likely values does not serve for all names.
fn digest_of(name: &str, value: &str) -> Digest {
    let mut writer = DigestWriter::new("larder-record value");
    writer.text(name).text(value);
    writer.finish()
}

impl Ingredients {
    /// With its keyword and a digest for a text: that of an inline Dockerfile stands in the Compose file, with what its
    /// variables hold.
    pub(super) fn concealed(&self) -> Self {
        let mut own = self.clone();
        if let Some((keyword, _)) = self.text.split_once(' ') {
            own.text = format!("{keyword} ({})", digest_of(keyword, &self.text).short());
        }
        own
    }
}

fn arguments<'a>(
    all: impl Iterator<Item = (&'a String, Option<&'a String>)>,
) -> Vec<(String, Option<Digest>)> {
    all.map(|(name, value)| (name.clone(), value.map(|value| digest_of(name, value))))
        .collect()
}

fn text(instruction: &Instruction) -> String {
    format!("{} {}", instruction.keyword, spacing::keyed(instruction))
}

impl Materials<'_> {
    /// What a stage's FROM is made of.
    pub(super) fn of_from(&self, number: usize) -> Ingredients {
        let stage = &self.layout.dockerfile.stages[number];
        let platform = stage.platform.as_deref();
        let elsewhere = match &stage.base {
            StageBase::Stage(base) => Some(Elsewhere::Stage(*base)),
            base => match (self.request.image(base), base) {
                (Some(image), _) => Some(self.image(image, platform)),
                (None, StageBase::Context(name)) => Some(self.context(name, &Source::everything())),
                (None, _) => None,
            },
        };
        Ingredients {
            text: text(&stage.from),
            platform: stage.platform.clone(),
            elsewhere: elsewhere.into_iter().collect(),
            ..Ingredients::default()
        }
    }

    /// What an instruction behind FROM is made of.
    pub(super) fn of_step(&self, step: &Step) -> Ingredients {
        let instruction = &step.instruction;
        let documents = instruction.heredocs.iter();
        let documents = documents.map(|own| digest_of(&own.name, &own.body));
        let outside = step.outside.iter();
        let elsewhere = step.reads.iter().filter_map(|read| match read {
            Read::Context(_) => None,
            Read::Stage(stage) => Some(Elsewhere::Stage(*stage)),
            Read::Image(image) => Some(self.image(image, None)),
            Read::Named(name, source) => Some(self.context(name, source)),
        });
        Ingredients {
            text: text(instruction),
            documents: documents.collect(),
            platform: None,
            arguments: arguments(outside.map(|(name, value)| (name, value.as_ref()))),
            elsewhere: elsewhere.collect(),
        }
    }

    /// What a Dockerfile that was not understood is made of.
    pub(super) fn of_all(&self, dockerfile: &[u8]) -> Ingredients {
        let images = self.reading.images.iter().map(|base| Elsewhere::Image {
            name: base.image.familiar(),
            platform: base.platform.as_ref().map(ToString::to_string),
            identity: self.bases.get(base).map(|known| known.identity.clone()),
        });
        let contexts = self.reading.contexts.keys();
        let contexts = contexts.map(|name| self.context(name, &Source::everything()));
        let given = self.request.given.iter();
        Ingredients {
            documents: vec![Digest::of(dockerfile)],
            arguments: arguments(given.map(|(name, value)| (name, Some(value)))),
            elsewhere: images.chain(contexts).collect(),
            ..Ingredients::default()
        }
    }

    fn image(&self, image: &ImageRef, platform: Option<&str>) -> Elsewhere {
        let base = self.request.base(image, platform);
        Elsewhere::Image {
            name: image.familiar(),
            platform: base.platform.as_ref().map(ToString::to_string),
            identity: self.bases.get(&base).map(|known| known.identity.clone()),
        }
    }

    fn context(&self, name: &str, source: &Source) -> Elsewhere {
        let mut writer = DigestWriter::new("larder-record context");
        self.write_context(&mut writer, name, source);
        Elsewhere::Context {
            name: name.to_owned(),
            content: writer.finish(),
        }
    }
}
