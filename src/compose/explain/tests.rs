//! Where a value of the model comes from: `config --explain`. Reads the files that a load has read once more, each for
//! itself and with its variables as they are written, and tells which of them say something of the path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::include::RESOURCES;
use super::load::{LoadOptions, load};
use super::locate::Spots;
use super::lower::lower;
use super::origin::{Origins, in_env_files};
use super::path::{At, Segment, TreePath};
use super::top_level::ROOT;
use super::tree::{self, Document};
use super::variables;
use super::weight::Budget;
use crate::model::{Inherited, Place, Project};

/// What is known of a value or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The path in the model, or the variable's name.
    pub subject: String,
    /// Its value; of a list or a map as JSON. `None` for a variable that is not set.
    pub value: Option<String>,
    /// Who says it, the last word first. None where nobody does: it is a default.
    pub sources: Vec<Source>,
    /// Whether it is a variable and not a path.
    pub is_variable: bool,
}

/// One that says something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is written; `None` for what no file says, of which `what` tells.
    pub place: Option<Place>,
    /// What it is, where it is more than a place: `the environment`, `service \`base\`, which it extends`.
    pub what: Option<String>,
    /// What is written there.
    pub written: Option<String>,
    /// The variables in it.
    pub variables: Vec<Used>,
    /// Whether it is added to those that are weaker, as to a map or a list; else it takes their place.
    pub adds: bool,
}

impl Used {
    /// One of an included file, which has variables of its own.
    fn of_included(name: String) -> Self {
        Self {
            name,
            value: None,
            sources: vec![Source::elsewhere(
                "the included project's own variables",
                None,
            )],
        }
    }
}

impl Source {
    /// One that no file is.
    pub(super) fn elsewhere(what: &str, written: Option<String>) -> Self {
        Self {
            place: None,
            what: Some(what.to_owned()),
            written,
            variables: Vec::new(),
            adds: false,
        }
    }

    /// A line of a file.
    pub(super) fn line(file: &Path, line: Option<usize>, written: Option<String>) -> Self {
        let place = Place {
            file: file.to_owned(),
            at: line.map(|line| (line, 1)),
        };
        Self {
            place: Some(place),
            what: None,
            written,
            variables: Vec::new(),
            adds: false,
        }
    }
}

/// A variable that a value asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is not set.
    pub value: Option<String>,
    /// Where that is from, the last word first.
    pub sources: Vec<Source>,
}

/// Explains a path of the model, as in `services.web.image`, or a variable by its name.
///
/// # Errors
/// The project does not load, or has nothing at the path.
pub fn explain(options: &LoadOptions, subject: &str) -> Result<Explanation, Error> {
    let all = LoadOptions {
        profiles: vec!["*".to_owned()],
        services: Vec::new(),
        ..options.clone()
    };
    let project = load(&all)?;
    let origins = Origins::of(&all)?;
    // A project is plain data; it has no keys that are not strings.
    let model = serde_json::to_value(&project).unwrap_or_default();
    let parts: Vec<String> = subject
        .replace('[', ".")
        .replace(']', "")
        .split('.')
        .map(str::to_owned)
        .collect();
    match find(&model, &parts) {
        Ok((path, value)) => Ok(explain_path(&all, &project, &origins, &path, value)),
        // It is what the project is called, whoever says so.
        Err(_) if subject == "COMPOSE_PROJECT_NAME" => {
            let path = [Segment::Key("name".to_owned())];
            let name = explain_path(&all, &project, &origins, &path, &model["name"]);
            Ok(Explanation {
                subject: subject.to_owned(),
                is_variable: true,
                ..name
            })
        }
        Err(_) if is_variable(subject) => Ok(Explanation {
            subject: subject.to_owned(),
            value: origins.value(subject).map(str::to_owned),
            sources: origins.sources(subject),
            is_variable: true,
        }),
        Err((above, known)) => Err(ErrorKind::NothingAt {
            subject: subject.to_owned(),
            above,
            known,
        }
        .into()),
    }
}

fn is_variable(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A path, and what is there.
type Found<'a> = (Vec<Segment>, &'a Value);

/// How much of a path there is, and what there is below that.
type Missing = (String, Vec<String>);

/// Follows a path whose keys may have dots; where it ends, what there is instead.
fn find<'a>(value: &'a Value, parts: &[String]) -> Result<Found<'a>, Missing> {
    if parts.is_empty() {
        return Ok((Vec::new(), value));
    }
    let mut missing = (String::new(), Vec::new());
    match value {
        Value::Object(map) => {
            missing.1 = map.keys().cloned().collect();
            for length in 1..=parts.len() {
                let key = parts[..length].join(".");
                let Some(inner) = map.get(&key) else { continue };
                match find(inner, &parts[length..]) {
                    Ok((mut path, found)) => {
                        path.insert(0, Segment::Key(key));
                        return Ok((path, found));
                    }
                    Err((above, known)) => {
                        let joined = if above.is_empty() {
                            key
                        } else {
                            format!("{key}.{above}")
                        };
                        missing = (joined, known);
                    }
                }
            }
        }
        Value::Array(items) => {
            let index = parts[0].parse::<usize>().ok();
            if let Some((index, item)) = index.and_then(|index| Some((index, items.get(index)?))) {
                let (mut path, found) = find(item, &parts[1..])?;
                path.insert(0, Segment::Item(index, name_of(item)));
                return Ok((path, found));
            }
            missing.1 = (0..items.len()).map(|index| index.to_string()).collect();
        }
        _ => {}
    }
    Err(missing)
}

/// A text by which an item is found in the file that it is written in.
fn name_of(item: &Value) -> String {
    let keys = ["target", "source", "published", "path"];
    let part = keys.iter().find_map(|key| item.get(key));
    super::scalar::text(part.unwrap_or(item)).unwrap_or_default()
}

fn explain_path(
    options: &LoadOptions,
    project: &Project,
    origins: &Origins,
    path: &[Segment],
    value: &Value,
) -> Explanation {
    let tree_path = TreePath(path.to_vec());
    let mut reading = Reading {
        project,
        origins,
        read: HashMap::new(),
        sources: Vec::new(),
    };
    let keys: Vec<&str> = path
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => key.as_str(),
            _ => "",
        })
        .collect();
    // Of an included file its resources are imported, and nothing else.
    let is_resource = keys.first().is_some_and(|key| RESOURCES.contains(key));
    let layers = if is_resource {
        &project.layers
    } else {
        &project.files
    };
    for file in layers {
        reading.layer(&tree_path, file, None, 0);
    }
    let mut sources = reading.sources;
    match keys[..] {
        ["name"] => sources.extend(origins.project_name(options, sources.is_empty())),
        ["services", service, "environment"] => {
            sources.splice(0..0, in_env_files(options, service, None));
        }
        ["services", service, "environment", name] => {
            // A file gives what `environment` does not say, or says without a value.
            let files = in_env_files(options, service, Some(name));
            let silent = sources.last().is_none_or(|own| own.written.is_none());
            if silent && files.is_empty() && !value.is_null() {
                sources.extend(origins.sources(name).into_iter().rev());
            }
            sources.splice(0..0, files);
        }
        _ => {}
    }
    sources.reverse();
    Explanation {
        subject: tree_path.to_string(),
        value: shown(value),
        sources,
        is_variable: false,
    }
}

/// How many services are followed that extend each other.
const HANDS: usize = 16;

/// The files of a project on their second reading.
struct Reading<'a> {
    project: &'a Project,
    origins: &'a Origins,
    read: HashMap<PathBuf, (Vec<Document>, Spots)>,
    /// Weakest first.
    sources: Vec<Source>,
}

impl Reading<'_> {
    /// Notes what a file says of a path; before that, what the service of the path has from those it extends.
    fn layer(&mut self, path: &TreePath, file: &Path, extended: Option<&Inherited>, depth: usize) {
        if let [Segment::Key(kind), Segment::Key(service), ..] = path.0.as_slice()
            && kind == "services"
            && depth < HANDS
        {
            let project = self.project;
            let bases = project.inherited.iter();
            for base in bases.filter(|by| by.service == *service && by.file == file) {
                let mut above = path.clone();
                above.0[1] = Segment::Key(base.base.clone());
                self.layer(&above, &base.base_file, Some(base), depth + 1);
            }
        }
        let Some(text) = self.project.texts.iter().find(|(name, _)| name == file) else {
            return;
        };
        let (documents, spots) = self
            .read
            .entry(file.to_owned())
            .or_insert_with(|| (documents(&text.1), Spots::read(&text.1)));
        // What is told of an item is the list that it is in.
        let keys = |segment: &Segment| matches!(segment, Segment::Key(_));
        let least = path.0.iter().take_while(|segment| keys(segment)).count();
        let found = spots.find(path).filter(|found| found.depth >= least);
        let included = !self.project.files.iter().any(|own| own == file) && extended.is_none();
        for document in documents {
            let Some(value) = at(&document.tree, path) else {
                continue;
            };
            let is_reset = |reset: &TreePath| path.0.starts_with(&reset.0);
            let place = Place {
                file: file.to_owned(),
                at: found.as_ref().map(|found| found.at),
            };
            let asked = variables::of(value);
            self.sources.push(Source {
                place: Some(place),
                what: extended.map(|by| format!("`{}` extends `{}`", by.service, by.base)),
                written: shown(value),
                variables: asked
                    .into_iter()
                    .map(|variable| {
                        if included {
                            Used::of_included(variable.name)
                        } else {
                            self.origins.used(variable.name)
                        }
                    })
                    .collect(),
                adds: (value.is_object() || value.is_array())
                    && !document.resets.iter().any(is_reset),
            });
        }
    }
}

/// A file's documents in canonical form, their variables as they are written. They did load a moment ago.
fn documents(text: &str) -> Vec<Document> {
    let mut documents = tree::parse(text, &mut Budget::default()).unwrap_or_default();
    documents.retain_mut(|document| lower(&mut document.tree, &ROOT, At::AS_WRITTEN).is_ok());
    documents
}

/// The value at a path. An item of a list is found by its name, as its number is that in the merged one; one that is text
/// still is told as a whole.
fn at<'a>(tree: &'a Value, path: &TreePath) -> Option<&'a Value> {
    let mut value = tree;
    for segment in &path.0 {
        value = match segment {
            Segment::Key(_) if value.is_string() => return Some(value),
            Segment::Key(key) => value.get(key)?,
            Segment::Index(index) => value.get(index)?,
            Segment::Item(_, name) => {
                let mut items = value.as_array()?.iter();
                items.find(|item| {
                    let text = item.as_str().unwrap_or_default();
                    name_of(item) == *name || text.contains('$') && text.contains(name.as_str())
                })?
            }
        };
    }
    Some(value)
}

/// A value on one line; none where nothing is written.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if !text.contains(char::is_control) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(files: &[(&str, &str)], environment: &[(&str, &str)], subject: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = LoadOptions {
            working_dir: folder.path().to_owned(),
            environment: environment.iter().map(pair).collect(),
            ..LoadOptions::default()
        };
        let explanation = match explain(&options, subject) {
            Ok(explanation) => explanation,
            Err(error) => return format!("{error}\n{}", error.hints().join("\n")),
        };
        let mut lines = vec![explanation.value.unwrap_or_default()];
        for source in &explanation.sources {
            lines.push(line(source));
            for used in &source.variables {
                let from = used
                    .sources
                    .iter()
                    .map(line)
                    .collect::<Vec<_>>()
                    .join(" | ");
                lines.push(format!("  {} = {:?}: {from}", used.name, used.value));
            }
        }
        lines
            .join("\n")
            .replace(&format!("{}/", folder.path().display()), "")
    }

    fn line(source: &Source) -> String {
        let place = source.place.as_ref().map(ToString::to_string);
        let adds = if source.adds { "+" } else { "" };
        let parts = [place, source.what.clone(), source.written.clone()];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        format!("{adds}{}", parts.join(" "))
    }

    #[test]
    fn the_last_file_wins_and_its_variables_are_followed() {
        let files = [
            ("compose.yaml", "services:\n  web:\n    image: web:1\n"),
            (
                "compose.override.yaml",
                "services:\n  web:\n    image: web:${TAG:-2}\n",
            ),
            (".env", "# c\nTAG=3\n"),
        ];
        insta::assert_snapshot!(explained(&files, &[], "services.web.image"), @r#"
        web:3
        compose.override.yaml:3:5 web:${TAG:-2}
          TAG = Some("3"): .env:2:1 3
        compose.yaml:3:5 web:1
        "#);
        insta::assert_snapshot!(explained(&files, &[("TAG", "4")], "TAG"), @r"
        4
        the environment 4
        .env:2:1 3
        ");
        insta::assert_snapshot!(explained(&files, &[], "NONE"), @"");
    }

    #[test]
    fn maps_are_merged_and_an_override_ends_that() {
        let files = [(
            "compose.yaml",
            "services:\n  base: {image: a, labels: {a.b: x}, dns: [1.1.1.1]}\n  web:\n    extends: base\n    \
                 labels: [c=y]\n    dns: !override [8.8.8.8]\n",
        )];
        insta::assert_snapshot!(explained(&files, &[], "services.web.labels"), @r#"
        {"a.b":"x","c":"y"}
        +compose.yaml:5:5 {"c":"y"}
        +compose.yaml:2:20 `web` extends `base` {"a.b":"x"}
        "#);
        insta::assert_snapshot!(explained(&files, &[], "services.web.labels.a.b"), @r"
        x
        compose.yaml:2:29 `web` extends `base` x
        ");
        insta::assert_snapshot!(explained(&files, &[], "services.web.dns"), @r#"
        ["8.8.8.8"]
        compose.yaml:6:5 ["8.8.8.8"]
        +compose.yaml:2:38 `web` extends `base` ["1.1.1.1"]
        "#);
    }

    #[test]
    fn what_no_compose_file_says_is_from_env_files_or_the_environment() {
        let files = [
            (
                "compose.yaml",
                "services:\n  web: {image: a, env_file: [a.env, b.env], environment: {HOST: }}\n",
            ),
            ("a.env", "A=1\n"),
            ("b.env", "\nA=2\n"),
        ];
        let environment = [("HOST", "h")];
        insta::assert_snapshot!(explained(&files, &environment, "services.web.environment.A"), @r"
        2
        b.env:2:1 2
        a.env:1:1 1
        ");
        insta::assert_snapshot!(explained(&files, &environment, "services.web.environment.HOST"), @r"
        h
        the environment h
        compose.yaml:2:59
        ");
        insta::assert_snapshot!(explained(&files, &[("COMPOSE_PROJECT_NAME", "p")], "name"), @r"
        p
        the environment p
        ");
    }

    #[test]
    fn an_item_of_a_list_is_found_where_it_is_written() {
        let files = [
            (
                "compose.yaml",
                "services:\n  web:\n    image: a\n    ports: ['8080:80', '9090:90']\n    volumes: [./d:/d]\n",
            ),
            (
                "compose.override.yaml",
                "services:\n  web:\n    ports:\n    - ${PORT:-7070}:70\n    volumes: [./e:/d]\n",
            ),
        ];
        insta::assert_snapshot!(explained(&files, &[], "services.web.ports[1].published"), @r"
        9090
        compose.yaml:4:24 9090
        ");
        insta::assert_snapshot!(explained(&files, &[], "services.web.ports[2].published"), @r"
        7070
        compose.override.yaml:4:7 ${PORT:-7070}:70
          PORT = None: 
        ");
        insta::assert_snapshot!(explained(&files, &[], "services.web.volumes.0.source"), @r"
        e
        compose.override.yaml:5:15 ./e
        compose.yaml:5:15 ./d
        ");
        insta::assert_snapshot!(explained(&files, &[], "COMPOSE_PROJECT_NAME").lines().nth(1).unwrap(), @"the folder's name");
    }

    #[test]
    fn a_path_that_is_not_there_gets_a_hint() {
        let files = [("compose.yaml", "services: {web: {image: a}}")];
        insta::assert_snapshot!(explained(&files, &[], "services.web.imgae"), @r"
        the model has nothing at `services.web.imgae`
        did you mean `image`? `services.web` has `command`, `entrypoint`, `image`, `networks`
        ");
        insta::assert_snapshot!(explained(&files, &[], "services.web.image.x"), @r"
        the model has nothing at `services.web.image.x`
        `services.web.image` has nothing below it
        ");
    }
}
