//! A project as text: the canonical Compose file, laid out and escaped as `docker compose config` prints it, so
//! that either tool loads it to the same project.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::Project;
use super::layout::arrange_project;

impl Project {
    /// The canonical Compose file as YAML.
    ///
    /// # Errors
    /// None that is known: every project can be written.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        let tree =
            serde_json::to_value(self).map_err(<serde_yaml::Error as serde::ser::Error>::custom)?;
        Self::print_resolved(tree)
    }

    /// The same of a tree that was made from a project: whatever looks like a variable in it is none.
    ///
    /// # Errors
    /// None that is known: every tree can be written.
    pub fn print_resolved(mut tree: Value) -> Result<String, serde_yaml::Error> {
        escape(&mut tree);
        for service in services(&mut tree) {
            // Absent and null mean the same, and the shorter one is written.
            service.retain(|key, value| {
                !(matches!(key.as_str(), "command" | "entrypoint") && value.is_null())
            });
        }
        let order = [
            "name", "services", "networks", "volumes", "secrets", "configs",
        ];
        arrange_project(&mut tree, &order, false);
        yaml(tree)
    }

    /// The canonical Compose file as JSON, with a line end behind it.
    ///
    /// # Errors
    /// None that is known: every project can be written.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut tree = serde_json::to_value(self)?;
        escape(&mut tree);
        let order = [
            "configs", "name", "networks", "secrets", "services", "volumes",
        ];
        arrange_project(&mut tree, &order, true);
        json(&tree)
    }

    /// A canonical tree whose variables are as they are written, as JSON or YAML.
    ///
    /// # Errors
    /// None that is known: every tree can be written.
    pub fn print_as_written(mut tree: Value, as_json: bool) -> Result<String, Unprintable> {
        let order = [
            "name", "services", "networks", "volumes", "secrets", "configs",
        ];
        arrange_project(&mut tree, &order, false);
        print_tree(&tree, as_json)
    }
}

/// Why something could not be written down.
type Unprintable = Box<dyn std::error::Error + Send + Sync>;

/// Anything as JSON or YAML, in the look of a project.
///
/// # Errors
/// It cannot be written in that language.
pub fn print_tree(tree: &impl serde::Serialize, as_json: bool) -> Result<String, Unprintable> {
    let tree = serde_json::to_value(tree)?;
    if as_json {
        return Ok(json(&tree)?);
    }
    Ok(yaml(tree)?)
}

fn json(tree: &Value) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for char in serde_json::to_string_pretty(tree)?.chars() {
        // JSON takes them as they are; a reader of YAML refuses them, or reads a line's end.
        if matches!(
            char,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'
        ) {
            let _ = write!(text, "\\u{:04x}", u32::from(char));
        } else {
            text.push(char);
        }
    }
    text.push('\n');
    Ok(text)
}

fn yaml(mut tree: Value) -> Result<String, serde_yaml::Error> {
    // A character that stands for a quote while serde_yaml writes, which has no say in how text is quoted.
    let used = serde_yaml::to_string(&tree)?;
    let mark = ('\u{e000}'..='\u{f8ff}')
        .find(|mark| !used.contains(*mark))
        .unwrap_or('\u{e000}');
    if quote(&mut tree, mark) {
        return Ok(serde_yaml::to_string(&tree)?.replace(mark, "'"));
    }
    Ok(used)
}

fn services(tree: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let services = tree.get_mut("services").and_then(Value::as_object_mut);
    services
        .into_iter()
        .flatten()
        .filter_map(|(_, service)| service.as_object_mut())
}

/// A dollar sign would be a variable when the text is loaded again.
fn escape(tree: &mut Value) {
    match tree {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => map.values_mut().for_each(escape),
        _ => {}
    }
}

/// Marks the texts that need quotes for a reader of YAML 1.1; whether there is any.
fn quote(tree: &mut Value, mark: char) -> bool {
    match tree {
        Value::String(text) if is_other_to_older_readers(text) => {
            *text = format!("{mark}{text}{mark}");
            true
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| quote(item, mark) | any),
        Value::Object(map) => map
            .values_mut()
            .fold(false, |any, item| quote(item, mark) | any),
        _ => false,
    }
}

/// Text that a reader of YAML 1.1, without quotes, takes for a number, a date, a time of day or a switch, and serde_yaml for
/// text: `1_000`, `0X1F`, `2001-01-01`, `12:30`, `yes`.
fn is_other_to_older_readers(text: &str) -> bool {
    const SWITCHES: &[&str] = &["y", "yes", "on", "n", "no", "off"];
    let is_switch = SWITCHES
        .iter()
        .any(|switch| text.eq_ignore_ascii_case(switch));
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-' | b':' | b' ');
    let digits = text.trim_start_matches(['+', '-', '.']).as_bytes();
    let is_date = matches!(digits, [y1, y2, y3, y4, b'-', ..] if [y1, y2, y3, y4].iter().all(|b| b.is_ascii_digit()));
    let is_radix = matches!(digits, [b'0', b'X' | b'O' | b'B', ..]);
    let is_time = digits.contains(&b':')
        && digits
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'_'));
    let is_number = digits.first().is_some_and(u8::is_ascii_digit)
        && (text.contains('_') || is_date || is_radix || is_time)
        && text.bytes().all(plain)
        && !text.contains(": ")
        && !text.ends_with([' ', ':']);
    is_switch || is_number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Healthcheck, Service, Span};

    fn project() -> Project {
        let service = Service {
            command: Some(vec!["echo".into(), "$A".into()]),
            cpus: Some(1.0),
            cap_add: vec!["X".into()],
            healthcheck: Some(Healthcheck {
                interval: Some(Span(1)),
                timeout: Some(Span(2)),
                ..Healthcheck::default()
            }),
            hostname: Some("h".into()),
            profiles: vec!["p".into()],
            ..Service::default()
        };
        let services = [("a".to_owned(), service)].into();
        Project {
            name: "hub".into(),
            services,
            ..Project::default()
        }
    }

    #[test]
    fn yaml_is_laid_out_as_docker_compose_does() {
        let yaml = "name: hub
services:
  a:
    profiles:
    - p
    cap_add:
    - X
    cpus: 1
    command:
    - echo
    - $$A
    hostname: h
    healthcheck:
      timeout: 2ns
      interval: 1ns
";
        assert_eq!(project().to_yaml().unwrap(), yaml);
    }

    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_quoted() {
        let mut project = project();
        let service = project.services.get_mut("a").unwrap();
        *service = Service {
            hostname: Some("1_000".into()),
            user: Some("2001-01-01".into()),
            ..Service::default()
        };
        service.working_dir = Some("1_0 # x".into());
        service.command = Some(
            ["yes", "Off", "12:30", "yes no"]
                .map(str::to_owned)
                .to_vec(),
        );
        let yaml = "name: hub\nservices:\n  a:\n    command:\n    - 'yes'\n    - 'Off'\n    - '12:30'\n    - yes no\n    \
                    hostname: '1_000'\n    user: '2001-01-01'\n    working_dir: '1_0 # x'\n";
        assert_eq!(project.to_yaml().unwrap(), yaml);
    }

    #[test]
    fn json_says_that_there_is_no_entrypoint() {
        let json: Value = serde_json::from_str(&project().to_json().unwrap()).unwrap();
        assert!(json["services"]["a"]["entrypoint"].is_null());
        assert!(
            json["services"]["a"]
                .as_object()
                .unwrap()
                .contains_key("entrypoint")
        );
    }
}
