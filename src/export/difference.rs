//! What is different between two exports, value by value. Text that stands for the same says nothing.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A value that is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: `services.api.image`.
    pub path: String,
    /// What the file has; `None` where it has nothing.
    pub before: Option<String>,
    /// What it would have.
    pub now: Option<String>,
}

/// For a person.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => write!(f, "{}: {before} → {now}", self.path),
            (None, Some(now)) => write!(f, "{}: missing, would be {now}", self.path),
            (Some(before), None) => write!(f, "{}: {before}, would not be there", self.path),
            (None, None) => f.write_str(&self.path),
        }
    }
}

/// The differences between two texts; `None` where the first is no YAML.
pub fn changes(before: &str, now: &str) -> Option<Vec<Change>> {
    let before: Value = serde_yaml::from_str(before).ok()?;
    let now: Value = serde_yaml::from_str(now).ok()?;
    let mut changes = Vec::new();
    compare("", Some(&before), Some(&now), &mut changes);
    Some(changes)
}

fn compare(path: &str, before: Option<&Value>, now: Option<&Value>, changes: &mut Vec<Change>) {
    if before == now {
        return;
    }
    if let (Some(Value::Object(one)), Some(Value::Object(other))) = (before, now) {
        let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        for key in keys {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            compare(&path, one.get(key), other.get(key), changes);
        }
        return;
    }
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    changes.push(Change {
        path: path.to_owned(),
        before: before.map(shown),
        now: now.map(shown),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_that_is_another_is_told() {
        let before = "# x\nname: a\nservices: {api: {image: b@1, ports: [1]}, old: {image: c}}\n";
        let now = "name: a\nservices: {api: {image: b@2, ports: [1, 2], tty: true}}\n";
        let told: Vec<String> = changes(before, now)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "services.api.image: b@1 → b@2",
                "services.api.ports: [1] → [1,2]",
                "services.api.tty: missing, would be true",
                "services.old: {\"image\":\"c\"}, would not be there",
            ]
        );
        assert_eq!(changes("a: 1\n", "# x\n\"a\": 1\n"), Some(Vec::new()));
        assert_eq!(changes("a: [", "a: 1"), None);
    }
}
