//! Random instructions. What they do can be seen: a RUN writes down what it saw, below `/tmp`, and everything else goes
//! below `/srv`.

use crate::context::{Context, Node};
use crate::dockerfile::Instruction;
use crate::engine::BASES;
use crate::example::Section;
use crate::features::{Feature, Features};
use crate::random::Random;

/// Variables that examples use; some are never declared.
const VARIABLES: &[&str] = &[
    "A",
    "B",
    "C",
    "E",
    "GLOBAL",
    "KEPT",
    "BASE",
    "TARGETARCH",
    "TARGETPLATFORM",
    "BUILDOS",
    "HTTP_PROXY",
];

/// What is there at one place of a Dockerfile.
pub(crate) struct Here<'a> {
    features: &'a Features,
    files: Vec<String>,
    folders: Vec<String>,
    links: Vec<String>,
    contexts: Vec<String>,
    pub(crate) seed: u64,
    outputs: usize,
    pub(crate) globals: Vec<String>,
    /// The names that FROM may use.
    pub(crate) stages: Vec<String>,
    /// And those that `--from` may use, with whether there is a shell in them.
    sources: Vec<(String, bool)>,
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
    fn output(&mut self) -> String {
        self.outputs += 1;
        format!("/tmp/{:x}-{}", self.seed, self.outputs)
    }

    /// Writes down all that is there.
    pub(crate) fn look(&mut self, random: &mut Random) -> Instruction {
        let output = self.output();
        // Most often all of it, as what a compiler makes depends on all that it is given.
        let seen = random.weighted(&[
            (7, "look; look /srv /tmp"),
            (1, "look /srv /tmp"),
            (1, "look"),
            (1, "look; look /srv"),
        ]);
        Instruction::new(
            "RUN",
            format!("seen=$({seen}) && echo \"$seen\" > {output}"),
        )
    }
}

/// One that is likely to be understood and carried out.
pub(crate) fn instruction(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    type Make = fn(&mut Random, &mut Here<'_>) -> Instruction;
    let run = if here.can_run { 17 } else { 0 };
    let shown = if here.is_last { 2 } else { 0 };
    let all: [(usize, Make); 17] = [
        (26, copy),
        (5, add),
        (run, run_something),
        (8, arg),
        (8, env),
        (4, workdir),
        (2, user),
        (1, shell),
        (2, onbuild),
        (1 + shown, label),
        (1 + shown, cmd),
        (shown, entrypoint),
        (1 + shown / 2, expose),
        (shown / 2, volume),
        (shown / 2, stopsignal),
        (shown, healthcheck),
        (shown / 2, maintainer),
    ];
    random.weighted(&all)(random, here)
}

/// What may stand for a value: plain, or made from variables in every way that the engine knows.
pub(crate) fn value(random: &mut Random, features: &Features) -> String {
    let name = *random.pick(VARIABLES);
    let word = random.word();
    let mut forms = vec![
        word.clone(),
        word.clone(),
        format!("${name}"),
        format!("${{{name}}}"),
        format!("${{{name}:-{word}}}"),
        format!("${{{name}:+{word}}}"),
        format!("x${{{name}}}y"),
        format!("\"${name} {word}\""),
        format!("'${name} {word}'"),
        format!("${{{name}:-${{C:-{word}}}}}"),
    ];
    if features.has(Feature::Unset) {
        forms.extend([format!("${{{name}-{word}}}"), format!("${{{name}+{word}}}")]);
    }
    if features.has(Feature::Trim) {
        let trims = ["#w", "##*/", "%[0-9]", "%%/*", "#?", "%%?", "##w*1"];
        forms.extend(trims.map(|trim| format!("${{{name}{trim}}}")));
    }
    if features.has(Feature::Replace) {
        forms.extend(
            ["/w/v", "//0/o", "/[a-c]/_", "//?/."].map(|form| format!("${{{name}{form}}}")),
        );
    }
    random.pick(&forms).clone()
}

/// A source of COPY or ADD; the words of it that have spaces want the JSON form.
fn source(random: &mut Random, here: &Here<'_>) -> String {
    let patterns = [
        "*.txt",
        "lib/*",
        "lib/c.*",
        "?.txt",
        "[ab].txt",
        "[^b].txt",
        "a*",
        "src/*",
        "lib*",
        "*/c.py",
        "lib/s*/e",
        "src/deep/*/*",
        "*",
    ];
    let path = match random.below(20) {
        0..8 => random.any(&here.files).cloned(),
        8..12 => random.any(&here.folders).cloned(),
        12..14 => Some(".".to_owned()),
        14..17 => Some((*random.pick(&patterns)).to_owned()),
        17..19 => random.any(&here.links).cloned(),
        _ => Some(
            (*random.pick(&[
                "folderlink/c.py",
                "absfolder/c.py",
                "src/lib/e",
                "lib/../a.txt",
                "$B.txt",
                "${C:-a}.txt",
            ]))
            .to_owned(),
        ),
    };
    let path = path.unwrap_or_else(|| "a.txt".to_owned());
    let path = path.replace("br[1]", "br[[]1]");
    match random.below(12) {
        0 => format!("./{path}"),
        1 => format!("/{path}"),
        2 => format!("{path}/"),
        _ => path,
    }
}

fn copy(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    if here.features.has(Feature::Heredoc) && random.percent(6) {
        let (name, body) = (
            *random.pick(&["EOF", "\"EOF\""]),
            format!("{} $A\n\"quoted\" ${{B}}\n", random.word()),
        );
        let arguments = match random.below(3) {
            0 => format!("<<{name} a.txt /srv/{}/", random.word()),
            _ => format!("<<{name} /srv/{}", random.word()),
        };
        let mut own = Instruction::new("COPY", arguments);
        own.heredoc = Some(body);
        return own;
    }
    let from = copied_from(random, here);
    let sources = match &from {
        Some((_, paths)) => vec![random.pick(paths).clone()],
        None => (0..random.weighted(&[(75, 1), (25, 2)]))
            .map(|_| source(random, here))
            .collect(),
    };
    let mut own = written("COPY", random, here, sources);
    if let Some((name, _)) = from {
        own.flags.push(format!("--from={name}"));
    } else if here.features.has(Feature::Parents) && random.percent(8) {
        own.flags.push("--parents".to_owned());
    }
    flags(random, here, &mut own);
    own
}

/// Where a COPY may take something from, with paths that may be there.
fn copied_from(random: &mut Random, here: &Here<'_>) -> Option<(String, Vec<String>)> {
    let paths = |all: &[&str]| all.iter().map(|path| (*path).to_owned()).collect();
    match random.below(100) {
        0..22 => {
            let (name, can_run) = random.any(&here.sources)?;
            let all: &[&str] = if *can_run {
                &["/tmp/", "/tmp", "/tmp/*", "/srv", "/bin/look"]
            } else {
                &["/srv", "/srv/*"]
            };
            let name = if random.percent(10) {
                name.to_uppercase()
            } else {
                name.clone()
            };
            Some((name, paths(all)))
        }
        22..26 => Some((
            BASES[random.below(2)].to_owned(),
            paths(&["/bin/look", "/srv", "/etc/passwd"]),
        )),
        26..36 => Some((
            random.any(&here.contexts)?.clone(),
            paths(&["a.txt", "lib", ".", "*", "more/x", "/lib/c.py"]),
        )),
        _ => None,
    }
}

fn add(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let archive = here.files.iter().any(|path| path == "data.tar");
    let source = if archive && random.percent(60) {
        "data.tar".to_owned()
    } else {
        source(random, here)
    };
    let mut own = written("ADD", random, here, vec![source]);
    if here.features.has(Feature::Unpack) && random.percent(15) {
        own.flags.push(format!("--unpack={}", random.percent(50)));
    }
    flags(random, here, &mut own);
    own
}

/// An instruction that copies these to somewhere, in the form that they need.
fn written(
    keyword: &'static str,
    random: &mut Random,
    here: &Here<'_>,
    mut words: Vec<String>,
) -> Instruction {
    let name = random.word();
    let to = match random.below(10) {
        0 if words.len() == 1 => format!("/srv/{name}"),
        1 => "./".to_owned(),
        2 => format!("{name}/"),
        3 => "/srv/".to_owned(),
        4 => format!(
            "/srv/{}/",
            value(random, here.features).replace(['"', '\'', ' '], "")
        ),
        5 if words.len() == 1 => format!("/srv/in/{name}"),
        _ => format!("/srv/{name}/"),
    };
    words.push(to);
    let spaced = words.iter().any(|word| word.contains(' '));
    if spaced || random.percent(8) {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return Instruction::new(keyword, format!("[{}]", words.join(", ")));
    }
    Instruction::new(keyword, words.join(" "))
}

fn flags(random: &mut Random, here: &Here<'_>, own: &mut Instruction) {
    if random.percent(15) {
        let names: &[&str] = if here.can_run {
            &[
                "daemon",
                "daemon:daemon",
                "7:8",
                "9",
                "root",
                "${NONE:-7:8}",
            ]
        } else {
            &["7:8", "9"]
        };
        own.flags.push(format!("--chown={}", random.pick(names)));
    }
    if random.percent(10) {
        own.flags.push(format!(
            "--chmod={}",
            random.pick(&["640", "755", "0600", "4755", "${NONE:-711}"])
        ));
    } else if here.features.has(Feature::ChmodByLetters) && random.percent(6) {
        own.flags.push(format!(
            "--chmod={}",
            random.pick(&["u+x", "go-rwx", "a=rX"])
        ));
    }
    if here.features.has(Feature::Link) && random.percent(8) {
        own.flags.push("--link".to_owned());
    }
    if here.features.has(Feature::Exclude) && random.percent(10) {
        let patterns = ["*.txt", "**/*.py", "sub", "c.py", "**/x.txt", "deep"];
        own.flags
            .push(format!("--exclude={}", random.pick(&patterns)));
    }
}

fn run_something(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let out = here.output();
    if here.features.has(Feature::Heredoc) && random.percent(8) {
        let name = *random.pick(&["EOF", "\"EOF\"", "-EOF"]);
        let mut own = Instruction::new("RUN", format!("<<{name}"));
        let tab = if name.starts_with('-') { "\t" } else { "" };
        own.heredoc = Some(format!(
            "{tab}echo {} $A > {out}\n{tab}look >> {out}\n",
            random.word()
        ));
        return own;
    }
    if random.percent(25) {
        return mounted(random, here, &out);
    }
    let word = random.word();
    let command = match random.below(10) {
        0..3 => format!("look > {out}"),
        3..5 => return here.look(random),
        5 => format!("echo \"$A-${{B:-{word}}}\" > {out}"),
        6 => {
            format!("mkdir -p /tmp/{word} && echo {word} > /tmp/{word}/f && chmod 700 /tmp/{word}")
        }
        7 => format!("ln -s {word} /tmp/{word}; rm -rf /srv/*/lib"),
        8 => format!("echo $A {word} > {out}; rm -f /srv/*/*.txt || true"),
        _ => return Instruction::new("RUN", format!("[\"sh\", \"-c\", \"look > {out}\"]")),
    };
    let mut own = Instruction::new("RUN", command);
    if here.features.has(Feature::RunNetwork) && random.percent(10) {
        own.flags
            .push(format!("--network={}", random.pick(&["none", "default"])));
        own.arguments = format!("look > {out}");
    }
    own
}

fn mounted(random: &mut Random, here: &Here<'_>, out: &str) -> Instruction {
    let look = |flag: String| Instruction::new("RUN", format!("look /m > {out}")).flag(flag);
    let source = |random: &mut Random| {
        let all: Vec<&String> = here
            .files
            .iter()
            .chain(&here.folders)
            .chain(&here.links)
            .collect();
        let path = if random.percent(20) || all.is_empty() {
            ".".to_owned()
        } else {
            (*random.pick(&all)).clone()
        };
        if random.percent(20) {
            format!("/{path}")
        } else {
            path
        }
    };
    match random.below(12) {
        0..5 => {
            let source = source(random);
            let source = if random.percent(10) {
                "${B:-a}.txt".to_owned()
            } else {
                source
            };
            look(format!("--mount=type=bind,source={source},target=/m"))
        }
        5 => look("--mount=target=/m,rw".to_owned()),
        6 => match random.any(&here.sources) {
            // By name only: a number is no stage here.
            Some((name, _)) if name.parse::<usize>().is_err() => look(format!(
                "--mount=type=bind,from={name},source=/srv,target=/m"
            )),
            _ => look(format!(
                "--mount=type=bind,from={},source=/srv,target=/m",
                BASES[1]
            )),
        },
        7 => look(format!("--mount=from={},src=/etc,dst=/m", BASES[0])),
        8 => Instruction::new("RUN", format!("touch /c/x && echo done > {out}")).flag(format!(
            "--mount=type=cache,target=/c,id=truth-{:x}",
            here.seed
        )),
        9 => Instruction::new("RUN", format!("touch /t/x && ls /t > {out}"))
            .flag("--mount=type=tmpfs,target=/t"),
        10 if here.features.has(Feature::SecretInEnvironment) => {
            Instruction::new("RUN", format!("echo ${{S:+given}} > {out}"))
                .flag("--mount=type=secret,id=s1,env=S")
        }
        _ => Instruction::new("RUN", format!("ls /run/secrets > {out} 2>&1 || true"))
            .flag("--mount=type=secret,id=s1"),
    }
}

fn arg(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let usual = ["A", "B", "C", "GLOBAL", "BASE", "E"];
    let predefined = ["TARGETARCH", "TARGETPLATFORM", "BUILDOS", "HTTP_PROXY"];
    let names = if random.percent(85) {
        &usual[..]
    } else {
        &predefined[..]
    };
    let name = *random.pick(names);
    // `$B.txt` is a file of most contexts then.
    let value = if matches!(name, "B" | "C") && random.percent(40) {
        (*random.pick(&["a", "b", "lib/c.py"])).to_owned()
    } else {
        value(random, here.features)
    };
    let plain = name.len() > 1 && name != "HTTP_PROXY" || random.percent(15);
    let text = if plain {
        name.to_owned()
    } else {
        format!("{name}={value}")
    };
    if random.percent(5) {
        return Instruction::new("ARG", format!("{text} D={}", random.word()));
    }
    Instruction::new("ARG", text)
}

fn env(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let name = *random.pick(&["A", "E", "F", "KEPT"]);
    let value = value(random, here.features);
    match random.below(6) {
        0 => Instruction::new("ENV", format!("{name} {} and {value}", random.word())),
        1 => Instruction::new(
            "ENV",
            format!("{name}={value} G=\"${name} {}\"", random.word()),
        ),
        _ => Instruction::new("ENV", format!("{name}={value}")),
    }
}

fn workdir(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let value = value(random, here.features).replace(['"', '\'', ' '], "");
    let path = random
        .pick(&[
            "/srv/w".to_owned(),
            "rel".to_owned(),
            format!("/srv/{value}"),
            "/srv".to_owned(),
        ])
        .clone();
    Instruction::new("WORKDIR", path)
}

fn label(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let value = value(random, here.features);
    Instruction::new(
        "LABEL",
        format!(
            "{}={value}",
            random.pick(&["one", "two", "of.base", "\"with space\""])
        ),
    )
}

fn user(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new("USER", *random.pick(&["daemon", "7:8", "root", "0"]))
}

fn cmd(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    let word = random.word();
    let all = [
        format!("[\"sh\", \"-c\", \"{word}\"]"),
        format!("run {word} $A"),
        "[\"x\"]".to_owned(),
    ];
    Instruction::new("CMD", random.pick(&all).clone())
}

fn entrypoint(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    let all = [
        format!("[\"/e\", \"{}\"]", random.word()),
        "start $A".to_owned(),
        "[]".to_owned(),
    ];
    Instruction::new("ENTRYPOINT", random.pick(&all).clone())
}

fn expose(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new(
        "EXPOSE",
        *random.pick(&["80", "80 443/tcp", "53/udp", "7000-7002"]),
    )
}

fn volume(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new(
        "VOLUME",
        *random.pick(&["/srv/data", "[\"/srv/data\", \"/srv/v\"]"]),
    )
}

fn stopsignal(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new("STOPSIGNAL", *random.pick(&["SIGINT", "9"]))
}

fn healthcheck(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let mut own = Instruction::new(
        "HEALTHCHECK",
        *random.pick(&["CMD true", "CMD [\"look\", \"/srv\"]", "NONE"]),
    );
    if own.arguments != "NONE" {
        own.flags
            .push((*random.pick(&["--interval=5s", "--retries=2", "--timeout=1m"])).to_owned());
        if here.features.has(Feature::StartInterval) {
            own.flags.push("--start-interval=2s".to_owned());
        }
    }
    own
}

fn shell(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new(
        "SHELL",
        *random.pick(&[
            "[\"/bin/sh\", \"-ec\"]",
            "[\"/bin/busybox\", \"sh\", \"-c\"]",
        ]),
    )
}

fn onbuild(random: &mut Random, here: &mut Here<'_>) -> Instruction {
    let out = here.output();
    let all = [
        "COPY a.txt /srv/onbuild/".to_owned(),
        "COPY lib /srv/onbuild/".to_owned(),
        format!("RUN look > {out}"),
        format!("ENV TRIGGER={}", random.word()),
        "ARG A".to_owned(),
        "WORKDIR deeper".to_owned(),
    ];
    Instruction::new("ONBUILD", random.pick(&all).clone())
}

fn maintainer(random: &mut Random, _: &mut Here<'_>) -> Instruction {
    Instruction::new("MAINTAINER", random.word())
}
