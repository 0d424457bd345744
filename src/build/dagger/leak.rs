//! Build arguments that Dagger leaves in an image's environment, where BuildKit leaves none: which they are, and
//! what stands there in truth. Pure; must not know how a build is started.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::{Dockerfile, Instruction, Recipe, StageBase};
use crate::runtime::BuildPart;

/// What has to be set right in the environment of an image that Dagger built: the variables to take out (`None`),
/// and those to set back to the base image's value.
///
/// # Errors
/// A variable that is both an ARG and an ENV: which of them Dagger left cannot be told.
pub(super) fn leaked(
    recipe: &Recipe,
    part: &BuildPart<'_>,
) -> Result<BTreeMap<String, Option<String>>, String> {
    let dockerfile = &recipe.dockerfile;
    let Some(stage) = built_stage(recipe, part) else {
        return Ok(BTreeMap::new());
    };
    let length = match part {
        BuildPart::Dependencies { stage } => {
            let cut = recipe.cuts.iter().find(|cut| cut.stage == *stage);
            cut.map_or(0, |cut| cut.instructions)
        }
        BuildPart::Target { .. } => dockerfile.stages[stage].instructions.len(),
    };
    let scope = in_scope(dockerfile, stage, length);
    let set = names(&scope, "ENV");
    let base = base_environment(recipe, stage);
    names(&scope, "ARG")
        .into_iter()
        .map(|name| {
            if set.contains(&name) {
                return Err(name);
            }
            let value = base.get(name.as_str()).map(ToString::to_string);
            Ok((name, value))
        })
        .collect()
}

/// The stage that becomes the image.
fn built_stage(recipe: &Recipe, part: &BuildPart<'_>) -> Option<usize> {
    let stages = &recipe.dockerfile.stages;
    match (part, &recipe.build.target) {
        (BuildPart::Dependencies { stage }, _) => Some(*stage),
        (_, None) => stages.len().checked_sub(1),
        (_, Some(target)) => {
            let target = target.to_lowercase();
            let named = |name: &Option<String>| name.as_ref() == Some(&target);
            let by_name = stages.iter().position(|stage| named(&stage.name));
            by_name.or_else(|| target.parse().ok().filter(|number| *number < stages.len()))
        }
    }
}

/// The first instructions of a stage behind all of the stages that it starts from: child stages inherit ARGs
/// (BuildKit `dockerfile2llb/convert.go`).
fn in_scope(dockerfile: &Dockerfile, stage: usize, length: usize) -> Vec<&Instruction> {
    let mut all: Vec<&Instruction> = Vec::new();
    let mut prefix = &dockerfile.stages[stage].instructions[..length];
    let mut stage = stage;
    loop {
        all.splice(0..0, prefix);
        match dockerfile.stages[stage].base {
            StageBase::Stage(base) if base < stage => {
                stage = base;
                prefix = &dockerfile.stages[base].instructions;
            }
            _ => return all,
        }
    }
}

/// The environment of the image at the bottom of a stage.
fn base_environment(recipe: &Recipe, mut stage: usize) -> BTreeMap<&str, &str> {
    let stages = &recipe.dockerfile.stages;
    while let StageBase::Stage(base) = &stages[stage].base
        && *base < stage
    {
        stage = *base;
    }
    let StageBase::Image(image) = &stages[stage].base else {
        return BTreeMap::new();
    };
    let base = recipe.bases.iter().find(|(name, _)| name == image);
    let variables = base.into_iter().flat_map(|(_, base)| &base.env);
    variables.filter_map(|line| line.split_once('=')).collect()
}

/// The names that the instructions set: every word of a quoted value counts too, which can only be too many.
fn names(instructions: &[&Instruction], keyword: &str) -> BTreeSet<String> {
    let own = instructions.iter().filter(|own| own.keyword == keyword);
    own.flat_map(|own| {
        let mut words = own.arguments.split_whitespace();
        // `ENV NAME the value`, as against `ENV NAME=value OTHER=value`.
        let single =
            keyword == "ENV" && words.clone().next().is_some_and(|word| !word.contains('='));
        let count = if single { 1 } else { usize::MAX };
        let words: Vec<&str> = words.by_ref().take(count).collect();
        words
    })
    .map(|word| {
        word.split('=')
            .next()
            .unwrap_or(word)
            .trim_matches(['"', '\''])
            .to_owned()
    })
    .filter(|name| !name.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::recipe;
    use crate::fingerprint::Base;
    use std::path::Path;

    fn leaks(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        let base = Base {
            identity: String::new(),
            onbuild: Vec::new(),
            env: vec!["PATH=/bin".to_owned()],
            working_dir: String::new(),
            volumes: Vec::new(),
        };
        recipe.bases = vec![("debian".parse().unwrap(), base)];
        let on = BTreeMap::new();
        let leaked = leaked(&recipe, &BuildPart::Target { on: &on })?;
        Ok(leaked.into_iter().collect())
    }

    #[test]
    fn arguments_in_scope_are_taken_out_and_the_bases_variables_set_back() {
        let text = "ARG GLOBAL=1\nFROM debian AS other\nARG NOT=1\nFROM debian AS a\nARG A=1 B\nFROM a\n\
            ARG PATH=/x\nENV C=2\n";
        let expected = [("A", None), ("B", None), ("PATH", Some("/bin"))];
        let expected =
            expected.map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)));
        assert_eq!(leaks(text).unwrap(), expected);
    }

    #[test]
    fn a_variable_that_is_both_is_named() {
        assert_eq!(
            leaks("FROM debian\nARG A=1\nENV B=2 A=3\n"),
            Err("A".to_owned())
        );
        assert_eq!(
            leaks("FROM debian\nARG A=1\nENV A 3\n"),
            Err("A".to_owned())
        );
        assert!(leaks("FROM debian\nARG A=1\nENV B A=3\n").is_ok());
    }
}
