//! Random instructions. What they do can be seen: a RUN writes down what it saw, below `/tmp`, and everything else goes
//! below `/srv`.

use crate::copying::{add, copy};
use crate::dockerfile::Instruction;
use crate::features::{Feature, Features};
use crate::here::Here;
use crate::random::Random;
use crate::running::run_something;

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
