//! docker compose itself: `docker compose config --format json`. A machine without it fails the test; it is
//! never skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::fixture::Fixture;

/// Fails where docker compose cannot be run, so that a machine without it never looks like one that agrees.
pub(crate) fn must_be_there() {
    let output = compose(&std::env::temp_dir()).arg("version").output();
    let found = output.as_ref().is_ok_and(|output| output.status.success());
    assert!(
        found,
        "this test needs the docker compose plugin: {output:?}"
    );
}

/// What docker compose makes of a fixture.
pub(crate) fn config(fixture: &Fixture) -> Result<Value, String> {
    let output = compose(&fixture.working_dir())
        .args(&fixture.args)
        .args(["config", "--format", "json"])
        .envs(&fixture.env)
        .output()
        .expect("it ran a moment ago");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).expect("docker compose prints JSON"))
}

/// docker compose's hash of each service of a fixture that it loads.
pub(crate) fn hashes(fixture: &Fixture) -> BTreeMap<String, String> {
    let output = compose(&fixture.working_dir())
        .args(&fixture.args)
        .args(["config", "--hash", "*"])
        .envs(&fixture.env)
        .output()
        .expect("`docker` ran a moment ago");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let pair = |line: &str| {
        let (name, hash) = line.split_once(' ').expect("a name and a hash");
        (name.to_owned(), hash.to_owned())
    };
    text.lines().map(pair).collect()
}

/// docker compose with no environment but what finds it: the path, and the folder with the plugin.
fn compose(folder: &Path) -> Command {
    let config =
        variable("DOCKER_CONFIG").or_else(|| Some(format!("{}/.docker", variable("HOME")?)));
    let mut command = Command::new("docker");
    command.arg("compose");
    if let Some(plugin) = plugin(config.as_deref()) {
        command = Command::new(plugin);
    }
    command.current_dir(folder).env_clear();
    command.env("PATH", variable("PATH").unwrap_or_default());
    command.envs(config.map(|config| ("DOCKER_CONFIG", config)));
    command
}

/// The plugin's own program, where docker looks for it: called by itself it takes half the time.
fn plugin(config: Option<&str>) -> Option<PathBuf> {
    let own = config.map(|config| format!("{config}/cli-plugins"));
    let shared = [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    ];
    let folders = own.into_iter().chain(shared.map(str::to_owned));
    let files = folders.map(|folder| Path::new(&folder).join("docker-compose"));
    files.into_iter().find(|file| file.is_file())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
