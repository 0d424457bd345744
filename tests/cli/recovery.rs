//! What was left half done, taken away or made by others: the next start goes on from what is there.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::stack::{Stack, docker};

/// A service that does not stop when it is asked, which leaves time to interfere.
fn stubborn(environment: &str) -> String {
    format!(
        "services:\n  app:\n    image: redis:7-alpine\n    entrypoint: [sh, -c, \"trap '' TERM; sleep 1000 & wait; wait\"]\n    \
         stop_grace_period: 5s\n    environment: {{WHAT: {environment}}}\n"
    )
}

/// Starts larder and kills it while it replaces a container: the new one is made, the old one being stopped.
fn kill_while_replacing(stack: &Stack) {
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["--progress", "quiet", "up"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while stack.containers("app").len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is made");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_start_that_was_killed_is_repaired_by_the_next() {
    let stack = Stack::new("killed", &stubborn("one"));
    stack.larder("up");
    let name = stack.names("app");
    stack.sandbox.write("compose.yaml", &stubborn("two"));
    kill_while_replacing(&stack);
    assert_eq!(stack.names("app").len(), 2);
    stack.larder("up");
    assert_eq!(stack.names("app"), name);
    assert_eq!(stack.environment("app", "WHAT"), "two");

    // Killed again, and the file is another one when somebody looks next.
    stack.sandbox.write("compose.yaml", &stubborn("three"));
    kill_while_replacing(&stack);
    stack.sandbox.write("compose.yaml", &stubborn("four"));
    stack.larder("up");
    assert_eq!(stack.names("app"), name);
    assert_eq!(stack.environment("app", "WHAT"), "four");
    assert!(stack.larder("plan").ends_with("nothing to do\n"));
}

#[test]
fn a_container_that_docker_compose_left_misnamed_gets_its_name() {
    let stack = Stack::new("misnamed", &stubborn("one"));
    stack.compose("up -d");
    let name = stack.names("app")[0].clone();
    let left = |stack: &Stack| {
        let own = format!("{}_{name}", &stack.containers("app")[0][..12]);
        docker(&["rename", &name, &own]);
    };
    let theirs = stack.containers("app");
    left(&stack);
    stack.larder("up");
    assert_eq!(stack.names("app"), std::slice::from_ref(&name));
    assert_eq!(stack.containers("app"), theirs);
    // Nor is one of larder's own made anew for its name.
    stack.sandbox.write("compose.yaml", &stubborn("two"));
    stack.larder("up");
    let made = stack.containers("app");
    left(&stack);
    stack.larder("up");
    assert_eq!(
        (stack.names("app"), stack.containers("app")),
        (vec![name], made)
    );
}

/// Healthy while a file is there. The engine looks each `interval`, and forgives for an hour.
fn marked(interval: &str) -> String {
    format!(
        "services:\n  app:\n    image: redis:7-alpine\n    stop_grace_period: 1s\n    healthcheck: \
         {{test: [CMD, test, -e, /tmp/go], interval: {interval}, start_period: 1h}}\n    \
         entrypoint: [sh, -c, 'touch /tmp/go; exec redis-server']\n"
    )
}

#[test]
fn what_larder_proved_healthy_is_so_until_somebody_knows_better() {
    let stack = Stack::new("proof", &marked("10m"));
    stack.larder("up");
    assert!(stack.larder("plan").ends_with("nothing to do\n"));
    let report = stack.larder("up");
    assert!(report.contains("1 service up to date in"), "{report}");
    // Another start is another matter.
    docker(&["restart", "-t", "0", &stack.containers("app")[0]]);
    let plan = stack.larder("plan");
    assert!(plan.contains("wait until app is ready"), "{plan}");

    // And so is what the engine saw itself.
    stack.sandbox.write("compose.yaml", &marked("3s"));
    stack.larder("up");
    stack.larder("exec -T app rm /tmp/go");
    let failed = || {
        let format = "{{len .State.Health.Log}}";
        docker(&["inspect", "--format", format, &stack.containers("app")[0]]) != "0\n"
    };
    let begun = Instant::now();
    while !failed() {
        assert!(begun.elapsed() < Duration::from_secs(20), "no probe");
        std::thread::sleep(Duration::from_millis(50));
    }
    let plan = stack.larder("plan");
    assert!(plan.contains("wait until app is ready"), "{plan}");
}

const PAIR: &str = "\
services:
  one: {image: 'redis:7-alpine', tmpfs: [/data], stop_grace_period: 1s}
  two: {image: 'redis:7-alpine', tmpfs: [/data], stop_grace_period: 1s}
";

#[test]
fn a_network_that_was_removed_under_stopped_containers_is_made_again() {
    let stack = Stack::new("network", PAIR);
    stack.larder("up");
    let network = format!("{}_default", stack.name);
    let reaches = || stack.larder("exec -T two redis-cli -h one ping");
    assert_eq!(reaches(), "PONG\n");
    stack.larder("stop");
    docker(&["network", "rm", &network]);
    stack.larder("up");
    assert_eq!(reaches(), "PONG\n");

    // One service made the network again; the other's container still means the one that is gone.
    stack.larder("stop");
    docker(&["network", "rm", &network]);
    stack.larder("up one");
    stack.larder("up");
    assert_eq!(reaches(), "PONG\n");

    // Cut off while it runs.
    let first = stack.containers("two");
    docker(&["network", "disconnect", &network, &first[0]]);
    stack.larder("up");
    assert_ne!(stack.containers("two"), first);
    assert_eq!(reaches(), "PONG\n");
}

#[test]
fn a_network_that_changed_is_made_anew_unless_others_are_on_it() {
    let stack = Stack::new("network-changed", PAIR);
    stack.larder("up");
    let network = format!("{}_default", stack.name);
    let id = || docker(&["network", "inspect", "-f", "{{.Id}}", &network]);
    let reaches = || stack.larder("exec -T two redis-cli -h one ping");
    let first = id();
    let changed = |label: &str| {
        let text = format!("{PAIR}networks: {{default: {{labels: {{what: {label}}}}}}}\n");
        stack.sandbox.write("compose.yaml", &text);
    };
    changed("one");
    stack.larder("up");
    let second = id();
    assert_ne!(second, first);
    assert_eq!(reaches(), "PONG\n");
    assert!(stack.larder("up").contains("up to date"));
    // docker compose finds what it would have made.
    stack.compose("up -d");
    assert_eq!(id(), second);

    changed("two");
    let guest = format!("{}-guest", stack.name);
    // What is between two starts is not on the engine's list of the network.
    let words =
        format!("run -d --name {guest} --restart always --network {network} busybox:stable false");
    docker(&words.split(' ').collect::<Vec<_>>());
    let left = stack.sandbox.show("up");
    docker(&["rm", "-f", &guest]);
    assert!(left.contains("stays as it is"), "{left}");
    assert_eq!(id(), second);
    let ran = stack.larder("run --rm -T one redis-cli -h two ping");
    assert_eq!(ran, "PONG\n");
    assert_eq!(id(), second);
    // Once they are gone, what does not run is made for it, too.
    stack.larder("stop one");
    stack.larder("up");
    assert_ne!(id(), second);
    assert_eq!(reaches(), "PONG\n");
}

fn shared(environment: &str) -> String {
    format!(
        "services:\n  db:\n    image: redis:7-alpine\n    stop_grace_period: 1s\n    environment: {{WHAT: {environment}}}\n  \
         app:\n    image: redis:7-alpine\n    entrypoint: [sleep, '1000']\n    stop_grace_period: 0s\n    \
         network_mode: 'service:db'\n"
    )
}

#[test]
fn a_shared_network_is_that_of_the_container_that_is_there() {
    let stack = Stack::new("shared", &shared("one"));
    stack.larder("up");
    let reaches = || stack.larder("exec -T app redis-cli -h 127.0.0.1 ping");
    assert_eq!(reaches(), "PONG\n");
    let first = stack.containers("app");
    assert!(stack.larder("plan").ends_with("nothing to do\n"));

    stack.sandbox.write("compose.yaml", &shared("two"));
    stack.larder("up");
    assert_ne!(stack.containers("app"), first);
    assert_eq!(reaches(), "PONG\n");

    // The other one is replaced in a run of its own.
    let second = stack.containers("app");
    stack.sandbox.write("compose.yaml", &shared("three"));
    stack.larder("up db");
    assert_eq!(stack.containers("app"), second);
    stack.larder("up");
    assert_ne!(stack.containers("app"), second);
    assert_eq!(reaches(), "PONG\n");

    // It was stopped and starts anew: its network does, too.
    let third = stack.containers("app");
    stack.larder("stop db");
    stack.larder("up");
    assert_ne!(stack.containers("app"), third);
    assert_eq!(reaches(), "PONG\n");

    // Started anew by others, while it runs.
    let cut_off = stack.containers("app");
    docker(&["restart", "-t", "0", &stack.containers("db")[0]]);
    let plan = stack.larder("plan");
    assert!(plan.contains("was started after it"), "{plan}");
    stack.larder("up");
    assert_ne!(stack.containers("app"), cut_off);
    assert_eq!(reaches(), "PONG\n");
    assert!(stack.larder("plan").ends_with("nothing to do\n"));

    // By larder, with the one that shares it.
    let restarted = stack.containers("app");
    stack.larder("restart db");
    assert_eq!(reaches(), "PONG\n");
    assert!(stack.larder("plan").ends_with("nothing to do\n"));
    assert_eq!(stack.containers("app"), restarted);

    // Both were stopped: nothing has to be made.
    let fourth = stack.containers("app");
    stack.larder("stop");
    stack.larder("up");
    assert_eq!(stack.containers("app"), fourth);
    assert_eq!(reaches(), "PONG\n");
}

/// Volumes of the project's own, of somebody else's, and one that the file no longer declares.
fn with_volumes(foreign: &str, old: bool) -> String {
    let (mount, declared) = if old {
        (", 'old:/old'", "  old:\n")
    } else {
        ("", "")
    };
    format!(
        "services:\n  app:\n    image: redis:7-alpine\n    stop_grace_period: 1s\n    \
         volumes: ['own:/data', 'theirs:/theirs'{mount}]\n\
         volumes:\n  own:\n  theirs: {{external: true, name: {foreign}}}\n{declared}"
    )
}

#[test]
fn down_removes_the_volumes_that_the_file_declares() {
    let stack = Stack::new("volumes", "services: {}\n");
    let foreign = format!("{}-theirs", stack.name);
    docker(&["volume", "create", &foreign]);
    let left = || {
        let filter = format!("name={}", stack.name);
        let listed = docker(&["volume", "ls", "--format", "{{.Name}}", "--filter", &filter]);
        let mut names: Vec<String> = listed.lines().map(ToOwned::to_owned).collect();
        names.sort();
        names
    };
    let old = format!("{}_old", stack.name);
    for down in [Stack::larder, Stack::compose] {
        stack
            .sandbox
            .write("compose.yaml", &with_volumes(&foreign, true));
        stack.larder("up");
        stack
            .sandbox
            .write("compose.yaml", &with_volumes(&foreign, false));
        down(&stack, "down -v");
        assert!(stack.containers("app").is_empty());
        assert_eq!(
            left(),
            [foreign.clone(), old.clone()],
            "as docker compose leaves it"
        );
    }
    let output = stack.sandbox.run("down -v");
    let shown = stack.sandbox.shown(&output);
    assert!(shown.contains(&format!("volume `{old}` stays")), "{shown}");
    // Without a file, everything that is the project's.
    std::fs::remove_file(stack.sandbox.path().join("compose.yaml")).unwrap();
    stack.larder("down -v");
    assert_eq!(left(), std::slice::from_ref(&foreign));
    docker(&["volume", "rm", &foreign]);
}

#[test]
fn an_anonymous_volume_that_was_handed_over_goes_with_the_last_container() {
    let stack = Stack::new("anonymous", &marked("3s"));
    stack.larder("up");
    let volume = || {
        let format = "{{range .Mounts}}{{.Name}}{{end}}";
        docker(&["inspect", "--format", format, &stack.containers("app")[0]])
    };
    let first = volume();
    stack.sandbox.write("compose.yaml", &marked("4s"));
    stack.larder("up");
    assert_eq!(volume(), first, "it is handed over");
    stack.larder("down -v");
    let all = docker(&["volume", "ls", "-q"]);
    assert!(!all.contains(&first), "{first}");
}

#[test]
fn an_anonymous_volume_that_nobody_declares_any_more_hides_nothing() {
    let compose = |dockerfile: &str, volumes: &str| {
        format!(
            "services:\n  app:\n    command: sleep 1000\n    init: true\n    volumes: [{volumes}]\n    build:\n      \
             context: .\n      dockerfile_inline: |\n        FROM busybox:stable\n        COPY what /srv/what\n{dockerfile}"
        )
    };
    let of_the_image = "        VOLUME /srv/\n";
    for (name, before) in [
        ("declared", compose("", "/srv")),
        ("inherent", compose(of_the_image, "")),
    ] {
        let stack = Stack::new(name, &before);
        stack.sandbox.write("what", "one");
        stack.larder("up");
        let what = || docker(&["exec", &stack.containers("app")[0], "cat", "/srv/what"]);
        assert_eq!(what(), "one");
        stack.sandbox.write("what", "two");
        stack.larder("up");
        assert_eq!(
            what(),
            "one",
            "a volume keeps what it has, as with docker compose"
        );
        stack.sandbox.write("compose.yaml", &compose("", ""));
        stack.larder("up");
        assert_eq!(what(), "two", "{name}");
    }
}

#[test]
fn a_volume_of_another_project_stays_whatever_it_is_called() {
    let stack = Stack::new("borrowed", "services: {}\n");
    let name = format!("{}_own", stack.name);
    docker(&["volume", "create", &name]);
    let compose = "services: {app: {image: 'redis:7-alpine', stop_grace_period: 1s, volumes: ['own:/data']}}\n\
                   volumes: {own: }\n";
    stack.sandbox.write("compose.yaml", compose);
    stack.larder("up");
    let output = stack.sandbox.run("down -v");
    let shown = stack.sandbox.shown(&output);
    let warning = format!("volume `{name}` was not made for this project and stays");
    assert!(
        output.status.success() && shown.contains(&warning),
        "{shown}"
    );
    docker(&["volume", "rm", &name]);
}

#[test]
fn what_the_file_no_longer_names_goes_at_the_next_start_and_at_the_end() {
    let stack = Stack::new("orphans", PAIR);
    stack.larder("up");
    let one = PAIR.lines().filter(|line| !line.contains("two:"));
    let one: Vec<String> = one.map(|line| format!("{line}\n")).collect();
    stack.sandbox.write("compose.yaml", &one.concat());
    let plan = stack.larder("plan");
    let cause = "no Compose file defines `two` any more";
    assert!(plan.contains(cause), "{plan}");
    stack.larder("up");
    assert!(stack.containers("two").is_empty());
    stack.sandbox.write("compose.yaml", PAIR);
    stack.larder("up");
    stack.sandbox.write("compose.yaml", &one.concat());
    stack.larder("down");
    assert!(stack.containers("one").is_empty() && stack.containers("two").is_empty());
    let label = format!("label=com.docker.compose.project={}", stack.name);
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &label]), "");
}

#[test]
fn a_name_that_a_foreign_container_has_is_told_before_anything_is_filled_in() {
    let name = format!("larder-taken-{}", std::process::id());
    let compose = format!(
        "services: {{app: {{image: 'redis:7-alpine', container_name: {name}, configs: [c]}}}}\n\
         configs: {{c: {{content: some}}}}\n"
    );
    let stack = Stack::new("taken-name", &compose);
    let foreign = docker(&["create", "--name", &name, "redis:7-alpine"]);
    let output = stack.sandbox.run("up");
    let shown = stack.sandbox.shown(&output);
    docker(&["rm", "-f", &name]);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for told in [
        format!("error: creating container `{name}` failed"),
        format!("already in use by container \"{}\"", foreign.trim()),
        "hint: rename or remove that container".to_owned(),
    ] {
        assert!(shown.contains(&told), "{shown}");
    }
    assert!(!shown.contains("renaming"), "{shown}");
    assert!(stack.containers("app").is_empty());
}

#[test]
fn a_name_that_begins_like_an_id_says_nothing_of_a_container() {
    let compose = |name: &str| {
        format!(
            "services: {{app: {{image: 'redis:7-alpine', stop_grace_period: 1s, container_name: {name}}}}}\n"
        )
    };
    let name = format!("{:012x}_app", std::process::id());
    let stack = Stack::new("like-an-id", &compose(&name));
    stack.larder("create");
    let made = stack.containers("app");
    stack.larder("create");
    assert_eq!(stack.containers("app"), made);
    stack.larder("start");
    assert_eq!(
        (stack.containers("app"), stack.names("app")),
        (made, vec![name])
    );
}

#[test]
fn a_start_without_its_network_says_what_helps() {
    let stack = Stack::new(
        "lost-network",
        "services: {app: {image: 'redis:7-alpine', stop_grace_period: 1s}}\n",
    );
    stack.larder("create");
    stack.larder("start");
    stack.larder("stop");
    docker(&["network", "rm", &format!("{}_default", stack.name)]);
    let shown = stack.sandbox.show("start");
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(
        shown.contains("hint: its network was removed: `larder up app` makes the container anew"),
        "{shown}"
    );
    stack.larder("up");
}

#[test]
fn an_address_that_is_taken_is_no_port() {
    let compose = "\
services:
  one: {image: 'redis:7-alpine', stop_grace_period: 1s, networks: {own: {ipv4_address: 10.247.93.9}}}
  two: {image: 'redis:7-alpine', stop_grace_period: 1s, networks: {own: {ipv4_address: 10.247.93.9}}}
networks: {own: {ipam: {config: [{subnet: 10.247.93.0/24}]}}}
";
    let stack = Stack::new("address", compose);
    let shown = stack.sandbox.show("up");
    assert!(shown.contains("Address already in use"), "{shown}");
    assert!(
        shown.contains("hint: another container has the address in that network"),
        "{shown}"
    );
    assert!(!shown.contains("holds the port"), "{shown}");
}

/// A service that is always on, one of a profile, and the volume of the latter.
const WITH_PROFILE: &str = "\
services:
  app: {image: 'redis:7-alpine', stop_grace_period: 1s}
  tool: {image: 'redis:7-alpine', stop_grace_period: 1s, profiles: [tools], volumes: ['kept:/data']}
volumes: {kept: }
";

#[test]
fn services_of_an_inactive_profile_are_left_alone() {
    let stack = Stack::new("inactive", WITH_PROFILE);
    let up = |service| {
        let format = "{{.State.Running}}";
        let containers = stack.containers(service);
        containers
            .first()
            .map(|id| docker(&["inspect", "--format", format, id]))
    };
    let (running, stopped) = (Some("true\n".to_owned()), Some("false\n".to_owned()));
    for (turn, down) in [
        (Stack::larder as fn(&Stack, &str) -> String, "down -v"),
        (Stack::compose, "down -v --remove-orphans"),
        (Stack::larder, "down -v --remove-orphans"),
    ] {
        stack.larder("--profile tools up");
        turn(&stack, "stop");
        assert_eq!((up("app"), up("tool")), (stopped.clone(), running.clone()));
        turn(&stack, down);
        assert_eq!((up("app"), up("tool")), (None, running.clone()));
    }
    let output = stack.sandbox.run("down -v");
    let shown = stack.sandbox.shown(&output);
    for told in [
        "is active, so it stays",
        "as no service with an active profile uses it",
    ] {
        assert!(output.status.success() && shown.contains(told), "{shown}");
    }
    assert!(!shown.contains("orphans"), "{shown}");
    stack.larder("--profile tools down -v");
    assert_eq!(up("tool"), None);
    let volumes = docker(&[
        "volume",
        "ls",
        "-q",
        "--filter",
        &format!("name={}", stack.name),
    ]);
    assert_eq!(volumes, "");
}

#[test]
fn what_other_files_made_goes_where_the_env_file_asks_for_it() {
    let stack = Stack::new("orphans-env", PAIR);
    stack.larder("up one");
    let other = PAIR.replace("two:", "three:").replace("one:", "four:");
    stack.sandbox.write("other.yaml", &other);
    let theirs = || stack.containers("three").len() + stack.containers("four").len();
    let begin = || {
        stack.sandbox.write(".env", "");
        stack.larder("-f other.yaml up");
        assert_eq!(theirs(), 2);
    };
    begin();
    stack.larder("up one");
    assert_eq!(theirs(), 2);
    stack.sandbox.write(".env", "COMPOSE_REMOVE_ORPHANS=true\n");
    let plan = stack.larder("plan one");
    assert!(plan.contains("remove three"), "{plan}");
    stack.larder("up one");
    assert_eq!(theirs(), 0);
    begin();
    stack.sandbox.write(".env", "COMPOSE_REMOVE_ORPHANS=true\n");
    stack.larder("down");
    assert_eq!(theirs(), 0);
    // The environment goes before it.
    begin();
    stack.sandbox.write(".env", "COMPOSE_REMOVE_ORPHANS=true\n");
    let stack = stack.env("COMPOSE_REMOVE_ORPHANS", "0");
    stack.larder("up one");
    assert_eq!(stack.containers("three").len(), 1);
}

#[test]
fn a_command_on_the_whole_project_says_which_services_are_off() {
    let stack = Stack::new("off", WITH_PROFILE);
    stack.larder("up tool");
    let before = stack.containers("tool");
    let shown = |line: &str| stack.sandbox.show(line).replace(&stack.name, "[project]");
    for line in ["restart", "stop", "kill", "pause"] {
        stack.compose(line);
        let expected = format!(
            "exit 0\n--- stderr\nwarning: no profile of `[project]-tool-1` is active, so it stays as it is: `larder --profile \
             '*' {line}` means it, too\nnothing to {line}\n"
        );
        assert_eq!(shown(line), expected);
    }
    assert_eq!(shown("start"), "exit 0\n--- stderr\nnothing to start\n");
    // None of them did anything to it.
    let format = "{{.State.Status}} {{.RestartCount}}";
    assert_eq!(stack.containers("tool"), before);
    assert_eq!(
        docker(&["inspect", "--format", format, &before[0]]),
        "running 0\n"
    );
    stack.larder("stop tool");
    assert!(shown("start").contains("`larder --profile '*' start` means it, too"));
    assert!(shown("rm -f").contains("`larder --profile '*' rm` means it, too"));
    assert_eq!(stack.containers("tool"), before);
    stack.larder("--profile * start");
    stack.larder("--profile * stop");
}

#[test]
fn a_stack_that_docker_compose_made_stays_and_is_given_back() {
    let stack = Stack::new("takeover", PAIR);
    stack.compose("up -d");
    let before = [stack.containers("one"), stack.containers("two")];
    stack.larder("up");
    let after = [stack.containers("one"), stack.containers("two")];
    assert_eq!(before, after);
    assert!(stack.larder("plan").ends_with("nothing to do\n"));
    let listed = stack.compose("ps --services");
    assert!(listed.contains("one") && listed.contains("two"), "{listed}");
    assert!(
        stack
            .compose("logs two")
            .contains("Ready to accept connections")
    );
    stack.compose("down -v");
    assert!(stack.containers("one").is_empty() && stack.containers("two").is_empty());
    let label = format!("label=com.docker.compose.project={}", stack.name);
    let output = Command::new("docker")
        .args(["network", "ls", "-q", "--filter", &label])
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
}
