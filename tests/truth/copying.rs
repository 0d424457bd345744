//! Random COPY and ADD instructions.

use crate::dockerfile::Instruction;
use crate::engine::BASES;
use crate::features::Feature;
use crate::here::Here;
use crate::instructions::value;
use crate::random::Random;

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

pub(crate) fn copy(random: &mut Random, here: &mut Here<'_>) -> Instruction {
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
            // What a builder stage gives away is what it made.
            let all: &[&str] = if *can_run {
                &["/tmp/", "/tmp", "/tmp/*", "/tmp", "/srv"]
            } else {
                &["/", "/srv", "/srv/*"]
            };
            let name = if random.percent(10) {
                name.to_uppercase()
            } else {
                name.clone()
            };
            Some((name, paths(all)))
        }
        22..26 => Some((
            BASES[random.below(2)].clone(),
            paths(&["/bin/look", "/srv", "/etc/passwd"]),
        )),
        26..36 => Some((
            random.any(&here.contexts)?.clone(),
            paths(&["a.txt", "lib", ".", "*", "more/x", "/lib/c.py"]),
        )),
        _ => None,
    }
}

pub(crate) fn add(random: &mut Random, here: &mut Here<'_>) -> Instruction {
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
