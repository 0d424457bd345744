//! What a person should know although the project loads: variables that are not set, attributes that larder
//! does not carry out. Collected by path; given lines only at the end, and only if there is something to say.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::assemble::Parts;
use super::attributes::SERVICE;
use super::dotenv::Hole;
use super::error::{Error, ErrorKind};
use super::files::Sources;
use super::interpolate::Unset;
use super::omit_empty::says_nothing;
use super::path::{At, Segment, TreePath};
use super::schema::{Shape, Standing, Table, is_extension};
use super::top_level::ROOT_TABLE;
use crate::model::{Place, Warning};

/// So many warnings are told one by one: each has to be looked up, and nobody reads more.
const SHOWN: usize = 200;
/// So many unset variables of env files are counted.
const HOLES: usize = 10_000;

/// Warnings on their way.
#[derive(Default)]
pub(super) struct Notices {
    /// [`SHOWN`] of them.
    pending: Vec<Pending>,
    more: usize,
    unset: Unset,
    /// What env files ask for in vain: several services, and several steps of a load, may read one file.
    in_env_files: HashSet<(PathBuf, String)>,
}

struct Pending {
    text: String,
    path: Option<TreePath>,
    file: Option<PathBuf>,
    /// Where it is, when that is known already.
    line: Option<usize>,
}

impl Notices {
    fn tell(&mut self, pending: Pending) {
        if self.pending.len() < SHOWN {
            self.pending.push(pending);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn say(&mut self, text: String) {
        self.tell(Pending {
            text,
            path: None,
            file: None,
            line: None,
        });
    }

    pub(super) fn say_at(&mut self, text: String, path: TreePath, file: Option<&Path>) {
        self.tell(Pending {
            text,
            path: Some(path),
            file: file.map(Path::to_owned),
            line: None,
        });
    }

    /// A variable that is not set and has no default, said once.
    pub(super) fn unset(&mut self, name: &str, path: &TreePath, file: &Path) {
        if self.unset.add(name, || path.clone()) {
            let or = if is_for_a_shell(path) {
                "; a `$` that is meant for the container is written `$$`"
            } else {
                ""
            };
            self.say_at(
                format!("the variable `{name}` is not set: empty text stands in its place{or}"),
                path.clone(),
                Some(file),
            );
        }
    }

    /// Variables that an env file asks for and that are not set, each said once for the file.
    pub(super) fn holes(&mut self, holes: Vec<Hole>, file: &Path) {
        for Hole { line, name } in holes {
            if self.in_env_files.len() > HOLES {
                return;
            }
            let text = format!(
                "the variable `{name}` is not set: empty text stands in its place; a `$` that is meant stands in \
                 single quotes, or is written `$$`"
            );
            if self.in_env_files.insert((file.to_owned(), name)) {
                self.tell(Pending {
                    text,
                    path: None,
                    file: Some(file.to_owned()),
                    line: Some(line),
                });
            }
        }
    }

    /// The unset variable that left a hole in the text at `path`.
    pub(super) fn hole(&self, path: &TreePath) -> Option<&str> {
        // A short form is one text: `build: $CONTEXT` leaves the hole in `build.context`.
        let path = path.to_string();
        let within = |at: &TreePath| {
            let rest = path.strip_prefix(&at.to_string());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.unset
            .iter()
            .find(|(_, at)| within(at))
            .map(|(name, _)| name)
    }

    /// The unset variable that left a hole in the attribute of a service that `path` is in.
    pub(super) fn hole_in_attribute(&self, path: &TreePath) -> Option<&str> {
        const ATTRIBUTE: usize = 3;
        let attribute = path.0.get(..ATTRIBUTE)?;
        let mut holes = self.unset.iter();
        let found = holes.find(|(_, at)| at.0.get(..ATTRIBUTE) == Some(attribute));
        found.map(|(name, _)| name)
    }

    /// The warnings with their places.
    pub(super) fn located(self, sources: &Sources) -> Vec<Warning> {
        let mut places = sources.places();
        let more = (self.more > 0).then(|| Warning {
            text: format!("there are {} more things to warn of", self.more),
            place: None,
        });
        let located = self.pending.into_iter().map(|pending| {
            let place = match (pending.path, pending.line, pending.file) {
                (_, Some(line), Some(file)) => Some(Place {
                    file,
                    at: Some((line, 1)),
                }),
                (Some(path), _, file) => places.find(&path, file.as_deref()),
                _ => None,
            };
            Warning {
                text: pending.text,
                place,
            }
        });
        located.chain(more).collect()
    }
}

/// Whether a text is likely to ask a shell for a variable, rather than Compose.
fn is_for_a_shell(path: &TreePath) -> bool {
    let run = [
        "command",
        "entrypoint",
        "healthcheck",
        "post_start",
        "pre_stop",
        "dockerfile_inline",
        "content",
    ];
    let mut keys = path.0.iter().skip(2);
    keys.any(|segment| matches!(segment, Segment::Key(key) if run.contains(&key.as_str())))
}

/// Warns of every attribute that is valid and not carried out, in what is switched on.
///
/// # Errors
/// An attribute that larder refuses.
pub(super) fn not_carried_out(parts: &Parts, notices: &mut Notices) -> Result<(), Error> {
    let services = At::ROOT.key("services");
    for (name, service) in &parts.services {
        table(service, &SERVICE, services.key(name), notices)?;
    }
    table(&parts.rest, &ROOT_TABLE, At::ROOT, notices)
}

fn table(
    value: &Value,
    attributes: &Table,
    at: At<'_>,
    notices: &mut Notices,
) -> Result<(), Error> {
    let Value::Object(map) = value else {
        return Ok(());
    };
    for (key, value) in map {
        let at = at.key(key);
        let Some(field) = attributes.field(key) else {
            if attributes.open && !is_extension(key) {
                let text = format!(
                    "`{}` is not known, and has no effect: docker compose passes over it, too",
                    at.path()
                );
                notices.say_at(text, at.path(), None);
            }
            continue;
        };
        match field.standing {
            Standing::Carried => shape(value, &field.shape, at, notices)?,
            Standing::Harmless => {}
            Standing::Later => {
                let text = format!(
                    "`{}` is valid Compose, but larder does not carry it out yet",
                    at.path()
                );
                notices.say_at(text, at.path(), None);
            }
            Standing::Dropped => {
                let text = format!(
                    "`{}` has no effect: docker compose leaves it out, too",
                    at.path()
                );
                notices.say_at(text, at.path(), None);
            }
            Standing::Refused(_) if says_nothing(value) => {}
            Standing::Refused(what) => {
                return Err(ErrorKind::Refused {
                    path: at.path(),
                    what,
                }
                .into());
            }
        }
    }
    Ok(())
}

fn shape(value: &Value, shape: &Shape, at: At<'_>, notices: &mut Notices) -> Result<(), Error> {
    match (shape.canonical(), value) {
        (Shape::Fields(attributes), _) => table(value, attributes, at, notices),
        (Shape::Named(inner) | Shape::Map(inner), Value::Object(map)) => map
            .iter()
            .try_for_each(|(key, value)| self::shape(value, inner, at.key(key), notices)),
        (Shape::List(inner) | Shape::Items(_, _, inner), Value::Array(items)) => {
            items.iter().enumerate().try_for_each(|(index, value)| {
                self::shape(value, inner, at.of_item(index, value), notices)
            })
        }
        _ => Ok(()),
    }
}
