//! Each template of `larder init`, for real: written for an application of its kind, built, started, asked for its page, and edited.
//!
//! The base images that templates name are needed for it: `scripts/base-images templates` makes them. A template whose bases
//! the engine does not have is not built, and standard error says so, whatever is captured.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "it is that of other tests, too")]
#[path = "cli/sandbox.rs"]
mod sandbox;
#[allow(dead_code, reason = "it is that of other tests, too")]
#[path = "cli/stack.rs"]
mod stack;

use stack::{Stack, docker};

/// One at a time: they take both processors and most of the network.
static TURN: Mutex<()> = Mutex::new(());

/// A template with an application in `tests/fixtures/templates`.
struct Case {
    template: &'static str,
    /// The images that it starts from.
    bases: &'static [&'static str],
    /// The file that has the text of the page.
    source: &'static str,
    port: u16,
    /// What is run in the first base before: it writes what names a registry, and so is in no repository.
    before: &'static str,
    /// Whether an install step is cut off in front of the source.
    cuts: bool,
}

impl Case {
    const fn new(
        template: &'static str,
        bases: &'static [&'static str],
        source: &'static str,
    ) -> Self {
        Self {
            template,
            bases,
            source,
            port: 8123,
            before: "",
            cuts: true,
        }
    }

    fn run(self) {
        let _turn = TURN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_there = |base: &&&str| {
            let mut inspect = Command::new("docker");
            let output = inspect.args(["image", "inspect", base]).output().unwrap();
            output.status.success()
        };
        if let Some(missing) = self.bases.iter().find(|base| !is_there(base)) {
            say(&format!(
                "SKIPPED: template {} was not built: {missing} is not on the engine (scripts/base-images templates)",
                self.template
            ));
            return;
        }
        let begun = Instant::now();
        let stack = self.stack();
        self.prepare(&stack);
        let told = stack.larder("init");
        assert!(
            told.contains(&format!("from template {}", self.template)),
            "{told}"
        );
        assert!(!told.contains("edit CMD"), "{told}");
        stack.larder("--builder docker up --timeout 60");
        assert!(self.page(&stack).contains("hello 1"));
        self.is_not_root(&stack);
        self.source_is_edited(&stack);
        say(&format!(
            "template {}: built, started and edited in {:.0?}",
            self.template,
            begun.elapsed()
        ));
    }

    fn stack(&self) -> Stack {
        let stack = Stack::new(self.template, "services: {}\n");
        let compose = format!(
            "services:\n  app:\n    build: {{context: app, labels: {{dev.larder.test: {}}}}}\n    ports: ['{}']\n    \
             stop_grace_period: 1s\n",
            stack.name, self.port
        );
        stack.sandbox.write("compose.yaml", &compose);
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates");
        copy(
            &fixtures.join(self.template),
            &stack.sandbox.path().join("app"),
        );
        stack
    }

    fn prepare(&self, stack: &Stack) {
        if !self.before.is_empty() {
            let mount = format!("{}/app:/app", stack.sandbox.path().display());
            docker(&[
                "run",
                "--rm",
                "-v",
                &mount,
                "-w",
                "/app",
                self.bases[0],
                "sh",
                "-ec",
                self.before,
            ]);
        }
    }

    /// An edit is built on the dependencies that are there, and seen.
    fn source_is_edited(&self, stack: &Stack) {
        let path = format!("app/{}", self.source);
        let text = fs::read_to_string(stack.sandbox.path().join(&path)).unwrap();
        stack
            .sandbox
            .write(&path, &text.replace("hello 1", "hello 2"));
        // Older than all that was built, as in a checkout.
        let file = fs::File::options()
            .write(true)
            .open(stack.sandbox.path().join(&path))
            .unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
        let plan = stack.larder("plan");
        let expected = if self.cuts {
            "app  resume"
        } else {
            "app  build"
        };
        assert!(plan.starts_with(expected), "{plan}");
        stack.larder("--builder docker up --timeout 60");
        let page = self.page(stack);
        assert!(page.contains("hello 2"), "{page}");
    }

    fn is_not_root(&self, stack: &Stack) {
        let container = &stack.containers("app")[0];
        let user = docker(&["inspect", "--format", "{{.Config.User}}", container]);
        assert!(
            !["", "root", "0"].contains(&user.trim()),
            "{}: {user}",
            self.template
        );
    }

    /// The page, as soon as it comes: without a health check a slow start is not waited for.
    fn page(&self, stack: &Stack) -> String {
        let address = stack.larder(&format!("port app {}", self.port));
        let address = address.trim().replace("0.0.0.0", "127.0.0.1");
        let begun = Instant::now();
        loop {
            match ask(&address) {
                Ok(page) if !page.is_empty() => return page,
                _ if begun.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => panic!("{}: {other:?}: {}", self.template, stack.larder("logs")),
            }
        }
    }
}

fn ask(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: app\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// Says it to who runs the tests, past what captures their output.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn python_pip() {
    Case::new("python-pip", &["python:3.13-slim"], "main.py").run();
}

#[test]
fn python_uv() {
    Case {
        before: "pip install -q uv && uv lock",
        ..Case::new("python-uv", &["python:3.13-slim"], "main.py")
    }
    .run();
}

#[test]
fn python_poetry() {
    // A mirror may have no more than what pip asks for, and poetry asks the default registry for more.
    let before = "pip install -q uv && uv pip install -q --system --break-system-packages poetry\n\
        url=$(python -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')\n\
        printf '\\n[[tool.poetry.source]]\\nname = \"index\"\\nurl = \"%s\"\\n' \"$url\" >>pyproject.toml\n\
        poetry lock";
    Case {
        before,
        ..Case::new("python-poetry", &["python:3.13-slim"], "app.py")
    }
    .run();
}

#[test]
fn node_npm() {
    Case::new("node-npm", &["node:24-slim"], "server.js").run();
}

#[test]
fn node_pnpm() {
    Case::new("node-pnpm", &["node:24-slim"], "server.js").run();
}

#[test]
fn node_yarn() {
    Case::new("node-yarn", &["node:24-slim"], "server.js").run();
}

#[test]
fn go() {
    let bases = &["golang:1", "gcr.io/distroless/static-debian12:nonroot"];
    Case::new("go", bases, "main.go").run();
}

#[test]
fn rust() {
    let bases = &[
        "rust:1-slim-bookworm",
        "gcr.io/distroless/cc-debian12:nonroot",
    ];
    Case::new("rust", bases, "src/lib.rs").run();
}

#[test]
fn java_maven() {
    let bases = &["maven:3-eclipse-temurin-21", "eclipse-temurin:21-jre"];
    Case::new("java-maven", bases, "src/main/java/Page.java").run();
}

#[test]
fn java_gradle() {
    let bases = &["gradle:8-jdk21", "eclipse-temurin:21-jre"];
    Case::new("java-gradle", bases, "src/main/java/Page.java").run();
}

#[test]
fn ruby() {
    Case::new("ruby", &["ruby:3.4", "ruby:3.4-slim"], "app.rb").run();
}

#[test]
fn php() {
    Case::new("php", &["composer:2", "php:8.4-apache"], "src/Hello.php").run();
}

#[test]
fn pages() {
    let bases = &["nginxinc/nginx-unprivileged:stable-alpine"];
    Case {
        port: 8080,
        cuts: false,
        ..Case::new("static", bases, "index.html")
    }
    .run();
}
