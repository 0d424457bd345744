//! What one instruction does to the file system of its stage, as far as it matters to what lies behind bind mounts.
//! Doubt is `Other`.

use super::dockerfile::Instruction;
use super::parse;
use super::scope::Scope;
use super::steps::words;

/// What an instruction does to its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it is about the image's config.
    Config,
    /// It makes a folder, and those behind it start there: WORKDIR, as written.
    Folder(String),
    /// It declares volumes.
    Volumes(Vec<String>),
    /// It copies files of the context to a place, as written, and does nothing else.
    Copy(String),
    /// Something else, or something that is not known.
    Other,
}

/// The flags of a COPY that change neither where files land nor what they land on.
const PLAIN_FLAGS: &[&str] = &["chown", "chmod", "exclude"];

impl Effect {
    /// What an instruction does where these variables are set.
    pub(super) fn of(instruction: &Instruction, escape: char, scope: &Scope) -> Self {
        let (flags, rest) = parse::flags(&instruction.arguments, escape);
        let expanded = |text: &str| scope.expand(text, escape).ok();
        let found = match instruction.keyword.as_str() {
            "ARG" | "CMD" | "ENTRYPOINT" | "ENV" | "EXPOSE" | "HEALTHCHECK" | "LABEL"
            | "MAINTAINER" | "ONBUILD" | "SHELL" | "STOPSIGNAL" | "USER" => Some(Self::Config),
            "WORKDIR" => expanded(rest.trim()).map(Self::Folder),
            "VOLUME" => {
                let each = words(rest).into_iter().map(|word| expanded(&word));
                each.collect::<Option<_>>().map(Self::Volumes)
            }
            "COPY" => {
                let is_plain = |flag: &String| {
                    let name = flag.trim_start_matches("--").split('=').next();
                    name.is_some_and(|name| PLAIN_FLAGS.contains(&name))
                };
                let plain = flags.iter().all(is_plain);
                let target = words(rest).pop().filter(|_| plain);
                target.and_then(|text| expanded(&text)).map(Self::Copy)
            }
            _ => None,
        };
        found.unwrap_or(Self::Other)
    }
}
