//! A parsed Dockerfile: its stages and instructions, with the text they were written in.

use super::parse;
use crate::model::ImageRef;

/// A Dockerfile as BuildKit's parser reads it.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// The name that messages give it, relative to the context where it lies there.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The line-continuation character: `\`, or what the `escape` directive says.
    pub escape: char,
    /// The `# syntax=` directive's value.
    pub syntax: Option<String>,
    /// The ARGs in front of the first FROM.
    pub global_args: Vec<Instruction>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// One build stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its FROM.
    pub from: Instruction,
    /// Its name, lower case.
    pub name: Option<String>,
    /// What it starts from, with variables expanded.
    pub base: StageBase,
    /// The `--platform` flag's value, with variables expanded.
    pub platform: Option<String>,
    /// The instructions behind FROM.
    pub instructions: Vec<Instruction>,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageBase {
    /// An earlier stage, by its number.
    Stage(usize),
    /// An image.
    Image(ImageRef),
    /// One of the build section's `additional_contexts`, by its name.
    Context(String),
    /// Nothing.
    Scratch,
    /// Something that was not understood.
    Unknown,
}

/// One instruction, with where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The keyword, upper case.
    pub keyword: String,
    /// What follows it, continuation lines joined and comment lines dropped.
    pub arguments: String,
    /// The here-documents that it opens, in order.
    pub heredocs: Vec<Heredoc>,
    /// The text as written, continuation lines and here-documents included: what a rewrite copies.
    pub source: String,
    /// The first and the last line, from 1.
    pub lines: (usize, usize),
}

impl Instruction {
    /// Its `--flag` words, quotes and escapes taken off.
    pub fn flags(&self, escape: char) -> Vec<String> {
        parse::flags(&self.arguments, escape).0
    }
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// Its lines as written, leading tabs included.
    pub body: String,
}
