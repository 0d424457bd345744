//! Attributes that become fields of the engine's API, in containers that run; and what becomes of those that the engine
//! is too old for. Needs `busybox:stable`.

use crate::stack::{Stack, docker};

const COMPOSE: &str = "\
services:
  app:
    image: busybox:stable
    command: sleep 1000
    stop_grace_period: 0s
    scale: 2
    annotations: {a: b}
    healthcheck: {test: 'true', start_period: 9s, start_interval: 1s}
    networks:
      default: {gw_priority: 1, interface_name: own0}
  one:
    image: busybox:stable
    command: sleep 1000
    stop_grace_period: 0s
    mac_address: 02:42:ac:11:00:09
    domainname: example.org
    dns_search: [search.example.org]
    dns_opt: [ndots:3]
    group_add: [4242]
    oom_score_adj: 321
    ulimits: {nofile: {soft: 123, hard: 456}}
    devices: ['/dev/zero:/dev/nought:r']
    cpuset: '0'
    deploy: {restart_policy: {condition: any}}
networks:
  default: {enable_ipv4: true}
";

/// What is gated in the file above, and the versions that have it.
const GATED: [(&str, (u32, u32)); 5] = [
    ("`annotations` of service `app`", (1, 43)),
    ("`enable_ipv4` of network `default`", (1, 48)),
    ("`healthcheck.start_interval` of service `app`", (1, 44)),
    ("`networks.gw_priority` of service `app`", (1, 48)),
    ("`networks.interface_name` of service `app`", (1, 49)),
];

#[test]
fn what_the_engine_has_is_carried_out_and_what_it_has_not_is_told_once() {
    let stack = Stack::new("attributes", COMPOSE);
    let output = stack.sandbox.run("up");
    assert!(output.status.success(), "{}", stack.sandbox.shown(&output));
    let told = String::from_utf8(output.stderr).unwrap();
    let version = docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    let (major, minor) = version.trim().split_once('.').unwrap();
    let has = (major.parse::<u32>().unwrap(), minor.parse::<u32>().unwrap());
    for (field, needs) in GATED {
        let warnings = told
            .matches(&format!("warning: {field} is left out"))
            .count();
        assert_eq!(warnings, usize::from(has < needs), "{field} in {told}");
    }
    assert_eq!(stack.containers("app").len(), 2);

    let look = "exec -T one sh -c";
    let shown = |script: &str| {
        let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
        let command = command.args(look.split(' ')).arg(script);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(
        shown("cat /sys/class/net/eth0/address"),
        "02:42:ac:11:00:09\n"
    );
    assert_eq!(shown("cat /proc/1/oom_score_adj"), "321\n");
    assert!(shown("grep ^Groups /proc/1/status").contains("4242"));
    assert!(shown("grep 'open files' /proc/1/limits").contains("123                  456"));
    assert_eq!(
        shown("grep -o ^Cpus_allowed_list.* /proc/1/status"),
        "Cpus_allowed_list:\t0\n"
    );
    assert_eq!(shown("head -c 3 /dev/nought | wc -c"), "3\n");
    let resolver = shown("cat /etc/resolv.conf");
    assert!(resolver.contains("search search.example.org"), "{resolver}");
    assert!(resolver.contains("ndots:3"), "{resolver}");
    let format = "{{.HostConfig.RestartPolicy.Name}} {{.Config.Domainname}}";
    let container = &stack.containers("one")[0];
    let policy = docker(&["inspect", "--format", format, container]);
    assert_eq!(policy, "always example.org\n");

    // One that the engine starts again may be looked at anew, and none is made anew.
    let plan = stack.larder("plan");
    assert!(!plan.contains("create"), "{plan}");
}
