//! The events of real runs against their JSON Schema, `docs/events.schema.json`: as much of the standard as that file uses. Stricter
//! than it in one thing: a key that it does not name is wrong, too. Needs `busybox:stable` on the engine.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stack::Stack;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What is wrong with a value, by one part of the schema.
fn faults(root: &Value, part: &Value, value: &Value, at: &str) -> Vec<String> {
    let rules = part.as_object().unwrap();
    let mut found = Vec::new();
    for (rule, wants) in rules {
        let holds = match rule.as_str() {
            "title" | "description" | "$schema" | "$defs" | "properties" => true,
            "$ref" => {
                let pointer = wants.as_str().unwrap().trim_start_matches('#');
                found.extend(faults(root, root.pointer(pointer).unwrap(), value, at));
                true
            }
            "oneOf" => {
                let all = wants.as_array().unwrap().iter();
                all.filter(|one| faults(root, one, value, at).is_empty())
                    .count()
                    == 1
            }
            "const" => value == wants,
            "enum" => wants.as_array().unwrap().contains(value),
            "type" => {
                let one = std::slice::from_ref(wants);
                let kinds = wants.as_array().map_or(one, Vec::as_slice);
                kinds
                    .iter()
                    .any(|kind| is_of(kind.as_str().unwrap(), value))
            }
            "minimum" => value.as_i64() >= wants.as_i64(),
            "pattern" => {
                // The only one there is.
                assert_eq!(wants, "^[0-9a-f]{64}$");
                let text = value.as_str().unwrap_or_default();
                text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
            }
            "required" => {
                let keys = wants.as_array().unwrap().iter();
                keys.map(|key| key.as_str().unwrap())
                    .all(|key| value.get(key).is_some())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    found.extend(faults(root, wants, item, &format!("{at}[]")));
                }
                true
            }
            "additionalProperties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    found.extend(faults(root, wants, item, &format!("{at}.{key}")));
                }
                true
            }
            other => panic!("the schema has a rule that this test does not know: {other}"),
        };
        if !holds {
            found.push(format!("{at}: {value} against {rule} {wants}"));
        }
    }
    if let Some(properties) = rules.get("properties") {
        for (key, item) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{key}");
            match properties.get(key) {
                Some(part) => found.extend(faults(root, part, item, &at)),
                None => found.push(format!("{at}: a key that the schema does not name")),
            }
        }
    }
    found
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("a type that this test does not know: {other}"),
    }
}

/// Checks each line; the events and actions that were among them.
fn checked(root: &Value, lines: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let kind = event["event"].as_str().unwrap();
        // Of one event, as `oneOf` does not say what is wrong.
        let faults = faults(root, &root["$defs"][kind], &event, kind);
        assert_eq!(faults, Vec::<String>::new(), "{line}");
        seen.insert(kind.to_owned());
        seen.extend(event["step"]["action"].as_str().map(ToOwned::to_owned));
    }
    seen
}

#[test]
fn the_events_of_runs_are_as_their_schema_says() {
    let root = schema();
    let compose = |command: &str| {
        format!(
            "services:\n  app:\n    build: .\n    command: [{command}]\n    stop_grace_period: 0s\n    volumes: ['data:/data']\n    \
             post_start: [{{command: [echo, hooked]}}]\n  side:\n    image: busybox:stable\n    command: [sleep, '1000']\n    \
             stop_grace_period: 0s\n    network_mode: 'service:app'\nvolumes: {{data: {{}}}}\n"
        )
    };
    let stack = Stack::new("schema", &compose("sleep, '1000'"));
    let dockerfile = format!(
        "FROM busybox:stable\nRUN echo seen {0}\nLABEL dev.larder.test={0}\n",
        stack.name
    );
    stack.sandbox.write("Dockerfile", &dockerfile);
    let mut seen = checked(&root, &stack.larder("--builder docker up --progress json"));
    stack
        .sandbox
        .write("compose.yaml", &compose("sleep, '1001'"));
    for line in ["up", "up", "restart", "stop", "start"] {
        seen.extend(checked(
            &root,
            &stack.larder(&format!("{line} --progress json")),
        ));
    }
    stack
        .sandbox
        .write("compose.yaml", &compose("sh, -c, 'exit 3'"));
    let failed = stack.sandbox.run("up --progress json");
    assert_eq!(failed.status.code(), Some(1));
    seen.extend(checked(&root, &String::from_utf8_lossy(&failed.stdout)));
    seen.extend(checked(&root, &stack.larder("down -v --progress json")));
    for wanted in [
        "started",
        "progress",
        "output",
        "finished",
        "failed",
        "report",
        "error",
        "build",
        "create",
        "start",
        "stop",
        "remove",
        "rename",
        "wait",
        "create-network",
        "create-volume",
    ] {
        assert!(seen.contains(wanted), "{wanted} is not among {seen:?}");
    }
}

#[test]
fn an_event_that_is_not_as_its_schema_says_is_found() {
    let root = schema();
    let faulty = |text: &str| {
        let event: Value = serde_json::from_str(text).unwrap();
        !faults(&root, &root, &event, "").is_empty()
    };
    assert!(!faulty(r#"{"event":"skipped","id":0,"schema":1}"#));
    assert!(!faulty(
        r#"{"event":"log","service":"a","container":"c","stream":"stdout","time":null,"line":"","schema":1}"#
    ));
    for wrong in [
        r#"{"event":"skipped","schema":1}"#,
        r#"{"event":"skipped","id":"0","schema":1}"#,
        r#"{"event":"skipped","id":0,"schema":2}"#,
        r#"{"event":"skipped","id":0,"more":1,"schema":1}"#,
        r#"{"event":"nothing","schema":1}"#,
    ] {
        assert!(faulty(wrong), "{wrong}");
    }
}
