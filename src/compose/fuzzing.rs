//! What fuzzers feed, and what must hold whatever they feed: a Compose file from text to model and back, variables, env
//! files, ports, volumes, durations and sizes. `fuzz/` calls it, and tests do with the fuzzers' seeds and made-up projects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::dotenv::{self, Meter};
use super::interpolate::{Scope, substitute};
use super::load::{LoadOptions, load_text};
use super::lower::lower;
use super::path::At;
use super::schema::Shape;
use super::{attributes, ports};
use crate::model::{Bytes, Project, Span};

/// Loads a Compose file, and what `config` prints of it: that means the same project, and is printed as it is.
///
/// # Panics
/// It does not.
pub fn compose(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(project) = loaded(text) else { return };
    again(&project);
}

/// Holds `config` of `config` against itself. What is printed as JSON spells out parts that are empty, as docker compose's
/// does, so of that only the JSON is the same.
///
/// # Panics
/// They differ.
pub fn again(project: &Project) {
    let json = project.to_json().expect("a project is JSON");
    let yaml = project.to_yaml().expect("a project is YAML");
    let of = |text: &str| {
        let again = loaded(text);
        again.unwrap_or_else(|error| panic!("its own output is refused: {error}\n{text}"))
    };
    let read = of(&yaml);
    assert_eq!(read.to_yaml().expect("a project is YAML"), yaml);
    assert_eq!(read.to_json().expect("a project is JSON"), json);
    let read = of(&json);
    assert_eq!(read.to_json().expect("a project is JSON"), json);
}

/// A project of one file that is no file, in a folder that is not there, with every profile on.
pub(super) fn loaded(text: &str) -> Result<Project, super::Error> {
    let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let options = LoadOptions {
        working_dir: Path::new("/nowhere/project").to_owned(),
        project_name: Some("project".to_owned()),
        profiles: vec!["*".to_owned()],
        environment: [("A", "a"), ("EMPTY", ""), ("PORT", "80")]
            .map(variable)
            .into(),
        ..LoadOptions::default()
    };
    load_text(&options, text)
}

fn lookup(name: &str) -> Option<String> {
    match name {
        "A" => Some("a$b".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Replaces the variables in a text: there are none where there is no `$`, nor where each is escaped.
///
/// # Panics
/// Something was replaced all the same.
pub fn interpolation(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let replaced = |text: &str| substitute(text, &Scope::new(&lookup));
    let _ = replaced(&text);
    let escaped = replaced(&text.replace('$', "$$"));
    assert_eq!(escaped.expect("it has no variables"), text);
}

/// Reads an env file: what it holds, written in single quotes, is read to the same.
///
/// # Panics
/// It is not.
pub fn dotenv(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = |text: &str| {
        let mut variables = BTreeMap::new();
        dotenv::parse(text, &mut variables, &lookup, &Meter::default())
            .map(|holes| (variables, holes))
    };
    let _ = dotenv::parse_raw(&text, &mut BTreeMap::new(), &lookup, &Meter::default());
    let Ok((mut variables, holes)) = read(&text) else {
        return;
    };
    let lines = text.lines().count().max(1);
    assert!(holes.iter().all(|hole| (1..=lines).contains(&hole.line)));
    variables.retain(|_, value| !value.contains(['\'', '\\']));
    // A name may begin with `export` and a blank, the first of which counts for nothing.
    let line = |(name, value): (&String, &String)| format!("export {name}='{value}'\n");
    let written: String = variables.iter().map(line).collect();
    // Variables of variables grow, and with their text counted, too, they may be more than is read.
    if written.len() > 1 << 20 {
        return;
    }
    let again = read(&written).unwrap_or_else(|bad| panic!("{bad:?}: {written}"));
    assert_eq!(again.0, variables);
}

/// Ports in their short form: as many as were counted, each of which is its own long form.
///
/// # Panics
/// They are not.
pub fn ports(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut left = ports::PORTS;
    let tree = serde_json::json!({"services": {"a": {"ports": [text]}}});
    ports::check(&tree, &mut left).expect("one text is not too many");
    if let Some(long) = lowered("ports", Value::from(vec![text])) {
        let count = long.as_array().map_or(0, Vec::len);
        assert_eq!(count, ports::PORTS - left);
    }
}

/// Volumes, tmpfs mounts and devices in their short forms.
///
/// # Panics
/// A long form is not its own.
pub fn volumes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for list in ["volumes", "tmpfs", "devices"] {
        let _ = lowered(list, Value::from(vec![text.clone()]));
    }
}

/// A list of a service in its canonical form, which is its own.
fn lowered(attribute: &str, mut value: Value) -> Option<Value> {
    let field = attributes::SERVICE.field(attribute)?;
    let shape: &Shape = &field.shape;
    lower(&mut value, shape, At::ROOT).ok()?;
    let mut again = value.clone();
    lower(&mut again, shape, At::ROOT).expect("a long form has a long form");
    assert_eq!(again, value);
    Some(value)
}

/// A duration and a size: printed and read again, each is itself.
///
/// # Panics
/// It is not.
pub fn durations(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse(), Ok(span), "{text}");
    }
    if let Ok(bytes) = text.parse::<Bytes>() {
        assert_eq!(bytes.to_string().parse(), Ok(bytes), "{text}");
    }
    if let Ok(number) = data.try_into().map(i64::from_le_bytes) {
        assert_eq!(Span(number).to_string().parse(), Ok(Span(number)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzzers_hold() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let feed = |target: &str, feed: fn(&[u8])| {
            let all = fs::read_dir(seeds.join(target)).unwrap();
            let fed = all.map(|entry| feed(&fs::read(entry.unwrap().path()).unwrap()));
            assert!(fed.count() > 2, "{target}");
        };
        feed("compose", compose);
        feed("interpolation", interpolation);
        feed("dotenv", dotenv);
        feed("ports", ports);
        feed("volumes", volumes);
        feed("durations", durations);
    }
}
