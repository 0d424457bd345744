//! `larder ls`: the projects on the engine, by their containers.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::args::{Listing, listing};
use super::invocation::Invocation;
use crate::docker::Listed;
use crate::failure::Failure;
use crate::model::labels;
use crate::term::{table, visible};

/// `larder ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// List projects of which nothing runs, too
    #[arg(short, long)]
    pub all: bool,
    /// List those of a name: `name=hub` for all that have `hub` in it, `name=^hub$` for the one
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter)]
    pub filter: Vec<NameFilter>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
    /// Print names alone
    #[arg(short, long)]
    pub quiet: bool,
}

/// What a name has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFilter {
    text: String,
    begins: bool,
    ends: bool,
}

impl NameFilter {
    fn fits(&self, name: &str) -> bool {
        match (self.begins, self.ends) {
            (true, true) => name == self.text,
            (true, false) => name.starts_with(&self.text),
            (false, true) => name.ends_with(&self.text),
            (false, false) => name.contains(&self.text),
        }
    }
}

/// `name=TEXT`, of regular expressions the part that names of projects need.
fn filter(text: &str) -> Result<NameFilter, String> {
    let pattern = match text.split_once('=') {
        Some(("name", pattern)) => pattern,
        Some((key, _)) => return Err(format!("`{key}` is no filter: there is `name`")),
        None => return Err("a filter is KEY=VALUE".to_owned()),
    };
    let begins = pattern.strip_prefix('^');
    let ends = begins.unwrap_or(pattern).strip_suffix('$');
    let text = ends.or(begins).unwrap_or(pattern);
    let own = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
    if !text.chars().all(own) {
        return Err(format!(
            "`{text}`: a name has letters, digits, `_` and `-`; `^` and `$` stand for its ends"
        ));
    }
    Ok(NameFilter {
        text: text.to_owned(),
        begins: begins.is_some(),
        ends: ends.is_some(),
    })
}

/// A project by its containers.
#[derive(Default)]
struct Stack {
    /// How many containers are in which state.
    states: BTreeMap<String, usize>,
    files: Vec<String>,
}

impl Stack {
    fn take(&mut self, listed: &Listed) {
        *self.states.entry(listed.state.clone()).or_default() += 1;
        let files = listed.container.labels.get(labels::CONFIG_FILES);
        let files = files.map(String::as_str).unwrap_or_default().split(',');
        for file in files.filter(|file| !file.is_empty()) {
            if !self.files.iter().any(|known| known == file) {
                self.files.push(file.to_owned());
            }
        }
    }

    /// `exited(1), running(2)`, as docker compose has it.
    fn status(&self) -> String {
        let states = self.states.iter();
        let states: Vec<String> = states
            .map(|(state, count)| format!("{state}({count})"))
            .collect();
        states.join(", ")
    }
}

pub(super) async fn ls(invocation: &Invocation, args: &Ls) -> Result<(), Failure> {
    let engine = invocation.engine().await?;
    let listed = engine.list(None, args.all).await?;
    let mut stacks: BTreeMap<&str, Stack> = BTreeMap::new();
    for own in &listed {
        if args.filter.is_empty() || args.filter.iter().any(|filter| filter.fits(&own.project)) {
            stacks.entry(&own.project).or_default().take(own);
        }
    }
    let screen = &invocation.screen;
    if args.quiet {
        for name in stacks.keys() {
            screen.out(&format!("{}\n", visible(name)));
        }
    } else if args.format == Listing::Json {
        let projects: Vec<Value> = stacks
            .iter()
            .map(|(name, stack)| {
                json!({
                    "name": name,
                    "status": stack.status(),
                    "states": stack.states,
                    "files": stack.files,
                })
            })
            .collect();
        let document = json!({"schema": 1, "projects": projects});
        screen.out(&format!("{document:#}\n"));
    } else {
        let rows = stacks
            .iter()
            .map(|(name, stack)| [(*name).to_owned(), stack.status(), stack.files.join(",")]);
        let rows: Vec<[String; 3]> = rows.collect();
        screen.out(&table(["NAME", "STATUS", "CONFIG FILES"], &rows));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filtered_by_what_is_in_them() {
        let fits = |pattern: &str| filter(&format!("name={pattern}")).unwrap().fits("my-hub");
        for pattern in ["hub", "my", "", "^my", "hub$", "^my-hub$", "^", "$"] {
            assert!(fits(pattern), "{pattern}");
        }
        for pattern in ["^hub", "my$", "^my$", "x"] {
            assert!(!fits(pattern), "{pattern}");
        }
        for wrong in ["name=a.*", "label=x", "name"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
