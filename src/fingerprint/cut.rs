//! Where dependencies end: the last RUN of each stage in front of the first instruction that reads
//! application source. Wherever a cut lies, the stage up to it is a prefix of the real build; a cut in the
//! wrong place costs time, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::dockerfile::StageBase;
use super::gather::Gathered;
use super::manifests::Manifests;
use super::reading::Reading;
use super::recipe::{Cut, EntryKind, Link};
use super::sources::Source;
use super::stages::Layout;
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter};

/// The cuts of a Dockerfile whose instructions were understood, in stage order.
pub(super) fn cuts(
    layout: &Layout,
    reading: &Reading,
    gathered: &Gathered,
    manifests: &Manifests,
    links: &[Link],
) -> Vec<Cut> {
    let mut tainted = BTreeSet::new();
    let mut cuts = BTreeMap::new();
    for (&number, stage) in &reading.stages {
        let from_source = match &layout.dockerfile.stages[number].base {
            StageBase::Stage(base) => tainted.contains(base),
            StageBase::Context(_) => true,
            StageBase::Image(_) | StageBase::Scratch => false,
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
        if let (Some(run), false) = (last_run, has_triggers) {
            let key = links
                .iter()
                .find(|link| link.stage == number && link.instruction == run.number);
            cuts.extend(key.map(|link| {
                (
                    number,
                    Cut {
                        stage: number,
                        instructions: run.number,
                        key: link.key,
                    },
                )
            }));
        }
        if source.is_some() {
            tainted.insert(number);
        }
    }
    let used = stages_behind_cuts(layout, reading, &cuts);
    cuts.into_values()
        .filter(|cut| used.contains(&cut.stage))
        .collect()
}

/// The key of a set of cuts.
pub(super) fn dependencies(cuts: &[Cut]) -> Option<Digest> {
    if cuts.is_empty() {
        return None;
    }
    let mut writer = DigestWriter::new("larder-fp-v2 dependencies");
    writer.number(cuts.len() as u64);
    for cut in cuts {
        writer.digest(&cut.key);
    }
    Some(writer.finish())
}

/// Whether a step reads more than what an application depends on, or something that nothing pins.
fn reads_source(
    step: &Step,
    tainted: &BTreeSet<usize>,
    gathered: &Gathered,
    manifests: &Manifests,
) -> bool {
    step.unpinned.is_some()
        || step.reads.iter().any(|read| match read {
            Read::Context(source) => !only_manifests(source, gathered, manifests),
            Read::Stage(stage) => tainted.contains(stage),
            Read::Named(_) => true,
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

    #[test]
    fn triggers_of_the_base_leave_no_cut() {
        let lab = lab("FROM base\nRUN x\nCOPY . .\n");
        assert_eq!(
            lab.base("base:latest", "b", &["RUN t"], &[]).recipe().cuts,
            []
        );
    }
}
