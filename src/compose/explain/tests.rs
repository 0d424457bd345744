use super::*;
use crate::compose::load::LoadOptions;

/// The first line is the value; then who says it, with the role in front.
fn explained(files: &[(&str, &str)], environment: &[(&str, &str)], subject: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = LoadOptions {
        working_dir: folder.path().to_owned(),
        environment: environment.iter().map(pair).collect(),
        ..LoadOptions::default()
    };
    let explanation = match explain(&options, subject) {
        Ok(explanation) => explanation,
        Err(error) => return format!("{error}\n{}", error.hints().join("\n")),
    };
    let first = match (explanation.value, explanation.kind) {
        (None, Kind::Absent(why)) => format!("not in the model {}", why.unwrap_or_default()),
        (value, _) => value.unwrap_or_default(),
    };
    let mut lines = vec![first.trim_end().to_owned()];
    for source in &explanation.sources {
        lines.push(line(source));
        for used in &source.variables {
            let from = used
                .sources
                .iter()
                .map(line)
                .collect::<Vec<_>>()
                .join(" | ");
            lines.push(format!("  {} = {:?}: {from}", used.name, used.value));
        }
    }
    lines
        .join("\n")
        .replace(&format!("{}/", folder.path().display()), "")
}

fn line(source: &Source) -> String {
    let place = source.place.as_ref().map(ToString::to_string);
    let role = match source.role {
        Role::Says => "from",
        Role::Adds => "and",
        Role::Asks => "asked in",
        Role::Removes => "removed by",
        Role::Overridden => "over",
    };
    let parts = [place, source.what.clone(), source.written.clone()];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("{role} {}", parts.join(" "))
}

const WEB: &str = "services:\n  web:\n    image: web:1\n";

#[test]
fn the_last_file_wins_and_its_variables_are_followed() {
    let files = [
        ("compose.yaml", WEB),
        (
            "compose.override.yaml",
            "services:\n  web:\n    image: web:${TAG:-2}\n",
        ),
        (".env", "# c\nTAG=3\n"),
    ];
    insta::assert_snapshot!(explained(&files, &[], "services.web.image"), @r#"
    web:3
    from compose.override.yaml:3:5 web:${TAG:-2}
      TAG = Some("3"): from .env:2:1 3
    over compose.yaml:3:5 web:1
    "#);
    insta::assert_snapshot!(explained(&files, &[("TAG", "4")], "TAG"), @r"
    4
    from the environment 4
    over .env:2:1 3
    ");
    insta::assert_snapshot!(explained(&files, &[], "NONE"), @"");
}

#[test]
fn maps_are_merged_and_an_override_ends_that() {
    let files = [(
        "compose.yaml",
        "services:\n  base: {image: a, labels: {a.b: x}, dns: [1.1.1.1], command: [a]}\n  web:\n    extends: base\n    \
             labels: [c=y]\n    dns: !override [8.8.8.8]\n    command: [b]\n",
    )];
    insta::assert_snapshot!(explained(&files, &[], "services.web.labels"), @r#"
    {"a.b":"x","c":"y"}
    from compose.yaml:5:5 ["c=y"]
    and compose.yaml:2:20 as `web` extends `base` {"a.b":"x"}
    "#);
    insta::assert_snapshot!(explained(&files, &[], "services.web.labels.a.b"), @r"
    x
    from compose.yaml:2:29 as `web` extends `base` x
    ");
    insta::assert_snapshot!(explained(&files, &[], "services.web.dns"), @r#"
    ["8.8.8.8"]
    from compose.yaml:6:5 with `!override` ["8.8.8.8"]
    over compose.yaml:2:38 as `web` extends `base` ["1.1.1.1"]
    "#);
    insta::assert_snapshot!(explained(&files, &[], "services.web.command"), @r#"
    ["b"]
    from compose.yaml:7:5 ["b"]
    over compose.yaml:2:54 as `web` extends `base` ["a"]
    "#);
}

#[test]
fn what_no_compose_file_says_is_from_env_files_or_the_environment() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web: {image: a, env_file: [a.env, b.env], environment: {HOST: }}\n",
        ),
        ("a.env", "A=1\n"),
        ("b.env", "\nA=2\nB\n"),
    ];
    let environment = [("HOST", "h"), ("B", "b")];
    let at = |subject| explained(&files, &environment, subject);
    insta::assert_snapshot!(at("services.web.environment.A"), @r"
    2
    from b.env:2:1 2
    over a.env:1:1 1
    ");
    insta::assert_snapshot!(at("services.web.environment.HOST"), @r"
    h
    from the environment h
    asked in compose.yaml:2:59
    ");
    insta::assert_snapshot!(at("services.web.environment.B"), @r"
    b
    from the environment b
    asked in b.env:3:1
    ");
    insta::assert_snapshot!(explained(&files, &[("COMPOSE_PROJECT_NAME", "p")], "name"), @r"
    p
    from the environment p
    ");
}

#[test]
fn an_override_of_variables_leaves_those_of_env_files() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    image: a\n    env_file: [a.env, {path: raw.env, format: raw}]\n    \
                 environment: {A: y, B: y}\n",
        ),
        (
            "compose.override.yaml",
            "services:\n  web:\n    environment: !override {B: z}\n",
        ),
        ("a.env", "A=x\nB=x\n"),
        ("raw.env", "# c\n  Q=\"q\"\n"),
    ];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.environment"), @r#"
    {"A":"x","B":"z","Q":"\"q\""}
    from compose.override.yaml:3:5 with `!override` {"B":"z"}
    and raw.env
    and a.env
    over compose.yaml:5:5 {"A":"y","B":"y"}
    "#);
    insta::assert_snapshot!(at("services.web.environment.A"), @r"
    x
    from a.env:1:1 x
    removed by compose.override.yaml:3:5 `!override` of `services.web.environment`
    over compose.yaml:5:19 y
    ");
    insta::assert_snapshot!(at("services.web.environment.B"), @r"
    z
    from compose.override.yaml:3:29 with `!override` z
    over compose.yaml:5:25 y
    over a.env:2:1 x
    ");
    insta::assert_snapshot!(at("services.web.environment.Q"), @r#"
    "q"
    from raw.env:2:1 "q"
    "#);
}

#[test]
fn labels_of_files_are_told() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    image: a\n    label_file: [./a.labels, b.labels]\n    labels: {own: o, both: o}\n",
        ),
        ("a.labels", "a.b=1\nboth=f\n"),
        ("b.labels", "\na.b=2\n"),
    ];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.labels['a.b']"), @r"
    2
    from b.labels:2:1 2
    over a.labels:1:1 1
    ");
    insta::assert_snapshot!(at("services.web.labels.both"), @r"
    o
    from compose.yaml:5:22 o
    over a.labels:2:1 f
    ");
    insta::assert_snapshot!(at("services.web.labels"), @r#"
    {"a.b":"2","both":"o","own":"o"}
    from compose.yaml:5:5 {"own":"o","both":"o"}
    and b.labels
    and a.labels
    "#);
    insta::assert_snapshot!(at("services.web.label_file"), @r#"
    not in the model the labels in its files are in `services.web.labels`
    from compose.yaml:4:5 ["./a.labels","b.labels"]
    "#);
}

#[test]
fn what_is_reset_is_told_with_who_removes_it() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    image: a\n    ports: ['80:80']\n    environment: {A: x, B: x}\n  \
                 gone: {image: g}\n  kid: {extends: web, ports: !reset null}\n",
        ),
        (
            "compose.override.yaml",
            "services:\n  web:\n    ports: !reset null\n    environment: {A: !reset null}\n  gone: !reset null\n",
        ),
    ];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.ports"), @r#"
    not in the model
    removed by compose.override.yaml:3:5 `!reset`
    over compose.yaml:4:5 ["80:80"]
    "#);
    insta::assert_snapshot!(at("services.web.environment"), @r#"
    {"B":"x"}
    from compose.override.yaml:4:5 with `!reset` of `A` {}
    and compose.yaml:5:5 {"A":"x","B":"x"}
    "#);
    insta::assert_snapshot!(at("services.web.environment.A"), @r"
    not in the model
    removed by compose.override.yaml:4:19 `!reset`
    over compose.yaml:5:19 x
    ");
    insta::assert_snapshot!(at("services.gone.image"), @r"
    not in the model
    removed by compose.override.yaml:5:3 `!reset` of `services.gone`
    over compose.yaml:6:10 g
    ");
    insta::assert_snapshot!(at("services.kid.ports"), @r#"
    not in the model
    removed by compose.yaml:7:23 `!reset`
    over compose.yaml:4:5 as `kid` extends `web` ["80:80"]
    "#);
}

#[test]
fn of_the_documents_of_a_file_each_has_its_own_places() {
    let files = [(
        "compose.yaml",
        "services:\n  web: {image: one, user: u}\n  base: {image: b}\n---\nservices:\n  web: {image: two}\n  \
             own: {image: o, hostname: h}\n  late: {extends: own, image: l}\n---\n# three\nservices: {late: {tty: true}}\n",
    )];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.image"), @r"
    two
    from compose.yaml:6:9 two
    over compose.yaml:2:9 one
    ");
    insta::assert_snapshot!(at("services.web.user"), @r"
    u
    from compose.yaml:2:21 u
    ");
    insta::assert_snapshot!(at("services.late.hostname"), @r"
    h
    from compose.yaml:7:19 as `late` extends `own` h
    ");
    insta::assert_snapshot!(at("services.late.tty"), @r"
    true
    from compose.yaml:11:19 true
    ");
}

#[test]
fn what_a_merge_key_brings_is_told_where_it_is_written() {
    let files = [(
        "compose.yaml",
        "x-a: &a\n  image: a\n  user: ua\n  ports: &p ['80:80']\nx-b: &b\n  user: ub\n  tty: true\nx-c: &c\n  <<: [*a, *b]\n  init: true\n\
             services:\n  web:\n    <<: *c\n    image: web\n  twin: *c\n  list: {image: l, ports: *p}\n",
    )];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.image"), @r"
    web
    from compose.yaml:14:5 web
    over compose.yaml:2:3 by `<<` in line 13 a
    ");
    insta::assert_snapshot!(at("services.web.user"), @r"
    ua
    from compose.yaml:3:3 by `<<` in line 13 ua
    ");
    insta::assert_snapshot!(at("services.web.tty"), @r"
    true
    from compose.yaml:7:3 by `<<` in line 13 true
    ");
    insta::assert_snapshot!(at("services.twin.init"), @r"
    true
    from compose.yaml:10:3 by the alias in line 15 true
    ");
    insta::assert_snapshot!(at("services.list.ports[0].target"), @r"
    80
    from compose.yaml:4:14 by the alias in line 16 80:80
    ");
}

#[test]
fn variables_of_an_included_project_are_from_its_files_or_the_environment() {
    let files = [
        (
            "compose.yaml",
            "include:\n- own/compose.yaml\n- {path: named/compose.yaml, env_file: n.env}\nservices: {kid: {extends: own}}\n",
        ),
        (".env", "SHARED=outer\n"),
        (
            "own/compose.yaml",
            "services:\n  own: {image: 'own:$A$SHARED$HOST', environment: {A: }}\n",
        ),
        ("own/.env", "A=1\nSHARED=inner\n"),
        (
            "named/compose.yaml",
            "services:\n  named: {image: 'named:$A'}\n",
        ),
        ("named/.env", "A=unread\n"),
        ("n.env", "\nA=2\n"),
    ];
    let at = |subject| explained(&files, &[("HOST", "h")], subject);
    insta::assert_snapshot!(at("services.own.image"), @r#"
    own:1outerh
    from own/compose.yaml:2:9 own:$A$SHARED$HOST
      A = Some("1"): from own/.env:1:1 1
      HOST = Some("h"): from the environment h
      SHARED = Some("outer"): from .env:1:1 outer | over own/.env:2:1 inner
    "#);
    insta::assert_snapshot!(at("services.named.image"), @r#"
    named:2
    from named/compose.yaml:2:11 named:$A
      A = Some("2"): from n.env:2:1 2
    "#);
    insta::assert_snapshot!(at("services.own.environment.A"), @r"
    1
    from own/.env:1:1 1
    asked in own/compose.yaml:2:52
    ");
    insta::assert_snapshot!(at("services.kid.image"), @r#"
    own:1outerh
    from own/compose.yaml:2:9 as `kid` extends `own` own:$A$SHARED$HOST
      A = Some("1"): from own/.env:1:1 1
      HOST = Some("h"): from the environment h
      SHARED = Some("outer"): from .env:1:1 outer | over own/.env:2:1 inner
    "#);
}

#[test]
fn what_files_say_and_the_model_does_not_have_is_told() {
    let files = [
        (
            "compose.yaml",
            "version: '3'\ninclude: [other.yaml]\nservices:\n  web: {extends: {file: base.yaml, service: b}, env_file: w.env, \
                 volumes: [used:/u], tty: false}\nvolumes: {used: , unused: }\n",
        ),
        ("other.yaml", "services: {other: {image: o}}\n"),
        ("base.yaml", "services:\n  b: {image: b, env_file: b.env}\n"),
        ("w.env", "W=1\n"),
        ("b.env", "B=1\n"),
    ];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.env_file"), @r"
    not in the model the variables in its files are in `services.web.environment`
    from compose.yaml:4:49 w.env
    and base.yaml:2:17 as `web` extends `b` b.env
    ");
    insta::assert_snapshot!(at("services.web.extends"), @r#"
    not in the model what `web` takes over is in `services.web`
    from compose.yaml:4:9 {"file":"base.yaml","service":"b"}
    "#);
    insta::assert_snapshot!(at("services.web.tty"), @r"
    not in the model it says no more than the default
    from compose.yaml:4:86 false
    ");
    insta::assert_snapshot!(at("include"), @r#"
    not in the model what its files define is part of the model
    from compose.yaml:2:1 ["other.yaml"]
    "#);
    insta::assert_snapshot!(at("version"), @r"
    not in the model it means nothing any more
    from compose.yaml:1:1 3
    ");
    insta::assert_snapshot!(at("volumes.unused"), @r"
    not in the model no service uses it
    from compose.yaml:5:19
    ");
}

#[test]
fn an_item_of_a_list_is_found_where_it_is_written() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    image: a\n    ports: ['8080:80', '9090:80', '7000-7001:7000-7001']\n    volumes: [./d:/d]\n    \
                 secrets: [s]\nsecrets: {s: {file: s}}\n",
        ),
        (
            "compose.override.yaml",
            "services:\n  web:\n    ports:\n    - ${PORT:-7070}:80\n    volumes: [./e:/d]\n    secrets: [{source: s, target: /t}]\n",
        ),
    ];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.ports[1].published"), @r"
    9090
    from compose.yaml:4:24 9090:80
    ");
    insta::assert_snapshot!(at("services.web.ports[3].target"), @r"
    7001
    from compose.yaml:4:35 7000-7001:7000-7001
    ");
    insta::assert_snapshot!(at("services.web.ports.4.published").replace(": \n", ":\n").trim_end(), @r"
    7070
    from compose.override.yaml:4:7 ${PORT:-7070}:80
      PORT = None:
    ");
    insta::assert_snapshot!(at("services.web.volumes.0.source"), @r"
    e
    from compose.override.yaml:5:15 ./e:/d
    over compose.yaml:5:15 ./d:/d
    ");
    insta::assert_snapshot!(at("services.web.secrets[0].target"), @r"
    /run/secrets/s
    from compose.yaml:6:15 s
    ");
    insta::assert_snapshot!(at("services.web.secrets[1].target"), @r"
    /t
    from compose.override.yaml:6:27 /t
    ");
    insta::assert_snapshot!(at("COMPOSE_PROJECT_NAME").lines().nth(1).unwrap(), @"from the folder's name");
}

#[test]
fn of_items_that_are_one_the_last_is_told() {
    let files = [(
        "compose.yaml",
        "services:\n  a:\n    image: a\n    devices: ['/dev/a:/dev/x', '/dev/b', '/dev/c:/dev/x']\n    \
             volumes: ['./a:/x', './b:/y', './c:/x']\n    command: [-v, a, -v]\n",
    )];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.a.devices[0].source"), @r"
    /dev/c
    from compose.yaml:4:42 /dev/c:/dev/x
    ");
    insta::assert_snapshot!(at("services.a.volumes[0].source"), @r"
    c
    from compose.yaml:5:35 ./c:/x
    ");
    insta::assert_snapshot!(at("services.a.command[0]"), @r"
    -v
    from compose.yaml:6:15 -v
    ");
}

#[test]
fn what_follows_from_another_attribute_is_told_by_it() {
    let files = [(
        "compose.yaml",
        "services:\n  web: {image: a, scale: 2, deploy: {}, links: [db]}\n  db: {image: db, depends_on: [one], network_mode: 'service:two'}\n  \
         one: {image: o}\n  two: {image: t}\n",
    )];
    let environment = [("DOCKER_DEFAULT_PLATFORM", "linux/arm64")];
    let at = |subject| explained(&files, &environment, subject);
    insta::assert_snapshot!(at("services.web.deploy.replicas"), @r"
    2
    from compose.yaml:2:19 by `scale` 2
    ");
    insta::assert_snapshot!(at("services.web.depends_on.db.condition"), @r#"
    service_started
    from compose.yaml:2:41 by `links` ["db"]
    "#);
    insta::assert_snapshot!(at("services.db.depends_on"), @r#"
    {"one":{"condition":"service_started","required":true},"two":{"condition":"service_started","required":true,"restart":true}}
    from compose.yaml:3:19 ["one"]
    and compose.yaml:3:38 by `network_mode` service:two
    "#);
    insta::assert_snapshot!(at("services.db.platform"), @r"
    linux/arm64
    from the environment, by `DOCKER_DEFAULT_PLATFORM` linux/arm64
    ");
}

#[test]
fn options_of_another_logging_driver_are_not_merged() {
    let files = [
        (
            "compose.yaml",
            "services: {web: {image: a, logging: {driver: json-file, options: {max-size: 1m}}}}\n",
        ),
        (
            "compose.override.yaml",
            "services: {web: {logging: {driver: '${DRIVER:-syslog}', options: {tag: t}}}}\n",
        ),
    ];
    let role = |environment: &[(&str, &str)]| {
        let text = explained(&files, environment, "services.web.logging.options");
        let last = text.lines().last().unwrap_or_default();
        last.split(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(role(&[]), "over");
    assert_eq!(role(&[("DRIVER", "json-file")]), "and");
}

#[test]
fn pools_of_another_subnet_take_the_place_of_those_before() {
    let pools = |pool: &str| {
        format!(
            "services: {{a: {{image: a, networks: [n]}}}}\nnetworks: {{n: {{ipam: {{config: [{{{pool}}}]}}}}}}\n"
        )
    };
    let explained = |over: &str, subject| {
        let first = pools("subnet: 10.0.0.0/24, gateway: 10.0.0.1");
        let over = pools(over);
        let files = [
            ("compose.yaml", first.as_str()),
            ("compose.override.yaml", &over),
        ];
        explained(&files, &[], subject)
    };
    insta::assert_snapshot!(explained("subnet: 10.1.0.0/24", "networks.n.ipam.config"), @r#"
    [{"subnet":"10.1.0.0/24"}]
    from compose.override.yaml:2:23 [{"subnet":"10.1.0.0/24"}]
    over compose.yaml:2:23 [{"subnet":"10.0.0.0/24","gateway":"10.0.0.1"}]
    "#);
    insta::assert_snapshot!(explained("subnet: 10.0.0.0/24, ip_range: 10.0.0.0/25", "networks.n.ipam.config[0]"), @r#"
    {"subnet":"10.0.0.0/24","ip_range":"10.0.0.0/25","gateway":"10.0.0.1"}
    from compose.override.yaml:2:32 {"subnet":"10.0.0.0/24","ip_range":"10.0.0.0/25"}
    and compose.yaml:2:32 {"subnet":"10.0.0.0/24","gateway":"10.0.0.1"}
    "#);
    insta::assert_snapshot!(explained("subnet: 10.1.0.0/24", "networks.n.ipam.config[1]"), @r"
    the model has nothing at `networks.n.ipam.config[1]`
    `networks.n.ipam.config` has `0`
    ");
}

#[test]
fn a_path_that_is_not_there_gets_a_hint() {
    let files = [(
        "compose.yaml",
        "services: {web: {image: a, labels: {own.key: x}, ports: ['80:80']}}",
    )];
    let at = |subject| explained(&files, &[], subject);
    insta::assert_snapshot!(at("services.web.imgae"), @r"
    the model has nothing at `services.web.imgae`
    did you mean `image`? `services.web` has `command`, `entrypoint`, `image`, `labels`, `networks`, `ports`
    ");
    insta::assert_snapshot!(at("services.web.image.x"), @r"
    the model has nothing at `services.web.image.x`
    `services.web.image` has nothing below it
    ");
    insta::assert_snapshot!(at("services.web.labels['own.kye']"), @r"
    the model has nothing at `services.web.labels['own.kye']`
    did you mean `own.key`? `services.web.labels` has `own.key`
    ");
    insta::assert_snapshot!(at("services.web.ports.0.tagret"), @r"
    the model has nothing at `services.web.ports.0.tagret`
    did you mean `target`? `services.web.ports[0]` has `mode`, `target`, `published`, `protocol`
    ");
    insta::assert_snapshot!(at("services.web.ports[7]"), @r"
    the model has nothing at `services.web.ports[7]`
    `services.web.ports` has `0`
    ");
}

#[test]
fn items_that_say_nothing_but_what_they_are_are_told_apart() {
    let files = [
        (
            "compose.yaml",
            "services: {a: {image: x, gpus: [{driver: d, count: 1}]}}",
        ),
        (
            "compose.override.yaml",
            "services: {a: {gpus: [{driver: d, count: 2}]}}",
        ),
    ];
    insta::assert_snapshot!(explained(&files, &[], "services.a.gpus[0].count"), @r"
    1
    from compose.yaml:1:45 1
    ");
    insta::assert_snapshot!(explained(&files, &[], "services.a.gpus[1].count"), @r"
    2
    from compose.override.yaml:1:35 2
    ");
}

#[test]
fn what_a_later_file_clears_is_over() {
    let files = [
        (
            "compose.yaml",
            "services: {a: {image: x, command: foo, hostname: h}}",
        ),
        (
            "compose.override.yaml",
            "services: {a: {command: null, hostname: null}}",
        ),
    ];
    insta::assert_snapshot!(explained(&files, &[], "services.a.command"), @r"

    from compose.override.yaml:1:16
    over compose.yaml:1:26 foo
    ");
    insta::assert_snapshot!(explained(&files, &[], "services.a.hostname"), @r"
    h
    from compose.yaml:1:40 h
    ");
}

#[test]
fn a_variable_of_an_included_project_is_found_there() {
    let files = [
        (
            "compose.yaml",
            "include: [{path: inc/c.yaml, env_file: [inc/o.env]}]",
        ),
        ("inc/c.yaml", "services: {a: {image: 'x:${TAG:-7}'}}"),
        ("inc/o.env", "TAG=8\n"),
    ];
    insta::assert_snapshot!(explained(&files, &[], "TAG"), @r"
    8
    from inc/o.env:1:1 for `c.yaml`, which is included 8
    ");
    insta::assert_snapshot!(explained(&files, &[], ""), @"`` is not a path: it names nothing");
}

/// Eight files of eight documents, in each of which a service extends one of the next file.
#[test]
fn powers_of_documents_are_not_followed() {
    let file = |number: usize| {
        let extends = match number {
            7 => "image: x".to_owned(),
            _ => format!("extends: {{file: c{}.yaml, service: a}}", number + 1),
        };
        format!("services: {{a: {{{extends}, labels: {{l: '1'}}}}}}\n---\n").repeat(8)
    };
    let texts: Vec<(String, String)> = (0..8)
        .map(|number| match number {
            0 => ("compose.yaml".to_owned(), file(0)),
            _ => (format!("c{number}.yaml"), file(number)),
        })
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let begun = std::time::Instant::now();
    let told = explained(&files, &[], "services.a.labels.l");
    assert!(told.lines().count() < 5_000, "{}", told.lines().count());
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn a_watch_is_found_by_its_path() {
    let files = [(
        "compose.yaml",
        "services: {a: {image: x, develop: {watch: [{path: ./src, action: sync, target: /x, ignore: [n/]}]}}}",
    )];
    insta::assert_snapshot!(explained(&files, &[], "services.a.develop.watch[0].ignore[0]"), @r"
    n/
    from compose.yaml:1:93 n/
    ");
}
