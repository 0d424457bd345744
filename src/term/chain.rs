//! The chain of an image: each instruction with its key and its files, where the dependencies end, what it starts from,
//! and what would be better.

use std::fmt::Write;

use serde_json::{Value, json};

use super::text::fit;
use crate::fingerprint::{Advice, Link, Recipe, advice, shown, shown_line};

/// So many files of an instruction are named; of more, how many there are.
const NAMED: usize = 3;

/// The chain of a service's image for a person, in lines of at most so many columns.
pub fn chain(recipe: &Recipe, columns: Option<usize>) -> String {
    let mut lines = vec![format!(
        "{}  fingerprint {}",
        recipe.service,
        recipe.full.short()
    )];
    let digits = recipe.chain.iter().map(|link| link.line).max().unwrap_or(0);
    let digits = digits.to_string().len();
    for link in &recipe.chain {
        let key = link.key.short();
        let text = instruction(recipe, link);
        let files = files(recipe, link);
        lines.push(format!("  {:>digits$}  {key}  {text}{files}", link.line));
        if let Some(cut) = cut(recipe, link) {
            let mark = "─".repeat(digits);
            lines.push(format!("  {mark}  {cut}  ── the dependencies end here ──"));
        }
    }
    for (image, base) in &recipe.bases {
        lines.push(format!("  starts from {image}: {}", base.identity));
    }
    if let Some(why) = &recipe.opaque {
        lines.push(format!(
            "  read as a whole, without a cut: {}",
            shown(why.as_bytes())
        ));
    }
    if let Some(why) = &recipe.unpinned {
        lines.push(format!("  built each time: {}", shown(why.as_bytes())));
    }
    if recipe.cuts.is_empty() && recipe.opaque.is_none() {
        lines.push("  no cut: no RUN stands in front of what reads source".to_owned());
    }
    let mut out = String::new();
    for line in lines {
        let line = columns.map_or_else(|| line.clone(), |most| fit(&line, most));
        let _ = writeln!(out, "{line}");
    }
    for advice in advice(recipe) {
        let _ = writeln!(out, "  hint: {}", sentence(&advice));
    }
    out
}

/// The same for a program.
pub fn chain_json(recipe: &Recipe) -> Value {
    let links = recipe.chain.iter().map(|link| {
        json!({
            "stage": link.stage,
            "line": link.line,
            "instruction": instruction(recipe, link),
            "key": link.key,
            "files": link.reads.len(),
            "cut": cut(recipe, link).is_some(),
        })
    });
    let bases = recipe
        .bases
        .iter()
        .map(|(image, base)| json!({"image": image.to_string(), "identity": base.identity}));
    json!({
        "instructions": links.collect::<Vec<_>>(),
        "bases": bases.collect::<Vec<_>>(),
        "opaque": recipe.opaque,
        "unpinned": recipe.unpinned,
        "hints": advice(recipe).iter().map(sentence).collect::<Vec<_>>(),
    })
}

fn instruction(recipe: &Recipe, link: &Link) -> String {
    if link.ingredients.text.is_empty() {
        return format!("all of {}", shown(recipe.dockerfile.name.as_bytes()));
    }
    shown_line(&link.ingredients.text)
}

/// The key of the cut that lies behind an instruction.
fn cut(recipe: &Recipe, link: &Link) -> Option<String> {
    let here = |stage, instructions| (stage, instructions) == (link.stage, link.instruction);
    let mut cuts = recipe.cuts.iter();
    let cut = cuts.find(|cut| here(cut.stage, cut.instructions))?;
    Some(cut.key.short())
}

fn files(recipe: &Recipe, link: &Link) -> String {
    let names = link
        .reads
        .iter()
        .map(|at| &recipe.context.entries[*at].path);
    match link.reads.len() {
        0 => String::new(),
        count if count > NAMED => format!("  [{count} files]"),
        _ => {
            let names: Vec<String> = names.map(|path| shown(path)).collect();
            format!("  [{}]", names.join(", "))
        }
    }
}

fn sentence(advice: &Advice) -> String {
    let files: Vec<String> = advice.files.iter().map(|path| shown(path)).collect();
    let (files, source, run) = (files.join(" "), advice.source, advice.run);
    let command = advice.command;
    let what = match advice.fetch {
        Some(fetch) => format!("`RUN {fetch}`"),
        None => format!("the RUN of line {run}"),
    };
    format!(
        "line {run} runs `{command}` again at each edit of what line {source} copies: with `COPY {files} ./` and {what} \
         in front of line {source}, it runs when those files change"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advice_names_files_and_lines() {
        let mut advice = Advice {
            run: 3,
            source: 2,
            command: "pip install",
            files: vec![b"requirements.txt".to_vec()],
            fetch: None,
        };
        assert_eq!(
            sentence(&advice),
            "line 3 runs `pip install` again at each edit of what line 2 copies: with `COPY requirements.txt ./` and the \
             RUN of line 3 in front of line 2, it runs when those files change"
        );
        advice.fetch = Some("cargo fetch");
        assert!(sentence(&advice).contains("and `RUN cargo fetch` in front of line 2"));
    }
}
