//! What may be better about a Dockerfile's order: a RUN that installs behind source is run again at every edit. Only said,
//! never decided on.

use super::manifests::{Manifests, Tool, tools_of};
use super::recipe::{EntryKind, Link, Recipe};

/// So many files are named.
const NAMED: usize = 6;

/// A RUN that is run again whenever any source file changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The line of the RUN.
    pub run: usize,
    /// The line of the instruction that reads source.
    pub source: usize,
    /// What the RUN calls.
    pub command: &'static str,
    /// The files of the context that it needs to install; in front of `source` they would be copied alone.
    pub files: Vec<Vec<u8>>,
    /// What installs without source, where the RUN itself does not.
    pub fetch: Option<&'static str>,
}

/// What could be said about a recipe. Looks at the names of all its files where there is something to say.
pub fn advice(recipe: &Recipe) -> Vec<Advice> {
    let mut all = Vec::new();
    for (&stage, &first) in &recipe.source {
        let own = || recipe.chain.iter().filter(|link| link.stage == stage);
        let Some(source) = own().find(|link| first > 0 && link.instruction == first) else {
            continue;
        };
        let behind = own().filter(|link| link.instruction > first);
        for run in behind {
            let text = &run.ingredients.text;
            if !text.starts_with("RUN ") {
                continue;
            }
            let found = tools_of(text).map(|tool| (tool, files(recipe, source, tool)));
            if let Some((tool, files)) = found.into_iter().find(|(_, files)| !files.is_empty()) {
                all.push(Advice {
                    run: run.line,
                    source: source.line,
                    command: tool.command,
                    files,
                    fetch: tool.fetch,
                });
            }
        }
    }
    all
}

/// The manifests that an instruction takes along, those that lie highest first.
fn files(recipe: &Recipe, source: &Link, tool: &Tool) -> Vec<Vec<u8>> {
    let entries = source.reads.iter().map(|at| &recipe.context.entries[*at]);
    let files = entries.filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
    let paths = files.map(|entry| &entry.path);
    let mut found: Vec<Vec<u8>> = paths
        .filter(|path| Manifests::is_of(tool, path))
        .cloned()
        .collect();
    let depth = |path: &[u8]| path.split(|byte| *byte == b'/').count();
    let highest = found.iter().map(|path| depth(path)).min();
    found.retain(|path| Some(depth(path)) == highest);
    found.truncate(NAMED);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::lab::Lab;

    fn told(text: &str, files: &[&str]) -> Vec<(usize, usize, &'static str, String)> {
        let recipe = Lab::new(text).files(files).recipe();
        let all = advice(&recipe).into_iter().map(|advice| {
            let files: Vec<_> = advice
                .files
                .iter()
                .map(|path| String::from_utf8_lossy(path))
                .collect();
            (advice.run, advice.source, advice.command, files.join(" "))
        });
        all.collect()
    }

    #[test]
    fn an_install_behind_source_is_named_with_the_files_it_needs() {
        let files = [
            "app/main.py",
            "requirements.txt",
            "app/requirements.txt",
            "package.json",
            "package-lock.json",
        ];
        assert_eq!(
            told(
                "FROM a\nCOPY . /app\nRUN cd /app && pip install -r requirements.txt\nRUN npm ci\n",
                &files
            ),
            [
                (3, 2, "pip install", "requirements.txt".to_owned()),
                (4, 2, "npm ci", "package-lock.json package.json".to_owned())
            ]
        );
        for text in [
            "FROM a\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . /app\n",
            "FROM a\nCOPY . /app\nRUN make\n",
            "FROM a\nCOPY app /app\nRUN npm ci\n",
            "FROM a\nCOPY . /app\nRUN pip install .\n",
        ] {
            assert_eq!(told(text, &files), [], "{text}");
        }
    }
}
