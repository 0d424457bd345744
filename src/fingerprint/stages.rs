//! Instructions into stages: which stage or image each FROM means, and which stage is built
//! (`dockerfile2llb/convert.go`, `buildDispatchStates`).

use std::collections::BTreeMap;

use super::dockerfile::{Dockerfile, Instruction, Stage, StageBase};
use super::extras::{self, Extra};
use super::parse::{self, Script};
use super::platform::Platform;
use super::recipe::BaseRef;
use super::scope::Globals;
use super::words::Unclear;
use crate::model::ImageRef;

/// What is asked of a Dockerfile.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Build arguments that have a value.
    pub(super) given: BTreeMap<String, String>,
    pub(super) target: Option<String>,
    pub(super) platform: Platform,
    /// The engine's own platform.
    pub(super) native: Platform,
    /// The platform of an image that says none: the one that the project asks for; `None` is the engine's own.
    pub(super) asked: Option<Platform>,
    /// The build section's additional contexts.
    pub(super) contexts: BTreeMap<String, Extra>,
}

impl Request {
    /// An image that the Dockerfile names; `platform` is what its FROM says.
    pub(super) fn base(&self, image: &ImageRef, platform: Option<&str>) -> BaseRef {
        let own = platform
            .filter(|text| !text.is_empty())
            .map(Platform::parse);
        BaseRef {
            image: image.clone(),
            platform: own.or_else(|| self.asked.clone()),
            locked: None,
        }
    }

    /// The additional context that a name means.
    pub(super) fn context(&self, name: &str) -> Option<String> {
        Some(extras::short(name)).filter(|name| self.contexts.contains_key(name))
    }

    /// The image that an additional context stands for.
    pub(super) fn image_of(&self, context: &str) -> Option<&ImageRef> {
        match self.contexts.get(context)? {
            Extra::Image(image) => Some(image),
            Extra::Folder(_) | Extra::Elsewhere(_) => None,
        }
    }

    /// The image that a stage starts from.
    pub(super) fn image<'a>(&'a self, base: &'a StageBase) -> Option<&'a ImageRef> {
        match base {
            StageBase::Image(image) => Some(image),
            StageBase::Context(name) => self.image_of(name),
            StageBase::Stage(_) | StageBase::Scratch | StageBase::Unknown => None,
        }
    }
}

/// A Dockerfile in stages, for one request.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) dockerfile: Dockerfile,
    pub(super) globals: Globals,
    /// The number of the stage that is built.
    pub(super) target: usize,
    /// What was not understood.
    pub(super) doubt: Option<String>,
}

/// Why a Dockerfile has nothing to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NothingToBuild {
    NoStage,
    NoTarget { target: String, stages: Vec<String> },
}

/// Lays out the instructions of a Dockerfile.
pub(super) fn lay_out(
    script: &Script,
    name: &str,
    text: &str,
    request: &Request,
) -> Result<Layout, NothingToBuild> {
    let mut layout = Layout {
        dockerfile: Dockerfile {
            name: name.to_owned(),
            text: text.to_owned(),
            escape: script.escape,
            syntax: script.syntax.clone(),
            global_args: Vec::new(),
            stages: Vec::new(),
        },
        globals: Globals {
            given: request.given.clone(),
            values: BTreeMap::new(),
        },
        target: 0,
        doubt: script.refused.clone(),
    };
    for (name, value) in request.platform.arguments(&request.native) {
        let value = request.given.get(name).cloned().unwrap_or(value);
        layout.globals.values.insert(name.to_owned(), value);
    }
    for instruction in &script.instructions {
        layout.add(instruction, request);
    }
    let stages = &layout.dockerfile.stages;
    if stages.is_empty() {
        return Err(NothingToBuild::NoStage);
    }
    layout.target = stages.len() - 1;
    if let Some(target) = &request.target {
        let wanted = target.to_lowercase();
        let found = stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(&wanted));
        layout.target = found.ok_or_else(|| NothingToBuild::NoTarget {
            target: target.clone(),
            stages: stages
                .iter()
                .filter_map(|stage| stage.name.clone())
                .collect(),
        })?;
    }
    Ok(layout)
}

/// An argument that each version of BuildKit fills in differently, or not at all, and a dependency image has another
/// one than the whole build.
pub(super) const STAGE_ARGUMENT: &str = "TARGETSTAGE";

/// Whether it is said anywhere in an instruction.
pub(super) fn says_stage(instruction: &Instruction) -> bool {
    instruction.arguments.contains(STAGE_ARGUMENT)
}

fn without_stage(instruction: &Instruction) -> Result<(), Unclear> {
    if says_stage(instruction) {
        refused(&format!(
            "the value of {STAGE_ARGUMENT} depends on the engine"
        ))
    } else {
        Ok(())
    }
}

impl Layout {
    /// For a Dockerfile that is not on this machine.
    pub(super) fn unseen(name: &str, doubt: String) -> Self {
        let dockerfile = Dockerfile {
            name: name.to_owned(),
            text: String::new(),
            escape: '\\',
            syntax: None,
            global_args: Vec::new(),
            stages: Vec::new(),
        };
        Self {
            dockerfile,
            globals: Globals::default(),
            target: 0,
            doubt: Some(doubt),
        }
    }

    fn add(&mut self, instruction: &Instruction, request: &Request) {
        let escape = self.dockerfile.escape;
        let result = if instruction.keyword == "FROM" {
            self.stage(instruction, request)
                .map(|stage| self.dockerfile.stages.push(stage))
        } else if let Some(stage) = self.dockerfile.stages.last_mut() {
            stage.instructions.push(instruction.clone());
            without_stage(instruction)
        } else if instruction.keyword == "ARG" {
            self.dockerfile.global_args.push(instruction.clone());
            let declared = self.globals.declare(instruction, escape);
            without_stage(instruction).and(declared)
        } else {
            Err(Unclear::NotUnderstood(format!(
                "{} stands in front of the first FROM",
                instruction.keyword
            )))
        };
        if let Err(unclear) = result {
            self.doubt(instruction, unclear);
            if instruction.keyword == "FROM" {
                let (_, rest) = parse::flags(&instruction.arguments, escape);
                self.dockerfile.stages.push(Stage {
                    from: instruction.clone(),
                    name: base_and_name(rest).and_then(|(_, name)| name),
                    base: StageBase::Unknown,
                    platform: None,
                    instructions: Vec::new(),
                });
            }
        }
    }

    fn doubt(&mut self, instruction: &Instruction, unclear: Unclear) {
        if let (None, Unclear::NotUnderstood(why)) = (&self.doubt, unclear) {
            self.doubt = Some(format!("line {}: {why}", instruction.lines.0));
        }
    }

    fn stage(&mut self, from: &Instruction, request: &Request) -> Result<Stage, Unclear> {
        let escape = self.dockerfile.escape;
        let (flags, rest) = parse::flags(&from.arguments, escape);
        let Some((base, name)) = base_and_name(rest) else {
            return refused("FROM takes an image, and `AS` and a name");
        };
        without_stage(from)?;
        if from.arguments.contains('$') {
            self.dockerfile
                .global_args
                .iter()
                .try_for_each(without_stage)?;
        }
        let platform = match flags.as_slice() {
            [] => None,
            [flag] if flag.starts_with("--platform=") => {
                Some(self.globals.expand(&flag[11..], escape)?)
            }
            _ => return refused("FROM has a flag other than `--platform`"),
        };
        let base = self.globals.expand(base, escape)?;
        let base = match name.as_ref().and_then(|name| request.context(name)) {
            Some(context) => StageBase::Context(context),
            None => self.base(&base, request)?,
        };
        if name.is_some()
            && self
                .dockerfile
                .stages
                .iter()
                .any(|stage| stage.name == name)
        {
            self.doubt(
                from,
                Unclear::NotUnderstood("two stages have one name".to_owned()),
            );
        }
        Ok(Stage {
            from: from.clone(),
            name,
            base,
            platform,
            instructions: Vec::new(),
        })
    }

    /// An earlier stage, nothing, a named context or an image, looked for in this order.
    fn base(&self, base: &str, request: &Request) -> Result<StageBase, Unclear> {
        let stages = &self.dockerfile.stages;
        if let Some(number) = stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(base))
        {
            return Ok(StageBase::Stage(number));
        }
        if base == "scratch" {
            return Ok(StageBase::Scratch);
        }
        if let Some(context) = request.context(base) {
            return Ok(StageBase::Context(context));
        }
        match base.parse() {
            Ok(image) => Ok(StageBase::Image(image)),
            Err(_) => refused(&format!("`{base}` is no image name")),
        }
    }
}

/// What stands behind the flags of a FROM: the base, and the stage's name.
fn base_and_name(rest: &str) -> Option<(&str, Option<String>)> {
    let words: Vec<&str> = rest
        .split(parse::is_space)
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        [base] => Some((base, None)),
        [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => {
            Some((base, Some(name.to_lowercase())))
        }
        _ => None,
    }
}

fn refused<T>(what: &str) -> Result<T, Unclear> {
    Err(Unclear::NotUnderstood(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(
        text: &str,
        target: Option<&str>,
        given: &[(&str, &str)],
    ) -> Result<Layout, NothingToBuild> {
        let request = Request {
            given: given
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            target: target.map(str::to_owned),
            platform: Platform::parse("linux/arm64"),
            native: Platform::parse("linux/s390x"),
            asked: None,
            contexts: BTreeMap::from([("ctx".to_owned(), Extra::Folder("/more".into()))]),
        };
        lay_out(&parse::parse(text), "Dockerfile", text, &request)
    }

    fn bases(text: &str, given: &[(&str, &str)]) -> Vec<StageBase> {
        let layout = laid_out(text, None, given).unwrap();
        assert_eq!(layout.doubt, None);
        layout
            .dockerfile
            .stages
            .into_iter()
            .map(|stage| stage.base)
            .collect()
    }

    fn image(name: &str) -> StageBase {
        StageBase::Image(name.parse().unwrap())
    }

    #[test]
    fn a_from_means_a_stage_nothing_a_context_or_an_image() {
        let text = "FROM a AS one\nFROM scratch\nfrom one as Two\nFROM two\nFROM ctx\nFROM alpine AS ctx\nFROM One1";
        let layout = laid_out(text, None, &[]).unwrap();
        assert!(layout.doubt.unwrap().contains("line 7"));
        let expected = [
            image("a"),
            StageBase::Scratch,
            StageBase::Stage(0),
            StageBase::Stage(2),
            StageBase::Context("ctx".to_owned()),
            StageBase::Context("ctx".to_owned()),
            StageBase::Unknown,
        ];
        assert_eq!(
            layout
                .dockerfile
                .stages
                .into_iter()
                .map(|s| s.base)
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn global_arguments_reach_from() {
        let text = "ARG V=1\nARG I=a:$V\nFROM $I\nFROM b:${TARGETARCH}\nARG V=9\nFROM c:$V";
        assert_eq!(
            bases(text, &[]),
            [image("a:1"), image("b:arm64"), image("c:1")]
        );
        let built_on = "ARG BUILDARCH\nFROM b:$BUILDARCH";
        assert_eq!(bases(built_on, &[]), [image("b:s390x")]);
        assert_eq!(
            bases(text, &[("V", "2")]),
            [image("a:2"), image("b:arm64"), image("c:2")]
        );
    }

    #[test]
    fn the_target_is_found_by_name_whatever_its_case() {
        let text = "FROM a AS one\nFROM b AS two";
        assert_eq!(laid_out(text, None, &[]).unwrap().target, 1);
        assert_eq!(laid_out(text, Some("One"), &[]).unwrap().target, 0);
        assert!(
            matches!(laid_out(text, Some("x"), &[]), Err(NothingToBuild::NoTarget { stages, .. }) if stages.len() == 2)
        );
        assert_eq!(
            laid_out("# nothing\n", None, &[]).unwrap_err(),
            NothingToBuild::NoStage
        );
    }

    #[test]
    fn a_stage_keeps_its_name_whatever_its_base() {
        let text = "ARG X=$TARGETSTAGE\nFROM a AS one\nFROM b-$X AS two\nFROM two";
        let layout = laid_out(text, Some("two"), &[]).unwrap();
        assert!(layout.doubt.unwrap().contains("line 1"));
        let bases: Vec<StageBase> = layout
            .dockerfile
            .stages
            .into_iter()
            .map(|s| s.base)
            .collect();
        assert_eq!(bases, [image("a"), StageBase::Unknown, StageBase::Stage(1)]);
    }

    #[test]
    fn what_is_not_understood_is_doubted() {
        for text in [
            "FROM a b",
            "FROM --x=1 a",
            "FROM ${",
            "RUN a\nFROM b",
            "FROM a AS x\nFROM b AS x",
            "FROM a\nFROM $X",
            "FROM a\nARG TARGETSTAGE",
            "ARG X=$TARGETSTAGE\nFROM a$X",
            "ARG X=$TARGETSTAGE\nFROM a\nARG X\nRUN x $X",
        ] {
            let layout = laid_out(text, None, &[]);
            assert!(layout.unwrap().doubt.is_some(), "{text}");
        }
    }
}
