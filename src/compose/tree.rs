//! YAML text in, one tree per document out, read by `reader` and with scalars as docker compose's YAML reader has
//! them. Knows nothing of Compose's attributes.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use serde::de::DeserializeSeed;
use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::locate::Spots;
use super::path::{At, TreePath};
use super::reader::{Reader, State};
use super::reread::reread;
use super::weight::Budget;
use super::yaml_fault;
use crate::model::Place;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) tree: Value,
    /// What earlier documents said at these paths is dropped before this one is merged (`!reset`, `!override`).
    pub(super) resets: Vec<TreePath>,
}

/// How deep a document may nest: serde_yaml's own limit.
pub(super) const DEPTH: usize = 128;

/// The documents in `text`, none where there are but comments.
///
/// # Errors
/// Text that is not YAML, a key written twice or not text, an empty document among others, a date, and aliases that expand beyond the budget.
pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<Vec<Document>, Error> {
    let allowance = budget.begin(text)?;
    let state = State {
        budget: Cell::new(allowance.all),
        resets: RefCell::default(),
        failed: RefCell::default(),
        doubtful: Cell::new(false),
    };
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let read = Reader {
            state: &state,
            at: At::ROOT,
        }
        .deserialize(document);
        let resets = state.resets.take();
        match read {
            Ok(tree) => documents.push(Document {
                tree: tree.unwrap_or(Value::Null),
                resets,
            }),
            Err(error) => {
                let failed = state.failed.take();
                let failed = failed.map(|failed| at_alias(failed, text));
                return Err(failed.unwrap_or_else(|| yaml_fault::error(&error, text)));
            }
        }
    }
    budget.end(allowance, state.budget.get());
    if says_nothing(text) {
        return Ok(Vec::new());
    }
    if state.doubtful.get() || text.contains("!!binary") {
        let spots = Spots::read(text);
        for (number, document) in documents.iter_mut().enumerate() {
            reread(&spots, number, &mut document.tree)?;
        }
    }
    match documents
        .iter()
        .position(|document| document.tree.is_null())
    {
        Some(empty) => Err(empty_document(text, empty)),
        None => Ok(documents),
    }
}

/// What aliases expand to beyond the budget is shown where the first of them is written.
fn at_alias(error: Error, text: &str) -> Error {
    let (ErrorKind::Expansion, Some(path)) = (error.kind.as_ref(), &error.path) else {
        return error;
    };
    let at = Spots::read(text).first_alias(path);
    let place = at.map(|at| Place {
        file: PathBuf::new(),
        at: Some(at),
    });
    Error { place, ..error }
}

/// Whether a file has nothing but comments; one that has a document has it in some other line.
fn says_nothing(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

fn empty_document(text: &str, number: usize) -> Error {
    let place = Spots::read(text).document(number).map(|at| Place {
        file: PathBuf::new(),
        at: Some(at),
    });
    Error {
        place,
        ..ErrorKind::EmptyDocument.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Vec<Document>, Error> {
        super::parse(text, &mut Budget::default())
    }

    fn tree(text: &str) -> Value {
        parse(text).unwrap().remove(0).tree
    }

    #[test]
    fn scalars_are_read_as_docker_compose_reads_them() {
        let text = "{a: 010, b: '010', c: 1_000, d: 0x10, e: 1e3, f: 1.10, g: yes, h: 12:30, i: ~, j: .5, k: '1_0'}";
        assert_eq!(
            tree(text),
            json!({"a": 8, "b": "010", "c": 1000, "d": 16, "e": 1e3, "f": 1.1, "g": "yes", "h": "12:30",
                   "i": null, "j": 0.5, "k": "1_0"})
        );
        let tagged = "{a: !!str 010, b: !x 010, c: !!binary aGk=, d: .inf, e: -.inf, f: 18446744073709551616}";
        assert_eq!(
            tree(tagged),
            json!({"a": "010", "b": "010", "c": "hi", "d": "+Inf", "e": "-Inf", "f": 18_446_744_073_709_551_616.0})
        );
    }

    #[test]
    fn old_numbers_are_found_in_merges_and_beside_resets() {
        let text = "
x: &x {a: 010, b: '010', c: 010}
y: {<<: [*x, {d: 010, c: '0'}], a: '010'}
z: [!reset 1, !reset [1], 010, '010']
w: *x";
        let tree = tree(text);
        assert_eq!(tree["y"], json!({"a": "010", "b": "010", "c": 8, "d": 8}));
        assert_eq!(tree["z"], json!([8, "010"]));
        assert_eq!(tree["w"], json!({"a": 8, "b": "010", "c": 8}));
    }

    /// A look-up from the top for each of them would take minutes.
    #[test]
    fn many_old_numbers_take_no_time() {
        use std::fmt::Write;
        let mut text = String::new();
        (0..100_000).for_each(|number| _ = writeln!(text, "k{number}: 017"));
        let begun = std::time::Instant::now();
        assert_eq!(tree(&text)["k99999"], json!(15));
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn merge_keys_take_maps_and_lists_of_maps() {
        let text = "
x: &x {a: 1, b: 1}
y: &y {b: 2, c: 2}
l: &l [*y, *x]
one: {<<: *x, b: 3}
many: {<<: [*x, *y]}
list: {<<: *l}";
        let tree = tree(text);
        assert_eq!(tree["one"], json!({"a": 1, "b": 3}));
        assert_eq!(tree["many"], json!({"a": 1, "b": 1, "c": 2}));
        assert_eq!(tree["list"], json!({"a": 1, "b": 2, "c": 2}));
    }

    #[test]
    fn resets_are_noted_and_documents_kept_apart() {
        let documents = parse("a: 1\n---\nb: {c: !reset null, d: !override [1]}\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].tree, json!({"b": {"d": [1]}}));
        let paths: Vec<_> = documents[1]
            .resets
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(paths, ["b.c", "b.d"]);
    }

    #[test]
    fn what_has_a_tag_of_its_own_is_text() {
        let text = "{a: !override null, b: !override 1.10, c: !x true, d: !override 0x10, e: !!str 5, f: !!int '6'}";
        let read = json!({"a": "null", "b": "1.10", "c": "true", "d": "0x10", "e": "5", "f": 6});
        assert_eq!(tree(text), read);
    }

    #[test]
    fn dates_are_no_text() {
        let error = parse("a: {b: '2001-01-01', c: [2001-01-01]}").unwrap_err();
        assert_eq!(error.path.unwrap().to_string(), "a.c[0]");
        let extended = tree("{x-a: 2001-01-01, b: {c: {x-d: 2001-1-2}}}");
        let printed =
            json!({"x-a": "2001-01-01T00:00:00Z", "b": {"c": {"x-d": "2001-01-02T00:00:00Z"}}});
        assert_eq!(extended, printed);
        assert!(parse("services: {x-a: {image: 2001-01-01}}").is_err());
        let merged = "x-a: &a {b: 2001-01-01}\nc: {<<: *a}";
        assert_eq!(parse(merged).unwrap_err().path.unwrap().to_string(), "c.b");
    }

    #[test]
    fn no_document_is_empty() {
        for text in ["", "# nothing\n", "\n  # nothing\n\n"] {
            assert_eq!(parse(text).unwrap().len(), 0, "{text:?}");
        }
        for text in [
            "---\n",
            "~",
            "a: 1\n---\n",
            "a: 1\n---\n# nothing\n---\nb: 1\n",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::EmptyDocument), "{text:?}");
        }
        let error = parse("a: 1\n---\n").unwrap_err();
        assert_eq!(error.place.unwrap().at, Some((3, 1)));
    }

    #[test]
    fn keys_are_text_and_written_once() {
        assert_eq!(
            parse("a: {b: 1, b: 2}").unwrap_err().to_string(),
            "`b` is written twice"
        );
        let merges = "a: {<<: {b: 1}, <<: {c: 1}}";
        assert_eq!(
            parse(merges).unwrap_err().to_string(),
            "`<<` is written twice"
        );
        let number = parse("a: {1: 2}").unwrap_err();
        assert_eq!(
            number.to_string(),
            "keys must be text, and this one is a number"
        );
        assert_eq!(number.path.unwrap().to_string(), "a.1");
        let braces = parse("a: {{ x }}").unwrap_err();
        assert_eq!(
            braces.to_string(),
            "keys must be text, and this one is a map"
        );
    }

    #[test]
    fn expansion_has_a_budget() {
        let wide = format!(
            "a: &a [{}]\nb: [{}]",
            "x,".repeat(10_000),
            "*a,".repeat(1_000)
        );
        let long = format!(
            "a: &a {}\nb: [{}]",
            "x".repeat(1_000_000),
            "*a,".repeat(1_000)
        );
        let ten = |name: char, item: &str| format!("{name}: &{name} [{}]\n", item.repeat(10));
        let above = |(name, above): (char, char)| ten(name, &format!("*{above},"));
        let deep = ten('a', "x,")
            + &('b'..='j')
                .zip('a'..)
                .map(above)
                .collect::<Vec<_>>()
                .concat();
        for bomb in [wide, long, deep] {
            let error = parse(&bomb).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Expansion), "{error}");
        }
        let flat = format!("a: [{}]", "x,".repeat(299_990));
        assert!(parse(&flat).is_ok());
    }

    #[test]
    fn an_expansion_is_shown_where_its_alias_stands() {
        let text = format!(
            "a: &a [{}]\nb:\n- c\n- *a\n- [{}]\n",
            "x,".repeat(10_000),
            "*a,".repeat(1_000)
        );
        let error = parse(&text).unwrap_err();
        let line = error.place.unwrap().at.unwrap().0;
        assert_eq!(line, 5);
    }

    #[test]
    fn depth_and_cycles_are_errors() {
        for deep in [
            "[".repeat(100_000),
            "{a: ".repeat(100_000),
            "- ".repeat(100_000),
        ] {
            let error = parse(&deep).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::Depth(_)), "{error}");
        }
        assert!(parse("a: &a {b: *a}").is_err());
        assert!(parse(&format!("a: '{}'", "[".repeat(1000))).is_ok());
    }
}
