//! Random RUN instructions.

use crate::dockerfile::Instruction;
use crate::engine::BASES;
use crate::features::Feature;
use crate::here::Here;
use crate::random::Random;

pub(crate) fn run_something(random: &mut Random, here: &mut Here<'_>) -> Instruction {
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
        7 => format!("ln -s {word} /tmp/{word}; rm -rf /srv/*/deep"),
        8 => format!("echo $A {word} > {out}; chmod -R go-w /srv || true"),
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
