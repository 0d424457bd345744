//! Host ports that somebody has: which of them a plan's containers cannot have, and what is chosen in their place.

use std::collections::BTreeSet;

use larder::model::{OneOff, labels};
use larder::plan::{
    ChosenPort, Container, Holder, Taken, choose_ports, choosing, claims, conflicts,
    ports_are_open, ports_label,
};

use super::scene::{PLAIN, Scene, publishing, scene};

fn taken(ip: &str, port: u16, protocol: &str) -> Taken {
    Taken {
        address: ip.parse().ok(),
        port,
        protocol: protocol.to_owned(),
        holder: Holder::Process {
            pid: Some(71),
            command: Some("squat".to_owned()),
            user: 0,
        },
    }
}

fn by_container(id: &str, port: u16) -> Taken {
    Taken {
        holder: Holder::Container {
            id: id.to_owned(),
            name: format!("hub-{id}"),
            project: Some("hub".to_owned()),
            service: None,
        },
        ..taken("0.0.0.0", port, "tcp")
    }
}

fn one(services: &str) -> Scene {
    scene(services).image("new", &["img:latest"], &[])
}

fn refused(scene: &Scene, taken: &[Taken]) -> Vec<String> {
    let plan = scene.decide().unwrap();
    let claims = claims(&plan, &scene.project);
    let own: Vec<&Container> = scene.observed.containers.iter().collect();
    let found = conflicts(&claims, &plan, &own, taken);
    let shown = found.iter().map(|own| match own.free {
        Some(free) => format!("{own} ({free})"),
        None => own.to_string(),
    });
    shown.collect()
}

const WEB: &str = "web: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}]}";

#[test]
fn a_port_is_one_of_an_address_and_a_protocol() {
    let is_free = |ip: &str, held: Taken| {
        let services = format!(
            "web: {{image: img, ports: [{{target: 80, published: '8080', protocol: tcp{ip}}}]}}"
        );
        refused(&one(&services), &[held]).is_empty()
    };
    let local = ", host_ip: 127.0.0.1";
    assert!(!is_free("", taken("127.0.0.1", 8080, "tcp")));
    assert!(!is_free("", taken("", 8080, "tcp")));
    assert!(!is_free("", taken("::", 8080, "tcp")));
    assert!(!is_free(local, taken("0.0.0.0", 8080, "tcp")));
    assert!(!is_free(local, taken("127.0.0.1", 8080, "tcp")));
    assert!(is_free(local, taken("::", 8080, "tcp")));
    assert!(is_free(local, taken("127.0.0.2", 8080, "tcp")));
    assert!(is_free("", taken("", 8080, "udp")));
    assert!(is_free("", taken("", 8081, "tcp")));
}

#[test]
fn all_conflicts_are_told_with_the_nearest_free_port() {
    let services = "
a: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}, {target: 53, published: '53', protocol: udp}]}
b: {image: img, ports: [{target: 80, published: '8081', protocol: tcp}]}
c: {image: img, ports: [{target: 80, published: '8081', protocol: tcp}]}
d: {image: img, network_mode: host, ports: [{target: 80, published: '8080', protocol: tcp}]}
";
    let held = [
        taken("", 8080, "tcp"),
        taken("127.0.0.1", 53, "udp"),
        by_container("x", 8079),
    ];
    assert_eq!(
        refused(&one(services), &held),
        [
            "port 8080 of service `a` is taken by process `squat` (pid 71) (8082)",
            "port 53/udp of service `a` is taken by process `squat` (pid 71) (54)",
            "port 8081 of service `c` is wanted by service `b`, too (8083)",
        ]
    );
}

#[test]
fn a_proxy_of_a_container_that_this_engine_does_not_list_is_told_as_one() {
    let hint = |pid| {
        let holder = Holder::Process {
            pid,
            command: Some("docker-proxy".to_owned()),
            user: 0,
        };
        let held = Taken {
            holder,
            ..taken("", 8080, "tcp")
        };
        let scene = one(WEB);
        let plan = scene.decide().unwrap();
        conflicts(&claims(&plan, &scene.project), &plan, &[], &[held])[0].hint()
    };
    assert_eq!(
        hint(Some(71)),
        "8081 is free: change `ports`, or stop the container behind it, which this engine does not list: another engine's, or \
         left behind by one (`kill 71`)"
    );
    assert!(hint(None).ends_with("or left behind by one"));
}

#[test]
fn what_the_plan_stops_frees_its_ports() {
    let scene = one(WEB)
        .container("web", "old", PLAIN)
        .with(|scene| publishing(scene, 0, 8080));
    let own = scene.observed.containers[0].id.clone();
    assert!(refused(&scene, &[by_container(&own, 8080)]).is_empty());
    assert_eq!(
        refused(&scene, &[by_container("other", 8080)]),
        ["port 8080 of service `web` is taken by container `hub-other` of project `hub` (8081)"]
    );
}

#[test]
fn a_range_is_fine_where_enough_of_it_is_free() {
    let services =
        "web: {image: img, scale: 2, ports: [{target: 80, published: 8000-8002, protocol: tcp}]}";
    let scene = one(services);
    assert!(refused(&scene, &[taken("", 8001, "tcp")]).is_empty());
    let held = [taken("", 8001, "tcp"), taken("", 8000, "tcp")];
    assert_eq!(
        refused(&scene, &held),
        [
            "no port from 8000 to 8002 is free for service `web`: 8000 is taken by process `squat` (pid 71) (7999)"
        ]
    );
    let services =
        "web: {image: img, scale: 2, ports: [{target: 80, published: '8000', protocol: tcp}]}";
    assert_eq!(
        refused(&one(services), &[]),
        ["port 8000 of service `web` is wanted by more than one of its containers (8001)"]
    );
}

#[test]
fn who_comes_when_another_is_done_gets_its_port() {
    let with = |condition: &str| {
        let services = format!(
            "
job: {{image: img, ports: [{{target: 80, published: '8080', protocol: tcp}}]}}
web:
  image: img
  ports: [{{target: 80, published: '8080', protocol: tcp}}]
  depends_on: {{job: {{condition: {condition}}}}}
"
        );
        refused(&one(&services), &[]).len()
    };
    assert_eq!(with("service_completed_successfully"), 0);
    assert_eq!(with("service_started"), 1);
}

/// What is chosen for a scene whose folder is `folder`; the label that the containers of `web` get.
fn chosen(scene: &mut Scene, folder: &str, taken: &[Taken]) -> (Vec<String>, Option<String>) {
    scene.project.working_dir = folder.into();
    let services: BTreeSet<String> = scene.project.services.keys().cloned().collect();
    let chosen = choose_ports(&mut scene.project, &services, &scene.observed, taken);
    let told = chosen.iter().map(ChosenPort::sentence).collect();
    (told, ports_label(&scene.project.services["web"].ports))
}

#[test]
fn each_checkout_has_its_own_port_in_place_of_a_taken_one() {
    let held = [taken("", 8080, "tcp")];
    let (told, label) = chosen(&mut one(WEB), "/a", &held);
    assert_eq!(
        told,
        ["web: 8080 is taken by process `squat` (pid 71); 32623 in its place"]
    );
    let label = label.unwrap();
    assert_eq!(label, "8080:80/tcp=32623");
    assert_eq!(
        chosen(&mut one(WEB), "/a", &held).1.unwrap(),
        label,
        "the same each time"
    );
    assert_ne!(chosen(&mut one(WEB), "/b", &held).1.unwrap(), label);
    let both = [held[0].clone(), taken("", 32623, "tcp")];
    assert_eq!(
        chosen(&mut one(WEB), "/a", &both).1.unwrap(),
        "8080:80/tcp=32624"
    );
    assert_eq!(chosen(&mut one(WEB), "/a", &[]), (Vec::new(), None));
}

fn running(scene: &mut Scene, published: u16, label: Option<&str>) {
    publishing(scene, 0, published);
    let own = &mut scene.observed.containers[0];
    if let Some(label) = label {
        own.labels
            .insert(labels::PORTS.to_owned(), label.to_owned());
    }
}

#[test]
fn a_container_keeps_the_port_that_it_has() {
    let mut scene = one(WEB)
        .container("web", "new", PLAIN)
        .with(|scene| running(scene, 32623, Some("8080:80/tcp=32623")));
    let services = BTreeSet::from(["web".to_owned()]);
    assert!(!ports_are_open(&scene.project, &services, &scene.observed));
    let (told, label) = chosen(&mut scene, "/elsewhere", &[]);
    assert_eq!(told, ["web: 32623 in place of 8080, as before"]);
    assert_eq!(label.unwrap(), "8080:80/tcp=32623");
    // The file says another one by now.
    let services = WEB.replace("8080", "9090");
    let mut scene = one(&services)
        .container("web", "new", PLAIN)
        .with(|scene| running(scene, 32623, Some("8080:80/tcp=32623")));
    assert_eq!(chosen(&mut scene, "/a", &[]), (Vec::new(), None));
}

#[test]
fn a_container_that_does_not_run_gets_what_it_had_while_that_is_free() {
    let stopped = || {
        one(WEB)
            .container("web", "new", larder::plan::State::Exited(0))
            .with(|scene| {
                running(scene, 1, Some("8080:80/tcp=24000"));
                scene.observed.containers[0].ports.clear();
            })
    };
    let (_, label) = chosen(&mut stopped(), "/a", &[]);
    assert_eq!(label.unwrap(), "8080:80/tcp=24000");
    let held = [taken("", 8080, "tcp"), taken("", 24000, "tcp")];
    let (_, label) = chosen(&mut stopped(), "/a", &held);
    assert_eq!(label.unwrap(), "8080:80/tcp=32623");
}

#[test]
fn as_many_containers_as_there_are_get_a_port_each() {
    let services =
        "web: {image: img, scale: 3, ports: [{target: 80, published: '8080', protocol: tcp}]}";
    let (told, label) = chosen(&mut one(services), "/a", &[]);
    assert_eq!(
        told,
        ["web: 8080 is not enough for all of its containers; 32623-32625 in its place"]
    );
    assert_eq!(label.unwrap(), "8080:80/tcp=32623-32625");
}

#[test]
fn services_that_want_one_port_get_two() {
    let services = format!("{WEB}\na{WEB}");
    let mut scene = one(&services);
    let (told, label) = chosen(&mut scene, "/a", &[]);
    assert_eq!(
        told,
        ["web: 8080 is taken by service `aweb`; 32623 in its place"]
    );
    assert_eq!(label.unwrap(), "8080:80/tcp=32623");
}

#[test]
fn a_port_of_the_services_own_containers_is_theirs_to_give() {
    // They swap.
    let services = "
web: {image: img, ports: [{target: 80, published: '8081', protocol: tcp}]}
zap: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}]}
";
    let mut scene = one(services)
        .container("web", "new", PLAIN)
        .container("zap", "new", PLAIN)
        .with(|scene| {
            publishing(scene, 0, 8080);
            publishing(scene, 1, 8081);
        });
    let ids = scene.observed.containers.iter().map(|own| own.id.clone());
    let ids: Vec<String> = ids.collect();
    let held = [by_container(&ids[0], 8080), by_container(&ids[1], 8081)];
    assert_eq!(chosen(&mut scene, "/a", &held), (Vec::new(), None));
}

/// `web` is run once.
fn once(scene: &mut Scene, typed_ports: bool) {
    let web = scene.project.services.get_mut("web").unwrap();
    web.one_off = Some(Box::new(OneOff {
        typed_ports,
        ..OneOff::default()
    }));
}

const THREE: &str = "
db: {image: img, ports: [{target: 80, published: '5432', protocol: tcp}]}
mq: {image: img, ports: [{target: 80, published: '5672', protocol: tcp}]}
web: {image: img, ports: [{target: 80, published: '8080', protocol: tcp}]}
";

#[test]
fn a_run_leaves_chosen_ports_to_those_that_have_them_and_chooses_none() {
    let scene = |typed: Option<bool>| {
        one(THREE)
            .container("db", "new", PLAIN)
            .container("mq", "new", PLAIN)
            .with(|scene| {
                running(scene, 24000, Some("5432:80/tcp=24000"));
                if let Some(typed) = typed {
                    once(scene, typed);
                }
            })
    };
    let services: BTreeSet<String> = ["db", "mq", "web"].map(str::to_owned).into();
    let choosing = |typed, auto| {
        let scene = scene(typed);
        choosing(&scene.project, &services, &scene.observed, auto)
    };
    let db = BTreeSet::from(["db".to_owned()]);
    assert_eq!(choosing(Some(false), false), db);
    assert_eq!(choosing(Some(true), false), db);
    assert_eq!(choosing(None, false), BTreeSet::new());
    // Where it is asked for all are, but what was typed.
    assert_eq!(choosing(Some(false), true), services);
    let beside: BTreeSet<String> = ["db", "mq"].map(str::to_owned).into();
    assert_eq!(choosing(Some(true), true), beside);
}

#[test]
fn what_a_run_publishes_is_not_what_the_services_own_containers_have() {
    let there = |typed| {
        one(WEB)
            .container("web", "new", PLAIN)
            .with(|scene| publishing(scene, 0, 8080))
            .with(|scene| once(scene, typed))
    };
    let held = |scene: &Scene| [by_container(&scene.observed.containers[0].id, 8080)];
    for typed in [false, true] {
        let scene = there(typed);
        let plan = scene.decide().unwrap();
        let claims = claims(&plan, &scene.project);
        let own: Vec<&Container> = scene.observed.containers.iter().collect();
        let found = conflicts(&claims, &plan, &own, &held(&scene));
        let text = "port 8080 of service `web` is taken by container `hub-web0123456789abcdef` of project `hub`";
        assert_eq!(found[0].to_string(), text);
        let change = if typed { "-p" } else { "ports" };
        let hint = format!(
            "8081 is free: change `{change}`, or stop the other with `docker stop hub-web0123456789abcdef`"
        );
        assert_eq!(found[0].hint(), hint);
        assert_eq!(found.len(), 1);
    }
    let mut scene = there(false);
    let held = held(&scene);
    let (told, _) = chosen(&mut scene, "/a", &held);
    assert_eq!(
        told,
        [
            "web: 8080 is taken by container `hub-web0123456789abcdef` of project `hub`; 32623 in its place"
        ]
    );
}
