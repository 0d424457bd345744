//! The keys: one per instruction of every stage that the target needs, each over the one before it, the
//! instruction's text, the values it takes from outside, and what it reads. Pure.

use std::collections::BTreeMap;

use super::dockerfile::{Instruction, StageBase};
use super::extras::Extra;
use super::gather::Gathered;
use super::reading::{Bases, Reading};
use super::recipe::{Context, EntryKind, Link};
use super::sources::Source;
use super::spacing;
use super::stages::{Layout, Request};
use super::steps::{Read, Step};
use crate::model::{Digest, DigestWriter, ImageRef};

/// Everything that keys are made from.
pub(super) struct Materials<'a> {
    pub(super) layout: &'a Layout,
    pub(super) request: &'a Request,
    pub(super) reading: &'a Reading,
    pub(super) gathered: &'a Gathered,
    pub(super) bases: &'a Bases,
    /// The additional contexts that are folders.
    pub(super) folders: &'a BTreeMap<String, Gathered>,
    /// What every instruction runs under.
    pub(super) surroundings: Digest,
}

impl Materials<'_> {
    /// The chain, and the key of the target's last instruction.
    pub(super) fn keys(&self) -> (Vec<Link>, Digest) {
        let mut links = Vec::new();
        let mut ends: BTreeMap<usize, Digest> = BTreeMap::new();
        for (&number, reading) in &self.reading.stages {
            let from = &self.layout.dockerfile.stages[number].from;
            let mut key = self.start(number, &ends);
            let link = |instruction, line, key, reads, ingredients| Link {
                stage: number,
                instruction,
                line,
                key,
                reads,
                ingredients,
            };
            links.push(link(0, from.lines.0, key, Vec::new(), self.of_from(number)));
            for step in &reading.steps {
                let reads = self.reads(step);
                key = self.step(&key, step, &ends);
                let (start, made_of) = (step.instruction.lines.0, self.of_step(step));
                links.push(link(step.number, start, key, reads, made_of));
            }
            ends.insert(number, key);
        }
        let last = ends
            .get(&self.layout.target)
            .copied()
            .unwrap_or(self.surroundings);
        (links, last)
    }

    /// The one key of a Dockerfile that was not understood.
    pub(super) fn opaque(&self, dockerfile: &[u8]) -> (Vec<Link>, Digest) {
        let context = &self.gathered.context;
        let all: Vec<usize> = (0..context.entries.len()).collect();
        let mut writer = DigestWriter::new("larder-fp-v6 opaque");
        writer.digest(&self.surroundings).field(dockerfile);
        writer.optional(self.request.target.as_deref().map(str::as_bytes));
        writer.number(self.request.given.len() as u64);
        for (name, value) in &self.request.given {
            writer.text(name).text(value);
        }
        // The same image for the engine's own platform, written out or not, is one.
        let images = self.reading.images.iter().map(|image| {
            let base = self.bases.get(image);
            (&image.image, base.map(|base| base.identity.as_bytes()))
        });
        let mut images: Vec<_> = images.collect();
        images.dedup();
        writer.number(images.len() as u64);
        for (image, identity) in images {
            writer.text(&image.to_string()).optional(identity);
        }
        writer.number(self.request.contexts.len() as u64);
        for (name, context) in &self.request.contexts {
            writer.text(name);
            match context {
                Extra::Folder(_) => writer.text("folder"),
                Extra::Image(image) => writer.text("image").text(&image.to_string()),
                Extra::Elsewhere(text) => writer.text("elsewhere").text(text),
            };
        }
        writer.number(self.reading.contexts.len() as u64);
        for name in self.reading.contexts.keys() {
            writer.text(name);
            self.write_context(&mut writer, name, &Source::everything());
        }
        write_entries(&mut writer, context, &all);
        let key = writer.finish();
        (
            vec![Link {
                stage: self.layout.target,
                instruction: 0,
                line: 1,
                key,
                reads: all,
                ingredients: self.of_all(dockerfile),
            }],
            key,
        )
    }

    /// A stage's FROM. The name it gives the stage is not in it.
    fn start(&self, number: usize, ends: &BTreeMap<usize, Digest>) -> Digest {
        let stage = &self.layout.dockerfile.stages[number];
        let mut writer = DigestWriter::new("larder-fp-v6 stage");
        writer
            .digest(&self.surroundings)
            .optional(stage.platform.as_deref().map(str::as_bytes));
        match &stage.base {
            StageBase::Stage(base) => self.write(&mut writer, &Read::Stage(*base), ends),
            base => match (self.request.image(base), base) {
                (Some(image), _) => {
                    self.write_image(&mut writer, image, stage.platform.as_deref());
                }
                (None, StageBase::Context(name)) => {
                    let all = Read::Named(name.clone(), Source::everything());
                    self.write(&mut writer, &all, ends);
                }
                // No key of its own is made where a base is not known.
                (None, _) => drop(writer.text("scratch")),
            },
        }
        // The same text means something else with another one.
        let escape = self.layout.dockerfile.escape;
        if escape != '\\' {
            writer.text("escape").text(&escape.to_string());
        }
        writer.finish()
    }

    fn step(&self, previous: &Digest, step: &Step, ends: &BTreeMap<usize, Digest>) -> Digest {
        let mut writer = DigestWriter::new("larder-fp-v6 instruction");
        writer.digest(previous);
        write_instruction(&mut writer, &step.instruction);
        writer.number(step.outside.len() as u64);
        for (name, value) in &step.outside {
            writer
                .text(name)
                .optional(value.as_deref().map(str::as_bytes));
        }
        writer.number(step.reads.len() as u64);
        step.reads
            .iter()
            .for_each(|read| self.write(&mut writer, read, ends));
        writer.finish()
    }

    /// What an instruction reads, by content.
    fn write(&self, writer: &mut DigestWriter, read: &Read, ends: &BTreeMap<usize, Digest>) {
        match read {
            Read::Context(source) => {
                writer.text("files");
                let taken = self.gathered.taken.get(source);
                write_entries(
                    writer,
                    &self.gathered.context,
                    taken.map_or(&[], |taken| &taken.reads),
                );
            }
            Read::Stage(stage) => {
                writer
                    .text("stage")
                    .optional(ends.get(stage).map(|key| &key.as_bytes()[..]));
            }
            Read::Image(image) => self.write_image(writer, image, None),
            Read::Named(name, source) => {
                writer.text("context");
                self.write_context(writer, name, source);
            }
        }
    }

    fn write_image(&self, writer: &mut DigestWriter, image: &ImageRef, platform: Option<&str>) {
        let base = self.bases.get(&self.request.base(image, platform));
        writer
            .text("image")
            .optional(base.map(|base| base.identity.as_bytes()));
    }

    /// What is taken of an additional context that is no image.
    pub(super) fn write_context(&self, writer: &mut DigestWriter, name: &str, source: &Source) {
        match (self.request.contexts.get(name), self.folders.get(name)) {
            (_, Some(folder)) => {
                writer.text("folder");
                let taken = folder.taken.get(source);
                let reads = taken.map_or(&[][..], |taken| &taken.reads);
                write_entries(writer, &folder.context, reads);
            }
            (Some(Extra::Elsewhere(text)), None) => {
                writer.text("unpinned").text(text);
            }
            _ => {
                writer.text("nothing");
            }
        }
    }

    /// The entries that a step reads.
    fn reads(&self, step: &Step) -> Vec<usize> {
        let mut reads = Vec::new();
        for read in &step.reads {
            if let Read::Context(source) = read {
                reads.extend(
                    self.gathered
                        .taken
                        .get(source)
                        .into_iter()
                        .flat_map(|taken| taken.reads.iter()),
                );
            }
        }
        reads.sort_unstable();
        reads.dedup();
        reads
    }
}

fn write_instruction(writer: &mut DigestWriter, instruction: &Instruction) {
    writer
        .text(&instruction.keyword)
        .text(&spacing::keyed(instruction));
    writer.number(instruction.heredocs.len() as u64);
    for heredoc in &instruction.heredocs {
        writer.text(&heredoc.name).text(&heredoc.body);
    }
}

/// Entries of a context: path, kind, mode, and content or link text.
pub(super) fn write_entries(writer: &mut DigestWriter, context: &Context, reads: &[usize]) {
    writer.number(reads.len() as u64);
    for entry in reads.iter().map(|at| &context.entries[*at]) {
        writer.field(&entry.path).number(u64::from(entry.mode));
        match &entry.kind {
            EntryKind::File { digest, .. } => writer.number(1).digest(digest),
            EntryKind::Symlink { target } => writer.number(2).field(target),
            EntryKind::Directory => writer.number(3),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::fingerprint::lab::{Lab, paths, reads};
    use crate::fingerprint::platform::Platform;

    const APP: &str = "FROM base AS deps\nCOPY requirements.txt .\nRUN pip install\nFROM deps\nCOPY . /app\nCMD run\n";

    fn app() -> Lab {
        Lab::new(APP)
            .files(&[
                "requirements.txt",
                "src/a.py",
                "src/b.py",
                "run.sh",
                "notes.md",
            ])
            .folder("empty")
            .file(
                ".dockerignore",
                "*.md\n!keep.md\n.dockerignore\nDockerfile\n",
            )
    }

    #[test]
    fn every_edit_of_what_is_read_moves_the_key() {
        let before = app().full();
        let edits: Vec<(&str, Lab)> = vec![
            ("content", app().file("src/a.py", "other")),
            ("exec bit", app().mode("run.sh", 0o755)),
            ("read bits", app().mode("run.sh", 0o600)),
            ("setuid", app().mode("run.sh", 0o4644)),
            ("folder mode", app().mode("src", 0o700)),
            ("new file", app().file("src/c.py", "")),
            ("removed file", app().without("src/b.py")),
            (
                "renamed file",
                app().without("src/b.py").file("src/d.py", "src/b.py"),
            ),
            (
                "moved file",
                app().without("src/b.py").file("b.py", "src/b.py"),
            ),
            ("new empty folder", app().folder("src/empty")),
            ("removed empty folder", app().without("empty")),
            ("file becomes link", app().link("run.sh", "notes.md")),
            ("excepted file", app().file("keep.md", "")),
            (
                "two files swapped",
                app()
                    .file("src/a.py", "src/b.py")
                    .file("src/b.py", "src/a.py"),
            ),
        ];
        let mut keys = vec![before];
        for (what, lab) in edits {
            let key = lab.full();
            assert!(!keys.contains(&key), "{what}");
            keys.push(key);
        }
        let links = ["one", "two"].map(|target| app().link("src/link", target).full());
        assert_ne!(links[0], links[1], "link target");
    }

    #[test]
    fn what_is_not_read_moves_nothing() {
        let before = app().full();
        let edits: Vec<(&str, Lab)> = vec![
            ("excluded file", app().file("notes.md", "other")),
            ("new excluded file", app().file("more.md", "")),
            (
                "group's write bit",
                app().mode("run.sh", 0o664).mode("src", 0o777),
            ),
            (
                "comments",
                app().file("Dockerfile", &format!("# hello\n{APP}\n# bye\n")),
            ),
            (
                "case of keywords",
                app().file("Dockerfile", &APP.replace("FROM", "from")),
            ),
            (
                "how a line is broken",
                app().file(
                    "Dockerfile",
                    &APP.replace("COPY . /app", "COPY . \\\n  /app"),
                ),
            ),
            (
                "arguments that nobody declares",
                app().arg("UNUSED", "1").arg("HTTP_PROXY", "p"),
            ),
            (
                "where caches lie",
                app().other("cache_to", json!(["type=local,dest=/x"])),
            ),
            (
                "what a builder notes about itself",
                app()
                    .other("provenance", json!(true))
                    .other("sbom", json!(true)),
            ),
        ];
        for (what, lab) in edits {
            assert_eq!(lab.full(), before, "{what}");
        }
        assert_eq!(
            paths(&app().recipe()),
            [
                "empty",
                "requirements.txt",
                "run.sh",
                "src",
                "src/a.py",
                "src/b.py"
            ]
        );
    }

    #[test]
    fn the_place_and_the_name_do_not_count() {
        let mut other = app();
        other.service.image = Some("elsewhere".to_owned());
        assert_eq!(app().full(), other.full());
    }

    #[test]
    fn each_part_of_the_build_section_counts() {
        let before = app().full();
        let mut labelled = app();
        labelled.build.labels.insert("a".to_owned(), "b".to_owned());
        let mut network = app();
        network.build.network = Some("none".to_owned());
        let mut platform = app();
        platform.service.platform = Some("linux/s390x".to_owned());
        let mut hosts = app();
        hosts
            .build
            .extra_hosts
            .insert("h".to_owned(), vec!["1.2.3.4".to_owned()]);
        let labs = vec![
            ("label", labelled),
            ("network", network),
            ("platform", platform),
            ("extra_hosts", hosts),
            ("target", app().target("deps")),
            ("base", app().base("base:latest", "another", &[], &[])),
            ("unknown attribute", app().other("isolation", json!("x"))),
            ("ssh id", app().ssh("default")),
            (
                "trigger",
                app().file("Dockerfile", &format!("{APP}ONBUILD RUN x\n")),
            ),
            (
                "white space behind a trigger",
                app().file("Dockerfile", &format!("{APP}ONBUILD RUN x \n")),
            ),
            ("steering argument", app().arg("SOURCE_DATE_EPOCH", "0")),
            (
                "order",
                app().file(
                    "Dockerfile",
                    &APP.replace("COPY . /app\nCMD run", "CMD run\nCOPY . /app"),
                ),
            ),
            (
                "escape",
                app().file("Dockerfile", &format!("# escape=`\n{APP}")),
            ),
            (
                "syntax",
                app().file(
                    "Dockerfile",
                    &format!("# syntax=docker/dockerfile:1\n{APP}"),
                ),
            ),
        ];
        let mut keys = vec![before];
        for (what, lab) in labs {
            let key = lab.full();
            assert!(!keys.contains(&key), "{what}");
            keys.push(key);
        }
        let ssh = |path: &str| app().ssh(&format!("id={path}")).full();
        assert_eq!(ssh("/a"), ssh("/b"), "where a key lies on this machine");
    }

    #[test]
    fn arguments_count_from_where_they_are_declared() {
        let keys = |text: &str, value: &str| {
            let recipe = Lab::new(text).arg("A", value).recipe();
            recipe
                .chain
                .into_iter()
                .map(|link| link.key)
                .collect::<Vec<_>>()
        };
        let text = "FROM base\nRUN one\nARG A\nRUN two\n";
        let (one, two) = (keys(text, "1"), keys(text, "2"));
        assert_eq!(one[..2], two[..2]);
        assert!(one[2..].iter().zip(&two[2..]).all(|(one, two)| one != two));
        let global = "ARG A\nFROM base\nRUN one\n";
        assert_eq!(
            keys(global, "1"),
            keys(global, "2"),
            "a global argument that no stage declares"
        );
        let default =
            |value: &str| Lab::new(&format!("ARG A={value}\nFROM base\nARG A\nRUN one")).full();
        assert_ne!(default("1"), default("2"), "a global default");
        let proxy = "FROM base\nARG HTTP_PROXY\nRUN x";
        assert_ne!(
            Lab::new(proxy).full(),
            Lab::new(proxy).arg("HTTP_PROXY", "p").full()
        );
    }

    #[test]
    fn stages_that_the_target_does_not_need_do_not_count() {
        let text = |unused: &str| {
            format!(
                "FROM a AS used\nRUN x\nFROM b AS unused\nCOPY {unused} .\nFROM c\nCOPY --from=used /x /x\n"
            )
        };
        let lab = |unused: &str| Lab::new(&text(unused)).files(&["one", "two"]);
        assert_eq!(lab("one").full(), lab("two").full());
        let recipe = lab("one").recipe();
        assert!(paths(&recipe).is_empty());
        assert_eq!(
            recipe
                .bases
                .iter()
                .map(|(image, _)| image.to_string())
                .collect::<Vec<_>>(),
            ["a:latest", "c:latest"]
        );
        let used = |run: &str| {
            lab("one")
                .file("Dockerfile", &text("one").replace("RUN x", run))
                .full()
        };
        assert_ne!(used("RUN y"), lab("one").full());
        assert_ne!(
            lab("one").base("a:latest", "new", &[], &[]).full(),
            lab("one").full()
        );
        assert_eq!(
            lab("one").base("b:latest", "new", &[], &[]).full(),
            lab("one").full()
        );
    }

    #[test]
    fn here_documents_count_line_by_line() {
        let key = |body: &str| {
            Lab::new(&format!(
                "FROM a\nRUN <<E\n{body}\nE\nCOPY <<F /f\n{body}\nF\n"
            ))
            .full()
        };
        assert_ne!(key("x"), key("y"));
        assert_ne!(key("x"), key(" x"));
    }

    #[test]
    fn mounts_read_the_context_and_other_stages() {
        let text = "FROM a AS t\nRUN make\nFROM b\nRUN --mount=type=bind,source=in,target=/in --mount=from=t,target=/t x\n";
        let lab = || Lab::new(text).files(&["in/f", "out/f"]);
        assert_eq!(reads(&lab().recipe(), 4), ["in", "in/f"]);
        assert_ne!(lab().full(), lab().file("in/f", "2").full());
        assert_eq!(lab().full(), lab().file("out/f", "2").full());
        assert_ne!(lab().full(), lab().base("a:latest", "2", &[], &[]).full());
        assert_eq!(
            reads(
                &Lab::new("FROM a\nRUN --mount=target=/c x")
                    .file("f", "")
                    .recipe(),
                2
            ),
            ["Dockerfile", "f"]
        );
    }

    #[test]
    fn triggers_and_environment_of_the_base_are_carried_out() {
        let lab = || Lab::new("FROM base\nCOPY $DIR/x /\n").files(&["one/x", "two/x", "trigger"]);
        let with = |lab: Lab, dir: &str, onbuild: &[&str]| {
            lab.base("base:latest", "same", onbuild, &[dir])
        };
        let recipe = with(lab(), "DIR=one", &[]).recipe();
        assert_eq!(paths(&recipe), ["one", "one/x"]);
        assert_eq!(reads(&recipe, 2), ["one/x"]);
        let triggered = with(lab(), "DIR=two", &["COPY trigger /"]).recipe();
        assert_eq!(paths(&triggered), ["trigger", "two", "two/x"]);
        assert_ne!(
            with(lab(), "DIR=two", &["COPY trigger /"]).full(),
            with(lab(), "DIR=two", &[]).full()
        );
        let needs = with(lab(), "DIR=two", &["COPY --from=tool /x /x"]).recipe();
        assert!(
            needs
                .bases
                .iter()
                .any(|(image, _)| image.to_string() == "tool:latest"),
            "asked for in a second round"
        );
    }

    #[test]
    fn what_a_parents_image_carries_beats_the_parents_arguments() {
        let text = "FROM base AS one\nENV E=env\nARG B=arg\nARG E=arg\nFROM one\nCOPY $B-$E /x\n";
        let lab = Lab::new(text).files(&["base-env"]);
        let recipe = lab.base("base:latest", "b", &[], &["B=base"]).recipe();
        assert_eq!(reads(&recipe, 6), ["base-env"]);
    }

    #[test]
    fn a_stage_leaves_its_triggers_to_those_built_on_it() {
        let lab = |trigger: &str| {
            Lab::new(&format!(
                "FROM a AS one\nONBUILD COPY {trigger} /\nFROM one\n"
            ))
            .files(&["x", "y"])
        };
        assert_eq!(paths(&lab("x").recipe()), ["x"]);
        assert_ne!(lab("x").file("x", "1").full(), lab("x").full());
    }

    #[test]
    fn what_is_not_understood_makes_everything_an_input() {
        for text in [
            "FROM a\nNEW thing\n",
            "FROM a\nNEW thing\nADD --chown=$U x /$Y\nADD <<\"E\" /x\nE\n",
            "FROM scratch\nNEW thing\nADD [\"x y\", \"/\"]\n",
            "FROM a\nRUN <<E\n",
            "FROM a\nCOPY ${X y\n",
            "FROM a\nARG TARGETSTAGE\nCOPY conf.$TARGETSTAGE /\n",
            "ARG X=$TARGETSTAGE\nFROM a\nARG X\nRUN x $X\n",
        ] {
            let lab = || {
                Lab::new(text)
                    .files(&["x", "y/z", "no"])
                    .file(".dockerignore", "no\n")
            };
            let recipe = lab().recipe();
            assert!(
                recipe.opaque.is_some() && recipe.cuts.is_empty() && recipe.unpinned.is_none(),
                "{text}"
            );
            assert_eq!(
                paths(&recipe),
                [".dockerignore", "Dockerfile", "x", "y", "y/z"]
            );
            assert_ne!(lab().full(), lab().file("y/z", "2").full());
            assert_ne!(lab().full(), lab().arg("A", "2").full());
            let moved = lab().base("a:latest", "2", &[], &[]).full();
            assert_eq!(lab().full() == moved, text.contains("scratch"));
            assert_eq!(lab().full(), lab().file("no", "2").full());
        }
    }

    #[test]
    fn what_is_not_understood_and_may_take_in_more_is_not_pinned() {
        for rest in [
            "FROM a\nARG URL\nADD $URL /\n",
            "FROM a\nADD https://x/y /\n",
            "FROM a\nADD git@host:x.git /\n",
            "FROM a\nADD http:\"//\"x/y /\n",
            "FROM a\nCOPY --new --from=img x /\n",
            "FROM triggers\n",
            "FROM a AS b\nONBUILD ADD https://x/y /\nFROM b\n",
            "FROM --new a\n",
            "FROM --new scratch\n",
            "FROM scratchpad as\n",
            "FROM a-$TARGETSTAGE\n",
            "ARG X=$TARGETSTAGE\nFROM a-$X as b\nFROM b\n",
        ] {
            let lab = Lab::new(&format!("{rest}NEW thing\n"));
            let triggers = ["ADD https://x/y /"];
            let recipe = lab.base("triggers:latest", "t", &triggers, &[]).recipe();
            assert!(
                recipe.opaque.is_some() && recipe.unpinned.is_some(),
                "{rest}"
            );
        }
        let copies =
            Lab::new("FROM a\nNEW thing\n").base("a:latest", "a", &["COPY --from=img x /"], &[]);
        let recipe = copies.recipe();
        assert_eq!((recipe.unpinned, recipe.bases.len()), (None, 2));
    }

    #[test]
    fn the_engines_own_platform_written_out_moves_no_opaque_key() {
        let own = Platform::host().to_string();
        let text = format!(
            "FROM --platform={own} base\nARG TARGETSTAGE\nFROM base\nCOPY --from=0 /a /b\n"
        );
        let mut asked = Lab::new(&text);
        asked.service.platform = Some(own);
        let plain = Lab::new(&text);
        assert!(plain.recipe().opaque.is_some());
        assert_eq!(plain.full(), asked.full());
    }

    #[test]
    fn another_frontend_is_opaque_and_never_reused() {
        let lab = |syntax: &str| {
            Lab::new(&format!("# syntax={syntax}\nFROM a\nCOPY x /\n"))
                .files(&["x"])
                .recipe()
        };
        for known in [
            "docker/dockerfile",
            "docker/dockerfile:1",
            "docker.io/docker/dockerfile:1.7-labs",
            "docker/dockerfile:1.4.2",
        ] {
            assert_eq!(lab(known).opaque, None, "{known}");
        }
        for other in [
            "docker/dockerfile:2",
            "ghcr.io/docker/dockerfile:1",
            "me/frontend",
            "docker/dockerfile-upstream",
        ] {
            let recipe = lab(other);
            assert!(
                recipe.opaque.is_some() && recipe.unpinned.is_some(),
                "{other}"
            );
        }
        assert!(
            Lab::new("FROM a")
                .arg("BUILDKIT_SYNTAX", "x")
                .recipe()
                .unpinned
                .is_some()
        );
    }

    #[test]
    fn what_nothing_pins_is_told() {
        assert!(
            Lab::new("FROM a\nADD https://x/y /")
                .recipe()
                .unpinned
                .unwrap()
                .contains("line 2")
        );
        assert_eq!(
            Lab::new("FROM a AS b\nADD https://x/y /\nFROM c")
                .recipe()
                .unpinned,
            None
        );
    }

    #[test]
    fn additional_contexts_count_where_they_are_used() {
        let lab = |from: &str| {
            let lab = Lab::new(&format!("FROM a\nCOPY --from={from} x /\n"));
            std::fs::create_dir(lab.path("../more")).unwrap();
            let more = lab.path("../more").to_str().unwrap().to_owned();
            lab.context("more", &more)
                .context("image", "docker-image://redis:7")
                .context("git", "https://h/x.git")
                .file("../more/x", "1")
        };
        assert_ne!(
            lab("more").full(),
            lab("more").file("../more/x", "2").full()
        );
        assert_eq!(lab("a1").full(), lab("a1").file("../more/x", "2").full());
        assert_ne!(
            lab("image").full(),
            lab("image").base("redis:7", "2", &[], &[]).full()
        );
        assert!(lab("git").recipe().unpinned.is_some());
        assert!(lab("more").recipe().unpinned.is_none());
        let unread = lab("more").file("../more/y", "2");
        assert_eq!(lab("more").full(), unread.full(), "what nothing reads");
        let ignored = lab("more").file("../more/.dockerignore", "x\n");
        let error = ignored.try_recipe().unwrap_err().to_string();
        assert!(
            error.contains("`x` of additional context `more`"),
            "{error}"
        );
    }

    #[test]
    fn an_additional_context_takes_the_place_of_an_image_or_a_stage() {
        let folder = || {
            let lab = Lab::new("FROM redis:7 AS one\nRUN x\nCOPY $DIR /y\nFROM one\n");
            std::fs::create_dir(lab.path("../more")).unwrap();
            let more = lab.path("../more").to_str().unwrap().to_owned();
            lab.context("docker.io/library/redis:7", &more)
                .file("../more/x", "1")
                .files(&["d"])
                .arg("DIR", "d")
        };
        assert_ne!(folder().full(), folder().file("../more/x", "2").full());
        let moved = folder().base("redis:7", "2", &[], &[]);
        assert_eq!(folder().full(), moved.full());
        assert!(folder().recipe().bases.is_empty());
        let stage = |run: &str| {
            let text = format!("FROM a AS one\nRUN {run}\nFROM b\nCOPY --from=one x /\n");
            Lab::new(&text).context("one", "docker-image://redis:7")
        };
        assert_eq!(stage("x").full(), stage("y").full(), "it is not built");
        let moved = stage("x").base("redis:7", "2", &[], &[]);
        assert_ne!(stage("x").full(), moved.full());
        let triggers = stage("x").base("redis:7", "2", &["RUN x"], &[]);
        assert!(
            triggers.recipe().opaque.is_some(),
            "BuildKit runs none here"
        );
        let based = |env: &str| {
            Lab::new("FROM base\nCOPY $DIR /\n")
                .context("base", "docker-image://redis:7")
                .base("redis:7", "1", &["COPY t /"], &[env])
                .files(&["d", "e", "t"])
        };
        assert_eq!(paths(&based("DIR=e").recipe()), ["e", "t"]);
        let named = Lab::new("FROM base\n").context("more", "docker-image://redis:7");
        let named = named.base("base:latest", "1", &["COPY --from=more t /"], &[]);
        assert!(named.recipe().opaque.is_some());
    }

    #[test]
    fn what_contexts_stand_for_counts_in_a_dockerfile_that_is_not_understood() {
        let lab = |one: &str, other: &str| {
            let text = "FROM b:2\nARG TARGETSTAGE\nCOPY --from=d:1 /f /f\n";
            let lab = Lab::new(text).context("b:2", one).context("d:1", other);
            assert!(lab.recipe().opaque.is_some());
            lab.full()
        };
        let (b, d) = ("docker-image://b:2", "docker-image://d:1");
        assert_ne!(lab(b, d), lab(d, b));
    }

    #[test]
    fn a_service_as_a_context_is_its_image() {
        let lab = Lab::new("FROM a\nCOPY --from=x y /\n").context("x", "service:other");
        let images = lab.recipe().bases.into_iter();
        let images: Vec<String> = images.map(|(image, _)| image.to_string()).collect();
        assert_eq!(images, ["a:latest", "lab-other:latest"]);
        let moved = Lab::new("FROM a\nCOPY --from=x y /\n").context("x", "service:other");
        let moved = moved.base("lab-other:latest", "2", &[], &[]);
        assert_ne!(lab.full(), moved.full());
    }

    #[test]
    fn the_encoding_stays_what_it_is() {
        // Images that are kept under a key are found again only while this holds: a change here is a new
        // schema version.
        let lab = Lab::new("FROM scratch\nARG A=1\nCOPY a b /to/\nRUN <<E\nx\nE\n")
            .files(&["a", "b/c"])
            .link("b/l", "c");
        let mut lab = lab.mode("b", 0o755);
        lab.service.platform = Some("linux/amd64".to_owned());
        insta::assert_snapshot!(lab.full(), @"6b4b80f5246b0e7e7da88ed40e5e1dd4e550b744301e2a8ae1e23e4cc15bfe21");
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Content(String),
        Append(u8),
        Mode(u32),
        Remove,
        Rename(String),
        Link(String),
        Neighbour(String),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            "[a-z]{0,4}".prop_map(Edit::Content),
            any::<u8>().prop_map(Edit::Append),
            prop::sample::select(vec![0o600, 0o644, 0o755, 0o500, 0o4755]).prop_map(Edit::Mode),
            Just(Edit::Remove),
            "[n-z]{1,3}".prop_map(Edit::Rename),
            "[a-z]{1,3}".prop_map(Edit::Link),
            "[n-z]{1,3}".prop_map(Edit::Neighbour),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_edit_of_a_file_that_is_read_moves_the_key(
            contents in prop::collection::vec("[a-z]{0,4}", 1..5),
            chosen in any::<prop::sample::Index>(),
            edit in edit(),
        ) {
            let names: Vec<String> = (0..contents.len()).map(|at| format!("d{}/f{at}", at % 2)).collect();
            let mut lab = Lab::new("FROM a\nCOPY d* /d/\n").folder("d0").folder("d1");
            for (name, content) in names.iter().zip(&contents) {
                lab = lab.file(name, content);
            }
            let before = lab.full();
            let at = chosen.index(names.len());
            let (name, content) = (&names[at], &contents[at]);
            let same = matches!(&edit, Edit::Content(new) if new == content) || matches!(edit, Edit::Mode(0o644));
            lab = match edit {
                Edit::Content(new) => lab.file(name, &new),
                Edit::Append(byte) => { let more = format!("{content}{}", char::from(byte)); lab.file(name, &more) }
                Edit::Mode(mode) => lab.mode(name, mode),
                Edit::Remove => lab.without(name),
                Edit::Rename(new) => lab.without(name).file(&format!("d0/{new}"), content),
                Edit::Link(target) => lab.link(name, &target),
                Edit::Neighbour(new) => lab.file(&format!("d1/{new}"), content),
            };
            prop_assert_eq!(before == lab.full(), same);
        }

        #[test]
        fn content_cannot_move_between_files(a in "[ab]{0,3}", b in "[ab]{0,3}", at in 0usize..3) {
            let joined = format!("{a}{b}");
            let (left, right) = joined.split_at(at.min(joined.len()));
            let key = |one: &str, two: &str| {
                Lab::new("FROM a\nCOPY d /d\n").file("d/a", one).file("d/b", two).full()
            };
            prop_assert_eq!(key(&a, &b) == key(left, right), a == left);
        }
    }
}
