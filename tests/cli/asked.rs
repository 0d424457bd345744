//! What `up` and its kin are asked for beside services, on a real engine. Needs `busybox:stable` on it.

use crate::stack::{Stack, docker};

const STACK: &str = "
services:
  seed:
    image: busybox:stable
    command: [sh, -c, 'date >> /data/ran']
    volumes: ['data:/data']
  db:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    depends_on: {seed: {condition: service_completed_successfully}}
  web:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    volumes: [/cache, 'data:/data']
    depends_on: [db]
volumes: {data: {}}
";

fn runs(stack: &Stack) -> usize {
    let lines = stack.larder("exec -T web cat /data/ran");
    lines.lines().count()
}

#[test]
fn services_are_scaled_and_their_containers_kept() {
    let stack = Stack::new("scaled", STACK);
    stack.larder("up --scale web=3");
    let three = stack.names("web");
    assert_eq!(three.len(), 3, "{three:?}");
    assert!(stack.larder("up --scale web=3").contains("up to date"));
    let ids = stack.containers("web");
    stack.larder("scale web=2 db=2");
    let two = stack.containers("web");
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|id| ids.contains(id)));
    assert_eq!(stack.containers("db").len(), 2);
    stack.larder("scale web=0");
    assert!(stack.containers("web").is_empty());
    let refused = stack.sandbox.run("up --scale wbe=2");
    assert_eq!(refused.status.code(), Some(2));
    let shown = stack.sandbox.shown(&refused);
    assert!(shown.contains("did you mean `web`"), "{shown}");
}

#[test]
fn only_what_is_named_is_replaced_and_jobs_run_when_they_are_asked_for() {
    let stack = Stack::new("forced", STACK);
    stack.larder("up");
    assert_eq!(runs(&stack), 1);
    let (web, db) = (stack.containers("web"), stack.containers("db"));
    let volume = || {
        let format = "{{range .Mounts}}{{if eq .Destination \"/cache\"}}{{.Name}}{{end}}{{end}}";
        docker(&["inspect", "-f", format, &stack.containers("web")[0]])
    };
    let cache = volume();
    stack.larder("up --force-recreate web");
    assert_ne!(stack.containers("web"), web);
    assert_eq!(stack.containers("db"), db);
    assert_eq!(volume(), cache);
    let plan = stack.larder("plan --always-recreate-deps web");
    assert!(plan.contains("stop db"), "{plan}");
    assert!(
        plan.contains("asked for: `--always-recreate-deps`"),
        "{plan}"
    );
    assert!(!plan.contains("--force-recreate"), "{plan}");
    let both = stack.larder("plan --force-recreate --always-recreate-deps web");
    for option in ["--force-recreate", "--always-recreate-deps"] {
        assert!(both.contains(&format!("asked for: `{option}`")), "{both}");
    }
    stack.larder("up --force-recreate -V web");
    assert_ne!(volume(), cache);
    docker(&["volume", "rm", cache.trim()]);
    assert_eq!(runs(&stack), 1);
    let plan = stack.larder("plan --rerun seed");
    assert!(plan.contains("start seed: asked for: `--rerun`"), "{plan}");
    stack.larder("up --rerun seed");
    assert_eq!(runs(&stack), 2);
    assert_eq!(stack.containers("db"), db);
    let refused = stack.sandbox.run("up --rerun web");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stack.sandbox.shown(&refused).contains("`web` is no job"));
}

#[test]
fn what_is_kept_stays_and_what_is_left_out_is_not_started() {
    let stack = Stack::new("kept", STACK);
    stack.larder("up --no-deps web");
    assert!(stack.containers("db").is_empty());
    assert!(stack.containers("seed").is_empty());
    let web = stack.containers("web");
    let edited = STACK.replace(
        "volumes: [/cache,",
        "environment: {A: b}\n    volumes: [/cache,",
    );
    stack.sandbox.write("compose.yaml", &edited);
    let both = stack
        .sandbox
        .show("plan --no-recreate --always-recreate-deps web");
    assert!(both.starts_with("exit 2\n"), "{both}");
    assert!(both.contains("cannot be used with"), "{both}");
    stack.larder("up --no-recreate --no-deps web");
    assert_eq!(stack.containers("web"), web);
    stack.larder("up --no-deps web");
    assert_ne!(stack.containers("web"), web);
}

#[test]
fn containers_are_created_and_not_started() {
    let stack = Stack::new("created", STACK);
    let said = stack.larder("create");
    assert!(said.contains("3 services created in"), "{said}");
    let states = docker(&[
        "ps",
        "-a",
        "--format",
        "{{.State}}",
        "--filter",
        &format!("label=com.docker.compose.project={}", stack.name),
    ]);
    assert_eq!(states, "created\ncreated\ncreated\n");
    stack.larder("start");
    assert_eq!(runs(&stack), 1);
}

#[test]
fn what_may_not_be_built_or_pulled_is_refused_before_anything_is_done() {
    let compose = r#"
services:
  built: {build: {context: ., dockerfile_inline: "FROM busybox:stable\nRUN true"}}
  named: {image: 'busybox:no-such-tag'}
"#;
    let stack = Stack::new("unbuilt", compose);
    for (line, said) in [
        ("up --no-build built", "`built` must be built"),
        ("up --pull never named", "`pull_policy: never`"),
    ] {
        let refused = stack.sandbox.run(line);
        let shown = stack.sandbox.shown(&refused);
        assert!(!refused.status.success() && shown.contains(said), "{shown}");
    }
    assert!(stack.containers("built").is_empty());
    assert!(stack.containers("named").is_empty());
}

#[test]
fn the_end_tells_which_waits_made_a_start_long() {
    let compose = "
services:
  slow:
    image: busybox:stable
    command: [sh, -c, 'sleep 0.5; touch /ready; sleep 1000']
    stop_grace_period: 0s
    healthcheck: {test: [CMD, test, -e, /ready], interval: 1s}
  web:
    image: busybox:stable
    command: [sleep, '1000']
    stop_grace_period: 0s
    depends_on: {slow: {condition: service_healthy}}
";
    let stack = Stack::new("path", compose);
    let said = stack.larder("up");
    let path = said
        .lines()
        .find(|line| line.starts_with("critical path: "));
    let path = path.unwrap_or_else(|| panic!("{said}"));
    assert!(path.contains("slow ") && path.contains(" → web "), "{path}");
    stack.larder("down");
    let said = stack.larder("--progress json up --parallel 1");
    let report: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let path = report["critical_path"].as_array().unwrap();
    let all: u64 = path
        .iter()
        .map(|leg| leg["took_ms"].as_u64().unwrap())
        .sum();
    assert!(
        all >= 500 && all <= report["took_ms"].as_u64().unwrap(),
        "{report}"
    );
    assert!(
        path.iter()
            .any(|leg| leg["service"] == "slow" && leg["action"] == "wait")
    );
}
