//! Host ports that move from one container to another.

use larder::plan::{Action, Step, text};
use proptest::strategy::Strategy;

use super::scene::{PLAIN, PORTS, ends, needs, publishing, scene};

#[test]
fn who_gets_a_port_of_another_starts_when_that_one_is_gone() {
    let with = |b: &str| {
        let services = format!(
            "
a: {{image: img, ports: [{{target: 80, published: '8080', protocol: tcp}}]}}
b: {{image: img, ports: [{{target: 80, published: '8081', protocol: tcp}}]{b}}}
"
        );
        scene(&services)
            .image("new", &["img:latest"], &[])
            .container("a", "old", PLAIN)
            .container("b", "old", PLAIN)
            .with(|scene| publishing(scene, 1, 8080))
            .text()
    };
    let expected = "\
a  reuse   `img:latest` is on the engine
b  reuse   `img:latest` is on the engine

 1  create a0123456789a_hub-a-1: its image changed
 2  stop a (a0123456789a): its image changed (after 1, 8)
 3  remove a (a0123456789a): its image changed (after 2)
 4  rename to hub-a-1: its image changed (after 3)
 5  start a: its image changed (after 4, 8)
 6  wait until a is ready: `up` ends when it is (after 5)
 7  create b0123456789a_hub-b-1: its image changed
 8  stop b (b0123456789a): its image changed (after 7)
 9  remove b (b0123456789a): its image changed (after 8)
10  rename to hub-b-1: its image changed (after 9)
11  start b: its image changed (after 10)
12  wait until b is ready: `up` ends when it is (after 11)
";
    assert_eq!(with(""), expected);
    // Where b waits for a, its old container does not.
    let circle = with(", depends_on: {a: {condition: service_started}}");
    for line in [
        "stop a (a0123456789a): its image changed (after 1, 8)\n",
        "stop b (b0123456789a): its image changed (after 1, 7)\n",
        "start b: its image changed (after 5, 10)\n",
    ] {
        assert!(circle.contains(line), "{circle}");
    }
}

#[test]
fn a_service_may_move_behind_the_network_of_the_one_that_gets_its_port() {
    let services = "
app: {image: img, network_mode: 'service:vpn', depends_on: {vpn: {condition: service_started}}}
vpn: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}]}
";
    let text = scene(services)
        .image("new", &["img:latest"], &[])
        .container("app", "old", PLAIN)
        .with(|scene| publishing(scene, 0, 8080))
        .text();
    for line in [
        "stop app (app012345678): its image changed (after 1)\n",
        "start vpn: it is not there (after 1, 5)\n",
        "remove app (app012345678): its image changed (after 4, 5)\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

proptest::proptest! {
    /// However ports are handed round, each start waits for the stop that frees its port, and no step for itself.
    #[test]
    fn ports_go_round_in_every_order(
        old in proptest::sample::subsequence(&PORTS[..], 4).prop_shuffle(),
        new in proptest::sample::subsequence(&PORTS[..], 4).prop_shuffle(),
        edges in proptest::collection::vec(0_usize..5, 6),
    ) {
        let names = ["a", "b", "c", "d"];
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let conditions = [
            "condition: service_started",
            "condition: service_healthy",
            "condition: service_started, required: false",
            "condition: service_healthy, required: false",
        ];
        let services = (0..4).map(|own| {
            let waits = pairs.iter().zip(&edges).filter(|((one, _), _)| *one == own);
            let waits = waits.filter_map(|((_, other), edge)| {
                let condition = conditions.get(*edge)?;
                Some(format!("{}: {{{condition}}}", names[*other]))
            });
            let waits = waits.collect::<Vec<_>>().join(", ");
            let ports = format!("[{{target: 80, published: '{}', protocol: tcp}}]", new[own]);
            let check = "healthcheck: {test: [CMD, x]}";
            format!("{}: {{image: img, {check}, ports: {ports}, depends_on: {{{waits}}}}}\n", names[own])
        });
        let mut scene = scene(&services.collect::<String>()).image("new", &["img:latest"], &[]);
        for (own, name) in names.iter().enumerate() {
            scene = scene.container(name, "old", PLAIN);
            publishing(&mut scene, own, old[own]);
        }
        let plan = scene.decide().unwrap();
        proptest::prop_assert!(ends(&plan), "{}", text(&plan));
        let step = |own: usize, start: bool| {
            let is_it = |step: &&Step| step.service.as_deref() == Some(names[own]) && match step.action {
                Action::Start { .. } => start,
                Action::Stop { .. } => !start,
                _ => false,
            };
            plan.steps.iter().find(is_it).unwrap().id
        };
        for own in 0..4 {
            for holder in (0..4).filter(|holder| old[*holder] == new[own]) {
                let waits = needs(&plan, step(own, true), step(holder, false));
                proptest::prop_assert!(waits, "{} for {}\n{}", names[own], names[holder], text(&plan));
            }
        }
    }
}

#[test]
fn a_holder_stops_as_late_as_it_can() {
    let services = "
api: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}], depends_on: {db: {condition: service_healthy}}}
app: {image: img, depends_on: {api: {condition: service_started}}}
db: {image: img, healthcheck: {test: [CMD, x]}}
";
    let text = scene(services)
        .image("new", &["img:latest"], &[])
        .container("api", "old", PLAIN)
        .container("app", "old", PLAIN)
        .container("db", "old", PLAIN)
        .with(|scene| publishing(scene, 1, 8080))
        .text();
    let plan = |line: &str| assert!(text.contains(line), "{text}");
    plan("wait until db is healthy: `api` waits for it (after 5)\n");
    plan("stop app (app012345678): its image changed (after 6, 7, 13)\n");
}

#[test]
fn a_port_of_another_address_is_another_port() {
    let plan = |ip: &str| {
        let ports = format!("[{{target: 80, published: '8080', protocol: tcp, host_ip: {ip}}}]");
        scene(&format!(
            "a: {{image: img, ports: {ports}}}\nb: {{image: img}}"
        ))
        .image("new", &["img:latest"], &[])
        .container("a", "old", PLAIN)
        .container("b", "old", PLAIN)
        .with(|scene| {
            publishing(scene, 1, 8080);
            scene.observed.containers[1].ports[0].host_ip = Some("127.0.0.1".to_owned());
        })
        .text()
    };
    for (ip, waits) in [("127.0.0.2", false), ("127.0.0.1", true), ("0.0.0.0", true)] {
        let text = plan(ip);
        let waiting = text.contains("stop a (a0123456789a): its image changed (after 1, 8)");
        assert_eq!(waiting, waits, "{text}");
    }
}
