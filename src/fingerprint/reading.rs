//! A Dockerfile read as BuildKit would run it: the stages that the target needs, and what each of their
//! instructions reads, the triggers of their bases included. Pure: bases are given or not known yet.

use std::collections::{BTreeMap, BTreeSet};

use super::dockerfile::{Instruction, Stage, StageBase};
use super::extras::Extra;
use super::parse;
use super::recipe::{Base, BaseRef};
use super::scope::Scope;
use super::sources::Source;
use super::stages::{Layout, Request, STAGE_ARGUMENT, says_stage};
use super::steps::{self, Names, Read, Step};
use super::words::Unclear;
use crate::model::ImageRef;

/// The bases that are known.
pub(super) type Bases = BTreeMap<BaseRef, Base>;

/// What a Dockerfile reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// The stages that the target needs, in order, by number.
    pub(super) stages: BTreeMap<usize, StageReading>,
    /// Why the instructions cannot be told apart: then everything is an input.
    pub(super) doubt: Option<String>,
    /// What is fetched that nothing pins.
    pub(super) unpinned: Option<String>,
    /// The images that it starts from and copies from.
    pub(super) images: BTreeSet<BaseRef>,
    /// What it takes of each additional context that is no image.
    pub(super) contexts: BTreeMap<String, BTreeSet<Source>>,
    /// What it takes of the build context.
    pub(super) sources: BTreeSet<Source>,
}

/// One stage.
#[derive(Clone, Debug)]
pub(super) struct StageReading {
    pub(super) steps: Vec<Step>,
}

/// Reads a laid-out Dockerfile. Without `bases`, what depends on an image's environment or triggers is left
/// out; the second reading, with them, has all of it.
pub(super) fn read(layout: &Layout, request: &Request, bases: Option<&Bases>) -> Reading {
    let reader = Reader {
        layout,
        request,
        bases,
        names: stage_names(layout),
    };
    let known_frontend = layout
        .dockerfile
        .syntax
        .as_deref()
        .is_none_or(is_dockerfile_frontend);
    let syntax = layout.dockerfile.syntax.as_deref().unwrap_or_default();
    let mut reading = match &layout.doubt {
        _ if !known_frontend => {
            reader.opaque(format!("frontend `{syntax}` may read it in another way"))
        }
        Some(doubt) => reader.opaque(doubt.clone()),
        None => reader.read().unwrap_or_else(|doubt| reader.opaque(doubt)),
    };
    if !known_frontend {
        reading.unpinned = Some(format!("what frontend `{syntax}` starts from is not known"));
    }
    if layout.globals.given.contains_key("BUILDKIT_SYNTAX") {
        reading = reader.opaque("`BUILDKIT_SYNTAX` chooses another frontend".to_owned());
        reading.unpinned =
            Some("what the frontend in `BUILDKIT_SYNTAX` starts from is not known".to_owned());
    }
    reading
}

/// The first line that names an image, behind FROM or in `--from`.
pub(super) fn line_of(layout: &Layout, request: &Request, image: &ImageRef) -> Option<usize> {
    let reader = Reader {
        layout,
        request,
        bases: None,
        names: stage_names(layout),
    };
    let stages = layout.dockerfile.stages.iter().enumerate();
    let lines = stages.filter_map(|(number, stage)| {
        let from = matches!(&stage.base, StageBase::Image(own) if own == image);
        let copies = |own: &&Instruction| {
            let reads = reader.elsewhere(number, own);
            reads.is_ok_and(|reads| reads.contains(&Read::Image(image.clone())))
        };
        let own = stage.instructions.iter().find(copies);
        from.then_some(&stage.from).or(own)
    });
    lines.map(|own| own.lines.0).min()
}

/// Docker's own frontend, of a version whose language this is.
fn is_dockerfile_frontend(syntax: &str) -> bool {
    let Ok(image) = syntax.parse::<ImageRef>() else {
        return false;
    };
    let tag = image.tag.as_deref().unwrap_or("1");
    image.registry == "docker.io"
        && image.repository == "docker/dockerfile"
        && (tag == "1"
            || tag.starts_with("1.")
            || tag.starts_with("1-")
            || matches!(tag, "latest" | "labs"))
}

fn stage_names(layout: &Layout) -> Vec<Option<String>> {
    layout
        .dockerfile
        .stages
        .iter()
        .map(|stage| stage.name.clone())
        .collect()
}

struct Reader<'a> {
    layout: &'a Layout,
    request: &'a Request,
    bases: Option<&'a Bases>,
    names: Vec<Option<String>>,
}

impl Reader<'_> {
    fn names(&self, own: usize) -> Names<'_> {
        Names {
            request: self.request,
            stages: &self.names,
            own,
        }
    }

    fn escape(&self) -> char {
        self.layout.dockerfile.escape
    }

    fn base(&self, image: &ImageRef, stage: &Stage) -> BaseRef {
        self.request.base(image, stage.platform.as_deref())
    }

    /// What is known of the image that a stage starts from.
    fn known(&self, image: &ImageRef, stage: &Stage) -> Option<&Base> {
        self.bases?.get(&self.base(image, stage))
    }

    /// The scope behind a FROM of something that has no configuration.
    fn without_image(&self, base: &StageBase) -> Scope {
        let folder = |name: &String| matches!(self.request.contexts[name], Extra::Folder(_));
        match base {
            StageBase::Scratch => Scope::behind_from(Some(&[])),
            StageBase::Context(name) if folder(name) => Scope::behind_from(Some(&[])),
            _ => Scope::behind_from(None),
        }
    }

    fn read(&self) -> Result<Reading, String> {
        let mut reading = Reading::default();
        let mut scopes: BTreeMap<usize, Scope> = BTreeMap::new();
        for number in self.needed()? {
            let stage = &self.layout.dockerfile.stages[number];
            let mut scope = match &stage.base {
                StageBase::Stage(base) => scopes
                    .get(base)
                    .map_or_else(|| Scope::behind_from(None), Scope::inherited),
                base => match self.request.image(base) {
                    Some(image) => {
                        Scope::behind_from(self.known(image, stage).map(|base| base.env.as_slice()))
                    }
                    None => self.without_image(base),
                },
            };
            if let Some(image) = self.request.image(&stage.base) {
                reading.images.insert(self.base(image, stage));
            } else if let StageBase::Context(name) = &stage.base {
                reading.take(name, Source::everything());
            }
            let steps = self.steps(number, &mut scope)?;
            for step in &steps {
                reading.note(step, self.request);
            }
            scopes.insert(number, scope);
            reading.stages.insert(number, StageReading { steps });
        }
        Ok(reading)
    }

    fn steps(&self, number: usize, scope: &mut Scope) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        let triggers = self.triggers(number)?;
        let own = self.instructions(number);
        let numbered = triggers
            .iter()
            .map(|trigger| (0, trigger))
            .chain(own.iter().enumerate().map(|(at, i)| (at + 1, i)));
        for (position, instruction) in numbered {
            let read = steps::step(
                instruction,
                self.escape(),
                scope,
                &self.layout.globals,
                self.names(number),
            );
            match read {
                Ok(step) => steps.push(Step {
                    number: position,
                    ..step
                }),
                Err(Unclear::NotUnderstood(why)) => {
                    return Err(format!("line {}: {why}", instruction.lines.0));
                }
                // In the first reading this waits for the base; what needs no variables is known already.
                Err(Unclear::NeedsBase) if self.bases.is_none() => {
                    let reads = self.elsewhere(number, instruction)?;
                    steps.push(Step::known_in_part(instruction, reads));
                }
                Err(Unclear::NeedsBase) => {
                    let line = instruction.lines.0;
                    return Err(format!(
                        "line {line}: a variable may come from an additional context"
                    ));
                }
            }
        }
        Ok(steps)
    }

    /// The instructions of a stage; one that an additional context replaces has none.
    fn instructions(&self, number: usize) -> &[Instruction] {
        let stage = &self.layout.dockerfile.stages[number];
        if self.is_replaced(stage) {
            &[]
        } else {
            &stage.instructions
        }
    }

    /// Whether an additional context takes the place of a stage.
    fn is_replaced(&self, stage: &Stage) -> bool {
        let context = |name: &String| self.request.context(name);
        stage.name.as_ref().and_then(context).is_some()
    }

    fn names_context(&self, number: usize, instruction: &Instruction) -> Result<bool, String> {
        let named = steps::names_context(instruction, self.escape(), self.names(number));
        named.map_err(|unclear| Self::unclear(&unclear, instruction))
    }

    fn unclear(unclear: &Unclear, instruction: &Instruction) -> String {
        let line = instruction.lines.0;
        match unclear {
            Unclear::NotUnderstood(why) => format!("line {line}: {why}"),
            Unclear::NeedsBase => format!("line {line}: a variable in `--from`"),
        }
    }

    /// The ONBUILD triggers that a stage's base leaves it.
    fn triggers(&self, number: usize) -> Result<Vec<Instruction>, String> {
        let stage = &self.layout.dockerfile.stages[number];
        let texts: Vec<String> = match &stage.base {
            StageBase::Stage(base) => {
                let triggers = self
                    .instructions(*base)
                    .iter()
                    .filter(|i| i.keyword == "ONBUILD");
                triggers.map(trigger_text).collect()
            }
            base => self
                .request
                .image(base)
                .and_then(|image| self.known(image, stage))
                .map(|base| base.onbuild.clone())
                .unwrap_or_default(),
        };
        let line = stage.from.lines.0;
        if self.is_replaced(stage) && !texts.is_empty() {
            return Err(format!(
                "line {line}: the image that replaces the stage has triggers"
            ));
        }
        let mut triggers = Vec::new();
        for text in texts {
            let script = parse::parse(&text);
            let lines = stage.from.lines;
            match (script.refused, script.instructions.as_slice()) {
                (None, [trigger]) if says_stage(trigger) => {
                    return Err(format!(
                        "line {}: a trigger with {STAGE_ARGUMENT}, whose value depends on the engine",
                        lines.0
                    ));
                }
                (None, [trigger]) if self.names_context(number, trigger)? => {
                    return Err(format!(
                        "line {line}: trigger `{text}` names an additional context"
                    ));
                }
                (None, [trigger]) => triggers.push(Instruction {
                    lines,
                    ..trigger.clone()
                }),
                _ => {
                    return Err(format!(
                        "line {}: trigger `{text}` is no instruction",
                        lines.0
                    ));
                }
            }
        }
        Ok(triggers)
    }

    /// The stages that the target needs. Names only reach back, so one pass from the target up is enough.
    fn needed(&self) -> Result<BTreeSet<usize>, String> {
        let mut needed = BTreeSet::from([self.layout.target]);
        for number in (0..=self.layout.target).rev() {
            if !needed.contains(&number) {
                continue;
            }
            if let StageBase::Stage(base) = self.layout.dockerfile.stages[number].base {
                needed.insert(base);
            }
            let triggers = self.triggers(number)?;
            for instruction in triggers.iter().chain(self.instructions(number)) {
                for read in self.elsewhere(number, instruction)? {
                    if let Read::Stage(stage) = read {
                        needed.insert(stage);
                    }
                }
            }
        }
        Ok(needed)
    }

    fn elsewhere(&self, number: usize, instruction: &Instruction) -> Result<Vec<Read>, String> {
        let reads = steps::elsewhere(instruction, self.escape(), self.names(number));
        reads.map_err(|unclear| Self::unclear(&unclear, instruction))
    }

    /// Everything is an input: all files, all images that any stage or trigger names, all additional contexts. What
    /// may be taken in besides is not pinned.
    fn opaque(&self, doubt: String) -> Reading {
        let mut reading = Reading {
            doubt: Some(doubt),
            sources: BTreeSet::from([Source::everything()]),
            ..Reading::default()
        };
        for name in self.request.contexts.keys() {
            match self.request.image_of(name) {
                Some(image) => drop(reading.images.insert(self.request.base(image, None))),
                None => reading.take(name, Source::everything()),
            }
        }
        for (number, stage) in self.layout.dockerfile.stages.iter().enumerate() {
            if let Some(image) = self.request.image(&stage.base) {
                reading.images.insert(self.base(image, stage));
            }
            let seen = self.look_through(number, &mut reading.images);
            reading.unpinned = reading.unpinned.or(seen.err());
        }
        reading
    }

    /// Collects the images that a stage's instructions and its base's triggers copy from.
    ///
    /// # Errors
    /// One may take in something else that nothing pins.
    fn look_through(&self, number: usize, images: &mut BTreeSet<BaseRef>) -> Result<(), String> {
        let stage = &self.layout.dockerfile.stages[number];
        let line = stage.from.lines.0;
        let mut seen = match stage.base {
            StageBase::Unknown => Err(format!("line {line}: its base is not known")),
            _ => Ok(()),
        };
        let triggers = self.triggers(number).unwrap_or_else(|why| {
            seen = Err(why);
            Vec::new()
        });
        for instruction in triggers.iter().chain(&stage.instructions) {
            let line = instruction.lines.0;
            match self.elsewhere(number, instruction) {
                Ok(reads) => images.extend(reads.iter().filter_map(|read| match read {
                    Read::Image(image) => Some(self.request.base(image, None)),
                    _ => None,
                })),
                Err(why) => seen = seen.and(Err(why)),
            }
            if steps::may_fetch(instruction, self.escape()) {
                seen = seen.and(Err(format!("line {line}: something may be fetched")));
            }
        }
        seen
    }
}

impl Reading {
    /// Takes something of an additional context.
    fn take(&mut self, context: &str, source: Source) {
        let sources = self.contexts.entry(context.to_owned());
        sources.or_default().insert(source);
    }

    fn note(&mut self, step: &Step, request: &Request) {
        for read in &step.reads {
            match read {
                Read::Context(source) => drop(self.sources.insert(source.clone())),
                Read::Image(image) => drop(self.images.insert(request.base(image, None))),
                Read::Named(name, source) => self.take(name, source.clone()),
                Read::Stage(_) => {}
            }
        }
        if let (None, Some(what)) = (&self.unpinned, &step.unpinned) {
            self.unpinned = Some(format!("line {}: {what}", step.instruction.lines.0));
        }
    }
}

/// A trigger as the image would keep it.
fn trigger_text(onbuild: &Instruction) -> String {
    let mut text = onbuild.arguments.clone();
    for heredoc in &onbuild.heredocs {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
    }
    text
}
