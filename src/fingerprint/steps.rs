//! What one instruction reads besides its own text: files of the context, other stages, images, and things
//! that nothing pins (`instructions/parse.go`, `commands_runmount.go`, `convert_copy.go`).

use super::dockerfile::Instruction;
use super::effect::Effect;
use super::parse;
use super::recipe::Argument;
use super::scope::{Globals, Scope};
use super::sources::Source;
use super::stages::Request;
use super::words::Unclear;
use crate::model::ImageRef;

/// Something that an instruction reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Files of the build context.
    Context(Source),
    /// A stage, at its end.
    Stage(usize),
    /// An image.
    Image(ImageRef),
    /// Files of an additional context.
    Named(String, Source),
}

/// One instruction, understood.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) instruction: Instruction,
    /// Its number in the stage; 0 for a trigger of the base.
    pub(super) number: usize,
    /// The arguments it declares, with the values that come from outside the stage.
    pub(super) outside: Vec<(String, Option<String>)>,
    pub(super) reads: Vec<Read>,
    /// What it fetches that nothing pins.
    pub(super) unpinned: Option<String>,
    /// Of a RUN: the arguments in scope (`Scope::arguments`).
    pub(super) arguments: Option<Vec<Argument>>,
    /// What it does to its stage.
    pub(super) effect: Effect,
}

impl Step {
    /// An instruction of which only `reads` is known.
    pub(super) fn known_in_part(instruction: &Instruction, reads: Vec<Read>) -> Self {
        Self {
            instruction: instruction.clone(),
            number: 0,
            outside: Vec::new(),
            reads,
            unpinned: None,
            arguments: None,
            effect: Effect::Other,
        }
    }
}

/// The stages that a `--from` can mean.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) request: &'a Request,
    /// The names of all stages.
    pub(super) stages: &'a [Option<String>],
    /// The stage that asks: only those in front of it are there.
    pub(super) own: usize,
}

/// What `--from` names; `None` for nothing at all.
fn resolve(from: &str, numbers: bool, names: Names<'_>) -> Result<Option<Read>, Unclear> {
    let wanted = from.to_lowercase();
    let by_name = names
        .stages
        .iter()
        .rposition(|name| name.as_deref() == Some(&wanted));
    let by_number = || from.parse().ok().filter(|_| numbers);
    if let Some(stage) = by_number().or(by_name) {
        if stage >= names.own {
            return refused(&format!("`{from}` is no stage in front of this one"));
        }
        return Ok(Some(Read::Stage(stage)));
    }
    if from == "scratch" {
        return Ok(None);
    }
    if let Some(context) = names.request.context(from) {
        let image = names.request.image_of(&context).cloned();
        let files = || Read::Named(context, Source::everything());
        return Ok(Some(image.map_or_else(files, Read::Image)));
    }
    match from.parse() {
        Ok(image) => Ok(Some(Read::Image(image))),
        Err(_) => refused(&format!("`{from}` is no stage and no image name")),
    }
}

/// The stages and images that an instruction reads. This needs no variables: BuildKit puts none into `--from`.
pub(super) fn elsewhere(
    instruction: &Instruction,
    escape: char,
    names: Names<'_>,
) -> Result<Vec<Read>, Unclear> {
    let mut reads = Vec::new();
    for (from, numbers) in froms(instruction, escape)? {
        reads.extend(resolve(&from, numbers, names)?);
    }
    reads.retain(|read| !matches!(read, Read::Named(..)));
    Ok(reads)
}

/// Whether an instruction names an additional context.
pub(super) fn names_context(
    instruction: &Instruction,
    escape: char,
    names: Names<'_>,
) -> Result<bool, Unclear> {
    let request = names.request;
    let mut froms = froms(instruction, escape)?.into_iter();
    Ok(froms.any(|(from, _)| {
        let is_stage = |name: &Option<String>| name.as_deref() == Some(&from.to_lowercase());
        request.context(&from).is_some() && !names.stages.iter().any(is_stage)
    }))
}

/// What stands behind each `from` of an instruction, and whether it may be a stage's number.
fn froms(instruction: &Instruction, escape: char) -> Result<Vec<(String, bool)>, Unclear> {
    let flags = Flags::of(instruction, escape)?;
    let mut froms = Vec::new();
    match instruction.keyword.as_str() {
        "COPY" => froms.extend(flags.value("from").map(|from| (from.to_owned(), true))),
        "RUN" => {
            for mount in flags.values("mount") {
                let fields = fields(mount)?;
                let from = fields.into_iter().rev().find(|(key, _)| key == "from");
                froms.extend(from.map(|(_, from)| (from, false)));
            }
        }
        _ => {}
    }
    Ok(froms)
}

/// Reads an instruction, and lets it change what those behind it see.
pub(super) fn step(
    instruction: &Instruction,
    escape: char,
    scope: &mut Scope,
    globals: &Globals,
    names: Names<'_>,
) -> Result<Step, Unclear> {
    let mut step = Step::known_in_part(instruction, elsewhere(instruction, escape, names)?);
    match instruction.keyword.as_str() {
        "ARG" => step.outside = scope.declare(instruction, globals, escape)?,
        "ENV" => scope.set_env(instruction, escape)?,
        "COPY" | "ADD" => copy(&mut step, escape, scope, names)?,
        "RUN" => {
            run(&mut step, escape, scope, names)?;
            step.arguments = scope.arguments(globals);
        }
        "CMD" | "ENTRYPOINT" | "EXPOSE" | "HEALTHCHECK" | "LABEL" | "MAINTAINER" | "ONBUILD"
        | "SHELL" | "STOPSIGNAL" | "USER" | "VOLUME" | "WORKDIR" => {}
        other => return refused(&format!("`{other}` is no instruction")),
    }
    step.effect = Effect::of(instruction, escape, scope);
    Ok(step)
}

fn copy(step: &mut Step, escape: char, scope: &Scope, names: Names<'_>) -> Result<(), Unclear> {
    let flags = Flags::of(&step.instruction, escape)?;
    let from = flags.value("from");
    let from = from.map(|from| resolve(from, true, names)).transpose()?;
    let words = words(flags.rest);
    let Some((_, sources)) = words.split_last() else {
        return refused("nothing is copied");
    };
    let parents = flags.is_on("parents")?;
    let excludes: Vec<String> = flags.values("exclude").map(str::to_owned).collect();
    let checked = match flags.value("checksum") {
        Some(checksum) => !scope.expand(checksum, escape)?.is_empty(),
        None => false,
    };
    for written in sources.iter().filter(|source| !parse::is_heredoc(source)) {
        let source = scope.expand(written, escape)?;
        if is_remote(&source) {
            if !checked && !names_commit(&source) {
                // As it is written: a variable may hold a password.
                step.unpinned = Some(format!("`{written}` has no checksum"));
            }
        } else {
            let files = || Source::copied(&source, parents, &excludes);
            match &from {
                None => step.reads.push(Read::Context(files()?)),
                Some(Some(Read::Named(name, _))) => {
                    step.reads.push(Read::Named(name.clone(), files()?));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// The sources of a COPY or ADD, and its destination.
pub(super) fn words(rest: &str) -> Vec<String> {
    let spaced = || {
        let words = rest.split(parse::is_space).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    parse::json_list(rest).unwrap_or_else(spaced)
}

/// Whether an ADD may fetch something, for who knows no variables: everything that is not plainly a path.
pub(super) fn may_fetch(instruction: &Instruction, escape: char) -> bool {
    if instruction.keyword != "ADD" {
        return false;
    }
    let (_, rest) = parse::flags(&instruction.arguments, escape);
    let words = words(rest);
    let sources = words.split_last().map_or(&[][..], |(_, sources)| sources);
    let is_path = |source: &String| {
        parse::is_heredoc(source)
            || !source.contains("://") && !source.contains(['$', '@', '"', '\'', escape])
    };
    !sources.iter().all(is_path)
}

fn run(step: &mut Step, escape: char, scope: &Scope, names: Names<'_>) -> Result<(), Unclear> {
    let flags = Flags::of(&step.instruction, escape)?;
    for mount in flags.values("mount") {
        let fields = fields(mount)?;
        let last = |keys: &[&str]| {
            fields
                .iter()
                .rev()
                .find(|(key, _)| keys.contains(&key.as_str()))
        };
        let kind = last(&["type"]).map_or("bind", |(_, value)| value);
        match scope.expand(kind, escape)?.to_lowercase().as_str() {
            "bind" => {
                let path = last(&["source", "src"]).map_or("", |(_, value)| value);
                let files = Source::mounted(&scope.expand(path, escape)?);
                match last(&["from"]).map(|(_, from)| resolve(from, false, names)) {
                    None => step.reads.push(Read::Context(files)),
                    Some(from) => {
                        if let Some(Read::Named(name, _)) = from? {
                            step.reads.push(Read::Named(name, files));
                        }
                    }
                }
            }
            // What it starts with; what it holds is in no key, here as in BuildKit.
            "cache" => {
                let from = last(&["from"]).map(|(_, from)| resolve(from, false, names));
                let from = from.transpose()?.flatten();
                step.reads
                    .extend(from.filter(|from| matches!(from, Read::Named(..))));
            }
            // Nor is what a secret says.
            "tmpfs" | "secret" | "ssh" => {}
            other => return refused(&format!("a mount of type `{other}`")),
        }
    }
    Ok(())
}

/// What a `--mount` may say.
const MOUNT_KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

/// The fields of a `--mount`: keys in lower case, without a value where none is written.
fn fields(mount: &str) -> Result<Vec<(String, String)>, Unclear> {
    let mut fields = Vec::new();
    for field in mount.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let key = key.to_lowercase();
        if !MOUNT_KEYS.contains(&key.as_str()) || value.contains('"') {
            return refused(&format!("a mount has a field `{field}`"));
        }
        fields.push((key, value.to_owned()));
    }
    Ok(fields)
}

/// Whether ADD would fetch it: a URL, or git's `user@host:path`.
fn is_remote(source: &str) -> bool {
    if source.contains("://") {
        return true;
    }
    let Some((user, rest)) = source.split_once('@') else {
        return false;
    };
    let word = |text: &str| !text.is_empty() && !text.contains(['/', ' ']);
    word(user)
        && rest
            .split_once(':')
            .is_some_and(|(host, path)| word(host) && !path.is_empty())
}

/// Whether a git source names a commit, in its fragment or query.
fn names_commit(source: &str) -> bool {
    let is_commit =
        |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (address, fragment) = source.split_once('#').unwrap_or((source, ""));
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let in_query = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut in_query = in_query.filter(|(key, _)| matches!(*key, "checksum" | "commit" | "ref"));
    let path = address.split('?').next().unwrap_or(address);
    let is_git = path.strip_suffix(".git").is_some()
        || !address.starts_with("http://") && !address.starts_with("https://");
    is_git
        && (is_commit(fragment.split(':').next().unwrap_or(""))
            || in_query.any(|(_, value)| is_commit(value)))
}

/// The flags of COPY, ADD and RUN, all of them known.
struct Flags<'a> {
    flags: Vec<(String, Option<String>)>,
    rest: &'a str,
}

impl<'a> Flags<'a> {
    fn of(instruction: &'a Instruction, escape: char) -> Result<Self, Unclear> {
        let known: &[&str] = match instruction.keyword.as_str() {
            "COPY" => &["from", "chown", "chmod", "link", "parents", "exclude"],
            "ADD" => &[
                "chown",
                "chmod",
                "link",
                "exclude",
                "checksum",
                "keep-git-dir",
                "unpack",
            ],
            "RUN" => &["mount", "network", "security", "device"],
            // Others have none that change what they read.
            _ => {
                return Ok(Self {
                    flags: Vec::new(),
                    rest: &instruction.arguments,
                });
            }
        };
        let (words, rest) = parse::flags(&instruction.arguments, escape);
        let mut flags: Vec<(String, Option<String>)> = Vec::with_capacity(words.len());
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let name = name.trim_start_matches("--");
            if !known.contains(&name) {
                return refused(&format!("{} has a flag `--{name}`", instruction.keyword));
            }
            flags.push((name.to_owned(), value));
        }
        Ok(Self { flags, rest })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.flags.iter().filter(move |(flag, _)| flag == name);
        named.filter_map(|(_, value)| value.as_deref())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values(name).find(|value| !value.is_empty())
    }

    fn is_on(&self, name: &str) -> Result<bool, Unclear> {
        let flag = self.flags.iter().find(|(flag, _)| flag == name);
        match flag.map(|(_, value)| value.as_deref().unwrap_or("true").to_lowercase()) {
            None => Ok(false),
            Some(value) if value == "true" => Ok(true),
            Some(value) if value == "false" => Ok(false),
            Some(value) => refused(&format!("`--{name}={value}` is neither true nor false")),
        }
    }
}

fn refused<T>(what: &str) -> Result<T, Unclear> {
    Err(Unclear::NotUnderstood(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fingerprint::extras::Extra;
    use crate::fingerprint::platform::Platform;

    fn read(text: &str) -> Result<Step, Unclear> {
        let request = Request {
            given: BTreeMap::new(),
            target: None,
            platform: Platform::host(),
            native: Platform::host(),
            asked: None,
            contexts: BTreeMap::from([
                ("ctx".to_owned(), Extra::Folder("/more".into())),
                ("img".to_owned(), Extra::Image("redis:7".parse().unwrap())),
            ]),
        };
        let stages = [Some("one".to_owned()), None, Some("own".to_owned())];
        let names = Names {
            request: &request,
            stages: &stages,
            own: 2,
        };
        let mut scope = Scope::behind_from(Some(&["DIR=d".to_owned()]));
        let instruction = &parse::parse(text).instructions[0];
        step(instruction, '\\', &mut scope, &Globals::default(), names)
    }

    fn copied(path: &str) -> Read {
        Read::Context(Source::copied(path, false, &[]).unwrap())
    }

    fn named(path: &str) -> Read {
        Read::Named("ctx".to_owned(), Source::mounted(path))
    }

    fn mounted(path: &str) -> Read {
        Read::Context(Source::mounted(path))
    }

    #[test]
    fn each_instruction_reads_what_it_names() {
        let cases = [
            ("COPY a b* /to/", vec![copied("a"), copied("b*")]),
            ("COPY [\"a b\", \"/to\"]", vec![copied("a b")]),
            ("COPY ../$DIR/./x /to", vec![copied("d/x")]),
            ("COPY --chown=1:1 --link \"a\" /to", vec![copied("a")]),
            ("COPY <<E f /to\nE", vec![copied("f")]),
            ("COPY --from=ONE a /to", vec![Read::Stage(0)]),
            ("COPY --from=1 a /to", vec![Read::Stage(1)]),
            ("COPY --from=ctx a /to", vec![named("a")]),
            (
                "COPY --from=img a /to",
                vec![Read::Image("redis:7".parse().unwrap())],
            ),
            (
                "RUN --mount=from=ctx,source=a,target=/x y",
                vec![named("a")],
            ),
            (
                "RUN --mount=type=cache,from=ctx,target=/x y",
                vec![named("")],
            ),
            (
                "COPY --from=nginx:1 a /to",
                vec![Read::Image("nginx:1".parse().unwrap())],
            ),
            ("COPY --from=scratch a /to", vec![]),
            ("ADD a.tar /to", vec![copied("a.tar")]),
            ("RUN x", vec![]),
            ("RUN --mount=target=/src x", vec![mounted("")]),
            (
                "RUN --mount=type=bind,source=$DIR/f,target=f --mount=type=cache,target=/c x",
                vec![mounted("d/f")],
            ),
            (
                "RUN --mount=from=one,target=/x --mount=type=secret,id=a x",
                vec![Read::Stage(0)],
            ),
            (
                "RUN --mount=type=cache,from=one,target=/x y",
                vec![Read::Stage(0)],
            ),
            ("CMD --not a flag", vec![]),
        ];
        for (text, reads) in cases {
            assert_eq!(read(text).unwrap().reads, reads, "{text}");
        }
    }

    #[test]
    fn what_is_fetched_is_pinned_or_told() {
        let commit = "a".repeat(40);
        let cases = [
            ("ADD https://x/y.tgz /".to_owned(), false),
            (
                format!("ADD --checksum=sha256:{} https://x/y.tgz /", "0".repeat(64)),
                true,
            ),
            ("ADD --checksum=$NONE https://x/y.tgz /".to_owned(), false),
            ("ADD https://x/y.git#main /".to_owned(), false),
            (format!("ADD https://x/y.git#{commit}:dir /"), true),
            (format!("ADD https://x/y.tgz#{commit} /"), false),
            ("ADD git@host:x/y.git /".to_owned(), false),
            (format!("ADD git@host:x/y.git#{commit} /"), true),
            ("ADD a@b /".to_owned(), true),
        ];
        for (text, pinned) in cases {
            assert_eq!(read(&text).unwrap().unpinned.is_none(), pinned, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for text in [
            "COPY --new=1 a b",
            "RUN --mount=type=magic x",
            "RUN --mount=type=bind,\"source=a,b\" x",
            "NEW thing",
            "COPY --from=own a b",
            "COPY --from=7 a b",
            "COPY --from=$X a b",
            "COPY --parents=maybe a b",
            "COPY [a b",
        ] {
            assert!(read(text).is_err() || text == "COPY [a b", "{text}");
        }
        assert!(read("COPY a[ b").is_err());
    }
}
