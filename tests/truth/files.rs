//! Random contexts, and the lines of ignore files.

use crate::context::{Context, Node};
use crate::random::Random;

/// The paths that contexts are made of: names with spaces, letters beyond ASCII and what wildcards mean something to.
pub(crate) const FILES: &[&str] = &[
    "a.txt",
    "b.txt",
    "notes.md",
    "run.sh",
    "requirements.txt",
    "package.json",
    "lib/c.py",
    "lib/d.txt",
    "lib/sub/e",
    "lib/sub/f.log",
    "src/main.py",
    "src/deep/er/x.txt",
    "with space.txt",
    "\u{fc}n\u{ef}.txt",
    "br[1].txt",
    "debug.log",
    "src/#h.txt",
    "lib/.hidden",
    "src/with space/g.py",
];

/// Links with what they lead to: a file, a folder, nothing, an absolute path, out of the context, and one another.
const LINKS: &[(&str, &str)] = &[
    ("link", "a.txt"),
    ("lib/up", "../b.txt"),
    ("folderlink", "lib"),
    ("src/lib", "../lib/sub"),
    ("dangling", "nowhere"),
    ("absolute", "/a.txt"),
    ("absfolder", "/lib"),
    ("out", "../../etc/passwd"),
    ("again", "link"),
];

/// The lines of ignore files.
pub(crate) const IGNORES: &[&str] = &[
    "*.log",
    "**/*.log",
    "*.md",
    "lib/sub",
    "!lib/sub/e",
    "**/*.tmp",
    "notes*",
    "# a comment",
    "Dockerfile*",
    ".dockerignore",
    "lib/*",
    "!lib/c.py",
    "src/deep",
    "/debug.log",
    "unread",
    "**/.hidden",
    "!**/.hidden",
    "with space.txt",
    "br?1?.txt",
    "*",
    "!src",
    "!*.txt",
    "?.txt",
    "[a-c].txt",
    "[^b].txt",
    "src/**/x.txt",
    " lib/d.txt ",
    "./notes.md",
    "folderlink",
    "absent/",
    "!absent",
];

pub(crate) fn context(random: &mut Random) -> Context {
    let mut context = Context {
        age: 1000,
        ..Context::default()
    };
    for path in FILES {
        if random.percent(60) {
            let line = format!("{}\n", random.word());
            context.file(path, line);
        }
    }
    // What COPY names most often is there.
    for path in ["a.txt", "lib/c.py", "src/main.py"] {
        let line = format!("{}\n", random.word());
        context.file(path, line);
    }
    for (path, target) in LINKS {
        if random.percent(15) {
            context.put(path, Node::Link((*target).to_owned()));
        }
    }
    if random.percent(30) {
        context.put("empty", Node::Folder { mode: 0o755 });
        context.put("src/hollow", Node::Folder { mode: 0o755 });
    }
    if random.percent(30) {
        let word = random.word();
        context.file("data.tar", archive(&word));
    }
    if random.percent(50) {
        let word = random.word();
        context.file("unread/me", word);
    }
    for node in context.nodes.values_mut() {
        match node {
            Node::File { mode, .. } if random.percent(25) => *mode = file_mode(random),
            Node::Folder { mode } if random.percent(15) => *mode = folder_mode(random),
            _ => {}
        }
    }
    context
}

pub(crate) fn extra_context(random: &mut Random) -> Context {
    let mut context = Context {
        age: 1000,
        ..Context::default()
    };
    for path in ["a.txt", "lib/c.py", "more/x"] {
        let line = format!("{}\n", random.word());
        context.file(path, line);
    }
    context
}

pub(crate) fn file_mode(random: &mut Random) -> u32 {
    random.weighted(&[
        (6, 0o755),
        (2, 0o644),
        (2, 0o600),
        (1, 0o444),
        (1, 0o4755),
        (1, 0o2755),
        (1, 0o700),
        (1, 0o1644),
    ])
}

pub(crate) fn folder_mode(random: &mut Random) -> u32 {
    random.weighted(&[(3, 0o755), (2, 0o700), (1, 0o750), (1, 0o1755), (1, 0o2755)])
}

/// An archive that ADD takes apart.
pub(crate) fn archive(word: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [("in/one", word), ("two", "2")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_cksum();
        archive
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

pub(crate) fn ignore_lines(random: &mut Random) -> Vec<String> {
    let count = 1 + random.below(5);
    (0..count)
        .map(|_| (*random.pick(IGNORES)).to_owned())
        .collect()
}
