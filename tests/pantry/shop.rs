//! A project with one image, and a repository of its own on a registry.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::http::{Shelf, text};
use crate::stack::{Stack, docker};

/// The registry that `scripts/setup registry` starts.
pub(crate) const REGISTRY: &str = "127.0.0.1:5000";

pub(crate) struct Shop {
    pub(crate) stack: Stack,
    /// Without a tag, and with a registry's host.
    pub(crate) repository: String,
}

/// Whether the registry answers; where it does not, that is said aloud.
pub(crate) fn has_registry() -> bool {
    let found = std::net::TcpStream::connect(REGISTRY).is_ok();
    if !found {
        eprintln!("NOT RUN: there is no registry on {REGISTRY}");
    }
    found
}

/// A service that is built from a folder `app` and does nothing.
pub(crate) const SERVICE: &str =
    "{build: app, command: [sleep, '1000'], stop_signal: SIGKILL, network_mode: none}";

impl Shop {
    /// A repository on the registry of this machine, trusted.
    pub(crate) fn new(test: &str) -> Self {
        Self::at(test, REGISTRY, "trusted: true")
    }

    /// A repository on a registry, and what else is said of it.
    pub(crate) fn at(test: &str, host: &str, more: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // One that no earlier run had.
        let repository = format!("{host}/larder-test/{test}-{:x}", now.as_nanos());
        let compose = format!(
            "x-larder: {{cache: {{from: ['{repository}'], {more}}}}}\nservices: {{app: {SERVICE}}}\n"
        );
        let stack = Stack::new(&format!("p-{test}"), &compose).env("LARDER_BUILDER", "docker");
        let shop = Self { stack, repository };
        shop.write_app("busybox:stable");
        shop
    }

    /// An image with dependencies, and source behind them.
    pub(crate) fn write_app(&self, base: &str) {
        let own = &self.stack.name;
        let dockerfile = format!(
            "FROM {base}\nLABEL dev.larder.test={own}\nCOPY requirements.txt /\nRUN cp /requirements.txt /installed\n\
             COPY src /src\n"
        );
        self.stack.sandbox.write("app/Dockerfile", &dockerfile);
        // Nobody's cache has it.
        let needs = format!("{}\n", self.repository);
        self.stack.sandbox.write("app/requirements.txt", &needs);
        self.edit("one");
    }

    /// An image without dependencies, quickly built.
    pub(crate) fn write_small(&self) {
        let own = &self.stack.name;
        let dockerfile =
            format!("FROM busybox:stable\nLABEL dev.larder.test={own}\nCOPY src /src\n");
        self.stack.sandbox.write("app/Dockerfile", &dockerfile);
        self.edit(&self.repository);
    }

    /// Another source.
    pub(crate) fn edit(&self, what: &str) {
        self.stack
            .sandbox
            .write("app/src/what", &format!("{what}\n"));
    }

    /// What lies in the repository.
    pub(crate) fn shelf(&self) -> Shelf {
        Shelf::of(&self.repository)
    }

    /// Takes what is running down and this project's images off the engine, as if it had never been here.
    pub(crate) fn forget(&self) {
        self.stack.larder("--progress quiet down -v");
        let label = format!("label=dev.larder.test={}", self.stack.name);
        let images = docker(&["images", "-q", "--filter", &label]);
        let mut images: Vec<&str> = images.lines().collect();
        images.sort_unstable();
        images.dedup();
        if !images.is_empty() {
            docker(&[&["rmi", "-f"][..], &images].concat());
        }
    }

    /// Whether the plan has the image pulled, resumed, built or reused, and why.
    pub(crate) fn plan(&self) -> (String, String) {
        let plan = self.stack.larder("plan --format json");
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let app = &plan["services"]["app"];
        (
            text(&app["image"]).to_owned(),
            text(&app["cause"]).to_owned(),
        )
    }

    /// Runs larder; its exit code and all that it gave.
    pub(crate) fn run(&self, line: &str) -> (i32, String) {
        let output = self.stack.sandbox.run(line);
        (
            output.status.code().unwrap_or(-1),
            self.stack.sandbox.shown(&output),
        )
    }

    /// Runs larder, which must end with a code; all that it gave.
    pub(crate) fn ends(&self, code: i32, line: &str) -> String {
        let (ended, shown) = self.run(line);
        assert_eq!(ended, code, "{line}: {shown}");
        shown
    }

    /// Begins a run of larder with another home folder.
    pub(crate) fn begin(&self, line: &str, home: &Path) -> Child {
        let mut command = self.stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        let command = command.args(line.split_whitespace()).env("HOME", home);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The name of a base image in the shop's registry, which the engine has until the test ends.
pub(crate) struct Base(pub(crate) String);

impl Base {
    pub(crate) fn push(shop: &Shop) -> Self {
        let own = "larder-test/base-";
        let name = format!("{}:1", shop.repository.replacen("larder-test/", own, 1));
        docker(&["tag", "busybox:stable", &name]);
        let base = Self(name);
        docker(&["push", "-q", &base.0]);
        base
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", &self.0]).output();
    }
}

/// The rows of `prewarm --format json`.
pub(crate) fn rows(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["schema"], 1);
    assert!(document["seconds"].is_number());
    document["images"].as_array().unwrap().clone()
}

/// How many warnings there are.
pub(crate) fn warnings(shown: &str) -> usize {
    let lines = shown.lines();
    lines.filter(|line| line.starts_with("warning: ")).count()
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("which").arg(program).output();
    found.is_ok_and(|found| found.status.success())
}
