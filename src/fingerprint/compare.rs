//! What is different between the inputs of two fingerprints, in the order of the chain. Pure.

use std::collections::BTreeSet;

use super::change::{Change, FileChange, How, Place, What};
use super::ingredients::Elsewhere;
use super::record::{Content, Record, Recorded, RecordedEntry};

/// Beyond so many pairs of instructions that may belong together, the order alone decides.
const PAIRS: usize = 1_000_000;

/// What makes `now` another fingerprint than `before`; nothing when they are equal. The first change is the one that stands
/// first in the chain. Equal keys have no difference, whatever else is noted beside them.
pub fn compare(before: &Record, now: &Record) -> Vec<Change> {
    if before.full == now.full {
        return Vec::new();
    }
    let mut found = Comparison {
        before,
        now,
        changes: Vec::new(),
    };
    if before.schema != now.schema {
        let (before, now) = (before.schema.clone(), now.schema.clone());
        found.add(None, What::Schema { before, now });
    }
    found.section();
    if before.opaque.is_some() || now.opaque.is_some() {
        found.whole();
    } else {
        found.stages();
    }
    found.ignore();
    if found.changes.is_empty() {
        found.add(None, What::Key);
    }
    found.changes
}

struct Comparison<'a> {
    before: &'a Record,
    now: &'a Record,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn add(&mut self, place: Option<Place>, what: What) {
        self.changes.push(Change { place, what });
    }

    fn section(&mut self) {
        let (before, now) = (&self.before.section, &self.now.section);
        let names: BTreeSet<&String> = before.values.keys().chain(now.values.keys()).collect();
        let mut explained = false;
        for name in names {
            let (old, new) = (before.values.get(name), now.values.get(name));
            if old != new {
                // A label stands on top of the last key.
                explained |= !name.starts_with("labels.");
                let (name, before, now) = (name.clone(), old.cloned(), new.cloned());
                self.add(None, What::Section { name, before, now });
            }
        }
        let moved = before.surroundings != now.surroundings;
        if moved && !explained && self.before.schema == self.now.schema {
            self.add(None, What::Key);
        }
    }

    /// Where one of the two Dockerfiles was not understood.
    fn whole(&mut self) {
        let (before, now) = (self.before, self.now);
        let (Some(old), Some(new)) = (before.chain.first(), now.chain.first()) else {
            return;
        };
        if before.opaque.is_some() != now.opaque.is_some() {
            let (before, now) = (before.opaque.clone(), now.opaque.clone());
            self.add(None, What::Understood { before, now });
            return;
        }
        if before.section.target != now.section.target {
            self.target();
        }
        self.pair(old, new);
    }

    fn target(&mut self) {
        let before = self.before.section.target.clone();
        let now = self.now.section.target.clone();
        self.add(None, What::Target { before, now });
    }

    fn stages(&mut self) {
        let (old, new) = (stages(self.before), stages(self.now));
        let name = |record: &Record, stage: &[&Recorded]| {
            record.stages.get(&stage.first()?.stage).cloned()
        };
        let alike = |one: &Vec<&Recorded>, other: &Vec<&Recorded>| {
            let names = (name(self.before, one), name(self.now, other));
            match names {
                (None, None) => from_of(one) == from_of(other),
                (one, other) => one == other,
            }
        };
        let pairs = align(&old, &new, alike, |_, _| true);
        let ends_apart = !matches!(pairs.last(), Some((Some(_), Some(_))) | None);
        if ends_apart && self.before.section.target != self.now.section.target {
            self.target();
        }
        for pair in pairs {
            match pair {
                (Some(one), Some(other)) => self.stage(one, other),
                (one, other) => {
                    let gone = one.into_iter().flatten().map(|link| (Some(*link), None));
                    let new = other.into_iter().flatten().map(|link| (None, Some(*link)));
                    for (before, now) in gone.chain(new) {
                        self.lone(before, now);
                    }
                }
            }
        }
    }

    fn stage(&mut self, before: &[&Recorded], now: &[&Recorded]) {
        let known = self.changes.len();
        let (Some((old_from, old)), Some((new_from, new))) =
            (before.split_first(), now.split_first())
        else {
            return;
        };
        self.from(old_from, new_from);
        let alike = |one: &&Recorded, other: &&Recorded| {
            one.ingredients.text == other.ingredients.text && is_trigger(one) == is_trigger(other)
        };
        let same_word = |one: &&Recorded, other: &&Recorded| keyword(one) == keyword(other);
        for pair in align(old, new, alike, same_word) {
            match pair {
                (Some(one), Some(other)) => self.pair(one, other),
                (one, other) => self.lone(one.copied(), other.copied()),
            }
        }
        // The first key that moved without a reason, where nothing in front of it did: a reason that is not kept.
        let same_start = self.changes.is_empty() && known == 0;
        let keys = before.iter().zip(now);
        let moved = keys.into_iter().find(|(one, other)| one.key != other.key);
        if let Some((_, link)) = moved
            && same_start
        {
            self.add(Some(place(link)), What::Key);
        }
    }

    /// An instruction that only one of them has.
    fn lone(&mut self, before: Option<&Recorded>, now: Option<&Recorded>) {
        let text = |link: &Recorded| link.ingredients.text.clone();
        let at = now.or(before).map(place);
        let (before, now) = (before.map(text), now.map(text));
        self.add(at, What::Instruction { before, now });
    }

    /// Two FROMs. What they name counts by what it stands for, and the stage's own name not at all.
    fn from(&mut self, before: &Recorded, now: &Recorded) {
        let (one, other) = (&before.ingredients, &now.ingredients);
        let kinds = |all: &[Elsewhere]| all.first().map(std::mem::discriminant);
        let stage = |record: &Record, own: &[Elsewhere]| match own.first() {
            Some(Elsewhere::Stage(number)) => {
                Some(record.stages.get(number).cloned().ok_or(*number))
            }
            _ => None,
        };
        let stages = (
            stage(self.before, &one.elsewhere),
            stage(self.now, &other.elsewhere),
        );
        let renamed = match (one.elsewhere.first(), other.elsewhere.first()) {
            (
                Some(Elsewhere::Image { name, identity, .. }),
                Some(Elsewhere::Image {
                    name: now,
                    identity: new,
                    ..
                }),
            ) => name != now && identity != new && one.text != other.text,
            _ => false,
        };
        if renamed
            || one.platform != other.platform
            || kinds(&one.elsewhere) != kinds(&other.elsewhere)
            || stages.0 != stages.1
        {
            self.lone(Some(before), Some(now));
        }
        self.elsewhere(before, now);
    }

    /// Two instructions that belong together.
    fn pair(&mut self, before: &Recorded, now: &Recorded) {
        let (one, other) = (&before.ingredients, &now.ingredients);
        let at = || Some(place(now));
        if one.text != other.text {
            self.lone(Some(before), Some(now));
        } else if one.documents != other.documents {
            let digest = |all: &[_]| all.first().copied();
            let what = if one.text.is_empty() {
                What::Dockerfile {
                    before: digest(&one.documents),
                    now: digest(&other.documents),
                }
            } else {
                What::Document
            };
            self.add(at(), what);
        }
        let names = one.arguments.iter().chain(&other.arguments);
        let names: BTreeSet<&String> = names.map(|(name, _)| name).collect();
        for name in names {
            let value = |all: &[(String, Option<_>)]| {
                let mut own = all.iter().filter(|(own, _)| own == name);
                own.next_back().and_then(|(_, value)| *value)
            };
            let (before, now) = (value(&one.arguments), value(&other.arguments));
            if before != now {
                let name = name.clone();
                self.add(at(), What::Argument { name, before, now });
            }
        }
        self.elsewhere(before, now);
        let files = files(self.before, before, self.now, now);
        if !files.is_empty() {
            self.add(at(), What::Files { files });
        }
    }

    /// Images and contexts that stand for something else now. A stage is compared by itself.
    fn elsewhere(&mut self, before: &Recorded, now: &Recorded) {
        let (one, other) = (&before.ingredients, &now.ingredients);
        let is_whole = one.text.is_empty() && other.text.is_empty();
        let same_words = one.text == other.text && !is_whole;
        // What a Dockerfile that was not understood reads stands for no words: it is paired by name.
        let named: Vec<(&Elsewhere, &Elsewhere)> = if is_whole {
            let same =
                |old: &&Elsewhere| other.elsewhere.iter().find(|new| new.name() == old.name());
            let pairs = one.elsewhere.iter();
            pairs.filter_map(|old| Some((old, same(&old)?))).collect()
        } else {
            one.elsewhere.iter().zip(&other.elsewhere).collect()
        };
        for pair in named {
            let what = match pair {
                // Other words are another instruction.
                (
                    Elsewhere::Image {
                        identity: old,
                        name: was,
                        ..
                    },
                    Elsewhere::Image { identity, name, .. },
                ) if old != identity && (was == name || same_words) => What::Base {
                    name: name.clone(),
                    was: Some(was.clone()).filter(|was| was != name),
                    before: old.clone(),
                    now: identity.clone(),
                },
                (Elsewhere::Context { content: old, .. }, Elsewhere::Context { content, name })
                    if old != content =>
                {
                    What::Context {
                        name: name.clone(),
                        before: *old,
                        now: *content,
                    }
                }
                _ => continue,
            };
            self.add(Some(place(now)), what);
        }
    }

    /// The ignore file is no input: it is named where files came or went.
    fn ignore(&mut self) {
        let (before, now) = (&self.before.section.ignore, &self.now.section.ignore);
        let moved = self.changes.iter().any(|change| match &change.what {
            What::Files { files } => files
                .iter()
                .any(|file| matches!(file.how, How::Added | How::Removed)),
            _ => false,
        });
        if before != now
            && moved
            && let Some((name, _)) = now.as_ref().or(before.as_ref())
        {
            let name = name.clone();
            self.add(None, What::Ignore { name });
        }
    }
}

/// The instructions of each stage, in order.
fn stages(record: &Record) -> Vec<Vec<&Recorded>> {
    let mut stages: Vec<Vec<&Recorded>> = Vec::new();
    for link in &record.chain {
        match stages.last_mut() {
            Some(stage) if stage[0].stage == link.stage => stage.push(link),
            _ => stages.push(vec![link]),
        }
    }
    stages
}

fn from_of<'a>(stage: &[&'a Recorded]) -> Option<&'a str> {
    stage.first().map(|from| from.ingredients.text.as_str())
}

/// Whether an instruction is a trigger of what its stage starts from. FROM itself is never asked.
fn is_trigger(link: &Recorded) -> bool {
    link.instruction == 0 && keyword(link) != "FROM" && !link.ingredients.text.is_empty()
}

fn keyword(link: &Recorded) -> &str {
    let text = &link.ingredients.text;
    text.split(' ').next().unwrap_or_default()
}

fn place(link: &Recorded) -> Place {
    Place {
        stage: link.stage,
        instruction: link.instruction,
        line: link.line,
        text: link.ingredients.text.clone(),
        trigger: is_trigger(link),
    }
}

/// The files of two instructions that are not the same.
fn files(before: &Record, old: &Recorded, now: &Record, new: &Recorded) -> Vec<FileChange> {
    let mut old = old.entries().map(|at| &before.entries[at]).peekable();
    let mut new = new.entries().map(|at| &now.entries[at]).peekable();
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.path.cmp(&other.path),
        };
        let before = if order.is_le() { old.next() } else { None };
        let now = if order.is_ge() { new.next() } else { None };
        changes.extend(file(before, now));
    }
}

fn file(before: Option<&RecordedEntry>, now: Option<&RecordedEntry>) -> Option<FileChange> {
    let how = match (before, now) {
        (Some(one), Some(other)) if one == other => return None,
        (Some(one), Some(other)) => match (&one.content, &other.content) {
            (one, other) if one == other => How::Mode,
            (Content::File(_), Content::File(_)) | (Content::Link(_), Content::Link(_)) => {
                How::Changed
            }
            _ => How::Kind,
        },
        (Some(_), None) => How::Removed,
        (None, _) => How::Added,
    };
    Some(FileChange {
        path: now.or(before)?.path.clone(),
        how,
        before: before.cloned(),
        now: now.cloned(),
    })
}

/// Two lists side by side: the longest common sequence of what is alike; between that, what may be a changed version of
/// each other, in order.
fn align<'a, T>(
    before: &'a [T],
    now: &'a [T],
    alike: impl Fn(&T, &T) -> bool,
    related: impl Fn(&T, &T) -> bool,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let (mut pairs, mut one, mut other) = (Vec::new(), 0, 0);
    for (old, new) in common(before, now, alike)
        .into_iter()
        .chain([(before.len(), now.len())])
    {
        while one < old && other < new && related(&before[one], &now[other]) {
            pairs.push((Some(&before[one]), Some(&now[other])));
            (one, other) = (one + 1, other + 1);
        }
        pairs.extend(before[one..old].iter().map(|gone| (Some(gone), None)));
        pairs.extend(now[other..new].iter().map(|new| (None, Some(new))));
        if old < before.len() {
            pairs.push((Some(&before[old]), Some(&now[new])));
        }
        (one, other) = (old + 1, new + 1);
    }
    pairs
}

/// The positions of a longest common sequence.
fn common<T>(before: &[T], now: &[T], alike: impl Fn(&T, &T) -> bool) -> Vec<(usize, usize)> {
    let (rows, columns) = (before.len(), now.len());
    if rows.saturating_mul(columns) > PAIRS {
        let all = (0..rows.min(columns)).map(|at| (at, at));
        return all
            .filter(|(at, _)| alike(&before[*at], &now[*at]))
            .collect();
    }
    // How long the longest common sequence behind each pair of positions is.
    let mut longest = vec![vec![0_usize; columns + 1]; rows + 1];
    for one in (0..rows).rev() {
        for other in (0..columns).rev() {
            longest[one][other] = if alike(&before[one], &now[other]) {
                longest[one + 1][other + 1] + 1
            } else {
                longest[one + 1][other].max(longest[one][other + 1])
            };
        }
    }
    let (mut found, mut one, mut other) = (Vec::new(), 0, 0);
    while one < rows && other < columns {
        if alike(&before[one], &now[other]) {
            found.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if longest[one + 1][other] >= longest[one][other + 1] {
            one += 1;
        } else {
            other += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::lab::Lab;

    const APP: &str =
        "FROM base\nARG VERSION\nCOPY requirements.txt .\nRUN pip install\nCOPY . /app\nCMD run\n";

    fn app() -> Lab {
        Lab::new(APP)
            .files(&["requirements.txt", "src/a.py", "src/b.py", "run.sh"])
            .link("link", "run.sh")
            .file(".dockerignore", "Dockerfile\n.dockerignore\n")
    }

    /// The sentences of what changed from one lab to another, both ways round.
    fn told(before: &Lab, now: &Lab) -> Vec<String> {
        let records = [before, now].map(|lab| Record::of(&lab.recipe()));
        assert!(compare(&records[0], &records[0]).is_empty());
        assert!(!compare(&records[1], &records[0]).is_empty());
        let changes = compare(&records[0], &records[1]);
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_change_to_a_file_is_named() {
        let all = "(line 5, `COPY . /app`)";
        let cases = vec![
            (
                app().file("src/a.py", "x"),
                format!("`src/a.py` changed {all}"),
            ),
            (
                app().file("src/c.py", "x"),
                format!("`src/c.py` is new {all}"),
            ),
            (
                app().without("src/b.py"),
                format!("`src/b.py` is gone {all}"),
            ),
            (
                app().mode("run.sh", 0o755),
                format!("the mode of `run.sh` changed {all}"),
            ),
            (app().link("link", "src"), format!("`link` changed {all}")),
            (
                app().link("run.sh", "src"),
                format!("`run.sh` changed {all}"),
            ),
            (app().folder("empty"), format!("`empty` is new {all}")),
        ];
        for (now, sentence) in cases {
            assert_eq!(told(&app(), &now), [sentence]);
        }
        assert_eq!(
            told(&app(), &app().file("requirements.txt", "x")),
            [
                "`requirements.txt` changed (line 3, `COPY requirements.txt .`)",
                "`requirements.txt` changed (line 5, `COPY . /app`)"
            ]
        );
        let several = app().file("src/a.py", "x").file("n", "").without("run.sh");
        assert_eq!(
            told(&app(), &several),
            [format!("`n` and 2 more files changed {all}")]
        );
    }

    #[test]
    fn the_ignore_file_is_named_where_files_come_or_go() {
        let more = |lines: &str| {
            app().file(
                ".dockerignore",
                &format!("Dockerfile\n.dockerignore\n{lines}"),
            )
        };
        assert_eq!(
            told(&app(), &more("src/b.py\n")),
            [
                "`src/b.py` is gone (line 5, `COPY . /app`)",
                "`.dockerignore` changed"
            ]
        );
        assert_eq!(
            told(&app(), &more("other\n").file("run.sh", "x")),
            ["`run.sh` changed (line 5, `COPY . /app`)"]
        );
    }

    #[test]
    fn values_from_outside_are_named() {
        let version = |value: &str| app().arg("VERSION", value);
        let argument = "argument `VERSION` has another value (line 2, `ARG VERSION`)";
        assert_eq!(told(&version("1"), &version("2")), [argument]);
        assert_eq!(told(&app(), &version("2")), [argument]);
        let base = |identity: &str| app().base("base:latest", identity, &[], &[]);
        assert_eq!(
            told(&base("one"), &base("two")),
            ["base `base:latest` is another image (line 1, `FROM base`)"]
        );
        let from = |name: &str| {
            let lab = app().base(&format!("{name}:latest"), name, &[], &[]);
            lab.file(
                "Dockerfile",
                &APP.replace("FROM base", &format!("FROM {name}")),
            )
        };
        assert_eq!(
            told(&from("base"), &from("other")),
            ["an instruction changed (line 1, `FROM other`)"]
        );
        let variable = |name: &str| {
            let lab = app().base(&format!("{name}:latest"), name, &[], &[]);
            let text = APP.replace("FROM base", "ARG NAME\nFROM $NAME");
            lab.file("Dockerfile", &text).arg("NAME", name)
        };
        assert_eq!(
            told(&variable("base"), &variable("other")),
            ["base `other:latest` was `base:latest` (line 2, `FROM $NAME`)"]
        );
        let not_understood = |text: &str| {
            let mut lab = app().base("other:latest", "other", &[], &[]);
            lab.build.dockerfile_inline = Some(format!("{text}FROM scratch\nARG TARGETSTAGE\n"));
            lab
        };
        let bases = ["FROM base AS x\nFROM other AS y\n", "FROM other AS y\n"].map(not_understood);
        assert_eq!(
            told(&bases[0], &bases[1]),
            ["the Dockerfile changed"],
            "a base that went is none that changed"
        );
        let trigger = |text: &str| app().base("base:latest", text, &[text], &[]);
        assert_eq!(
            told(&trigger("RUN one"), &trigger("RUN two"))[1],
            "an instruction changed (line 1, `RUN two`)"
        );
        let mut context = app().context("more", "https://x/y.git");
        context = context.file("Dockerfile", &format!("{APP}COPY --from=more f /\n"));
        let other = app().context("more", "https://x/z.git");
        let other = other.file("Dockerfile", &format!("{APP}COPY --from=more f /\n"));
        assert_eq!(
            told(&context, &other),
            ["additional context `more` changed (line 7, `COPY --from=more f /`)"]
        );
    }

    #[test]
    fn each_value_of_the_build_section_is_named() {
        let mut network = app();
        network.build.network = Some("none".to_owned());
        let mut platform = app();
        platform.service.platform = Some("linux/s390x".to_owned());
        let mut label = app();
        label.build.labels.insert("a".to_owned(), "b".to_owned());
        let mut hosts = app();
        hosts
            .build
            .extra_hosts
            .insert("h".to_owned(), vec!["1.2.3.4".to_owned()]);
        let cases = vec![
            (network, "network"),
            (platform, "platform"),
            (label, "labels.a"),
            (hosts, "extra_hosts.h"),
            (app().ssh("default"), "ssh.default"),
            (app().other("isolation", json!({"x": 1})), "isolation"),
            (
                app().arg("SOURCE_DATE_EPOCH", "0"),
                "args.SOURCE_DATE_EPOCH",
            ),
            (
                app().file(
                    "Dockerfile",
                    &format!("# syntax=docker/dockerfile:1\n{APP}"),
                ),
                "# syntax",
            ),
            (
                app().file("Dockerfile", &format!("# escape=`\n{APP}")),
                "# escape",
            ),
        ];
        for (now, name) in cases {
            assert_eq!(
                told(&app(), &now),
                [format!("`build.{name}` changed")],
                "{name}"
            );
        }
    }

    #[test]
    fn instructions_are_told_apart_from_those_that_moved() {
        let edit = |from: &str, to: &str| app().file("Dockerfile", &APP.replace(from, to));
        let cases = [
            edit("RUN pip install", "# moved\nRUN pip install -U"),
            edit("RUN pip install\n", ""),
            edit("COPY . /app\n", "COPY . /app\nRUN make\n"),
            edit("RUN pip install", "RUN pip  'in  stall'"),
        ];
        let sentences = [
            "an instruction changed (line 5, `RUN pip install -U`)",
            "an instruction is gone (line 4, `RUN pip install`)",
            "an instruction is new (line 6, `RUN make`)",
            "an instruction changed (line 4, `RUN pip 'in stall'`)",
        ];
        for (now, sentence) in cases.iter().zip(sentences) {
            assert_eq!(told(&app(), now), [sentence]);
        }
        let document = |body: &str| edit("CMD run", &format!("RUN <<E\n{body}\nE"));
        assert_eq!(
            told(&document("one"), &document("two")),
            ["a here-document changed (line 6, `RUN <<E`)"]
        );
    }

    #[test]
    fn a_stage_is_known_by_its_name_or_its_base() {
        let stages = |front: &str, from: &str, target: &str| {
            let text = format!(
                "{front}FROM a AS one\nCOPY f /\nFROM b AS two\nRUN x\nFROM {from}\nCOPY --from=one f /\n"
            );
            Lab::new(&text).file("f", "").target(target)
        };
        let plain = || stages("", "two AS end", "end");
        assert_eq!(
            told(&plain(), &stages("", "one AS end", "end")),
            [
                "an instruction is gone (line 3, `FROM b AS two`)",
                "an instruction is gone (line 4, `RUN x`)",
                "an instruction changed (line 5, `FROM one AS end`)"
            ]
        );
        assert_eq!(
            told(&plain(), &plain().file("f", "x")),
            ["`f` changed (line 2, `COPY f /`)"]
        );
        let front = stages("FROM c AS zero\n", "two AS end", "end");
        assert_eq!(
            told(&plain(), &front.file("f", "x")),
            ["`f` changed (line 3, `COPY f /`)"],
            "one in front that nobody needs"
        );
        let target = told(&plain(), &stages("", "two AS end", "two"));
        assert_eq!(target[0], "stage `two` is built, and not stage `end`");
    }

    #[test]
    fn what_was_not_understood_is_compared_as_a_whole() {
        let odd = |text: &str| app().file("Dockerfile", &format!("{APP}{text}"));
        assert_eq!(
            told(&odd("FOO 1\n"), &odd("FOO 2\n")),
            ["the Dockerfile changed"]
        );
        assert_eq!(
            told(&odd("FOO 1\n"), &odd("FOO 1\n").file("run.sh", "x")),
            ["`run.sh` changed"]
        );
        assert!(told(&app(), &odd("FOO 1\n"))[0].contains("not understood any more"));
        assert_eq!(
            told(&odd("FOO 1\n"), &app()),
            ["the Dockerfile is understood now"]
        );
    }
}
