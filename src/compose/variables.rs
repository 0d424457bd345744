//! The variables that Compose files ask for, and what is said of each where it stands: `config --variables`
//! (compose-go `template.ExtractVariables`). Replaces nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::as_written::load_as_written;
use super::error::Error;
use super::interpolate;
use super::load::LoadOptions;

/// How deep variables are looked for in each other's defaults; a text that nests deeper does not load.
const DEPTH: usize = 64;

/// A variable, with what its places say of it, the first that says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What stands in its place where it is not set: of `${NAME:-default}`.
    pub default_value: String,
    /// What stands in its place where it is set: of `${NAME:+value}`.
    pub presence_value: String,
    /// Whether nothing loads without it: `${NAME:?message}`.
    pub required: bool,
}

/// The variables of a project's files, by name; services of all profiles count.
///
/// # Errors
/// As [`load_as_written`].
pub fn variables(options: &LoadOptions) -> Result<Vec<Variable>, Error> {
    let (tree, _) = load_as_written(options)?;
    let mut found = BTreeMap::new();
    in_tree(&tree, &mut found);
    Ok(found.into_values().collect())
}

/// The variables in one value, texts in lists and maps included.
pub(super) fn of(value: &Value) -> Vec<Variable> {
    let mut found = BTreeMap::new();
    in_tree(value, &mut found);
    found.into_values().collect()
}

fn in_tree(value: &Value, found: &mut BTreeMap<String, Variable>) {
    match value {
        Value::String(text) => in_text(text, found, 0),
        Value::Array(items) => items.iter().for_each(|item| in_tree(item, found)),
        Value::Object(map) => map.values().for_each(|item| in_tree(item, found)),
        _ => {}
    }
}

fn in_text(text: &str, found: &mut BTreeMap<String, Variable>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    for (name, operation) in interpolate::asked_for(text) {
        let variable = found.entry(name.to_owned()).or_insert_with(|| Variable {
            name: name.to_owned(),
            ..Variable::default()
        });
        let (operator, word) = operation
            .strip_prefix(':')
            .unwrap_or(operation)
            .split_at(usize::from(!operation.is_empty()));
        let say = |slot: &mut String| {
            if slot.is_empty() {
                word.clone_into(slot);
            }
        };
        match operator {
            "-" => say(&mut variable.default_value),
            "+" => say(&mut variable.presence_value),
            "?" => variable.required = true,
            _ => {}
        }
        in_text(word, found, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_is_named_once_with_what_is_said_of_it() {
        let tree = json!({"a": "$X${Y:-d}$$Z", "b": [{"c": "${X:?no} ${Y:-e} ${Y+r} ${V:-${W}x}"}], "$K": 1});
        let shown = of(&tree).into_iter().map(|variable| {
            let Variable {
                name,
                default_value,
                presence_value,
                required,
            } = variable;
            format!("{name} {default_value:?} {presence_value:?} {required}")
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                r#"V "${W}x" "" false"#,
                r#"W "" "" false"#,
                r#"X "" "" true"#,
                r#"Y "d" "r" false"#
            ]
        );
    }
}
