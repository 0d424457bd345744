//! A stack on the engine of this machine, for one test.

use std::process::Command;

use crate::sandbox::Sandbox;

/// Runs docker, which must succeed; its standard output.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A project of its own, taken down whatever happens.
pub(crate) struct Stack {
    pub(crate) sandbox: Sandbox,
    pub(crate) name: String,
}

impl Stack {
    /// A folder with a Compose file, and a project name that no other test has.
    pub(crate) fn new(test: &str, compose: &str) -> Self {
        let name = format!("larder-cli-{}-{test}", std::process::id());
        let host = std::env::var("DOCKER_HOST");
        let host = host.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let sandbox = Sandbox::with(compose)
            .env("DOCKER_HOST", &host)
            .env("COMPOSE_PROJECT_NAME", &name);
        Self { sandbox, name }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.sandbox.set(name, value);
        self
    }

    /// Runs larder, which must succeed; its standard output.
    pub(crate) fn larder(&self, line: &str) -> String {
        let output = self.sandbox.run(line);
        assert!(output.status.success(), "{}", self.sandbox.shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs docker compose on the same project, which must succeed; its standard output.
    pub(crate) fn compose(&self, line: &str) -> String {
        let mut command = self.sandbox.command("docker");
        // The plugin may live in the person's own folder.
        command.env("HOME", std::env::var("HOME").unwrap_or_default());
        let output = command
            .arg("compose")
            .args(line.split_whitespace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", self.sandbox.shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A variable of the environment that a service's container was made with.
    pub(crate) fn environment(&self, service: &str, name: &str) -> String {
        let format = "{{range .Config.Env}}{{println .}}{{end}}";
        let container = &self.containers(service)[0];
        let lines = docker(&["inspect", "--format", format, container]);
        let value = lines
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().to_owned()
    }

    /// The IDs of a service's containers, as docker sees them.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        self.listed(service, "{{.ID}}")
    }

    /// The names of a service's containers.
    pub(crate) fn names(&self, service: &str) -> Vec<String> {
        self.listed(service, "{{.Names}}")
    }

    fn listed(&self, service: &str, format: &str) -> Vec<String> {
        let label = |key: &str, value: &str| format!("label=com.docker.compose.{key}={value}");
        let project = label("project", &self.name);
        let service = label("service", service);
        let listed = docker(&[
            "ps",
            "-a",
            "--no-trunc",
            "--format",
            format,
            "--filter",
            &project,
            "--filter",
            &service,
        ]);
        listed.lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // With a file its anonymous volumes, without one all that is the project's goes.
        self.sandbox
            .run("--progress quiet down -v --remove-orphans");
        let _ = std::fs::remove_file(self.sandbox.path().join("compose.yaml"));
        self.sandbox.run("--progress quiet down -v");
        let images = Command::new("docker")
            .args(["images", "-q", "--filter"])
            .arg(format!("label=dev.larder.test={}", self.name))
            .output();
        let images = images.map(|output| output.stdout).unwrap_or_default();
        for image in String::from_utf8_lossy(&images).lines() {
            let _ = Command::new("docker").args(["rmi", "-f", image]).output();
        }
    }
}
