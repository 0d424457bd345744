//! Why there is no template for a folder.

use std::io;
use std::path::PathBuf;

use super::kind::NAMES;

/// Why a template cannot be chosen or filled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in the folder belongs to a template.
    #[error("no template fits `{}`", folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
        /// The files that were looked for.
        looked_for: Vec<&'static str>,
    },
    /// More than one template fits.
    #[error("more than one template fits `{}`: {}", folder.display(), told(found))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// A file for each, and the name that asks for its template.
        found: Vec<(&'static str, &'static str)>,
    },
    /// A template was asked for that has nothing to install from.
    #[error("template `{template}` needs {}, which `{}` does not have", one_of(needs), folder.display())]
    Lacks {
        /// The template, as it was asked for.
        template: String,
        /// The folder.
        folder: PathBuf,
        /// The files of which it needs one.
        needs: Vec<&'static str>,
    },
    /// A project is of a kind that the template does not cover.
    #[error("template `{template}` is for a single package, and `{}` is {what}", file.display())]
    Beyond {
        /// The template.
        template: &'static str,
        /// The file that says so.
        file: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file is not what its name says.
    #[error("`{}` cannot be understood", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No template has this name.
    #[error("there is no template `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that a person writes is beyond all measure.
    #[error("`{}` is larger than 2 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A text of larder's own cannot be filled: a bug.
    #[error("template `{template}` is broken")]
    Broken {
        /// The template.
        template: &'static str,
        /// Why.
        #[source]
        source: minijinja::Error,
    },
}

impl Error {
    /// What may help, one sentence each. `option` is how a template is asked for, its name to be put behind.
    pub fn hints(&self, option: &str) -> Vec<String> {
        let hint = match self {
            Self::Nothing { looked_for, .. } => {
                let looked_for = format!("looked for `{}`", looked_for.join("`, `"));
                let says = format!(
                    "`{option}NAME` says which template is meant: {}",
                    NAMES.join(", ")
                );
                return vec![looked_for, says];
            }
            Self::Several { found, .. } => {
                let names: Vec<String> = found
                    .iter()
                    .map(|(_, name)| format!("`{option}{name}`"))
                    .collect();
                format!("{} says which is meant", names.join(" or "))
            }
            Self::Beyond { .. } => "write the Dockerfile by hand: larder reads any".to_owned(),
            Self::Unknown { .. } => format!("there are {}", NAMES.join(", ")),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

fn told(found: &[(&str, &str)]) -> String {
    let each: Vec<String> = found
        .iter()
        .map(|(file, name)| format!("`{name}` for `{file}`"))
        .collect();
    each.join(", ")
}

fn one_of(files: &[&str]) -> String {
    match files.split_last() {
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => format!("`{}` or `{last}`", rest.join("`, `")),
        None => String::new(),
    }
}
