//! What `port`, `top` and `wait` tell, held against docker compose. Needs `busybox:stable` on the engine.

use insta::assert_snapshot;
use serde_json::Value;

use crate::stack::Stack;

const PORTS: &str = "\
services:
  web: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, ports: ['127.0.0.1::80', '127.0.0.1::53/udp'], expose: ['9000']}
  many: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, scale: 2, ports: ['127.0.0.1::80']}
  job: {image: 'busybox:stable', command: [sh, -c, 'sleep 1; exit 7']}
";

#[test]
fn ports_are_told_as_docker_compose_tells_them() {
    let stack = Stack::new("port", PORTS);
    stack.larder("up --no-wait web many");
    for line in [
        "port web 80",
        "port --protocol udp web 53",
        "port web 53 --protocol=UDP",
        "port many 80",
        "port --index 2 many 80",
    ] {
        assert_eq!(stack.larder(line), stack.compose(line), "{line}");
    }
    let all = stack.larder("port web");
    let udp = stack.larder("port --protocol udp web 53");
    let tcp = stack.larder("port web 80");
    assert_eq!(all, format!("53/udp -> {udp}80/tcp -> {tcp}"));
    assert_eq!(stack.larder("port many").matches("-many-").count(), 2);
    let json: Value = serde_json::from_str(&stack.larder("port web 80 --format json")).unwrap();
    let port = &json["ports"][0];
    assert_eq!(
        (&port["target"], &port["service"]),
        (&80.into(), &"web".into())
    );
    assert_eq!(tcp.trim(), format!("127.0.0.1:{}", port["published"]));
    let refused = |line: &str| stack.sandbox.show(line).replace(&stack.name, "p");
    assert_snapshot!(refused("port web 9000"), @r"
    exit 1
    --- stderr
    error: container `p-web-1` does not publish port 9000/tcp
    hint: it publishes 53/udp, 80/tcp
    ");
    assert_snapshot!(refused("port many 80 --index 5"), @r"
    exit 1
    --- stderr
    error: service `many` has no container 5
    hint: `larder ps -a` lists the containers of `many`
    ");
    assert!(
        refused("port job 80")
            .starts_with("exit 1\n--- stderr\nerror: service `job` has no running")
    );
}

#[test]
fn processes_are_listed_as_docker_compose_lists_them() {
    let stack = Stack::new("top", PORTS);
    stack.compose("up -d web many");
    // How much of a processor each took goes on meanwhile.
    let cells = |text: &str| -> Vec<Vec<String>> {
        let line = |line: &str| {
            let cells = line.split_whitespace().enumerate();
            let cells = cells.filter(|(at, _)| ![5, 8].contains(at));
            cells.map(|(_, cell)| cell.to_owned()).collect()
        };
        text.lines().map(line).collect()
    };
    assert_eq!(cells(&stack.larder("top")), cells(&stack.compose("top")));
    let of_web = stack.larder("top web --format json");
    let json: Value = serde_json::from_str(&of_web).unwrap();
    let processes = json["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0]["columns"]["CMD"], "sleep 1000");
    stack.larder("stop");
    assert_snapshot!(stack.sandbox.show("top"), @"exit 0");
}

#[test]
fn who_waits_gets_the_code_of_who_ended() {
    let stack = Stack::new("wait", PORTS);
    stack.larder("up --no-wait");
    let id = &stack.containers("job")[0];
    let line = format!("exit 7\n--- stdout\ncontainer \"{id}\" exited with status code 7\n");
    assert_eq!(stack.sandbox.show("wait job"), line);
    // It ended before.
    assert_eq!(stack.sandbox.show("wait job"), line);
    let shown = stack
        .sandbox
        .show("wait --down-project --progress quiet job");
    assert_eq!(shown, line);
    assert!(stack.containers("web").is_empty());
    let shown = stack.sandbox.show("wait job");
    assert!(
        shown.starts_with("exit 1\n--- stderr\nerror: service `job` has no running"),
        "{shown}"
    );
    assert!(stack.sandbox.show("wait").starts_with("exit 2\n"));
}
