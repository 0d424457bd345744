//! What may help against an error, one sentence each.

use std::path::Path;

use super::check_service::WAITS;
use super::error::{Error, ErrorKind};
use super::files::DEFAULT_NAMES;
use super::lower::VARIABLE;
use super::path::{Segment, TreePath};
use super::suggest::{self, nearby};
use super::yaml_fault;
use crate::model::{ImageRef, InvalidImageRef};

/// So many names are listed.
const SHOWN: usize = 12;

impl Error {
    /// What may help, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        let note = self.note.iter().cloned();
        note.chain(self.names_env_file())
            .chain(self.hint())
            .chain(self.goes_by_name())
            .collect()
    }

    /// Without the variable the project is not known, but its containers are.
    fn goes_by_name(&self) -> Option<String> {
        let variable = matches!(*self.kind, ErrorKind::MissingVariable { .. });
        (self.by_name && variable).then(|| {
            "or call it with `-p NAME` in a folder without a Compose file: containers that are there need none"
                .to_owned()
        })
    }

    fn hint(&self) -> Option<String> {
        self.about_files().or_else(|| self.about_what_they_say())
    }

    /// About files and their text.
    fn about_files(&self) -> Option<String> {
        let hint = match self.kind.as_ref() {
            ErrorKind::NoFile(_) => {
                let names = quoted(DEFAULT_NAMES);
                format!("looked for {names}; `-f FILE` names another")
            }
            ErrorKind::MissingFile(file) => missing_file(file, self.path.is_some())?,
            ErrorKind::Read { source, .. } if source.kind() == std::io::ErrorKind::TimedOut => {
                return None;
            }
            ErrorKind::Read { .. } => "larder runs as you: is it yours to read?".to_owned(),
            ErrorKind::DuplicateKey(_) => "keep one of the two".to_owned(),
            ErrorKind::KeyType("a map") => "`{{ … }}` stands in quotes".to_owned(),
            ErrorKind::KeyType(_) => "write it in quotes".to_owned(),
            ErrorKind::EnvFile { reason, .. } if reason.starts_with("the quote") => {
                "a value ends with the quote that it starts with, on that line or a later one"
                    .to_owned()
            }
            ErrorKind::EnvFile { reason, .. }
                if reason.contains("name") || reason.contains("blank") =>
            {
                "a line is `NAME=value`, or a comment that starts with `#`".to_owned()
            }
            ErrorKind::NoProjectName => {
                "`-p NAME` gives one, and so does `name:` in the file".to_owned()
            }
            ErrorKind::NoEnvFile(file) => self.missing_env_file(file),
            ErrorKind::Folder(folder) => {
                let holds = DEFAULT_NAMES
                    .iter()
                    .find(|name| folder.join(name).exists())?;
                format!("there is `{holds}` in it")
            }
            ErrorKind::Yaml(words) => yaml_fault::hint(words)?.to_owned(),
            ErrorKind::Anchor { name, known, later } => {
                yaml_fault::anchor_hint(name, known, *later)
            }
            ErrorKind::TooMany(_)
            | ErrorKind::TooManyTogether(_)
            | ErrorKind::TooLargeTogether(_) => {
                "no Compose file needs that many: is it the right one?".to_owned()
            }
            ErrorKind::TooLarge { .. } => {
                "nobody writes that much: is it the right file?".to_owned()
            }
            ErrorKind::EmptyDocument => "take it out with its `---`, or fill it".to_owned(),
            ErrorKind::Empty => "it needs `services:` with at least one service".to_owned(),
            ErrorKind::MissingVariable { name, .. } => {
                format!("set it in the environment or in `.env`: `{name}=…`")
            }
            ErrorKind::Remote(_) => "download it and name the local file".to_owned(),
            _ => return None,
        };
        Some(hint)
    }

    /// About what the text says.
    fn about_what_they_say(&self) -> Option<String> {
        let hint = match self.kind.as_ref() {
            ErrorKind::WrongType {
                path,
                expected,
                found,
                value,
            } => wrong_type(path, expected, found, value.as_deref())?,
            ErrorKind::Image { reason, .. } => image(reason)?,
            ErrorKind::IncludeConflict { .. } => {
                "give one of them another name, or take one out".to_owned()
            }
            ErrorKind::ExtendsCycle(_) => {
                "one of them has to stand alone: take one of these `extends` out".to_owned()
            }
            ErrorKind::UnknownKey { key, known, .. } => unknown_key(key, known),
            ErrorKind::NothingAt {
                above,
                asked,
                known,
                ..
            } => nothing_at(above, asked, known),
            ErrorKind::Undefined {
                what, name, known, ..
            } => undefined(what, name, known),
            ErrorKind::UnknownService { name, known }
            | ErrorKind::NoBase {
                base: name, known, ..
            } => named_here("services", name, known),
            ErrorKind::Invalid { path, .. } if is_port(path) && path.0.len() == 4 => {
                "a port is written `HOST:CONTAINER`, as in `8080:80`, with an address in front and `/udp` behind \
                 where needed"
                    .to_owned()
            }
            ErrorKind::Off { profiles, verb, .. } => {
                let profiles = profiles.join("|");
                let or = match *verb {
                    WAITS => ", or write `required: false`",
                    _ => "",
                };
                format!("activate it with `--profile {profiles}`{or}")
            }
            ErrorKind::Cycle(_) => {
                "one of them has to start first: take one of these dependencies out".to_owned()
            }
            ErrorKind::NoImage(_) => {
                "write `image:` to run one that exists, or `build:` to make one".to_owned()
            }
            _ => return None,
        };
        Some(hint)
    }

    /// The error is shown in the env file: the service that names it is not.
    fn names_env_file(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        match (self.kind.as_ref(), path.0.as_slice()) {
            (ErrorKind::EnvFile { .. }, [Segment::Key(key), Segment::Key(name), ..])
                if key == "services" =>
            {
                Some(format!("service `{name}` names this file"))
            }
            _ => None,
        }
    }

    fn missing_env_file(&self, file: &Path) -> String {
        let of_service = self.path.as_ref().is_some_and(
            |path| matches!(path.0.first(), Some(Segment::Key(key)) if key == "services"),
        );
        let or = if of_service {
            "create it, or write `path:` and `required: false` when it may be missing"
        } else {
            "create it"
        };
        nearby(file, Path::is_file).unwrap_or_else(|| or.to_owned())
    }
}

/// A Compose file that is not there: one like it, or what larder would find in its folder. One that another
/// Compose file names would find that one.
fn missing_file(file: &Path, is_named_in_file: bool) -> Option<String> {
    let found = || {
        let folder = file.parent()?;
        let name = DEFAULT_NAMES
            .iter()
            .find(|name| folder.join(name).exists())?;
        Some(format!("there is `{name}` in that folder"))
    };
    let no_folder = || {
        let folder = file.parent().filter(|folder| !folder.exists())?;
        Some(format!("there is no folder `{}`", folder.display()))
    };
    let relative_to = if is_named_in_file {
        "of the Compose file that names it"
    } else {
        "larder is called in"
    };
    let create =
        || format!("create it, or name another: the path is relative to the folder {relative_to}");
    let near = nearby(file, Path::is_file);
    let near = near.or_else(|| found().filter(|_| !is_named_in_file));
    near.or_else(no_folder).or_else(|| Some(create()))
}

fn unknown_key(key: &str, known: &[&'static str]) -> String {
    if let Some(near) = nearest(key, known) {
        return near;
    }
    if known.len() <= SHOWN {
        return format!("it takes {}", quoted(known));
    }
    "a key of your own starts with `x-`".to_owned()
}

fn undefined(what: &str, name: &str, known: &[String]) -> String {
    if what == "service" && known.is_empty() {
        return "there is no other service here".to_owned();
    }
    if what == "volume" && name.contains('/') {
        return format!("a folder is written with its path, as `./{name}`");
    }
    let here = named_here(&format!("{what}s"), name, known);
    let content = match what {
        "network" | "volume" => "{}",
        "secret" | "config" => "{file: …}",
        _ => return here,
    };
    if nearest(name, known).is_some() {
        return here;
    }
    format!("{here}; at the top level, `{what}s: {{{name}: {content}}}` defines it")
}

/// What usually stands behind a value of the wrong kind.
fn wrong_type(path: &TreePath, expected: &str, found: &str, value: Option<&str>) -> Option<String> {
    let hint = match (found, value) {
        ("empty", _) if path.0.len() == 2 => {
            "what belongs to it stands below it, indented further".to_owned()
        }
        ("empty", _) => "fill it, or take the line out".to_owned(),
        ("a number", Some(value)) if expected.starts_with("text") => {
            format!("write it in quotes: `\"{value}\"`")
        }
        ("a number", None) if expected.starts_with("text") => {
            "write it in quotes, as it stands".to_owned()
        }
        ("true or false", Some(value)) if expected == "text" => {
            format!("write it in quotes: `\"{value}\"`")
        }
        ("a map", _) if expected == VARIABLE => {
            "`- NAME=value`, or without the dash `NAME: value`".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

/// What a path may have meant where it ends.
fn nothing_at(above: &str, asked: &[String], known: &[String]) -> String {
    let whose = if above.is_empty() {
        "the model".to_owned()
    } else {
        format!("`{above}`")
    };
    if known.is_empty() {
        return format!("{whose} has nothing below it");
    }
    let mut asked = asked.iter().rev();
    let near = asked.find_map(|name| nearest(name, known));
    let near = near.map_or_else(String::new, |near| format!("{near} "));
    let shown = quoted(&known[..known.len().min(SHOWN)]);
    format!("{near}{whose} has {shown}")
}

/// Image names have no capitals; tags may.
fn image(name: &InvalidImageRef) -> Option<String> {
    let lower = name.0.to_lowercase();
    let fits = lower != name.0 && lower.parse::<ImageRef>().is_ok();
    fits.then(|| "image names are lower case; only a tag may have capitals".to_owned())
}

fn is_port(path: &TreePath) -> bool {
    matches!(path.0.get(2), Some(Segment::Key(key)) if key == "ports")
}

/// "did you mean `redis`? services here: `db`, `redis`, `web`"
pub(crate) fn named_here(what: &str, name: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("there are no {what} here");
    }
    let near = nearest(name, known).map_or_else(String::new, |near| format!("{near} "));
    let more = match known.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = quoted(&known[..known.len().min(SHOWN)]);
    format!("{near}{what} here: {shown}{more}")
}

fn nearest<T: AsRef<str>>(name: &str, known: &[T]) -> Option<String> {
    suggest::nearest(name, known.iter().map(AsRef::as_ref))
        .map(|near| format!("did you mean `{near}`?"))
}

fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<_> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    quoted.join(", ")
}
