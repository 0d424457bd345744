//! Files that are made to take all memory or time: each is refused in one message, in little of both.

use std::fmt::Write;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

/// What larder may map, in KiB: its own code and threads take some 100 MB of that.
const MEMORY: u32 = 400_000;
/// Far more than it takes a debug build on a busy machine; following what these files ask for would take minutes.
const TIME: Duration = Duration::from_secs(20);

/// Runs larder in little memory.
fn run(sandbox: &Sandbox, line: &str) -> String {
    let larder = env!("CARGO_BIN_EXE_larder");
    let limited = format!("ulimit -v {MEMORY}; exec {larder} {line}");
    let begun = Instant::now();
    let mut command = sandbox.command("sh");
    let output = command.args(["-c", &limited]).output().unwrap();
    let took = begun.elapsed();
    assert!(took < TIME, "{took:?}");
    sandbox.shown(&output)
}

fn config(compose: &str) -> String {
    run(&Sandbox::with(compose), "config -q")
}

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// Aliases of aliases: 10^9 nodes when followed. docker compose reads it until the machine's memory is gone.
#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = "x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (level, below) in ('b'..='i').zip('a'..) {
        let aliases = vec![format!("*{below}"); 10].join(", ");
        let _ = writeln!(bomb, "x-{level}: &{level} [{aliases}]");
    }
    bomb.push_str("services: {a: {image: redis, labels: *i}}\n");
    assert_snapshot!(config(&bomb), @r#"
        exit 2
        --- stderr
        error: the YAML aliases stand for more than the file may expand to
          at compose.yaml:5:46
        "#);
}

/// Whatever it is loaded for.
#[test]
fn no_command_expands_an_alias_bomb() {
    let level = |(own, below): (char, char)| {
        let aliases = vec![format!("*{below}"); 10].join(",");
        format!("x-{own}: &{own} [{aliases}]\n")
    };
    let levels: String = ('b'..='i').zip('a'..).map(level).collect();
    let bomb = format!("x-a: &a [x,x,x,x,x,x,x,x,x,x]\n{levels}services: {{a: {{image: a}}}}\n");
    let sandbox = Sandbox::with(&bomb);
    for line in [
        "config",
        "plan",
        "up",
        "build",
        "down",
        "ps",
        "logs",
        "stop",
        "start",
        "restart",
        "why a",
        "fingerprint",
        "lock",
        "exec a true",
    ] {
        let shown = run(&sandbox, line);
        assert!(
            shown.contains("error: the YAML aliases stand for more than the file may expand to"),
            "{line}: {shown}"
        );
    }
}

/// A comment is no reason to expand more.
#[test]
fn a_bomb_in_a_large_file() {
    let comment = format!("# {}\n", ":".repeat(250_000));
    let bomb = format!(
        "{}x-a: &a [{}]\nx-b: &b [{}]\nx-c: [{}]\nservices: {{a: {{image: a}}}}\n",
        comment + &format!("# {}\n", "x".repeat(1 << 20)).repeat(6),
        ["{}"; 100].join(","),
        ["*a"; 100].join(","),
        ["*b"; 1000].join(",")
    );
    assert_snapshot!(config(&bomb), @r#"
        exit 2
        --- stderr
        error: the YAML aliases stand for more than the file may expand to
          at compose.yaml:10:598
        "#);
}

#[test]
fn more_values_than_anybody_writes_in_many_files() {
    let values = format!("x-a: [{}]\nservices: {{}}\n", "a,".repeat(290_000));
    let sandbox = Sandbox::with("include: [b.yaml, c.yaml, d.yaml]\nservices: {}\n");
    let sandbox = sandbox.file("b.yaml", &values).file("c.yaml", &values);
    assert_snapshot!(run(&sandbox.file("d.yaml", &values), "config -q"), @r#"
        exit 2
        --- stderr
        error: with this file the Compose files have more than 600000 values
          at d.yaml
        hint: no Compose file needs that many: is it the right one?
        "#);
}

#[test]
fn more_services_than_an_engine_can_have() {
    let services = repeated(30_001, |n| format!("  s{n}: {{image: a}}\n"));
    assert_snapshot!(config(&format!("services:\n{services}")), @r#"
        exit 2
        --- stderr
        error: the project has more than 30000 services
        "#);
    let services = repeated(29_999, |n| format!("  s{n}: {{image: a}}\n"));
    assert_snapshot!(config(&format!("services:\n{services}")), @"exit 0");
}

/// One service waits for the next, and for hundreds of others.
#[test]
fn a_dense_graph_of_services() {
    let service = |number: usize| {
        let names: Vec<String> = (0..number).map(|other| format!("s{other}")).collect();
        format!(
            "  s{number}: {{image: a, depends_on: [{}]}}\n",
            names.join(",")
        )
    };
    let services: String = (0..600).map(service).collect();
    assert_snapshot!(config(&format!("services:\n{services}")), @"exit 0");
}

/// What nobody writes to, and what never ends.
#[test]
fn pipes_and_devices_in_the_place_of_files() {
    let pipe = |sandbox: &Sandbox, name: &str| {
        let made = sandbox.command("mkfifo").arg(name).status().unwrap();
        assert!(made.success());
    };
    for (compose, name) in [
        ("services: {a: {image: a}}", ".env"),
        ("services: {a: {image: a, env_file: e}}", "e"),
        ("services: {a: {image: a, label_file: e}}", "e"),
        ("services: {a: {extends: {file: e, service: b}}}", "e"),
        ("include: [e]", "e"),
    ] {
        let sandbox = Sandbox::with(compose);
        pipe(&sandbox, name);
        let shown = run(&sandbox, "config -q");
        assert!(
            shown.contains(&format!("error: cannot read `[hub]/{name}`")),
            "{shown}"
        );
        assert!(
            shown.contains("caused by: nobody writes to this pipe\n"),
            "{shown}"
        );
    }
    let sandbox = Sandbox::new();
    pipe(&sandbox, "compose.yaml");
    assert_snapshot!(run(&sandbox, "config -q"), @r#"
        exit 2
        --- stderr
        error: cannot read `[hub]/compose.yaml`
        caused by: nobody writes to this pipe
        "#);
    let sandbox = Sandbox::with("services: {a: {image: a, env_file: /dev/zero}}");
    let shown = run(&sandbox, "config -q");
    assert!(
        shown.contains("error: `/dev/zero` is larger than 2 MiB"),
        "{shown}"
    );
}

/// One file, read for each of many services.
#[test]
fn an_env_file_for_everybody() {
    let services = repeated(1000, |n| format!("  s{n}: {{image: a, env_file: e}}\n"));
    let sandbox = Sandbox::with(&format!("services:\n{services}"));
    let sandbox = sandbox.file("e", &"A=1 # x\n".repeat(200_000));
    assert_snapshot!(run(&sandbox, "config -q"), @r#"
        exit 2
        --- stderr
        error: the env file has a line that cannot be read: the env files hold more than 64 MiB
          at e:83015:1
        hint: service `s2` names this file
        "#);
}

/// A million names, none of which is set.
#[test]
fn variables_that_nobody_knows() {
    let names = repeated(1_000_000, |n| format!("$v{n}"));
    let shown = config(&format!(
        "services: {{a: {{image: a, hostname: \"{names}\"}}}}"
    ));
    assert!(shown.starts_with("exit 0"), "{shown}");
    assert_eq!(shown.matches("is not set").count(), 200);
}

#[test]
fn more_values_than_anybody_writes() {
    // 8 MiB each.
    assert_snapshot!(config(&"- a\n".repeat(2 << 20)), @r#"
        exit 2
        --- stderr
        error: the file has more than 300000 values, commas and colons in its texts counted
          at compose.yaml
        hint: no Compose file needs that many: is it the right one?
        "#);
    assert_snapshot!(config(&format!("[{}]", "a,".repeat((4 << 20) - 1))), @r#"
        exit 2
        --- stderr
        error: the file has more than 300000 values, commas and colons in its texts counted
          at compose.yaml
        hint: no Compose file needs that many: is it the right one?
        "#);
    // As many as are read.
    assert_snapshot!(config(&"- a\n".repeat(299_999)), @r#"
        exit 2
        --- stderr
        error: a Compose file must be a map, not a list
          at compose.yaml
        "#);
}

#[test]
fn brackets_and_lists_without_end() {
    for deep in ["[", "{a: ", "- ", "a:\n  - "] {
        let shown = config(&deep.repeat(100_000));
        assert!(
            shown.starts_with("exit 2\n--- stderr\nerror: "),
            "{deep:?}: {shown}"
        );
    }
    assert_snapshot!(config(&"[".repeat(100_000)), @r#"
        exit 2
        --- stderr
        error: the YAML nests more than 128 deep, or refers to itself
          at compose.yaml
        "#);
}

#[test]
fn files_larger_than_they_can_be() {
    let compose = Sandbox::with(&"# nothing\n".repeat(1 << 20));
    assert_snapshot!(run(&compose, "config -q"), @r#"
        exit 2
        --- stderr
        error: `[hub]/compose.yaml` is larger than 8 MiB
        hint: nobody writes that much: is it the right file?
        "#);
    let stack = Sandbox::with("services: {a: {build: .}}").file("Dockerfile", "FROM redis\n");
    let stack = stack.file(".env", &"A=1\n".repeat(3 << 20));
    assert_snapshot!(run(&stack, "config -q"), @r#"
        exit 2
        --- stderr
        error: `[hub]/.env` is larger than 2 MiB
        hint: nobody writes that much: is it the right file?
        "#);
    stack.write(".env", "");
    stack.write("Dockerfile", &"RUN true\n".repeat(50 << 17));
    assert_snapshot!(run(&stack, "plan"), @r#"
        exit 2
        --- stderr
        error: `[hub]/Dockerfile` is larger than 2 MiB
        hint: nobody writes that much: is it the right file?
        "#);
    stack.write("Dockerfile", "FROM redis\n");
    stack.write(".dockerignore", &"**/x\n".repeat(1 << 20));
    assert_snapshot!(run(&stack, "plan"), @r#"
        exit 2
        --- stderr
        error: `[hub]/.dockerignore` is larger than 2 MiB
        hint: nobody writes that much: is it the right file?
        "#);
}

#[test]
fn variables_of_variables() {
    let mut env = "A=0123456789abcdef\n".to_owned();
    for (level, below) in ('B'..='P').zip('A'..) {
        let _ = writeln!(env, "{level}={}", format!("${below}").repeat(16));
    }
    let sandbox = Sandbox::with("services: {a: {image: redis, hostname: $P}}").file(".env", &env);
    assert_snapshot!(run(&sandbox, "config -q"), @r#"
        exit 2
        --- stderr
        error: the env file has a line that cannot be read: the variables stand for more text than a Compose file may have
          at .env:7:1
        "#);
    let long =
        "services: {a: {image: redis, hostname: \"".to_owned() + &"$A".repeat(100_000) + "\"}}";
    let sandbox = Sandbox::with(&long).file(".env", &format!("A={}\n", "x".repeat(1000)));
    assert_snapshot!(run(&sandbox, "config -q"), @r#"
        exit 2
        --- stderr
        error: the variables stand for more text than a Compose file may have
          at compose.yaml:1:30
        "#);
}

#[test]
fn more_ports_than_there_are() {
    let range = |address: u8| format!("'{address}.0.0.1:1-65535:1-65535'");
    let ranges: Vec<String> = (1..100).map(range).collect();
    let compose = format!(
        "services: {{a: {{image: redis, ports: [{}]}}}}",
        ranges.join(", ")
    );
    assert_snapshot!(config(&compose), @r#"
        exit 2
        --- stderr
        error: with `services.a.ports[1]` there are more than 100000 ports
          at compose.yaml:1:65
        "#);
}

/// One long text, taken over ten thousand times.
#[test]
fn a_long_text_that_many_extend() {
    let text = "x".repeat(1 << 20);
    let services = repeated(10_000, |n| format!("  s{n}: {{extends: base}}\n"));
    let compose = format!("services:\n  base: {{image: a, hostname: {text}}}\n{services}");
    assert_snapshot!(config(&compose), @r#"
        exit 2
        --- stderr
        error: services take over more than 1000000 values from those they extend
          at compose.yaml:64:9
        "#);
}

/// Fifty thousand values, taken over a thousand times.
#[test]
fn a_large_service_that_many_extend() {
    let variables: Vec<String> = (0..50_000)
        .map(|number| format!("      V{number}: x\n"))
        .collect();
    let services: Vec<String> = (0..1000)
        .map(|number| format!("  s{number}: {{extends: base}}\n"))
        .collect();
    let (variables, services) = (variables.concat(), services.concat());
    let compose =
        format!("services:\n  base:\n    image: redis\n    environment:\n{variables}{services}");
    assert_snapshot!(config(&compose), @r#"
        exit 2
        --- stderr
        error: services take over more than 1000000 values from those they extend
          at compose.yaml:50024:9
        "#);
}

/// Each file includes the next one twice: 2^20 of the last.
#[test]
fn files_that_include_each_other_over_and_over() {
    let mut sandbox = Sandbox::with("include: [c1.yaml, ./c1.yaml]\n");
    for number in 1..20 {
        let next = number + 1;
        let text = format!("include: [c{next}.yaml, ./c{next}.yaml]\nservices: {{}}\n");
        sandbox = sandbox.file(&format!("c{number}.yaml"), &text);
    }
    let sandbox = sandbox.file("c20.yaml", "services: {a: {image: redis}}\n");
    assert_snapshot!(run(&sandbox, "config -q"), @r#"
        exit 2
        --- stderr
        error: more than 1000 files are included
          at c19.yaml:1:11
        "#);
}

#[test]
fn more_warnings_than_anybody_reads() {
    let variables: Vec<String> = (0..5_000).map(|number| format!("- $V{number}\n")).collect();
    let variables = variables.concat();
    let compose = format!("services: {{a: {{image: redis}}}}\nx-a:\n{variables}");
    let shown = config(&compose);
    assert_eq!(shown.matches("is not set").count(), 200);
    assert!(
        shown.contains("warning: there are 4800 more things to warn of"),
        "{shown}"
    );
}
