//! The Dockerfile that builds one part of a recipe: a stage up to its dependency cut, or the target on
//! dependency images. Text in, text out; must not know who builds it.

use std::path::Path;

use super::references::{Pins, References, from_image};
use crate::fingerprint::{Argument, Cut, Dockerfile, Instruction, Recipe, StageBase};
use crate::model::{Digest, labels};
use crate::runtime::BuildPart;

/// A Dockerfile's text with a way back from its lines to those of the Dockerfile that the user wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct Rewritten {
    /// The file that the user wrote; none for a Dockerfile that stands in the Compose file.
    pub(super) file: Option<Box<Path>>,
    /// The text.
    pub(super) text: String,
    /// The user's line for each line of `text`, from 1.
    lines: Vec<usize>,
    stages: Vec<Steps>,
}

/// The instructions of one stage that BuildKit counts in its progress.
#[derive(Clone, Debug, Default)]
struct Steps {
    name: Option<String>,
    steps: Vec<Spot>,
}

/// Where an instruction stands in the Dockerfile that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The line, from 1.
    pub(super) line: usize,
    /// The keyword, upper case.
    pub(super) keyword: String,
    /// The instruction on one line, with ONBUILD in front where a base left it as a trigger.
    pub(super) instruction: String,
}

/// The Dockerfile that builds `part` of `recipe`.
pub(super) fn rewrite(recipe: &Recipe, part: &BuildPart<'_>) -> Rewritten {
    rewrite_pinned(recipe, part, &Pins::new())
}

/// The Dockerfile that builds `part` of `recipe`, with images pinned wherever it names them.
pub(super) fn rewrite_pinned(recipe: &Recipe, part: &BuildPart<'_>, pins: &Pins) -> Rewritten {
    let dockerfile = &*recipe.dockerfile;
    let file = recipe.build.dockerfile_path(&dockerfile.name);
    let mut out = Rewritten {
        file: file.map(Into::into),
        ..Rewritten::default()
    };
    let references = References::new(recipe, pins);
    let cut_of = |stage: usize| recipe.cuts.iter().find(|cut| cut.stage == stage);
    match part {
        BuildPart::Dependencies { stage } => {
            out.directives(dockerfile);
            let length = cut_of(*stage).map_or(0, |cut| cut.instructions);
            for (number, own) in dockerfile.stages.iter().enumerate().take(stage + 1) {
                let own = references.instructions(own);
                let end = if number == *stage { length } else { own.len() };
                out.stage(recipe, number, None, &references);
                out.rest(&own[..end], &references);
            }
            out
        }
        BuildPart::Target { on } => {
            let start = |stage: usize| Some((cut_of(stage)?, on.get(&stage)?));
            let starts: Vec<Option<(&Cut, &Digest)>> =
                (0..dockerfile.stages.len()).map(start).collect();
            if starts.iter().all(Option::is_none) && references.is_empty() {
                out.whole(recipe);
                return out;
            }
            out.directives(dockerfile);
            for (number, own) in dockerfile.stages.iter().enumerate() {
                let on = starts[number].map(|(_, key)| key);
                out.stage(recipe, number, on, &references);
                let instructions = references.instructions(own);
                let Some((cut, _)) = starts[number] else {
                    out.rest(instructions, &references);
                    continue;
                };
                for argument in &cut.arguments {
                    let line = declaration(argument, dockerfile.escape);
                    out.line(&line, own.from.lines.0);
                }
                out.rest(&cut.command, &references);
                out.rest(&instructions[cut.instructions..], &references);
            }
            out
        }
    }
}

/// An ARG with a value that is already expanded: in double quotes, as a value may have spaces.
fn declaration(argument: &Argument, escape: char) -> String {
    let Some(value) = &argument.value else {
        return format!("ARG {}", argument.name);
    };
    let mut line = format!("ARG {}=\"", argument.name);
    for c in value.chars() {
        if c == '"' || c == '$' || c == escape {
            line.push(escape);
        }
        line.push(c);
    }
    line.push('"');
    line
}

/// Whether BuildKit counts such instructions in its progress.
fn is_counted(keyword: &str) -> bool {
    matches!(keyword, "ADD" | "COPY" | "RUN" | "WORKDIR")
}

/// A text with single spaces between its words.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Rewritten {
    fn whole(&mut self, recipe: &Recipe) {
        let dockerfile = &*recipe.dockerfile;
        for (number, own) in dockerfile.stages.iter().enumerate() {
            self.open(recipe, number, false);
            own.instructions.iter().for_each(|own| self.count(own));
        }
        self.text.clone_from(&dockerfile.text);
        self.lines = (1..=dockerfile.text.lines().count()).collect();
    }

    fn directives(&mut self, dockerfile: &Dockerfile) {
        if let Some(syntax) = &dockerfile.syntax {
            self.line(&format!("# syntax={syntax}"), 1);
        }
        if dockerfile.escape != '\\' {
            self.line(&format!("# escape={}", dockerfile.escape), 1);
        }
        for own in &dockerfile.global_args {
            self.text(&own.source, own.lines.0);
        }
    }

    fn stage(
        &mut self,
        recipe: &Recipe,
        number: usize,
        on: Option<&Digest>,
        references: &References<'_>,
    ) {
        let stage = &recipe.dockerfile.stages[number];
        let on_image = |key| from_image(&stage.from, &labels::dependencies_name(key));
        let replaced = on.map(on_image).or_else(|| references.from(stage));
        match &replaced {
            Some(line) => self.line(line, stage.from.lines.0),
            None => self.text(&stage.from.source, stage.from.lines.0),
        }
        self.open(recipe, number, replaced.is_some());
    }

    fn rest<'a>(
        &mut self,
        instructions: impl IntoIterator<Item = &'a Instruction>,
        references: &References<'_>,
    ) {
        for own in instructions {
            let replaced = references.source(own);
            self.text(replaced.as_ref().unwrap_or(&own.source), own.lines.0);
            self.count(own);
        }
    }

    /// A text that stands in the user's Dockerfile from a line on.
    fn text(&mut self, source: &str, first: usize) {
        self.text.push_str(source);
        self.text.push('\n');
        self.lines.extend((first..).take(source.lines().count()));
    }

    fn line(&mut self, line: &str, number: usize) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines.push(number);
    }

    fn open(&mut self, recipe: &Recipe, number: usize, on_image: bool) {
        let stage = &recipe.dockerfile.stages[number];
        self.stages.push(Steps {
            name: stage.name.clone(),
            steps: Vec::new(),
        });
        if on_image || matches!(stage.base, StageBase::Image(_)) {
            self.step(&stage.from);
        }
        // A stage with triggers has no cut: they run here or nowhere.
        let chain = recipe.chain.iter();
        let from = chain.filter(|link| (link.stage, link.instruction) == (number, 0));
        for trigger in from.skip(1) {
            let text = &trigger.ingredients.text;
            let keyword = text.split(' ').next().unwrap_or_default();
            if is_counted(keyword) {
                self.spot_at(trigger.line, keyword, format!("ONBUILD {text}"));
            }
        }
    }

    fn count(&mut self, own: &Instruction) {
        if is_counted(&own.keyword) {
            self.step(own);
        }
    }

    fn step(&mut self, own: &Instruction) {
        let first = own.arguments.lines().next().unwrap_or_default();
        let instruction = format!("{} {}", own.keyword, first.trim());
        self.spot_at(own.lines.0, &own.keyword, instruction);
    }

    fn spot_at(&mut self, line: usize, keyword: &str, instruction: String) {
        if let Some(stage) = self.stages.last_mut() {
            stage.steps.push(Spot {
                line,
                keyword: keyword.to_owned(),
                instruction,
            });
        }
    }

    /// The user's line for a line of the text, both from 1.
    pub(super) fn original(&self, line: usize) -> Option<usize> {
        self.lines.get(line.checked_sub(1)?).copied()
    }

    /// The user's line that a message names, `<file>:9` or `parse error on line 9`, and the message with that line
    /// in place of the rewritten text's.
    fn line_in(&self, message: &str, file: &str) -> Option<(usize, String)> {
        let digits = |at: usize| {
            let behind = &message[at..];
            let length = behind.find(|c: char| !c.is_ascii_digit());
            at..at + length.unwrap_or(behind.len())
        };
        let place = format!("{file}:");
        let places = message
            .match_indices(&place)
            .map(|(at, _)| at + place.len());
        let parse_errors = message
            .match_indices("line ")
            .filter(|(at, _)| message[..*at].contains("parse error"))
            .map(|(at, _)| at + "line ".len());
        places.chain(parse_errors).map(digits).find_map(|place| {
            let line = self.original(message[place.clone()].parse().ok()?)?;
            let mut message = message.to_owned();
            message.replace_range(place, &line.to_string());
            Some((line, message))
        })
    }

    /// A message with the user's line in it, and that line where it names one ([`Rewritten::line_in`]).
    pub(super) fn retold(&self, message: &str, file: &str) -> (Option<usize>, String) {
        match self.line_in(message, file) {
            Some((line, message)) => (Some(line), message),
            None => (None, message.to_owned()),
        }
    }

    /// The RUN that a command line carries out, `/bin/sh -c pip install`; the first one where several do the same.
    pub(super) fn run(&self, command: &str) -> Option<&Spot> {
        let command = spaced(command);
        let mut steps = self.stages.iter().flat_map(|stage| &stage.steps);
        steps.find(|spot| {
            let words = spot.instruction.split_whitespace();
            let words = words.skip_while(|word| *word == "ONBUILD").skip(1);
            let own: Vec<&str> = words.skip_while(|word| word.starts_with("--")).collect();
            spot.keyword == "RUN" && !own.is_empty() && command.ends_with(&own.join(" "))
        })
    }

    /// The instruction that BuildKit's progress calls `[web 2/5] RUN …`: the stage's name, `stage-N` where it
    /// has none, nothing where it is the only one (`dockerfile2llb` `prefixCommand`).
    pub(super) fn spot(&self, vertex: &str) -> Option<&Spot> {
        let (place, text) = vertex.strip_prefix('[')?.split_once(']')?;
        let (count, names) = {
            let mut words = place.split_whitespace().rev();
            (words.next()?, words)
        };
        let at: usize = count.split_once('/')?.0.parse().ok()?;
        // A platform may stand in front of the name.
        let stage = match names.into_iter().next() {
            None => self.stages.first()?,
            Some(name) => self
                .stages
                .iter()
                .enumerate()
                .find(|(number, stage)| match &stage.name {
                    Some(own) => own == name,
                    None => name == format!("stage-{number}"),
                })
                .map(|(_, stage)| stage)
                // The only stage, with a platform in front of it.
                .or_else(|| self.stages.first().filter(|_| name.contains('/')))?,
        };
        let spot = stage.steps.get(at.checked_sub(1)?)?;
        // Newer ones call a trigger so.
        let keyword = text.split_whitespace().find(|word| *word != "ONBUILD")?;
        (spot.keyword == keyword).then_some(spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::{on, recipe};
    use crate::fingerprint::AdditionalContext;
    use std::path::Path;
    use std::sync::Arc;

    /// The rewritten text of the target, dependency images named by their stage.
    fn resumed(text: &str, cuts: &[(usize, usize)]) -> String {
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, cuts);
        let on = on(&recipe);
        let mut out = rewrite(&recipe, &BuildPart::Target { on: &on }).text;
        for (stage, key) in &on {
            out = out.replace(
                &labels::dependencies_name(key),
                &format!("DEPENDENCIES-{stage}"),
            );
        }
        out
    }

    #[test]
    fn a_prefix_becomes_an_image_and_the_rest_stays_as_written() {
        let text = "# syntax=docker/dockerfile:1\nARG V=3\nFROM --platform=linux/amd64 python AS Web\n\
            # why\nRUN pip \\\n  install\nCOPY . /app\nCMD [\"x\"]\n";
        let expected = "# syntax=docker/dockerfile:1\nARG V=3\n\
            FROM --platform=linux/amd64 DEPENDENCIES-0 AS Web\nCOPY . /app\nCMD [\"x\"]\n";
        assert_eq!(resumed(text, &[(0, 1)]), expected);
    }

    #[test]
    fn stages_keep_their_numbers_and_names() {
        let text = "FROM node AS front\nRUN npm ci\nCOPY src /src\nFROM python\nRUN pip\n\
            COPY --from=0 /src /web\nFROM scratch\nCOPY --from=front /src /a\n";
        let expected = "FROM DEPENDENCIES-0 AS front\nCOPY src /src\nFROM DEPENDENCIES-1\n\
            COPY --from=0 /src /web\nFROM scratch\nCOPY --from=front /src /a\n";
        assert_eq!(resumed(text, &[(0, 1), (1, 1)]), expected);
    }

    #[test]
    fn the_arguments_of_a_cut_are_declared_again_with_their_values() {
        let text = "FROM debian\nARG A\nRUN b\nCMD [\"a\"]\nCOPY . /\nENTRYPOINT [\"/e\"]\n";
        for (escape, quoted) in [('\\', r#"a \"b\" \$c \\"#), ('`', r#"a `"b`" `$c \"#)] {
            let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[(0, 2)]);
            Arc::make_mut(&mut recipe.dockerfile).escape = escape;
            let argument = |name: &str, value: Option<&str>| Argument {
                name: name.to_owned(),
                value: value.map(ToOwned::to_owned),
            };
            recipe.cuts[0].arguments = vec![
                argument("A", Some(r#"a "b" $c \"#)),
                argument("GIVEN", None),
            ];
            let command = recipe.dockerfile.stages[0].instructions[2].clone();
            recipe.cuts[0].command = Some(command);
            let on = on(&recipe);
            let rewritten = rewrite(&recipe, &BuildPart::Target { on: &on });
            let end = format!(
                "\nARG A=\"{quoted}\"\nARG GIVEN\nCMD [\"a\"]\nCMD [\"a\"]\nCOPY . /\n\
                 ENTRYPOINT [\"/e\"]\n"
            );
            assert!(rewritten.text.ends_with(&end), "{}", rewritten.text);
            let copied = rewritten.text.lines().count() - 1;
            assert_eq!(rewritten.original(copied), Some(5));
        }
    }

    #[test]
    fn a_here_document_keeps_its_line_ends() {
        let text = "FROM debian\nRUN b\nCOPY x /\nCOPY . /\n";
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[(0, 1)]);
        let source = "COPY <<E /x\r\none\r\n\r\nE";
        let own = &mut Arc::make_mut(&mut recipe.dockerfile).stages[0].instructions[1];
        source.clone_into(&mut own.source);
        let on = on(&recipe);
        let rewritten = rewrite(&recipe, &BuildPart::Target { on: &on });
        let end = format!("\n{source}\nCOPY . /\n");
        assert!(rewritten.text.ends_with(&end), "{:?}", rewritten.text);
        assert_eq!(rewritten.original(5), Some(6));
        assert_eq!(rewritten.original(6), Some(4));
    }

    #[test]
    fn a_dependency_image_is_a_stage_up_to_its_cut_with_the_stages_before_it() {
        let text = "ARG G=1\nFROM node AS front\nRUN npm ci\nCOPY src /src\nFROM python AS back\n\
            COPY --from=front /x /x\nRUN pip\nCOPY . /app\nFROM back\n";
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[(1, 2)]);
        let rewritten = rewrite(&recipe, &BuildPart::Dependencies { stage: 1 });
        let expected = "ARG G=1\nFROM node AS front\nRUN npm ci\nCOPY src /src\nFROM python AS back\n\
            COPY --from=front /x /x\nRUN pip\n";
        assert_eq!(rewritten.text, expected);
    }

    #[test]
    fn pinned_images_are_taken_by_their_digest() {
        let text = "# check=skip=all\nFROM \\\n  python:3.11 AS a\nRUN b\n# c\nFROM a\n\
            COPY --chown=1 --from=ghcr.io/uv:1 /uv /uv\nRUN bad";
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        let pin = |name: &str, pinned: &str| (name.parse().unwrap(), pinned.to_owned());
        let pins = [
            pin("python:3.11", "python@sha256:1"),
            pin("ghcr.io/uv:1", "ghcr.io/uv@sha256:2"),
        ];
        let pins = Pins::from(pins);
        let none = std::collections::BTreeMap::new();
        let part = BuildPart::Target { on: &none };
        let expected = "FROM python@sha256:1 AS a\nRUN b\nFROM a\n\
            COPY --chown=1 --from=ghcr.io/uv@sha256:2 /uv /uv\nRUN bad\n";
        let rewritten = rewrite_pinned(&recipe, &part, &pins);
        assert_eq!(rewritten.text, expected);
        let lines = (1..=6).map(|line| rewritten.original(line));
        let expected = [Some(2), Some(4), Some(6), Some(7), Some(8), None];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_part_takes_pinned_images_by_their_digest() {
        let text = "FROM a\nCOPY --from=b / /\nRUN x\nCOPY src /src\nFROM c\nRUN y\n";
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[(0, 2)]);
        let pins = ["a", "b", "c"].map(|name| (name.parse().unwrap(), format!("{name}@1")));
        let pins = Pins::from(pins);
        let part = BuildPart::Dependencies { stage: 0 };
        let dependencies = rewrite_pinned(&recipe, &part, &pins);
        assert_eq!(dependencies.text, "FROM a@1\nCOPY --from=b@1 / /\nRUN x\n");
        let on = on(&recipe);
        let rest = rewrite_pinned(&recipe, &BuildPart::Target { on: &on }, &pins);
        let end = "\nCOPY src /src\nFROM c@1\nRUN y\n";
        assert!(rest.text.ends_with(end), "{}", rest.text);
    }

    #[test]
    fn lines_and_progress_lead_back_to_the_users_dockerfile() {
        let text =
            "FROM python AS web\n\nRUN pip\n# src\nCOPY . /app\nENV A=1\nRUN make \\\n  all\n";
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[(0, 1)]);
        let on = on(&recipe);
        let rewritten = rewrite(&recipe, &BuildPart::Target { on: &on });
        let spot = rewritten.spot("[web 3/3] RUN make   all").unwrap();
        assert_eq!(
            (spot.line, spot.instruction.as_str()),
            (7, "RUN make   all")
        );
        assert_eq!(
            rewritten.spot("[web 1/3] FROM localhost/x").unwrap().line,
            1
        );
        assert_eq!(
            rewritten
                .spot("[linux/amd64 web 2/3] COPY . /app")
                .unwrap()
                .line,
            5
        );
        assert_eq!(rewritten.spot("[web 2/3] RUN other"), None);
        assert_eq!(rewritten.spot("[internal] load build context"), None);
        let error = "dockerfile parse error line 5: unknown";
        let line = |message| rewritten.line_in(message, "D");
        assert_eq!(line(error).map(|(line, _)| line), Some(8));
        assert_eq!(line("D:2\n---"), Some((5, "D:5\n---".to_owned())));
        assert_eq!(rewritten.line_in("line 2", "D"), None);
    }

    #[test]
    fn a_context_that_stands_for_a_stages_base_is_counted_as_an_image() {
        let text = "FROM more\nCOPY a /a\nCOPY b /b\n";
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        let base = StageBase::Context("more".to_owned());
        Arc::make_mut(&mut recipe.dockerfile).stages[0].base = base;
        let folder = AdditionalContext::Folder(Arc::default());
        recipe.contexts.insert("more".to_owned(), folder);
        let none = std::collections::BTreeMap::new();
        let rewritten = rewrite(&recipe, &BuildPart::Target { on: &none });
        assert_eq!(rewritten.spot("[3/3] COPY b /b").unwrap().line, 3);
    }

    #[test]
    fn triggers_of_the_base_are_counted() {
        let text = "# one\nFROM a AS web\nRUN b\n";
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        let link = |text: &str| {
            let mut link = recipe.chain[0].clone();
            (link.instruction, link.line) = (0, 2);
            text.clone_into(&mut link.ingredients.text);
            link
        };
        let links = ["FROM a", "ENV A=1", "RUN npm ci", "COPY x /x"].map(link);
        recipe.chain.splice(0..0, links);
        let none = std::collections::BTreeMap::new();
        let whole = rewrite(&recipe, &BuildPart::Target { on: &none });
        let told = |vertex| {
            let spot = whole.spot(vertex)?;
            Some((spot.line, spot.instruction.as_str()))
        };
        assert_eq!(
            told("[web 2/2] RUN npm ci"),
            Some((2, "ONBUILD RUN npm ci"))
        );
        assert_eq!(told("[web 3/2] COPY x /x"), Some((2, "ONBUILD COPY x /x")));
        let newer = told("[web 2/4] ONBUILD RUN npm ci");
        assert_eq!(newer, Some((2, "ONBUILD RUN npm ci")));
        assert_eq!(told("[web 4/2] RUN b"), Some((3, "RUN b")));
        let run = whole.run("/bin/sh -c npm ci").unwrap();
        assert_eq!(run.instruction, "ONBUILD RUN npm ci");
    }

    #[test]
    fn the_only_stage_has_no_name_and_the_others_their_numbers() {
        let one = recipe(Path::new("/nonexistent-is-empty"), "FROM a\nRUN b\n", &[]);
        let none = std::collections::BTreeMap::new();
        let whole = rewrite(&one, &BuildPart::Target { on: &none });
        assert_eq!(whole.spot("[2/2] RUN b").unwrap().line, 2);
        assert_eq!(whole.spot("[linux/arm64 2/2] RUN b").unwrap().line, 2);
        let two = recipe(
            Path::new("/nonexistent-is-empty"),
            "FROM a\nRUN b\nFROM c\nRUN d\n",
            &[],
        );
        let whole = rewrite(&two, &BuildPart::Target { on: &none });
        assert_eq!(whole.spot("[stage-1 2/2] RUN d").unwrap().line, 4);
    }
}
