//! `larder completion` and `larder man`.

use std::process::Output;

use crate::sandbox::Sandbox;

const COMPOSE: &str = "\
services:
  api: {image: a, environment: {WHO: '${UNSET}'}}
  web: {image: a, env_file: missing.env}
  tool: {image: a, profiles: [tools]}
";

/// What larder answers to a shell whose line ends with the last word.
fn answered(sandbox: &Sandbox, line: &str) -> (Vec<String>, Output) {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_larder"));
    command.env("LARDER_COMPLETE", "fish").arg("--").args(words);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let candidates = text.lines();
    let candidates = candidates.map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    (candidates.collect(), output)
}

#[test]
fn services_are_completed_from_the_file_at_hand() {
    let sandbox = Sandbox::with(COMPOSE).file("other.yaml", "services: {other: {image: a}}\n");
    let services = |line: &str| {
        let (mut found, output) = answered(&sandbox, line);
        found.retain(|word| !word.starts_with('-'));
        assert!(output.stderr.is_empty(), "{output:?}");
        found
    };
    for command in ["up", "logs", "stop", "exec", "why", "plan"] {
        assert_eq!(
            services(&format!("larder {command} ")),
            ["api", "tool", "web"],
            "{command}"
        );
    }
    assert_eq!(services("larder up w"), ["web"]);
    assert_eq!(services("larder -f other.yaml up "), ["other"]);
    assert_eq!(services("larder --profile "), ["tools"]);
    assert_eq!(services("larder --builder d"), ["dagger", "docker"]);
    assert_eq!(services("larder comp"), ["completion"]);
    assert_eq!(services("larder init --template go"), ["go"]);
    assert_eq!(services("larder init w"), ["web"]);
    assert_eq!(services("larder init ci git"), ["github", "gitlab"]);
}

#[test]
fn a_file_that_is_none_completes_nothing_and_says_nothing() {
    for compose in ["services: [", "services: {a: {imag: x}}\n"] {
        let sandbox = Sandbox::with(compose);
        let (found, output) = answered(&sandbox, "larder up a");
        assert_eq!(found, Vec::<String>::new());
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
    let sandbox = Sandbox::with(COMPOSE);
    let (found, output) = answered(&sandbox, "larder -f - up a");
    assert_eq!(found, Vec::<String>::new(), "{output:?}");
}

#[test]
fn every_shell_has_its_script() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = sandbox.run(&format!("completion {shell}"));
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("LARDER_COMPLETE"), "{shell}: {script}");
    }
    assert_eq!(sandbox.run("completion csh").status.code(), Some(2));
}

#[test]
fn bash_completes_a_service() {
    let sandbox = Sandbox::with(COMPOSE);
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_larder"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let script = "source <(larder completion bash); COMP_WORDS=(larder up w); COMP_CWORD=2; COMP_TYPE=9; \
                  _clap_complete_larder larder w up; echo \"${COMPREPLY[@]}\"";
    let mut bash = sandbox.command("bash");
    let output = bash
        .env("PATH", path)
        .args(["-c", script])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), "web", "{output:?}");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let sandbox = Sandbox::new();
    let page = String::from_utf8(sandbox.run("man").stdout).unwrap();
    assert!(
        page.contains(".TH larder 1") && page.contains("Exit codes"),
        "{page}"
    );
    assert!(sandbox.run("man pages").status.success());
    for name in ["larder.1", "larder-up.1", "larder-doctor.1"] {
        assert!(sandbox.path().join("pages").join(name).is_file(), "{name}");
    }
    sandbox.write("file", "");
    let refused = sandbox.run("man file");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}
