//! Why a project could not be loaded: what failed, where it is written, and what may help. Errors are data
//! here; they are printed elsewhere.

use std::fmt;
use std::path::PathBuf;

use super::notice::Notices;
use super::path::{At, TreePath};
use crate::model::{InvalidImageRef, InvalidUnit, Place};

/// A project that cannot be loaded. Its `Display` is one sentence; [`Error::place`] says where the cause is
/// written and [`Error::hints`] what may help.
#[derive(Debug)]
pub struct Error {
    pub(super) kind: Box<ErrorKind>,
    pub(super) path: Option<TreePath>,
    pub(super) place: Option<Place>,
    /// What else there is to know: the unset variable that the text in question asks for, who names a file.
    pub(super) note: Option<String>,
    /// Whether the command needs no more of the project than its name.
    pub(super) by_name: bool,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ErrorKind {
    #[error("no Compose file in `{}` or a folder above it", .0.display())]
    NoFile(PathBuf),
    #[error("the file `{}` does not exist", .0.display())]
    MissingFile(PathBuf),
    #[error("`{}` is a folder where a file is expected", .0.display())]
    Folder(PathBuf),
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    #[error("`{}` is larger than {} MiB", path.display(), limit >> 20)]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("the file is not valid YAML: {0}")]
    Yaml(String),
    #[error("the file is not valid YAML: unknown anchor `{name}`")]
    Anchor {
        name: String,
        /// Those in front of it.
        known: Vec<String>,
        /// The line in which it comes too late.
        later: Option<usize>,
    },
    #[error("the YAML aliases stand for more than the file may expand to")]
    Expansion,
    #[error("the file has more than {0} values, commas and colons in its texts counted")]
    TooMany(usize),
    #[error("with this file the Compose files have more than {0} values")]
    TooManyTogether(usize),
    #[error("with this file the Compose files are larger than {0} MiB")]
    TooLargeTogether(usize),
    #[error("the YAML nests more than {0} deep, or refers to itself")]
    Depth(usize),
    #[error("`{0}` is written twice")]
    DuplicateKey(String),
    #[error("keys must be text, and this one is {0}")]
    KeyType(&'static str),
    #[error("the Compose file is empty")]
    Empty,
    #[error("a document of the file is empty: each is a map")]
    EmptyDocument,
    #[error("{owner} has no attribute `{key}`")]
    UnknownKey {
        owner: String,
        key: String,
        known: Vec<&'static str>,
    },
    #[error("{} must be {expected}, not {found}", owner(path))]
    WrongType {
        path: TreePath,
        expected: &'static str,
        found: &'static str,
        /// What was written, as far as it is known.
        value: Option<String>,
    },
    #[error("`{path}`: {reason}")]
    Invalid { path: TreePath, reason: String },
    #[error("`{path}`: {unit}")]
    Unit { path: TreePath, unit: InvalidUnit },
    #[error("`{path}` is needed and missing")]
    Required { path: TreePath },
    #[error("`{0}` is not a variable: write `${{NAME}}`, or `$$` for a dollar sign")]
    Template(String),
    #[error("the variable `{name}` is needed{}{message}", if message.is_empty() { "" } else { ": " })]
    MissingVariable { name: String, message: String },
    #[error("the variables stand for more text than a Compose file may have")]
    Variables,
    #[error("variables are nested more than {0} deep")]
    Nesting(usize),
    #[error("the env file has a line that cannot be read: {reason}")]
    EnvFile {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("the env file `{}` does not exist", .0.display())]
    NoEnvFile(PathBuf),
    #[error(
        "`{0}` is not a project name: lower-case letters, digits, `-` and `_`, a letter or digit first"
    )]
    ProjectName(String),
    #[error("the project has no name: the folder's name gives none")]
    NoProjectName,
    #[error("`{path}` cannot be merged: one file writes {base}, another {over}")]
    Merge {
        path: TreePath,
        base: &'static str,
        over: &'static str,
    },
    #[error(
        "service `{service}` {verb} `{name}`, but no compose file defines {}`{name}`",
        article(what)
    )]
    Undefined {
        service: String,
        verb: &'static str,
        what: &'static str,
        name: String,
        known: Vec<String>,
    },
    #[error("service `{service}` {verb} `{name}`, which is off: none of its profiles is active")]
    Off {
        service: String,
        verb: &'static str,
        name: String,
        profiles: Vec<String>,
    },
    #[error("services wait for each other: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    #[error("service `{0}` has neither `image` nor `build`")]
    NoImage(String),
    #[error("service `{service}`: {reason}")]
    Image {
        service: String,
        reason: InvalidImageRef,
    },
    #[error("services `{first}` and `{second}` have the same `container_name`, `{name}`")]
    ContainerName {
        name: String,
        first: String,
        second: String,
    },
    #[error("the project has more than {0} services")]
    Services(usize),
    #[error("{0}")]
    Rule(String),
    #[error("the model has nothing at `{subject}`")]
    NothingAt {
        subject: String,
        /// How much of the path there is.
        above: String,
        /// The keys that are asked for below that, the shortest first.
        asked: Vec<String>,
        /// What there is below that.
        known: Vec<String>,
    },
    #[error("no service is named `{name}`")]
    UnknownService { name: String, known: Vec<String> },
    #[error("service `{service}` extends `{base}`, which `{}` does not define", file.display())]
    NoBase {
        service: String,
        base: String,
        file: PathBuf,
        known: Vec<String>,
    },
    #[error("services extend each other: {}", .0.join(" → "))]
    ExtendsCycle(Vec<String>),
    #[error("services take over more than {0} values from those they extend")]
    Extended(usize),
    #[error("Compose files include each other: {}", .0.join(" → "))]
    IncludeCycle(Vec<String>),
    #[error("more than {0} files are included")]
    Includes(usize),
    #[error("`{path}` is defined here and, differently, in {}", elsewhere(other.as_ref()))]
    IncludeConflict {
        path: TreePath,
        /// The other place, its file as seen from the project's folder.
        other: Option<Place>,
    },
    #[error("`{0}` is a remote resource, which larder does not fetch")]
    Remote(String),
    #[error("`{path}` asks for {what}, which larder does not do")]
    Refused { path: TreePath, what: &'static str },
}

impl Error {
    /// Where the cause is written, with line and column where there is one.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Whether no Compose file was named and none was found.
    pub fn is_no_file(&self) -> bool {
        matches!(*self.kind, ErrorKind::NoFile(_))
    }

    /// Notes that the command needs no more of the project than its name, which could be given.
    #[must_use]
    pub fn by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    /// Names the file that the cause is in, unless a place is known already.
    pub(super) fn in_file(mut self, file: &std::path::Path) -> Self {
        let place = self.place.get_or_insert_with(|| Place {
            file: file.to_owned(),
            at: None,
        });
        if place.file.as_os_str().is_empty() {
            // A YAML error knows its line and not its file.
            place.file = file.into();
        }
        self
    }

    /// Names the variable whose absence explains a bad value.
    pub(super) fn with_hole(mut self, notices: &Notices) -> Self {
        // An unknown key is wrong whatever its value; what is empty may be named by another path than it was written at.
        let is_key = matches!(*self.kind, ErrorKind::UnknownKey { .. });
        let is_empty = self.to_string().contains("``");
        let path = self.path.as_ref().filter(|_| !is_key);
        let hole = |path: &TreePath| {
            let attribute = || notices.hole_in_attribute(path).filter(|_| is_empty);
            notices.hole(path).or_else(attribute)
        };
        if let Some(name) = path.and_then(hole) {
            self.note = Some(format!("the variable `{name}` is not set"));
        }
        self
    }

    /// Says which writings there are of what is at `at`, where none of them is there.
    pub(super) fn expecting(mut self, words: &'static str, at: At<'_>) -> Self {
        if let ErrorKind::WrongType { path, expected, .. } = self.kind.as_mut()
            && *path == at.path()
        {
            *expected = words;
        }
        self
    }

    /// Says who names the file that is missing.
    pub(super) fn named_by(mut self, origin: &str) -> Self {
        if let ErrorKind::MissingFile(_) | ErrorKind::NoEnvFile(_) = *self.kind {
            self.note = Some(format!("`{origin}` names it"));
        }
        self
    }

    pub(super) fn at(mut self, path: TreePath) -> Self {
        self.path.get_or_insert(path);
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        let path = match &kind {
            ErrorKind::WrongType { path, .. }
            | ErrorKind::Invalid { path, .. }
            | ErrorKind::Unit { path, .. }
            | ErrorKind::Merge { path, .. }
            | ErrorKind::Required { path }
            | ErrorKind::IncludeConflict { path, .. }
            | ErrorKind::Refused { path, .. } => Some(path.clone()),
            _ => None,
        };
        let place = match &kind {
            ErrorKind::EnvFile { path, line, .. } => Some(Place {
                file: path.clone(),
                at: Some((*line, 1)),
            }),
            _ => None,
        };
        Self {
            kind: Box::new(kind),
            path,
            place,
            note: None,
            by_name: false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

/// What goes in front of a name: a service is named without it.
fn article(what: &str) -> String {
    if what == "service" {
        String::new()
    } else {
        format!("the {what} ")
    }
}

/// The file that defines something a second time.
fn elsewhere(place: Option<&Place>) -> String {
    match place {
        Some(Place { file, at: Some(at) }) => format!("`{}`, line {}", file.display(), at.0),
        _ => "an included file".to_owned(),
    }
}

/// What a path names, as the subject of a sentence.
fn owner(path: &TreePath) -> String {
    if path.0.is_empty() {
        "a Compose file".to_owned()
    } else {
        format!("`{path}`")
    }
}
