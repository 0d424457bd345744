//! What is there at one place of a Dockerfile: the files, the stages and the variables that an instruction may name.

use crate::context::{Context, Node};
use crate::dockerfile::Instruction;
use crate::example::Section;
use crate::features::Features;
use crate::random::Random;

/// What is there at one place of a Dockerfile.
pub(crate) struct Here<'a> {
    pub(crate) features: &'a Features,
    pub(crate) files: Vec<String>,
    pub(crate) folders: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) contexts: Vec<String>,
    pub(crate) seed: u64,
    outputs: usize,
    pub(crate) globals: Vec<String>,
    /// The names that FROM may use.
    pub(crate) stages: Vec<String>,
    /// And those that `--from` may use, with whether there is a shell in them.
    pub(crate) sources: Vec<(String, bool)>,
    pub(crate) can_run: bool,
    /// Whether the stage is the one that images are made from most often: what only a configuration shows belongs there.
    pub(crate) is_last: bool,
    count: usize,
}

impl<'a> Here<'a> {
    pub(crate) fn new(
        features: &'a Features,
        context: &Context,
        section: &Section,
        seed: u64,
    ) -> Self {
        Self {
            features,
            files: context
                .files()
                .into_iter()
                .filter(|path| !path.starts_with("unread"))
                .collect(),
            folders: context
                .folders()
                .into_iter()
                .filter(|path| !path.starts_with("unread"))
                .collect(),
            links: context.paths(|node| matches!(node, Node::Link(_))),
            contexts: section.contexts.keys().cloned().collect(),
            seed,
            outputs: 0,
            globals: Vec::new(),
            stages: Vec::new(),
            sources: Vec::new(),
            can_run: true,
            is_last: true,
            count: 0,
        }
    }

    pub(crate) fn begin_stage(&mut self, base: &str) {
        let stage = self
            .sources
            .iter()
            .find(|(name, _)| name.to_lowercase() == base);
        self.can_run = stage.map_or(base != "scratch", |(_, can_run)| *can_run);
    }

    pub(crate) fn end_stage(&mut self, from: &Instruction) {
        self.sources.push((self.count.to_string(), self.can_run));
        if let Some((_, name)) = from.arguments.split_once(" AS ") {
            self.sources.push((name.to_owned(), self.can_run));
            // FROM takes no capitals here, whatever AS says.
            self.stages.push(name.to_lowercase());
        }
        self.count += 1;
    }

    /// A file for what a RUN saw. It is in no other example: images of prefixes are not shared between them.
    pub(crate) fn output(&mut self) -> String {
        self.outputs += 1;
        format!("/tmp/{:x}-{}", self.seed, self.outputs)
    }

    /// Writes down all that is there.
    pub(crate) fn look(&mut self, random: &mut Random) -> Instruction {
        let output = self.output();
        // Most often all of it, as what a compiler makes depends on all that it is given.
        let seen = if self.is_last {
            random.weighted(&[
                (6, "look; look /srv /tmp"),
                (1, "look /srv /tmp"),
                (1, "look"),
            ])
        } else {
            "look; look /srv /tmp"
        };
        Instruction::new(
            "RUN",
            format!("seen=$({seen}) && echo \"$seen\" > {output}"),
        )
    }
}
