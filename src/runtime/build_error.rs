//! Why a build failed, and at which line of which Dockerfile.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

use super::engine_error::EngineError;
use crate::plan::BuilderKind;

/// A build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An instruction failed.
    #[error("building `{service}` failed{}", Location(.file.as_deref(), *.line, .instruction))]
    Instruction {
        /// The service.
        service: String,
        /// The Dockerfile, where it is a file.
        file: Option<Box<Path>>,
        /// The Dockerfile line, from 1, where the builder says it.
        line: Option<usize>,
        /// The instruction as written, on one line.
        instruction: Option<String>,
        /// The last lines that it printed.
        output: Vec<String>,
        /// The builder's words.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A file changed between fingerprint and build.
    #[error("`{path}` changed while `{service}` was being built")]
    InputMoved {
        /// The service.
        service: String,
        /// The file, relative to its context.
        path: String,
    },
    /// A base image's name came to mean another image between fingerprint and the end of the build.
    #[error("base image `{base}` changed while `{service}` was being built")]
    BaseMoved {
        /// The service.
        service: String,
        /// The image.
        base: String,
    },
    /// A base image can only be taken by its name, which means another image than the one that was fingerprinted.
    #[error(
        "base image `{base}` of `{service}` is another one on the engine than was fingerprinted"
    )]
    BaseBeside {
        /// The service.
        service: String,
        /// The image.
        base: String,
    },
    /// The context cannot be read.
    #[error("reading the build context of `{service}` failed")]
    Context {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The builder cannot carry out an attribute of the build section.
    #[error("{builder} cannot build `{service}`: it has no input for `{attribute}`")]
    Unsupported {
        /// The service.
        service: String,
        /// The builder.
        builder: BuilderKind,
        /// The attribute.
        attribute: String,
    },
    /// The context is a repository or an archive elsewhere.
    #[error("`{service}` cannot be built: its context `{context}` is not on this machine")]
    RemoteContext {
        /// The service.
        service: String,
        /// The context, for a person.
        context: String,
    },
    /// An additional context cannot be taken in.
    #[error("`{service}` cannot be built with additional context `{name}`: {reason}")]
    AdditionalContext {
        /// The service.
        service: String,
        /// The context's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// There is no such SSH agent.
    #[error("`{service}` is built with the SSH agent `{id}`, which is not there: {reason}")]
    NoAgent {
        /// The service.
        service: String,
        /// The agent's id in the build section.
        id: String,
        /// Why.
        reason: String,
    },
    /// The builder is not there, or went away.
    #[error("{builder} does not answer")]
    Unreachable {
        /// The builder.
        builder: BuilderKind,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The engine refused the image.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// ` in RUN npm ci` in an error's text, which begins with file and line; a Dockerfile that is no file has the line here.
struct Location<'a>(Option<&'a Path>, Option<usize>, &'a Option<String>);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (None, Some(line)) = (self.0, self.1) {
            write!(f, " at line {line} of its inline Dockerfile")?;
        }
        let Some(instruction) = self.2 else {
            return Ok(());
        };
        let before = if self.0.is_none() && self.1.is_some() {
            ", "
        } else {
            " in "
        };
        write!(f, "{before}`{}`", brief(instruction))
    }
}

/// The beginning of an instruction that is longer than anybody reads in an error: its line says where the rest is.
fn brief(instruction: &str) -> String {
    const LONGEST: usize = 100;
    if instruction.chars().count() <= LONGEST {
        return instruction.to_owned();
    }
    let kept: String = instruction.chars().take(LONGEST - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_instruction_the_beginning_is_told() {
        let file = Path::new("Dockerfile");
        let at = |file, instruction: &str| {
            Location(file, Some(9), &Some(instruction.to_owned())).to_string()
        };
        assert_eq!(at(Some(file), "RUN make"), " in `RUN make`");
        assert_eq!(
            at(None, "RUN make"),
            " at line 9 of its inline Dockerfile, `RUN make`"
        );
        let long = at(Some(file), &format!("RUN {}", "make && ".repeat(40)));
        assert!(long.ends_with("make &&…`") && long.len() < 140, "{long}");
    }
}
