//! Projects made up from the tables of attributes, and what must hold of each: `config` of `config` is itself.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::attributes::SERVICE;
use super::fuzzing::{again, loaded};
use super::schema::{Field, Shape};

/// Text that readers and writers of YAML disagree about, or that means something to Compose.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "n1",
    "v1",
    "c1",
    "s1",
    "",
    " ",
    " x ",
    "010",
    "0o17",
    "0x1F",
    "1_000",
    "1e3",
    ".5",
    "+1",
    "-1",
    "0",
    "80",
    "12:30",
    "2001-01-01",
    "yes",
    "on",
    "true",
    "null",
    "~",
    "<<",
    "=",
    "a: b",
    "a #b",
    "#c",
    "- x",
    "?",
    "!x",
    "*a",
    "&a",
    "@",
    "`",
    "'",
    "\"",
    "\\",
    "a$$b",
    "$${A}",
    "two\nlines",
    "end\n",
    "\n",
    "\ttab",
    "é",
    "\u{2028}",
    "\u{7f}",
    "{",
    "[x]",
    "/x",
    "./y",
    "/x/../y",
    "https://example.com/x",
    "service:b",
    "host",
    "process",
    "no",
    "always",
    "1.2.3.4",
    "linux/amd64",
    "SIGINT",
    "64m",
    "1.5g",
    "1m30s",
    "90s",
    "0s",
    "CMD",
    "z",
    "0440",
    "sh -c 'x y'",
];

/// Short forms.
const SHORT: &[&str] = &[
    "80",
    "8080:80",
    "8000-8002:80-82/udp",
    "127.0.0.1::70",
    "[::1]:81:81",
    "./a:/b:ro",
    "v1:/d:nocopy",
    "/e",
    "C:\\x:/y",
    "/dev/null:/dev/x:r",
    "vendor.com/class=name",
    "b",
    "n1",
    "c1",
    "s1",
    "A=b",
    "A",
    "x=1.2.3.4",
    "key=/k",
    "default",
    "5",
    "/run:size=64m",
    "a 'b c' $$d",
    "e.env",
    "all",
];

const KEYS: &[&str] = &[
    "a", "b", "n1", "v1", "A", "1", "010", "yes", "null", "a.b", "x-y", "nofile", "default",
];

fn text() -> BoxedStrategy<Value> {
    let known = select(TEXTS).prop_map(Value::from);
    let any = "[ -~]{0,6}".prop_map(|text| Value::from(text.replace('$', "$$")));
    prop_oneof![9 => known, 1 => any].boxed()
}

fn short() -> BoxedStrategy<Value> {
    select(SHORT).prop_map(Value::from).boxed()
}

fn number() -> BoxedStrategy<Value> {
    let whole = prop_oneof![0..5i64, Just(-1), Just(1000), any::<i64>()];
    prop_oneof![4 => whole.prop_map(Value::from), 1 => select(&[0.5, 1.0, 1e3][..]).prop_map(Value::from)].boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..4)
        .prop_map(Value::from)
        .boxed()
}

fn map(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let pairs = prop::collection::btree_map(select(KEYS).prop_map(str::to_owned), value, 0..4);
    pairs
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
        .boxed()
}

fn variables() -> BoxedStrategy<Value> {
    let value = || {
        prop_oneof![
            text(),
            number(),
            Just(Value::Null),
            any::<bool>().prop_map(Value::from)
        ]
    };
    prop_oneof![map(value().boxed()), list(short())].boxed()
}

fn fields(all: &'static [Field]) -> BoxedStrategy<Value> {
    chosen(all, 0..=all.len().min(6))
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
        .boxed()
}

/// Some attributes of a table, each with a value.
fn chosen(
    all: &'static [Field],
    count: std::ops::RangeInclusive<usize>,
) -> BoxedStrategy<Vec<(String, Value)>> {
    let numbers: Vec<usize> = (0..all.len()).collect();
    let with_value = |number: usize| {
        let name = Just(all[number].name.to_owned());
        (name, value(&all[number].shape)).boxed()
    };
    subsequence(numbers, count)
        .prop_flat_map(move |some| some.into_iter().map(with_value).collect::<Vec<_>>())
        .boxed()
}

/// What may stand for a shape, most of the time.
fn value(shape: &'static Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Bool => {
            prop_oneof![any::<bool>().prop_map(Value::from), Just(json!("true"))].boxed()
        }
        Shape::Int | Shape::Whole | Shape::Number => number(),
        Shape::Scalar | Shape::Digits | Shape::Size => prop_oneof![text(), number()].boxed(),
        Shape::Duration => select(&["0s", "1m30s", "1.5h", "90s", "1d", "10us"][..])
            .prop_map(Value::from)
            .boxed(),
        Shape::OneOf(choices) => select(*choices).prop_map(Value::from).boxed(),
        Shape::List(item) => list(value(item)),
        Shape::Texts => prop_oneof![text(), list(text())].boxed(),
        Shape::Variables | Shape::Labels => variables(),
        Shape::Fields(table) => fields(table.fields),
        Shape::Named(inner) | Shape::Map(inner) => map(value(inner)),
        Shape::Distinct(inner) | Shape::OnlyText(inner) | Shape::NoText(inner) => value(inner),
        Shape::IntOr(_, inner) => prop_oneof![number(), value(inner)].boxed(),
        Shape::Maybe(inner) => prop_oneof![1 => Just(Value::Null), 4 => value(inner)].boxed(),
        Shape::Checked(_, inner) => prop_oneof![value(inner), short()].boxed(),
        Shape::Long(_, _, inner) | Shape::Parsed(_, _, inner) => {
            prop_oneof![value(inner), short(), list(short()), number()].boxed()
        }
        Shape::Items(_, _, inner) => list(prop_oneof![value(inner), short()].boxed()),
        Shape::Any => prop_oneof![text(), number(), list(text()), map(text())].boxed(),
        Shape::Text => text(),
    }
}

/// A project whose first service has these attributes.
fn project(attributes: &Map<String, Value>) -> Value {
    let mut own = json!({"image": "a"});
    if let Some(own) = own.as_object_mut() {
        own.extend(attributes.clone());
    }
    json!({
        "services": {"a": own, "b": {"image": "b", "build": ".", "healthcheck": {"test": "x"}}},
        "networks": {"n1": null, "default": {"driver": "bridge"}},
        "volumes": {"v1": null},
        "configs": {"c1": {"content": "x$$y"}},
        "secrets": {"s1": {"file": "./s"}},
    })
}

#[test]
fn config_of_config_is_itself() {
    let taken: RefCell<BTreeSet<String>> = RefCell::default();
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    // The same ones each time: whether every attribute is among them is part of the test.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let attributes = chosen(SERVICE.fields, 1..=8);
    let held = runner.run(&attributes, |attributes| {
        let mut own = Map::new();
        let mut last = None;
        // What is refused is left out, and those that contradict an earlier one.
        for (name, value) in attributes {
            let before = own.insert(name.clone(), value);
            let text = serde_yaml::to_string(&project(&own)).unwrap();
            match loaded(&text) {
                Ok(project) => {
                    taken.borrow_mut().insert(name);
                    last = Some(project);
                }
                Err(_) => _ = own.shift_remove(&name),
            }
            assert!(before.is_none());
        }
        if let Some(project) = last {
            again(&project);
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
    let never: Vec<&str> = SERVICE
        .fields
        .iter()
        .map(|field| field.name)
        .filter(|name| !taken.borrow().contains(*name))
        .collect();
    // Refused whatever they say, or need files or services that are not there.
    let expected = ["extends", "label_file", "models", "provider"];
    let strange: Vec<_> = never
        .iter()
        .filter(|name| !expected.contains(name))
        .collect();
    assert!(strange.is_empty(), "made up in vain: {strange:?}");
}
