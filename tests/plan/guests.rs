//! Containers that have something of others.

use std::collections::BTreeSet;

use larder::model::Share;
use larder::plan::{State, text};
use proptest::strategy::Strategy;

use super::scene::{
    PLAIN, PORTS, Scene, ends, half_replaced, needs, outdated, publishing, scene, stop_of,
};

fn network(of: &str) -> BTreeSet<(Share, String)> {
    BTreeSet::from([(Share::Network, of.to_owned())])
}

#[test]
fn a_shared_network_ends_with_the_container_that_has_it() {
    let services = "
db: {image: 'postgres:16'}
side: {image: 'postgres:16', network_mode: 'service:db', depends_on: {db: {condition: service_started}}}
";
    let there = |shares: &str, db, side| {
        scene(services)
            .image("pg", &["postgres:16"], &[])
            .container("db", "pg", db)
            .container("side", "pg", side)
            .with(|scene| scene.observed.containers[1].shares = network(shares))
            .text()
    };
    let (db, stopped) = ("db0123456789abcdef", State::Exited(137));
    assert!(there(db, PLAIN, PLAIN).ends_with("\nnothing to do\n"));
    let replaced = there("another", PLAIN, PLAIN);
    assert!(
        replaced.contains("hub-side-1: the container whose network it shares is replaced"),
        "{replaced}"
    );
    let restarted = scene(services)
        .image("pg", &["postgres:16"], &[])
        .container("db", "pg", PLAIN)
        .container("side", "pg", PLAIN)
        .with(|scene| {
            let side = &mut scene.observed.containers[1];
            (side.shares, side.cut_off) = (network(db), Some(Share::Network));
        })
        .text();
    assert!(
        restarted.contains("the container whose network it shares was started after it"),
        "{restarted}"
    );
    let anew = there(db, stopped, PLAIN);
    assert!(
        anew.contains("hub-side-1: the container whose network it shares starts anew"),
        "{anew}"
    );
    let both = there(db, stopped, stopped);
    assert!(
        both.contains("start side: it ended with code 137 (after"),
        "{both}"
    );
    assert!(!both.contains("create"), "{both}");
}

/// What a container has of another one.
fn shared(share: Share, id: &str) -> BTreeSet<(Share, String)> {
    BTreeSet::from([(share, id.to_owned())])
}

const DB: &str = "db0123456789abcdef";

fn db_and_side(side: &str, state: State) -> Scene {
    let services = format!("db: {{image: img}}\nside: {{image: img, {side}}}\n");
    scene(&services)
        .image("img", &["img:latest"], &[])
        .container("db", "img", PLAIN)
        .container("side", "img", state)
}

const STARTED: &str = "depends_on: {db: {condition: service_started}}";
const WITH: &str = "depends_on: {db: {condition: service_started, restart: true}}";

#[test]
fn a_new_container_is_made_with_that_of_the_other_service() {
    let mut scene = db_and_side(&format!("pid: 'service:db', {STARTED}"), PLAIN);
    scene.observed.containers.remove(1);
    let kept = larder::plan::json(&scene.decide().unwrap());
    let id = serde_json::json!({"service:db": {"id": DB}});
    assert_eq!(kept["steps"][0]["shares"], id);
    scene.observed.containers.clear();
    let plan = scene.decide().unwrap();
    let expected = "\
1  create hub-db-1: it is not there
2  start db: it is not there (after 1)
3  wait until db is ready: `up` ends when it is (after 2)
4  create hub-side-1: it is not there (after 2)
5  start side: it is not there (after 2, 4)
6  wait until side is ready: `up` ends when it is (after 5)
";
    assert!(text(&plan).ends_with(expected), "{}", text(&plan));
    let step = serde_json::json!({"service:db": {"step": 0}});
    assert_eq!(larder::plan::json(&plan)["steps"][3]["shares"], step);
}

#[test]
fn what_shares_processes_is_stopped_before_the_one_that_has_them() {
    let scene = db_and_side(&format!("pid: 'service:db', {WITH}"), PLAIN).with(|scene| {
        scene.observed.containers[1].shares = shared(Share::Processes, DB);
        outdated(scene, "db");
    });
    let expected = "\
 1  create db0123456789_hub-db-1: its configuration changed
 2  stop db (db0123456789): its configuration changed (after 1, 8)
 3  remove db (db0123456789): its configuration changed (after 2)
 4  rename to hub-db-1: its configuration changed (after 3)
 5  start db: its configuration changed (after 4)
 6  wait until db is ready: `up` ends when it is (after 5)
 7  create side01234567_hub-side-1: the container whose processes it shares is replaced (after 5)
 8  stop side (side01234567): the container whose processes it shares is replaced (after 1)
 9  remove side (side01234567): the container whose processes it shares is replaced (after 7, 8)
10  rename to hub-side-1: the container whose processes it shares is replaced (after 9)
11  start side: the container whose processes it shares is replaced (after 5, 10)
12  wait until side is ready: `up` ends when it is (after 11)
";
    assert!(scene.text().ends_with(expected), "{}", scene.text());
}

#[test]
fn memory_and_processes_end_with_the_container_that_has_them_and_volumes_do_not() {
    for (side, share) in [
        ("ipc: 'service:db'", Share::Memory),
        ("pid: 'service:db'", Share::Processes),
        ("volumes_from: ['db:ro']", Share::Volumes),
        ("links: [db], network_mode: bridge", Share::Links),
    ] {
        let there = |id: &str, db, lost| {
            db_and_side(&format!("{side}, {STARTED}"), PLAIN)
                .with(|scene| {
                    scene.observed.containers[0].state = db;
                    scene.observed.containers[1].shares = shared(share, id);
                    scene.observed.containers[1].cut_off = lost;
                })
                .text()
        };
        assert!(there(DB, PLAIN, None).ends_with("\nnothing to do\n"));
        let replaced = there("another", PLAIN, None);
        let said = format!("hub-side-1: the container {} is replaced", share.whose());
        assert!(replaced.contains(&said), "{replaced}");
        let lost = there(DB, PLAIN, Some(share));
        assert!(lost.contains("was started after it"), "{lost}");
        let anew = there(DB, State::Exited(1), None);
        let ends = share.ends_with_process();
        assert_eq!(anew.contains("starts anew"), ends, "{anew}");
        assert_eq!(anew.contains("create"), ends, "{anew}");
    }
}

#[test]
fn a_container_of_somebody_elses_is_looked_for_by_its_name() {
    let there = |id: Option<&str>, shares: &str| {
        db_and_side(
            "pid: 'container:theirs', volumes_from: ['container:theirs:ro']",
            PLAIN,
        )
        .with(|scene| {
            let others = &mut scene.observed.others;
            others.insert("theirs".to_owned(), id.map(ToOwned::to_owned));
            let both = [Share::Processes, Share::Volumes];
            scene.observed.containers[1].shares =
                both.map(|share| (share, shares.to_owned())).into();
        })
    };
    let asked = there(None, "").ask(|wanted, _| larder::plan::asked_containers(wanted));
    assert_eq!(asked, BTreeSet::from(["theirs".to_owned()]));
    let same = there(Some("1"), "1").text();
    assert!(same.ends_with("\nnothing to do\n"), "{same}");
    let replaced = there(Some("2"), "1").text();
    assert!(
        replaced.contains("whose processes it shares is replaced"),
        "{replaced}"
    );
    let error = there(None, "1").decide().unwrap_err();
    assert_eq!(
        error.to_string(),
        "service `side` shares the processes of container `theirs`, but the engine has none of that name"
    );
}

/// Whatever the services are called, and without `depends_on`.
#[test]
fn a_container_of_the_projects_own_may_be_named() {
    let services = "a: {image: img, pid: 'container:hub-db-1'}\ndb: {image: img}\n";
    let scene = scene(services).image("img", &["img:latest"], &[]);
    let fresh = scene.with(|scene| drop(scene.observed.others.insert("hub-db-1".to_owned(), None)));
    let plan = larder::plan::json(&fresh.decide().unwrap());
    let step = serde_json::json!({"container:hub-db-1": {"step": 0}});
    assert_eq!(plan["steps"][3]["shares"], step);
    assert_eq!(plan["steps"][3]["after"], serde_json::json!([1]));
    let mut there = fresh
        .container("a", "img", PLAIN)
        .container("db", "img", PLAIN);
    there.observed.containers[0].shares = shared(Share::Processes, DB);
    outdated(&mut there, "db");
    let plan = there.decide().unwrap();
    let end = |service| stop_of(&plan, service).unwrap();
    assert!(needs(&plan, end("db"), end("a")), "{}", text(&plan));
}

#[test]
fn services_that_name_each_others_containers_wait_for_each_other() {
    let services = "a: {image: img, pid: 'container:hub-b-1'}\n\
                    b: {image: img, ipc: 'container:hub-a-1'}\n";
    let error = scene(services).decide().unwrap_err();
    assert_eq!(error.to_string(), "services wait for each other: a → b");
}

#[test]
fn who_is_cut_off_is_named() {
    let mut scene = db_and_side(&format!("pid: 'service:db', {STARTED}"), PLAIN);
    scene.observed.containers[1].shares = shared(Share::Processes, DB);
    outdated(&mut scene, "db");
    assert!(scene.decide().unwrap().warnings.is_empty());
    scene.only = vec!["db"];
    assert_eq!(
        scene.decide().unwrap().warnings,
        [
            "`hub-side-1` shares the processes of `hub-db-1`, which is stopped, and is no part of this start: \
          `larder up side` makes it anew"
        ]
    );
    scene.observed.containers[1].state = State::Exited(0);
    assert!(scene.decide().unwrap().warnings.is_empty());
}

#[test]
fn links_by_name_are_not_by_container() {
    let there = |side: &str| db_and_side(&format!("{side}, {STARTED}"), PLAIN).text();
    for side in [
        "links: [db], network_mode: own",
        "links: [db]",
        "external_links: [db], network_mode: none",
    ] {
        let text = there(side);
        assert!(text.ends_with("\nnothing to do\n"), "{side}: {text}");
    }
    let mut scene = db_and_side("external_links: ['theirs:x'], network_mode: bridge", PLAIN);
    scene.observed.containers[1].shares = shared(Share::Links, "1");
    let mut text = |id: &str| {
        let id = Some(id.to_owned());
        scene.observed.others.insert("theirs".to_owned(), id);
        scene.text()
    };
    assert!(text("1").ends_with("\nnothing to do\n"), "{}", text("1"));
    let replaced = text("2");
    assert!(
        replaced.contains("hub-side-1: the container that it links to is replaced"),
        "{replaced}"
    );
}

#[test]
fn what_goes_with_a_service_is_started_once_more_when_that_one_is_replaced() {
    let goes = db_and_side(WITH, PLAIN).with(|scene| outdated(scene, "db"));
    let expected = "\
1  create db0123456789_hub-db-1: its configuration changed
2  stop db (db0123456789): its configuration changed (after 1, 7)
3  remove db (db0123456789): its configuration changed (after 2)
4  rename to hub-db-1: its configuration changed (after 3)
5  start db: its configuration changed (after 4)
6  wait until db is ready: `up` ends when it is (after 5)
7  stop side (side01234567): `db`, which it goes with, is replaced (after 1)
8  start side: `db`, which it goes with, is replaced (after 5, 7)
9  wait until side is ready: `up` ends when it is (after 8)
";
    assert!(goes.text().ends_with(expected), "{}", goes.text());
    let half = db_and_side(WITH, PLAIN).with(|scene| half_replaced(scene, 0));
    let expected = "\
1  stop db (db0123456789): `hub-db-1` must be there once (after 6)
2  remove db (db0123456789): `hub-db-1` must be there once (after 1)
3  rename to hub-db-1: it is called `db0123456789_hub-db-1` (after 2)
4  start db: it does not run (after 3)
5  wait until db is ready: `up` ends when it is (after 4)
6  stop side (side01234567): `db`, which it goes with, is replaced
7  start side: `db`, which it goes with, is replaced (after 4, 6)
8  wait until side is ready: `up` ends when it is (after 7)
";
    assert!(half.text().ends_with(expected), "{}", half.text());
    let stays = db_and_side(STARTED, PLAIN).with(|scene| outdated(scene, "db"));
    assert!(!stays.text().contains("stop side"), "{}", stays.text());
    let down = db_and_side(WITH, State::Exited(0)).with(|scene| outdated(scene, "db"));
    assert!(!down.text().contains("stop side"), "{}", down.text());
    let restarted = db_and_side(WITH, PLAIN)
        .with(|scene| scene.observed.containers[0].state = State::Exited(1));
    assert!(
        !restarted.text().contains("stop side"),
        "{}",
        restarted.text()
    );
}

#[test]
fn hooks_are_part_of_the_start_and_of_the_stop() {
    let hooks = "post_start: [{command: [a]}], pre_stop: [{command: [b]}, {command: [c]}]";
    let scene = db_and_side(hooks, PLAIN).with(|scene| outdated(scene, "side"));
    let expected = "\
1  create side01234567_hub-side-1: its configuration changed
2  run its 2 `pre_stop` hooks, then stop side (side01234567): its configuration changed (after 1)
3  remove side (side01234567): its configuration changed (after 2)
4  rename to hub-side-1: its configuration changed (after 3)
5  start side and run its `post_start` hook: its configuration changed (after 4)
6  wait until side is ready: `up` ends when it is (after 5)
";
    assert!(scene.text().ends_with(expected), "{}", scene.text());
    let json = larder::plan::json(&scene.decide().unwrap());
    assert_eq!(json["steps"][1]["hooks"], 2);
    assert_eq!(json["steps"][1]["regardless"], true);
    assert_eq!(json["steps"][4]["hooks"], 1);
    assert_eq!(json["steps"][2].get("hooks"), None);
}

proptest::proptest! {
    /// However containers go together, whatever is replaced and whoever gets whose port: no step waits for itself, and what
    /// goes with another is stopped before that one.
    #[test]
    fn what_goes_together_ends_in_order(
        edges in proptest::collection::vec(0_usize..5, 10),
        outdated_ones in proptest::collection::vec(proptest::bool::ANY, 5),
        ports in proptest::sample::subsequence(&PORTS[..], 5).prop_shuffle(),
        running in proptest::collection::vec(0_usize..4, 5),
        half in proptest::collection::vec(0_usize..4, 5),
    ) {
        use std::fmt::Write;
        let names = ["a", "b", "c", "d", "e"];
        let mut services = String::new();
        let mut edge = edges.iter();
        let (mut pairs, mut sharing) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let mut depends_on = Vec::new();
            let mut pid = String::new();
            for other in &names[..index] {
                let kind = *edge.next().unwrap();
                if kind == 0 {
                    continue;
                }
                depends_on.push(format!("{other}: {{condition: service_started, restart: {}}}", kind > 1));
                if kind > 1 {
                    pairs.push((*name, *other));
                }
                if kind > 2 && pid.is_empty() {
                    pid = format!("pid: 'service:{other}', ");
                    sharing.push((*name, *other));
                }
            }
            let _ = writeln!(
                services,
                "{name}: {{image: img, {pid}depends_on: {{{}}}, ports: [{{target: 80, published: '{}', protocol: tcp}}]}}",
                depends_on.join(", "), ports[index]
            );
        }
        let mut scene = scene(&services).image("img", &["img:latest"], &[]);
        for (index, name) in names.iter().enumerate() {
            let state = if running[index] == 0 { State::Exited(1) } else { PLAIN };
            scene = scene.container(name, "img", state);
            publishing(&mut scene, index, PORTS[index]);
            if let Some((_, host)) = sharing.iter().find(|(guest, _)| guest == name) {
                let id = format!("{host}0123456789abcdef");
                scene.observed.containers[index].shares = shared(Share::Processes, &id);
            }
            if outdated_ones[index] {
                outdated(&mut scene, name);
            }
        }
        for (index, half) in half.iter().enumerate() {
            if *half == 0 {
                half_replaced(&mut scene, index);
            }
        }
        let plan = scene.decide().unwrap();
        proptest::prop_assert!(ends(&plan), "{}", text(&plan));
        for (guest, host) in &pairs {
            if let (Some(guest), Some(host)) = (stop_of(&plan, guest), stop_of(&plan, host)) {
                proptest::prop_assert!(needs(&plan, host, guest), "{}", text(&plan));
            }
        }
    }
}

/// Each of them is stopped before the one that it goes with, and what is behind what is not looked up anew for each pair.
#[test]
fn a_chain_of_services_that_go_together_is_planned_in_no_time() {
    const COUNT: usize = 300;
    let service = |number: usize| match number {
        0 => "s0: {image: img}\n".to_owned(),
        _ => format!(
            "s{number}: {{image: img, depends_on: {{s{}: {{condition: service_started, restart: true}}}}}}\n",
            number - 1
        ),
    };
    let services: String = (0..COUNT).map(service).collect();
    let mut scene = scene(&services).image("img", &["img:latest"], &[]);
    for number in 0..COUNT {
        let name = format!("s{number}");
        scene = scene.container(&name, "img", PLAIN);
        outdated(&mut scene, &name);
    }
    let begun = std::time::Instant::now();
    let plan = scene.decide().unwrap();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert!(plan.steps.len() >= 5 * COUNT, "{}", plan.steps.len());
}
