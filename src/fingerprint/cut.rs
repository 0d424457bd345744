//! Where dependencies end: the last RUN of each stage in front of the first instruction that reads
//! application source. Wherever a cut lies, the stage up to it is a prefix of the real build; a cut in the
//! wrong place costs time, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::dockerfile::{Instruction, StageBase};
use super::gather::Gathered;
use super::manifests::Manifests;
use super::platform::Platform;
use super::reading::Reading;
use super::recipe::{Cut, EntryKind, Link};
use super::sources::Source;
use super::stages::{Layout, Request};
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter};

/// The cuts of a Dockerfile whose instructions were understood, in stage order, and the first instruction of each stage
/// that reads source.
pub(super) fn cuts(
    layout: &Layout,
    request: &Request,
    reading: &Reading,
    gathered: &Gathered,
    manifests: &Manifests,
    links: &[Link],
) -> (Vec<Cut>, BTreeMap<usize, usize>) {
    let mut tainted: BTreeMap<usize, usize> = BTreeMap::new();
    let mut cuts = BTreeMap::new();
    for (&number, stage) in &reading.stages {
        let from_source = match &layout.dockerfile.stages[number].base {
            StageBase::Stage(base) => tainted.contains_key(base),
            StageBase::Scratch => false,
            base => request.image(base).is_none(),
        };
        let is_source = |step: &Step| reads_source(step, &tainted, gathered, manifests);
        let source = if from_source {
            Some(0)
        } else {
            stage.steps.iter().position(is_source)
        };
        // A trigger of the base runs in front of everything, and must run only once; one that a stage leaves
        // would have to be left again.
        let has_triggers = stage.steps.iter().any(|step| step.number == 0);
        let onbuild = stage
            .steps
            .iter()
            .position(|step| step.instruction.keyword == "ONBUILD");
        let end = source
            .into_iter()
            .chain(onbuild)
            .min()
            .unwrap_or(stage.steps.len());
        let last_run = stage.steps[..end]
            .iter()
            .rfind(|step| step.instruction.keyword == "RUN");
        let starts_alike = !has_triggers && is_for_the_build(layout, request, number);
        if let Some(run) = last_run.filter(|_| starts_alike) {
            cuts.extend(cut_behind(run, number, layout, links).map(|cut| (number, cut)));
        }
        if let Some(at) = source {
            let first = if from_source {
                0
            } else {
                stage.steps[at].number
            };
            tainted.insert(number, first);
        }
    }
    let used = stages_behind_cuts(layout, reading, &cuts);
    let cuts = cuts.into_values();
    (
        cuts.filter(|cut| used.contains(&cut.stage)).collect(),
        tainted,
    )
}

/// The cut behind a RUN, when the stage can go on from an image with the same result.
fn cut_behind(run: &Step, stage: usize, layout: &Layout, links: &[Link]) -> Option<Cut> {
    let link = links
        .iter()
        .find(|link| link.stage == stage && link.instruction == run.number)?;
    let own = &layout.dockerfile.stages[stage].instructions;
    let (prefix, rest) = own.split_at(run.number);
    let command = repeated_command(prefix, rest);
    if command.is_some_and(|command| !is_same_behind(command, prefix)) {
        return None;
    }
    Some(Cut {
        stage,
        instructions: run.number,
        key: link.key,
        arguments: run.arguments.clone()?,
        command: command.cloned(),
    })
}

/// Whether a stage is for the platform of the build. A dependency image of another one would be asked for in
/// that, and BuildKit would turn to a registry.
fn is_for_the_build(layout: &Layout, request: &Request, stage: usize) -> bool {
    let stage = &layout.dockerfile.stages[stage];
    let own = stage.platform.as_deref().filter(|text| !text.is_empty());
    own.is_none_or(|text| Platform::parse(text) == request.platform)
        && match stage.base {
            StageBase::Stage(base) => is_for_the_build(layout, request, base),
            _ => true,
        }
}

/// The CMD in front of a cut, when an ENTRYPOINT stands behind it: BuildKit clears the CMD of the image that
/// a stage starts from when the stage sets ENTRYPOINT, but not the stage's own (`dispatchEntrypoint`).
fn repeated_command<'a>(
    prefix: &'a [Instruction],
    rest: &[Instruction],
) -> Option<&'a Instruction> {
    rest.iter()
        .any(|own| own.keyword == "ENTRYPOINT")
        .then(|| prefix.iter().rev().find(|own| own.keyword == "CMD"))?
}

/// Whether a CMD means the same behind the cut: its shell form takes the SHELL that was in force where it stands.
fn is_same_behind(command: &Instruction, prefix: &[Instruction]) -> bool {
    let mut behind = prefix.iter().skip_while(|own| *own != command);
    command.arguments.trim_start().starts_with('[') || !behind.any(|own| own.keyword == "SHELL")
}

/// The key of a set of cuts.
pub(super) fn dependencies(cuts: &[Cut]) -> Option<Digest> {
    if cuts.is_empty() {
        return None;
    }
    let mut writer = DigestWriter::new("larder-fp-v6 dependencies");
    writer.number(cuts.len() as u64);
    for cut in cuts {
        writer.digest(&cut.key);
    }
    Some(writer.finish())
}

/// Whether a step reads more than what an application depends on, or something that nothing pins.
fn reads_source(
    step: &Step,
    tainted: &BTreeMap<usize, usize>,
    gathered: &Gathered,
    manifests: &Manifests,
) -> bool {
    step.unpinned.is_some()
        || step.reads.iter().any(|read| match read {
            Read::Context(source) => !only_manifests(source, gathered, manifests),
            Read::Stage(stage) => tainted.contains_key(stage),
            Read::Named(..) => true,
            Read::Image(_) => false,
        })
}

/// A single named file is a dependency; several are when all of them are manifests.
fn only_manifests(source: &Source, gathered: &Gathered, manifests: &Manifests) -> bool {
    let Some(taken) = gathered.taken.get(source) else {
        return false;
    };
    let entries = taken.reads.iter().map(|at| &gathered.context.entries[*at]);
    let mut files = entries
        .filter(|entry| matches!(entry.kind, EntryKind::File { .. }))
        .peekable();
    taken.one_file || files.peek().is_some() && files.all(|file| manifests.contains(&file.path))
}

/// The stages that are still built when every cut is replaced by its dependency image.
fn stages_behind_cuts(
    layout: &Layout,
    reading: &Reading,
    cuts: &BTreeMap<usize, Cut>,
) -> BTreeSet<usize> {
    let mut used = BTreeSet::from([layout.target]);
    // Stages only reach back.
    for (&number, stage) in reading.stages.iter().rev() {
        if !used.contains(&number) {
            continue;
        }
        let cut = cuts.get(&number).map_or(0, |cut| cut.instructions);
        if let (0, StageBase::Stage(base)) = (cut, &layout.dockerfile.stages[number].base) {
            used.insert(*base);
        }
        for read in stage
            .steps
            .iter()
            .filter(|step| step.number > cut || cut == 0)
            .flat_map(|step| &step.reads)
        {
            if let Read::Stage(stage) = read {
                used.insert(*stage);
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fingerprint::lab::Lab;

    fn lab(text: &str) -> Lab {
        Lab::new(text).files(&[
            "requirements.txt",
            "package.json",
            "package-lock.json",
            "tsconfig.json",
            "app.py",
            "src/a.py",
            "vendor/x.lst",
        ])
    }

    /// The cuts as stage and number of instructions.
    fn cuts(text: &str) -> Vec<(usize, usize)> {
        lab(text)
            .recipe()
            .cuts
            .iter()
            .map(|cut| (cut.stage, cut.instructions))
            .collect()
    }

    #[test]
    fn the_cut_lies_behind_the_last_run_in_front_of_source() {
        let cases: [(&str, &[(usize, usize)]); 16] = [
            (
                "FROM a\nRUN one\nCOPY requirements.txt .\nRUN two\nENV A=1\nCOPY . .\nRUN three\n",
                &[(0, 3)],
            ),
            (
                "FROM a\nCOPY package*.json .\nRUN ci\nCOPY src src\n",
                &[(0, 2)],
            ),
            ("FROM a\nCOPY *.json .\nRUN ci\nCOPY src src\n", &[]),
            ("FROM a\nRUN apt\nCOPY *.json .\nRUN ci\n", &[(0, 1)]),
            ("FROM a\nCOPY app.py .\nRUN x\nCOPY src src\n", &[(0, 2)]),
            ("FROM a\nCOPY . .\nRUN x\n", &[]),
            ("FROM a\nCOPY requirements.txt .\nCOPY src src\n", &[]),
            ("FROM a\nRUN x\n", &[(0, 1)]),
            (
                "FROM a\nRUN --mount=type=bind,source=package.json,target=p ci\nCOPY . .\n",
                &[(0, 1)],
            ),
            ("FROM a\nRUN --mount=type=bind,target=/src ci\n", &[]),
            ("FROM a\nADD https://x/y /\nRUN x\n", &[]),
            ("FROM a\nRUN x\nONBUILD RUN y\nRUN z\nCOPY . .\n", &[(0, 1)]),
            // A stage that reads source, and one that takes from it.
            (
                "FROM a AS b\nRUN x\nCOPY . .\nRUN make\nFROM c\nRUN y\nCOPY --from=b /x /x\nRUN z\n",
                &[(0, 1), (1, 1)],
            ),
            // A stage built on one that reads source has no prefix of its own.
            ("FROM a AS b\nRUN x\nCOPY . .\nFROM b\nRUN y\n", &[(0, 1)]),
            // A stage of dependencies alone is part of the prefix of the one built on it.
            (
                "FROM a AS b\nRUN x\nFROM b\nCOPY requirements.txt .\nRUN y\nCOPY . .\n",
                &[(1, 2)],
            ),
            // And is cut itself when that has no RUN of its own, or takes from it behind the cut.
            (
                "FROM a AS b\nRUN x\nFROM b AS c\nCOPY . .\nFROM d\nRUN y\nCOPY --from=c /x /x\nCOPY --from=b /y /y\n",
                &[(0, 1), (2, 1)],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(cuts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_project_can_move_the_cut() {
        let text = "FROM a\nCOPY vendor vendor\nRUN x\nCOPY src src\n";
        assert_eq!(cuts(text), []);
        let mut moved = lab(text);
        moved.service.other.insert(
            "x-larder".to_owned(),
            json!({"dependencies": ["vendor/**"]}),
        );
        let recipe = moved.recipe();
        assert_eq!(recipe.cuts[0].instructions, 2);
        assert_eq!(
            recipe.full,
            lab(text).recipe().full,
            "where the cut lies is no input"
        );
    }

    #[test]
    fn the_dependency_key_moves_with_the_prefix_alone() {
        let text = "FROM a\nCOPY requirements.txt .\nRUN pip\nCOPY . .\n";
        let key = |lab: Lab| lab.recipe().dependencies.unwrap();
        let before = key(lab(text));
        assert_eq!(before, key(lab(text).file("src/a.py", "2")));
        assert_eq!(
            before,
            key(lab(&text.replace("COPY . .", "COPY . .\nCMD x")))
        );
        assert_ne!(before, key(lab(text).file("requirements.txt", "2")));
        assert_ne!(before, key(lab(text).base("a:latest", "2", &[], &[])));
        let mut hosts = lab(text);
        hosts.build.network = Some("none".to_owned());
        assert_ne!(before, key(hosts));
        assert_eq!(lab("FROM a\nCOPY . .\n").recipe().dependencies, None);
    }

    /// The arguments to be declared behind the only cut: `NAME`, or `NAME=value`.
    fn arguments(lab: &Lab) -> Vec<String> {
        let recipe = lab.recipe();
        assert_eq!(recipe.cuts.len(), 1);
        let own = recipe.cuts[0].arguments.iter();
        own.map(|own| match &own.value {
            Some(value) => format!("{}={value}", own.name),
            None => own.name.clone(),
        })
        .collect()
    }

    #[test]
    fn a_cut_carries_the_arguments_that_its_image_does_not() {
        let cases: [(&str, &[&str]); 12] = [
            ("ARG X=1\nARG Y\nENV A=0 X=v$X", &[]),
            ("ENV X=0\nARG X=1", &["X=1"]),
            ("ARG V=1\nARG W=$V\nENV V=2", &["W=1"]),
            ("ENV V=2\nARG W=$V", &["W=2"]),
            ("ARG G\nARG GIVEN=own", &["G", "GIVEN"]),
            (
                "ARG G=own TARGETARCH\nARG A=$G",
                &["A=own", "G=own", "TARGETARCH"],
            ),
            ("ARG \"AA\"=1\nENV AA=2", &[]),
            ("ARG X=1\nENV A=\"b X=c\"", &["X=1"]),
            ("ARG X=1 Z=2\nENV X=3", &["Z=2"]),
            ("ARG A='a \"b\" $c'", &["A=a \"b\" $c"]),
            // What the parent's image carries beats its arguments, and those of the stage itself beat that.
            ("ARG BASE=1 P=2\nENV E=3\nARG E=4\nFROM base", &["P=2"]),
            ("ARG BASE=1\nFROM base\nARG BASE", &[]),
        ];
        for (text, expected) in cases {
            let text = format!("ARG G=global\nFROM image AS base\n{text}\nRUN x\nCOPY . .\n");
            let lab = lab(&text)
                .base("image:latest", "i", &[], &["BASE=image"])
                .arg("GIVEN", "two\nlines");
            assert_eq!(arguments(&lab), expected, "{text}");
        }
    }

    #[test]
    fn there_is_no_cut_where_a_stage_cannot_go_on_from_an_image() {
        let cut = |text: &str| lab(text).arg("GIVEN", "two\nlines").recipe().cuts.len();
        assert_eq!(cut("FROM a\nARG GIVEN X=$GIVEN\nRUN x\nCOPY . .\n"), 0);
        let shell = |command: &str| {
            format!("FROM a\nCMD {command}\nSHELL [\"sh\"]\nRUN x\nCOPY . .\nENTRYPOINT e\n")
        };
        assert_eq!(cut(&shell("a")), 0);
        let kept = lab(&shell("[\"a\"]")).recipe().cuts.remove(0).command;
        assert_eq!(kept.unwrap().arguments, "[\"a\"]");
    }

    #[test]
    fn a_stage_for_another_platform_than_the_builds_has_no_cut() {
        let cut = |from: &str| {
            let text = format!("FROM --platform={from} a AS b\nFROM b\nRUN x\nCOPY . .\n");
            let mut lab = lab(&text);
            lab.service.platform = Some("linux/s390x".to_owned());
            lab.recipe().cuts.len()
        };
        assert_eq!(cut("$BUILDPLATFORM"), 0);
        assert_eq!(cut("$TARGETPLATFORM"), 1);
        assert_eq!(cut("linux/s390x"), 1);
    }

    #[test]
    fn triggers_of_the_base_leave_no_cut() {
        let lab = lab("FROM base\nRUN x\nCOPY . .\n");
        assert_eq!(
            lab.base("base:latest", "b", &["RUN t"], &[]).recipe().cuts,
            []
        );
    }
}
