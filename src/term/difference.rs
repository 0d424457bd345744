//! What changed between two fingerprints, for a person: an instruction a paragraph, and what follows from it.

use std::fmt::Write;

use crate::fingerprint::{
    Change, Content, FileChange, How, Place, Record, RecordedEntry, Shadowed, Value, What, shown,
    shown_line,
};
use crate::model::Digest;

/// So many files of an instruction are named.
const NAMED: usize = 10;

/// What is to be told.
pub struct Difference<'a> {
    /// The service.
    pub service: &'a str,
    /// What it is compared with, for a person.
    pub earlier: &'a str,
    /// What that was made of; `None` when it was made of the same.
    pub before: Option<&'a Record>,
    /// What the service is made of.
    pub now: &'a Record,
    /// The differences.
    pub changes: &'a [Change],
    /// Whether every file is named.
    pub all: bool,
    /// Whether the engine has an image of what it is made of now.
    pub is_there: bool,
    /// What hides the differences from the service's containers, where all of them are hidden.
    pub shadowed: Option<&'a Shadowed>,
}

impl Difference<'_> {
    /// For a person.
    pub fn text(&self) -> String {
        let Some(before) = self.before else {
            return format!("nothing changed since {}\n", self.earlier);
        };
        let mut out = format!("{} changed since {}\n", self.service, self.earlier);
        let _ = writeln!(out, "{} → {}", before.full.short(), self.now.full.short());
        let mut last: Option<&Option<Place>> = None;
        for change in self.changes {
            if last != Some(&change.place) {
                out.push('\n');
                let _ = writeln!(out, "{}", heading(change));
            }
            last = Some(&change.place);
            self.lines(change, &mut out);
        }
        let _ = writeln!(out, "\n{}", self.follows());
        out
    }

    /// What follows from it, in a sentence.
    pub fn follows(&self) -> String {
        let Some(before) = self.before else {
            return "nothing is built".to_owned();
        };
        if self.is_there {
            return "nothing is built: an image of what it is made of now is on the engine"
                .to_owned();
        }
        if let Some(shadowed) = self.shadowed {
            return format!("`up` builds nothing, as {shadowed}; `larder build` does");
        }
        let label = |change: &Change| matches!(&change.what, What::Section { name, .. } if name.starts_with("labels."));
        if self.changes.iter().all(label) {
            return "only labels of the image change".to_owned();
        }
        let place = self.changes.iter().find_map(|change| change.place.as_ref());
        let from = match place {
            Some(place) if place.line > 0 => format!("from line {} on", place.line),
            _ => "from the beginning".to_owned(),
        };
        let general = self.changes.iter().any(|change| {
            matches!(&change.what, What::Section { name, .. } if !name.starts_with("labels."))
                || matches!(change.what, What::Schema { .. } | What::Understood { .. })
        });
        let from = if general {
            "from the beginning".to_owned()
        } else {
            from
        };
        match (before.dependencies, self.now.dependencies) {
            (Some(old), Some(new)) if old == new => {
                format!("built again: {from}, on the dependency image that is kept")
            }
            (_, Some(_)) => format!("built again: {from}, the dependencies too"),
            (_, None) => format!("built again: {from}; no stage has a cut behind its dependencies"),
        }
    }

    fn lines(&self, change: &Change, out: &mut String) {
        let line = match &change.what {
            What::Files { files } => return self.files(files, out),
            What::Schema { before, now } => format!(
                "fingerprints are written in another way ({before} → {now}): every image is built once more"
            ),
            What::Section { name, before, now } => {
                format!(
                    "{name}  {} → {}",
                    value(before.as_ref()),
                    value(now.as_ref())
                )
            }
            What::Target { before, now } => {
                let stage = |name: &Option<String>| {
                    name.clone().unwrap_or_else(|| "the last stage".to_owned())
                };
                format!("target  {} → {}", stage(before), stage(now))
            }
            What::Understood { now: Some(why), .. } => {
                format!("not understood any more, so all of the context counts: {why}")
            }
            What::Understood { now: None, .. } => "understood now".to_owned(),
            What::Dockerfile { before, now } => {
                format!("changed  {}", digests(before.as_ref(), now.as_ref()))
            }
            What::Instruction { before: None, .. } => "the instruction is new".to_owned(),
            What::Instruction { now: None, .. } => "the instruction is gone".to_owned(),
            What::Instruction {
                before: Some(before),
                ..
            } => {
                format!("the instruction was  {}", shown_line(before))
            }
            What::Document => "its here-document changed".to_owned(),
            What::Argument { name, before, now } => {
                format!(
                    "argument {name}  {}",
                    digests(before.as_ref(), now.as_ref())
                )
            }
            What::Base {
                name,
                was: Some(was),
                ..
            } => {
                let (name, was) = (shown(name.as_bytes()), shown(was.as_bytes()));
                format!("base {name}  was {was}")
            }
            What::Base {
                name, before, now, ..
            } => {
                let old = before.as_deref().map_or("(unknown)", short);
                let new = now.as_deref().map_or("(unknown)", short);
                let name = shown(name.as_bytes());
                let pinned = if change.a_lock_would_hold() {
                    "\n  `larder lock` pins the images that builds start from"
                } else {
                    ""
                };
                format!("base {name}  {old} → {new}{pinned}")
            }
            What::Context { name, before, now } => {
                format!(
                    "additional context {name}  {} → {}",
                    before.short(),
                    now.short()
                )
            }
            What::Ignore { name } => {
                format!(
                    "{}  changed: it decides which files count",
                    shown(name.as_bytes())
                )
            }
            What::Key => {
                "a key changed, although no input that is noted did: another larder made it, or \
                          it is something that only the key holds"
                    .to_owned()
            }
        };
        let _ = writeln!(out, "  {line}");
    }

    fn files(&self, files: &[FileChange], out: &mut String) {
        let most = if self.all { files.len() } else { NAMED };
        for file in files.iter().take(most) {
            let path = shown(&file.path.0);
            let _ = write!(out, "  {:8} {path}", file.how);
            let entry =
                |entry: &Option<RecordedEntry>| entry.as_ref().map_or_else(String::new, content);
            let modes =
                [&file.before, &file.now].map(|entry| entry.as_ref().map(|entry| entry.mode));
            if matches!(file.how, How::Changed | How::Kind) {
                let _ = write!(out, "  {} → {}", entry(&file.before), entry(&file.now));
            }
            if let [Some(old), Some(new)] = modes
                && old != new
            {
                let _ = write!(out, "  {old:04o} → {new:04o}");
            }
            out.push('\n');
        }
        if files.len() > most {
            let _ = writeln!(out, "  and {} more (-v names them)", files.len() - most);
        }
    }
}

fn heading(change: &Change) -> String {
    match (&change.place, &change.what) {
        (Some(place), _) if place.text.is_empty() => "Dockerfile".to_owned(),
        (Some(place), _) => {
            let trigger = if place.trigger {
                " (ONBUILD, from its base)"
            } else {
                ""
            };
            format!("line {}  {}{trigger}", place.line, shown_line(&place.text))
        }
        (None, What::Section { .. } | What::Target { .. }) => "build section".to_owned(),
        (None, What::Understood { .. }) => "Dockerfile".to_owned(),
        (None, What::Ignore { .. }) => "besides".to_owned(),
        (None, _) => "all".to_owned(),
    }
}

fn content(entry: &RecordedEntry) -> String {
    match &entry.content {
        Content::File(digest) => digest.short(),
        Content::Link(target) => format!("link to {}", shown(&target.0)),
        Content::Folder => "folder".to_owned(),
    }
}

fn value(value: Option<&Value>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some(Value::Text(text)) => shown(text.as_bytes()),
        Some(Value::Digest(digest)) => digest.short(),
    }
}

fn digests(before: Option<&Digest>, now: Option<&Digest>) -> String {
    let own =
        |digest: Option<&Digest>| digest.map_or_else(|| "(no value)".to_owned(), Digest::short);
    format!("{} → {}", own(before), own(now))
}

/// An identity, `sha256:` and 12 digits.
fn short(identity: &str) -> &str {
    identity
        .get(..19)
        .filter(|_| identity.starts_with("sha256:"))
        .unwrap_or(identity)
}
