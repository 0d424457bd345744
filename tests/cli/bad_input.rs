//! Input that is wrong: exit code 2, one message with its place, a hint. The engine of these tests is not
//! there, so none of this asks it anything.

use insta::assert_snapshot;

use crate::sandbox::Sandbox;
use crate::stack::{Stack, docker};

/// `up` of this Compose file.
fn up(compose: &str) -> String {
    Sandbox::with(compose).show("up")
}

#[test]
fn no_compose_file() {
    assert_snapshot!(Sandbox::new().show("up"), @r#"
        exit 2
        --- stderr
        error: no Compose file in `[hub]` or a folder above it
        hint: looked for `compose.yaml`, `compose.yml`, `docker-compose.yml`, `docker-compose.yaml`; `-f FILE` names another
        "#);
}

#[test]
fn a_named_file_that_is_not_there() {
    assert_snapshot!(Sandbox::new().show("-f other.yaml up"), @r#"
        exit 2
        --- stderr
        error: the file `[hub]/other.yaml` does not exist
        hint: create it, or name another: the path is relative to the folder larder is called in
        "#);
}

#[test]
fn a_file_name_with_a_slip() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}");
    assert_snapshot!(sandbox.show("-f compose.yml up"), @r#"
        exit 2
        --- stderr
        error: the file `[hub]/compose.yml` does not exist
        hint: did you mean `compose.yaml`?
        "#);
    let sandbox = sandbox.env("COMPOSE_FILE", "sub/compose.yaml");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: the file `[hub]/sub/compose.yaml` does not exist
        hint: `COMPOSE_FILE` names it
        hint: there is no folder `[hub]/sub`
        "#);
    assert_snapshot!(sandbox.show("-f . up"), @r#"
        exit 2
        --- stderr
        error: `[hub]/.` is a folder where a file is expected
        hint: there is `compose.yaml` in it
        "#);
}

#[test]
fn an_env_file_that_is_not_there_hinders_nobody_who_goes_by_labels() {
    let sandbox = Sandbox::with("services: {a: {image: redis, env_file: gone.env}}");
    for line in [
        "ps",
        "logs",
        "stop",
        "start",
        "restart",
        "exec a true",
        "down",
    ] {
        // The engine is not there either, and comes later.
        assert_eq!(sandbox.run(line).status.code(), Some(3), "{line}");
    }
    assert_eq!(sandbox.run("up").status.code(), Some(2));
}

#[test]
fn an_env_file_that_is_not_there() {
    let sandbox = Sandbox::with("services:\n  a:\n    image: redis\n    env_file: app.evn\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: the env file `[hub]/app.evn` does not exist
          at compose.yaml:4:5
        hint: create it, or write `path:` and `required: false` when it may be missing
        "#);
    assert_snapshot!(sandbox.file("app.env", "").show("up"), @r#"
        exit 2
        --- stderr
        error: the env file `[hub]/app.evn` does not exist
          at compose.yaml:4:5
        hint: did you mean `app.env`?
        "#);
    let list = "services:\n  a:\n    image: redis\n    env_file:\n      - one.env\n      - path: two.env\n";
    assert_snapshot!(Sandbox::with(list).file("one.env", "").show("up"), @r#"
        exit 2
        --- stderr
        error: the env file `[hub]/two.env` does not exist
          at compose.yaml:6:9
        hint: create it, or write `path:` and `required: false` when it may be missing
        "#);
    assert_snapshot!(Sandbox::with(list).show("--env-file x.env up"), @r#"
        exit 2
        --- stderr
        error: the env file `[hub]/x.env` does not exist
        hint: create it
        "#);
}

#[test]
fn a_line_of_an_env_file_that_is_none() {
    let sandbox = Sandbox::with("services: {a: {image: redis}}").file(".env", "A=1\nB='open\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: the env file has a line that cannot be read: the quote of `B` has no end
          at .env:2:1
        hint: a value ends with the quote that it starts with, on that line or a later one
        "#);
}

#[test]
fn nothing_to_start() {
    assert_snapshot!(up("services: {}"), @r#"
        exit 2
        --- stderr
        error: the project has no services
        hint: it needs `services:` with at least one service
        "#);
    assert_snapshot!(up("services: {a: {image: redis, profiles: [p]}}"), @r#"
        exit 2
        --- stderr
        error: no service is active
        hint: `--profile NAME` activates those of a profile; a service that is named is active, too
        "#);
}

/// docker compose leaves most of these to the engine, which sees them when half of the stack is there.
#[test]
fn values_that_only_the_engine_would_refuse() {
    let compose = "\
services:
  a:
    image: redis
";
    let attributes = [
        "expose: [abc]",
        "ports: [{target: 80, protocol: foo}]",
        "ports: [{target: 80, published: 90-80}]",
        "ports: [{target: 70000}]",
        "container_name: my name",
        "platform: foo/bar/baz/q",
        "cpus: -1",
        "scale: -1",
        "healthcheck: {interval: -1s}",
        "healthcheck: {retries: -1}",
        "environment: [=b]",
        "networks: {default: {ipv4_address: 999.1.1.1}}",
        "restart: sometimes",
        "pull_policy: sometimes",
        "depends_on: {a: {required: true}}",
        "ulimits: {nofile: {soft: 5}}",
        "x-larder: {probe: engin}",
        "isolation: chroot",
        "deploy: {restart_policy: {condition: sometimes}}",
        "volumes: [{type: bind, source: ., target: /a, bind: {propagation: up}}]",
    ];
    let shown = attributes.map(|attribute| {
        let sandbox = Sandbox::with(&format!("{compose}    {attribute}\n"));
        let shown = sandbox.show("config -q");
        let told: Vec<_> = shown
            .lines()
            .filter(|line| !line.starts_with("hint"))
            .collect();
        format!("{}\n", told[2..].join(""))
    });
    assert_snapshot!(shown.concat(), @r#"
        error: `services.a.expose[0]`: `abc` is not a port (0 to 65535)  at compose.yaml:4:14
        error: `services.a.ports[0].protocol`: `foo` is no protocol: tcp, udp or sctp  at compose.yaml:4:26
        error: `services.a.ports[0].published`: the range `90-80` ends before it starts  at compose.yaml:4:26
        error: `services.a.ports[0].target`: `70000` is not a port (1 to 65535)  at compose.yaml:4:14
        error: `services.a.container_name`: `my name` is not a container's name: two or more of letters, digits, `_`, `.` and `-`, a letter or digit first  at compose.yaml:4:5
        error: `services.a.platform`: `foo/bar/baz/q` is not a platform, as in `linux/amd64` or `linux/arm/v7`  at compose.yaml:4:5
        error: `services.a.cpus`: `-1` is less than nothing  at compose.yaml:4:5
        error: `services.a.scale`: `-1` is not a whole number from 0 to 4294967295  at compose.yaml:4:5
        error: `services.a.healthcheck.interval`: `-1s` is less than nothing  at compose.yaml:4:19
        error: `services.a.healthcheck.retries`: `-1` is not a whole number from 0 on  at compose.yaml:4:19
        error: `services.a.environment`: it has no name: nothing stands in front of the value  at compose.yaml:4:19
        error: `services.a.networks.default.ipv4_address`: `999.1.1.1` is not an IPv4 address  at compose.yaml:4:26
        error: `services.a.restart`: `sometimes` is none of `no`, `always`, `on-failure`, `on-failure:TIMES` and `unless-stopped`  at compose.yaml:4:5
        error: `services.a.pull_policy`: `sometimes` is none of `always`, `missing`, `never`, `build`, `daily`, `weekly` and `every_12h`  at compose.yaml:4:5
        error: `services.a.depends_on.a.condition` is needed and missing  at compose.yaml:4:18
        error: `services.a.ulimits.nofile.hard` is needed and missing  at compose.yaml:4:15
        error: `services.a.x-larder.probe`: `engin` is not one of `engine`  at compose.yaml:4:16
        error: `services.a.isolation`: `chroot` is none of `default`, `hyperv`, `process`  at compose.yaml:4:5
        error: `services.a.deploy.restart_policy.condition`: `sometimes` is none of `none`, `on-failure` and `any`  at compose.yaml:4:31
        error: `services.a.volumes[0].bind.propagation`: `up` is none of `private`, `rprivate`, `rshared`, `rslave`, `shared`, `slave`  at compose.yaml:4:58
        "#);
}

#[test]
fn two_hardware_addresses_for_one_interface() {
    let compose = "\
services:
  a:
    image: redis
    mac_address: 02:42:ac:11:00:01
    networks: {default: {mac_address: '02:42:ac:11:00:02'}}
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` has the `mac_address` `02:42:ac:11:00:01`, and in its network `default` it has `02:42:ac:11:00:02`
          at compose.yaml:4:5
        "#);
}

#[test]
fn a_start_interval_without_a_start_period() {
    let compose = |period: &str| {
        format!(
            "services:\n  a:\n    image: redis\n    healthcheck: {{test: 'true', start_interval: 1s{period}}}\n"
        )
    };
    assert_snapshot!(up(&compose("")), @r#"
        exit 2
        --- stderr
        error: `services.a.healthcheck.start_interval`: it is for the time of `start_period`, which is not said
          at compose.yaml:4:33
        "#);
    let sandbox = Sandbox::with(&compose(""));
    assert_eq!(sandbox.run("config -q").status.code(), Some(0));
    // The engine is not there.
    let sandbox = Sandbox::with(&compose(", start_period: 0s"));
    assert_eq!(sandbox.run("up").status.code(), Some(3));
}

#[test]
fn one_container_name_of_two_services() {
    let compose = "\
services:
  a: {image: redis, container_name: same}
  b: {image: redis, container_name: same}
  c: {image: redis, container_name: same, scale: 0}
  d: {image: redis, depends_on: [b]}
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: services `a` and `b` have the same `container_name`, `same`
          at compose.yaml:3:21
        "#);
    let sandbox = Sandbox::with(compose);
    for (line, code) in [
        ("config -q", 0),
        ("create a d", 2),
        // The engine is not there.
        ("up a", 3),
        ("plan c d", 3),
        ("ps", 3),
        ("stop", 3),
        ("down", 3),
    ] {
        assert_eq!(sandbox.run(line).status.code(), Some(code), "{line}");
    }
}

#[test]
fn a_subnet_and_a_platform_that_are_none() {
    let compose = "services: {a: {image: redis}}\n";
    let subnet = "networks: {default: {ipam: {config: [{subnet: notacidr}]}}}\n";
    assert_snapshot!(up(&format!("{compose}{subnet}")), @r#"
        exit 2
        --- stderr
        error: `networks.default.ipam.config[0].subnet`: `notacidr` is not a subnet, as in `172.28.0.0/16`
          at compose.yaml:2:39
        "#);
    let sandbox = Sandbox::with(compose).env("DOCKER_DEFAULT_PLATFORM", "arm 64");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: `services.a.platform`: `arm 64` is not a platform, as in `linux/amd64` or `linux/arm/v7`
          at compose.yaml:1:12
        hint: `DOCKER_DEFAULT_PLATFORM` says it
        "#);
}

#[test]
fn settings_of_larder_that_are_none() {
    let of = |text: &str| {
        up(&format!(
            "services: {{a: {{image: redis}}}}\nx-larder:{text}\n"
        ))
    };
    assert_snapshot!(of(" {buidler: dagger}"), @r#"
        exit 2
        --- stderr
        error: `x-larder` has no attribute `buidler`
          at compose.yaml:2:12
        hint: did you mean `builder`?
        "#);
    assert_snapshot!(of(" {builder: podman}"), @r#"
        exit 2
        --- stderr
        error: `x-larder.builder`: `podman` is not one of `auto`, `dagger`, `docker`
          at compose.yaml:2:12
        "#);
    assert_snapshot!(of(" {timeout: 0}"), @r#"
        exit 2
        --- stderr
        error: `x-larder.timeout`: in no time at all nothing is ready: leave it out for no limit
          at compose.yaml:2:12
        "#);
    assert_snapshot!(of(" dagger"), @r#"
        exit 2
        --- stderr
        error: `x-larder` must be a map, not text
          at compose.yaml:2:1
        "#);
}

/// The place is that of what was written, not of what a list came to be.
#[test]
fn items_of_lists_that_were_merged() {
    let sandbox = Sandbox::with("services:\n  a:\n    image: redis\n    volumes:\n      - ok:/x\n      - bad:/y\nvolumes: {ok: }\n")
        .file("b.yaml", "services:\n  a:\n    volumes:\n      - ok:/z\n      - ok:/w\n");
    assert_snapshot!(sandbox.show("-f compose.yaml -f b.yaml up"), @r#"
        exit 2
        --- stderr
        error: service `a` mounts `bad`, but no compose file defines the volume `bad`
          at compose.yaml:6:9
        hint: volumes here: `ok`; at the top level, `volumes: {bad: {}}` defines it
        "#);
    let ports = "\
services:
  a:
    image: redis
    ports:
      - 8000-8010:8000-8010
      - {target: 90, published: bad}
";
    assert_snapshot!(up(ports), @r#"
        exit 2
        --- stderr
        error: `services.a.ports[1].published`: `bad` is not a port (0 to 65535)
          at compose.yaml:6:22
        "#);
}

#[test]
fn a_byte_order_mark() {
    assert_snapshot!(up("\u{feff}services:\n  a:\n    imaeg: x\n"), @r#"
        exit 2
        --- stderr
        error: `services.a` has no attribute `imaeg`
          at compose.yaml:3:5
        hint: did you mean `image`?
        "#);
}

#[test]
fn dependencies_that_other_attributes_imply() {
    let of = |attribute: &str| {
        up(&format!(
            "services:\n  a:\n    image: redis\n    {attribute}\n  p: {{image: redis, profiles: [p]}}\n"
        ))
    };
    assert_snapshot!(of("network_mode: service:zz"), @r#"
        exit 2
        --- stderr
        error: service `a` shares the network of `zz`, but no compose file defines `zz`
          at compose.yaml:4:5
        hint: there is no other service here
        "#);
    assert_snapshot!(of("links: [zz:foo]"), @r#"
        exit 2
        --- stderr
        error: service `a` links to `zz`, but no compose file defines `zz`
          at compose.yaml:4:13
        hint: there is no other service here
        "#);
    assert_snapshot!(of("volumes_from: [p]"), @r#"
        exit 2
        --- stderr
        error: service `a` mounts the volumes of `p`, which is off: none of its profiles is active
          at compose.yaml:4:20
        hint: activate it with `--profile p`
        "#);
}

#[test]
fn what_an_engine_would_refuse_half_of_a_stack_later() {
    let of = |attribute: &str| {
        up(&format!(
            "services:\n  a:\n    image: redis\n    {attribute}\n  b: {{image: redis}}\n"
        ))
    };
    assert_snapshot!(of("volumes_from: ['b:zz']"), @r#"
        exit 2
        --- stderr
        error: `services.a.volumes_from[0]`: `zz` is neither `ro` nor `rw`
          at compose.yaml:4:20
        "#);
    assert_snapshot!(of("volumes_from: ['container::ro']"), @r#"
        exit 2
        --- stderr
        error: `services.a.volumes_from[0]`: `container::ro` names no container
          at compose.yaml:4:20
        "#);
    assert_snapshot!(of("pre_stop: [{user: root}]"), @r#"
        exit 2
        --- stderr
        error: `services.a.pre_stop[0].command` is needed and missing
          at compose.yaml:4:16
        "#);
    assert_snapshot!(of("post_start: [{command: []}]"), @r#"
        exit 2
        --- stderr
        error: `services.a.post_start[0]`: it has no command to run: a container's own is not its hook's
          at compose.yaml:4:18
        "#);
    assert_snapshot!(of("links: [b]\n    network_mode: host"), @r#"
        exit 2
        --- stderr
        error: `services.a.links`: an engine takes no links beside `network_mode: host`: names are looked up in the network that it has
          at compose.yaml:4:5
        "#);
    assert_snapshot!(of("ports: ['80']\n    network_mode: 'service:b'"), @r#"
        exit 2
        --- stderr
        error: `services.a.ports`: with `network_mode: service:b` it is the other container's to say
          at compose.yaml:4:5
        "#);
    assert_snapshot!(of("network_mode: 'container:hub-a-1'"), @r#"
        exit 2
        --- stderr
        error: `services.a.network_mode`: `hub-a-1` is its own container
          at compose.yaml:4:5
        "#);
    assert_snapshot!(of("use_api_socket: true\n    read_only: true"), @r#"
        exit 2
        --- stderr
        warning: `a` gets the engine's socket and your credentials for registries: it can do there whatever you can
          at compose.yaml:4:5
        error: `services.a.use_api_socket`: its credentials cannot be put into a container that is `read_only`
          at compose.yaml:4:5
        "#);
    assert_snapshot!(of("pre_start: [{command: [a]}]"), @r#"
        exit 2
        --- stderr
        error: `services.a.pre_start` asks for a hook before the start (docker compose 5.3 and later), which larder does not do
          at compose.yaml:4:5
        "#);
}

/// What it holds may be a secret.
#[test]
fn a_variable_of_an_env_file_that_has_no_name() {
    let compose = "services:\n  a:\n    image: redis\n    env_file: c.env\n";
    let sandbox = Sandbox::with(compose).file("c.env", "A=1\n=hunter2\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: `services.a.environment`: a variable has no name, here or in a file of `env_file`
          at compose.yaml:2:3
        "#);
}

#[test]
fn what_is_wrong_in_a_service_that_is_extended() {
    let compose = "services:\n  a:\n    extends: {file: b/c.yaml, service: z}\n";
    let sandbox = Sandbox::with(compose).file(
        "b/c.yaml",
        "services:\n  z:\n    extends: y\n  y:\n    image: redis\n    depends_on:\n      - q\n",
    );
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `a` waits for `q`, but no compose file defines `q`
          at b/c.yaml:7:9
        hint: service `a` has it from `y`, by `extends`
        hint: there is no other service here
        "#);
}

#[test]
fn what_is_missing_of_a_service_that_is_extended() {
    let compose = "services:\n  a:\n    extends: {file: b/c.yaml, service: z}\n";
    let sandbox = Sandbox::with(compose).file("b/c.yaml", "services:\n  z:\n    build: ./none\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `a` is built from `[hub]/b/none`, which is no folder
          at b/c.yaml:3:5
        hint: create it, or correct `context:`: it is relative to the Compose file
        "#);
    let warned = sandbox.file(
        "b/c.yaml",
        "services:\n  z:\n    image: redis\n    build: {isolation: default}\n",
    );
    assert_snapshot!(warned.show("config -q"), @r#"
        exit 0
        --- stderr
        warning: `services.a.build.isolation` is valid Compose, but larder does not carry it out yet
          at b/c.yaml:4:13
        "#);
}

#[test]
fn files_and_names_that_are_empty() {
    assert_snapshot!(up("services: {a: {image: redis, configs: [x]}}\nconfigs: {x: {file: \"\"}}\n"), @r#"
        exit 2
        --- stderr
        error: `configs.x.file`: it is empty
          at compose.yaml:2:15
        "#);
    let compose = "services: {a: {image: redis, networks: [net]}}\nnetworks: {net: {external: true, name: \"${N:-}\"}}\n";
    let shown = Sandbox::with(compose).show("config");
    assert!(shown.contains("name: net\n"), "{shown}");
}

#[test]
fn a_platform_that_no_build_is_for() {
    let compose = "services:\n  a:\n    build: {context: ., platforms: [linux/amd64]}\n";
    let sandbox = Sandbox::with(compose).env("DOCKER_DEFAULT_PLATFORM", "linux/arm64");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: `build.platforms` of service `a` lacks its own platform, `linux/arm64`
          at compose.yaml:3:25
        hint: `platform` says it, or else `DOCKER_DEFAULT_PLATFORM`
        "#);
}

#[test]
fn what_a_builder_has_no_input_for() {
    let compose = "services:\n  a:\n    build:\n      context: .\n      ssh: [default]\n";
    let sandbox = Sandbox::with(compose).file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    assert_snapshot!(sandbox.show("config -q"), @"exit 0");
}

#[test]
fn a_context_that_is_empty() {
    assert_snapshot!(up("services:\n  a:\n    build: ${CTX}\n"), @r#"
        exit 2
        --- stderr
        error: `services.a.build.context`: it is empty: `.` is the project's folder
          at compose.yaml:3:5
        hint: the variable `CTX` is not set
        "#);
}

#[test]
fn what_may_help() {
    let of = |attribute: &str| {
        let shown = up(&format!(
            "services:\n  a:\n    image: redis\n    {attribute}\n"
        ));
        let lines: Vec<_> = shown
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with("  at"))
            .collect();
        format!("{}\n", lines.join("\n"))
    };
    let attributes = [
        "user: 1000",
        "hostname: 3.10",
        "command: [a, 1]",
        "command: {a: b}",
        "environment:",
        "environment: [{A: b}]",
        "environment: {A: {{ x }}}",
        "build: [a]",
        "tmpfs: {a: b}",
        "ports: [true]",
        "depends_on: b",
        "volumes: [{type: pipe, source: a, target: /b}]",
    ];
    assert_snapshot!(attributes.map(of).concat(), @r#"
        error: `services.a.user` must be text, not a number
        hint: write it in quotes: `"1000"`
        error: `services.a.hostname` must be text, not a number
        hint: write it in quotes, as it stands
        error: `services.a.command[1]` must be text, not a number
        hint: write it in quotes: `"1"`
        error: `services.a.command` must be text or a list of text, not a map
        error: `services.a.environment` must be a map or a list of `NAME=value`, not empty
        hint: fill it, or take the line out
        error: `services.a.environment[0]` must be `NAME=value`, not a map
        hint: `- NAME=value`, or without the dash `NAME: value`
        error: keys must be text, and this one is a map
        hint: `{{ … }}` stands in quotes
        error: `services.a.build` must be a folder or a map, not a list
        error: `services.a.tmpfs` must be text or a list of text, not a map
        error: `services.a.ports[0]` must be text, a number or a map, not true or false
        error: `services.a.depends_on` must be a list of services or a map of them, not text
        error: `services.a.volumes[0].type`: `pipe` is not one of `bind`, `cluster`, `image`, `npipe`, `tmpfs`, `volume`
        "#);
    assert_snapshot!(up("services:\n  a:\n  image: redis\n"), @r#"
        exit 2
        --- stderr
        error: `services.a` must be a map, not empty
          at compose.yaml:2:3
        hint: what belongs to it stands below it, indented further
        "#);
    assert_snapshot!(up("services: {a: {image: 'Foo/bar/Baz:1'}}"), @r#"
        exit 2
        --- stderr
        error: service `a`: `Foo/bar/Baz:1` is not an image name
          at compose.yaml:1:16
        hint: image names are lower case; only a tag may have capitals
        "#);
    assert_snapshot!(up("services: {a: {image: redis, extends: {file: no.yaml, service: b}}}"), @r#"
        exit 2
        --- stderr
        error: the file `[hub]/no.yaml` does not exist
          at compose.yaml:1:30
        hint: create it, or name another: the path is relative to the folder of the Compose file that names it
        "#);
    assert_snapshot!(up("services: {1: {image: redis}}"), @r#"
        exit 2
        --- stderr
        error: keys must be text, and this one is a number
          at compose.yaml:1:12
        hint: write it in quotes
        "#);
}

#[test]
fn a_yaml_error() {
    assert_snapshot!(up("services:\n  api:\n    image: [redis\n"), @r#"
        exit 2
        --- stderr
        error: the file is not valid YAML: did not find expected ',' or ']'
          at compose.yaml:4:1
        hint: a `[` or `{` before it is not closed, or a text in it that has a `{`, `}` or `: ` of its own, as `${…}`, needs quotes
        "#);
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(up("services:\n  api:\n    imaeg: redis\n"), @r#"
        exit 2
        --- stderr
        error: `services.api` has no attribute `imaeg`
          at compose.yaml:3:5
        hint: did you mean `image`?
        "#);
}

#[test]
fn an_unknown_key_that_is_like_none() {
    assert_snapshot!(up("services:\n  api:\n    kubernetes: redis\n"), @r#"
        exit 2
        --- stderr
        error: `services.api` has no attribute `kubernetes`
          at compose.yaml:3:5
        hint: a key of your own starts with `x-`
        "#);
    let compose = "services: {a: {image: redis, healthcheck: {every: 3s}}}";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: `services.a.healthcheck` has no attribute `every`
          at compose.yaml:1:44
        hint: it takes `disable`, `interval`, `retries`, `start_interval`, `start_period`, `test`, `timeout`
        "#);
}

#[test]
fn a_cycle() {
    let compose = "\
services:
  a: {image: redis, depends_on: [b]}
  b: {image: redis, depends_on: [a]}
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: services wait for each other: a → b → a
          at compose.yaml:2:34
        hint: one of them has to start first: take one of these dependencies out
        "#);
}

#[test]
fn a_dependency_that_is_not_there() {
    let compose = "\
services:
  api:
    image: redis
    depends_on:
      - cache
  redis:
    image: redis
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `api` waits for `cache`, but no compose file defines `cache`
          at compose.yaml:5:9
        hint: services here: `redis`
        "#);
}

#[test]
fn an_undefined_network() {
    let compose = "services:\n  a:\n    image: redis\n    networks: [front]\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` is attached to `front`, but no compose file defines the network `front`
          at compose.yaml:4:16
        hint: there are no networks here; at the top level, `networks: {front: {}}` defines it
        "#);
}

#[test]
fn an_undefined_volume() {
    let compose = "services:\n  a:\n    image: redis\n    volumes: ['data:/data']\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` mounts `data`, but no compose file defines the volume `data`
          at compose.yaml:4:15
        hint: there are no volumes here; at the top level, `volumes: {data: {}}` defines it
        "#);
}

#[test]
fn an_undefined_secret() {
    let compose = "services:\n  a:\n    image: redis\n    secrets: [key]\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` reads `key`, but no compose file defines the secret `key`
          at compose.yaml:4:15
        hint: there are no secrets here; at the top level, `secrets: {key: {file: …}}` defines it
        "#);
}

#[test]
fn an_undefined_config() {
    let compose = "\
services:
  a:
    image: redis
    configs: [setings]
configs:
  settings: {content: x}
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `a` reads `setings`, but no compose file defines the config `setings`
          at compose.yaml:4:15
        hint: did you mean `settings`? configs here: `settings`
        "#);
}

#[test]
fn the_file_of_a_secret_that_is_not_there() {
    let compose = "\
services:
  a:
    image: redis
    secrets: [key]
secrets:
  key:
    file: ./keys/api.txt
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: the secret `key` is the file `[hub]/keys/api.txt`, which does not exist
          at compose.yaml:7:5
        hint: write the secret into it, or name another file
        "#);
    assert_snapshot!(Sandbox::with(compose).file("keys/api.text", "").show("up"), @r#"
        exit 2
        --- stderr
        error: the secret `key` is the file `[hub]/keys/api.txt`, which does not exist
          at compose.yaml:7:5
        hint: did you mean `api.text`?
        "#);
    let of_build =
        "services: {a: {build: {context: ., secrets: [key]}}}\nsecrets: {key: {file: key}}\n";
    assert_snapshot!(Sandbox::with(of_build).file("Dockerfile", "FROM redis").show("up"), @r#"
        exit 2
        --- stderr
        error: the secret `key` is the file `[hub]/key`, which does not exist
          at compose.yaml:2:17
        hint: write the secret into it, or name another file
        "#);
}

#[test]
fn secrets_that_cannot_be_put_into_a_container() {
    let secret = |service: &str, secret: &str| {
        up(&format!(
            "services:\n  a: {{image: redis, secrets: [key]{service}}}\nsecrets:\n  key: {{{secret}}}\n"
        ))
    };
    assert_snapshot!(secret("", "environment: KEY"), @r#"
        exit 2
        --- stderr
        error: the secret `key` is the variable `KEY`, which is not set
          at compose.yaml:4:9
        hint: set it in the environment or in `.env`: `KEY=…`
        "#);
    assert_snapshot!(secret("", "external: true"), @r#"
        exit 2
        --- stderr
        error: the secret `key` is kept outside of the project, where larder cannot get it
          at compose.yaml:4:9
        hint: without a Swarm a secret is from `file:` or `environment:`
        "#);
    assert_snapshot!(secret(", read_only: true", "environment: PATH"), @r#"
        exit 2
        --- stderr
        error: the secret `key` cannot be put into service `a`, which is `read_only`
          at compose.yaml:2:31
        hint: write the secret to a file and name that with `file:`: a file is mounted
        "#);
}

#[test]
fn a_bad_port() {
    let compose = "services:\n  a:\n    image: redis\n    ports: ['80:http']\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: `services.a.ports[0]`: `80:http`: `http` is not a port (0 to 65535)
          at compose.yaml:4:13
        hint: a port is written `HOST:CONTAINER`, as in `8080:80`, with an address in front and `/udp` behind where needed
        "#);
}

#[test]
fn a_variable_that_must_be_set() {
    let compose = "services:\n  a:\n    image: redis:${TAG:?choose one}\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: the variable `TAG` is needed: choose one
          at compose.yaml:3:5
        hint: set it in the environment or in `.env`: `TAG=…`
        "#);
    // Before an engine is looked for, which is not there.
    assert_snapshot!(Sandbox::with(compose).show("ps"), @r#"
        exit 2
        --- stderr
        error: the variable `TAG` is needed: choose one
          at compose.yaml:3:5
        hint: set it in the environment or in `.env`: `TAG=…`
        hint: or call it with `-p NAME` in a folder without a Compose file: containers that are there need none
        "#);
}

#[test]
fn no_dockerfile() {
    let sandbox = Sandbox::with("services: {api: {build: ./api}}").file("api/main.py", "");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/api/Dockerfile`, which is no file
          at compose.yaml:1:18
        hint: `larder init api` writes one; `dockerfile:` says where another is, relative to the context
        "#);
}

/// Where it is called something else, and where the Compose file says what it is called.
#[test]
fn a_dockerfile_of_another_name() {
    let compose =
        "services:\n  api:\n    build:\n      context: api\n      dockerfile: Dockerfile.prod\n";
    let sandbox = Sandbox::with(compose).file("api/Dockerfile", "FROM redis");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/api/Dockerfile.prod`, which is no file
          at compose.yaml:5:7
        hint: there is `Dockerfile`; `dockerfile:` says which is meant
        "#);
}

#[test]
fn a_stage_that_is_not_there() {
    let compose = "services:\n  api:\n    build:\n      context: .\n      target: prdo\n";
    let sandbox = Sandbox::with(compose).file("Dockerfile", "FROM redis AS dev\nFROM dev AS prod");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built to stage `prdo`, which `[hub]/Dockerfile` does not have
          at compose.yaml:5:7
        hint: did you mean `prod`? its stages: `dev`, `prod`
        "#);
    assert_snapshot!(sandbox.file("Dockerfile", "# nothing\n").show("up"), @r#"
        exit 2
        --- stderr
        error: service `api`: `[hub]/Dockerfile` has no `FROM`
          at Dockerfile
        hint: it starts with `FROM IMAGE`
        "#);
}

#[test]
fn what_a_copy_wants_and_the_context_does_not_have() {
    let sandbox = Sandbox::with("services: {api: {build: ./api}}")
        .file(
            "api/Dockerfile",
            "FROM redis AS base\n\nFROM base\nCOPY scr/ /srv/\n",
        )
        .file("api/src/main.py", "");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: the build context of service `api` has no `scr`
          at api/Dockerfile:4:1
        hint: did you mean `src`?
        "#);
    let ignored = sandbox
        .file("api/Dockerfile", "FROM redis\nCOPY src/main.py /srv/\n")
        .file("api/.dockerignore", "# tests\n**/*.py\n");
    assert_snapshot!(ignored.show("up"), @r#"
        exit 2
        --- stderr
        error: the build context of service `api` has no `src/main.py`
          at api/Dockerfile:2:1
        hint: `.dockerignore` leaves it out: line 2, `**/*.py`; a line `!src/main.py` behind that one takes it in again
        "#);
    let inline = "\
services:
  api:
    build:
      context: .
      dockerfile_inline: |
        FROM redis
        COPY main.py /
";
    assert_snapshot!(up(inline), @r#"
        exit 2
        --- stderr
        error: the build context of service `api` has no `main.py` for COPY in line 2 of `dockerfile_inline`
          at compose.yaml:5:7
        hint: it is looked for in `[hub]`
        "#);
}

#[test]
fn no_context() {
    assert_snapshot!(up("services: {api: {build: ./api}}"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/api`, which is no folder
          at compose.yaml:1:18
        hint: create it, or correct `context:`: it is relative to the Compose file
        "#);
}

#[test]
fn a_service_that_nobody_defines() {
    let sandbox = Sandbox::with("services: {api: {image: redis}, db: {image: redis}}");
    assert_snapshot!(sandbox.show("up web"), @r#"
        exit 2
        --- stderr
        error: no service is named `web`
        hint: services here: `api`, `db`
        "#);
}

#[test]
fn a_context_with_a_slip() {
    let compose = "services:\n  api:\n    build:\n      context: ./apps/ap1\n";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/apps/ap1`, which is no folder
          at compose.yaml:4:7
        hint: create it, or correct `context:`: it is relative to the Compose file
        "#);
    assert_snapshot!(Sandbox::with(compose).file("apps/api/Dockerfile", "").show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/apps/ap1`, which is no folder
          at compose.yaml:4:7
        hint: did you mean `api`?
        "#);
    assert_snapshot!(Sandbox::with(compose).file("apps/ap1", "").show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/apps/ap1`, which is no folder
          at compose.yaml:4:7
        hint: `context:` names a folder, and `dockerfile:` the file in it
        "#);
    let extra = "services: {api: {build: {context: ., additional_contexts: {lib: ./lib}}}}";
    let sandbox = Sandbox::with(extra).file("Dockerfile", "FROM redis\nCOPY --from=lib x /\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: service `api` is built from `[hub]/lib`, which is no folder
          at compose.yaml:1:60
        hint: create it, or correct `context:`: it is relative to the Compose file
        "#);
}

/// Root may read every file of a disk, so this one is the kernel's: larder's own memory, which is not mapped
/// where a file begins.
#[test]
fn a_file_in_the_context_that_nobody_can_read() {
    let compose = "\
services:
  api:
    build:
      context: /proc/self
      dockerfile: ${PWD}/Dockerfile
";
    let sandbox = Sandbox::with(compose).file("Dockerfile", "FROM redis\nCOPY mem /\n");
    let folder = sandbox.path().display().to_string();
    assert_snapshot!(sandbox.env("PWD", &folder).show("up"), @r#"
        exit 2
        --- stderr
        error: cannot read `/proc/self/mem`
          at Dockerfile:2:1
        caused by: Input/output error (os error 5)
        hint: when the image does not need it, name it in `.dockerignore`
        "#);
}

#[test]
fn a_seccomp_profile_that_is_none() {
    let compose = "\
services:
  api:
    image: redis
    security_opt:
      - seccomp=strict.json
";
    assert_snapshot!(up(compose), @r#"
        exit 2
        --- stderr
        error: the seccomp profile `strict.json` of service `api` cannot be read
          at compose.yaml:5:9
        caused by: No such file or directory (os error 2)
        hint: `security_opt` names it relative to the project's folder
        "#);
    let sandbox = Sandbox::with(compose).file("strict.json", "{\"defaultAction\"\n");
    assert_snapshot!(sandbox.show("up"), @r#"
        exit 2
        --- stderr
        error: the seccomp profile `strict.json` of service `api` cannot be read
          at compose.yaml:5:9
        caused by: EOF while parsing an object at line 2 column 0
        hint: a profile is a file of JSON
        "#);
}

/// Each of these is found out before the engine is asked to change anything.
#[test]
fn an_engine_that_is_there_is_left_as_it_is() {
    let inputs = [
        "services: {db: {image: redis:7-alpine}, a: {image: redis:7-alpine, ports: [x]}}",
        "services: {db: {image: redis:7-alpine}, a: {build: ./none}}",
        "services: {db: {image: redis:7-alpine}, a: {build: {context: ., dockerfile_inline: \"FROM redis:7-alpine\\nRUN echo 1\", ssh: [default]}}}",
        "services: {db: {image: redis:7-alpine}, a: {build: {context: ., dockerfile: none}}}",
        "services: {db: {image: redis:7-alpine}, a: {build: {context: ., dockerfile_inline: \"FROM redis:7-alpine\\nRUN echo 1\\nCOPY none /\"}}}",
        "services: {db: {image: redis:7-alpine}, a: {image: redis:7-alpine, secrets: [s]}}\nsecrets: {s: {file: ./none}}",
        "services: {db: {image: redis:7-alpine}, a: {image: redis:7-alpine, configs: [s]}}\nconfigs: {s: {environment: NONE}}",
        "services: {db: {image: redis:7-alpine}, a: {image: redis:7-alpine, env_file: none}}",
        "services: {db: {image: redis:7-alpine, depends_on: [a]}, a: {image: redis:7-alpine, depends_on: [db]}}",
    ];
    let stack = Stack::new("bad-input", "");
    for compose in inputs {
        stack.sandbox.write("compose.yaml", compose);
        let output = stack.sandbox.run("--builder docker up");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{compose}\n{}",
            stack.sandbox.shown(&output)
        );
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
        assert!(errors.contains("\n  at compose.yaml:"), "{errors}");
        let project = format!("label=com.docker.compose.project={}", stack.name);
        for list in [
            "container ls -aq",
            "network ls -q",
            "volume ls -q",
            "images -q",
        ] {
            let mut command: Vec<&str> = list.split(' ').collect();
            command.extend(["--filter", &project]);
            assert_eq!(docker(&command), "", "{compose}: {list}");
        }
    }
}
