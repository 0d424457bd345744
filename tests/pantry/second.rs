//! Another machine with a clone of the project: it pulls what others built, builds nothing, and needs no registry afterwards.

use std::process::Command;

use serde_json::Value;

use crate::engine::Second;
use crate::front::Front;
use crate::http::{Shelf, text};
use crate::shop::{Base, REGISTRY, Shop, has_registry};

/// The actions of the steps that began, from the events of a run, each with the image that it is about.
fn actions(events: &str) -> Vec<String> {
    let events = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let begun = events.filter(|event: &Value| event["event"] == "started");
    let actions = begun.map(|event| {
        let step = &event["step"];
        format!("{} {}", text(&step["action"]), text(&step["image"]))
    });
    actions.collect()
}

fn builds(actions: &[String]) -> usize {
    let builds = actions.iter().filter(|own| own.starts_with("build"));
    builds.count()
}

#[test]
fn a_clone_elsewhere_pulls_and_builds_nothing() {
    if !has_registry() {
        return;
    }
    let front = Front::open();
    let shop = Shop::at("clone", &front.host, "trusted: true");
    let base = Base::push(&shop);
    shop.write_app(&base.0);
    // What an install leaves: no compression makes it less.
    let script = "head -c 3000000 /dev/urandom > requirements.txt";
    let mut command = shop.stack.sandbox.command("sh");
    command.current_dir(shop.stack.sandbox.path().join("app"));
    assert!(command.args(["-c", script]).status().unwrap().success());
    shop.stack.larder("prewarm");
    let shelf = Shelf::of(&shop.repository.replacen(&front.host, REGISTRY, 1));
    let (fp, dep) = (shelf.tag("fp-"), shelf.tag("dep-"));
    let fingerprint = fp.trim_start_matches("fp-").to_owned();

    let compose = std::fs::read_to_string(shop.stack.sandbox.path().join("compose.yaml"));
    let Some(mut second) = Second::start(&compose.unwrap()) else {
        return;
    };
    front.also_at(second.process());
    let copied = Command::new("cp")
        .arg("-r")
        .arg(shop.stack.sandbox.path().join("app"))
        .arg(second.sandbox.path())
        .status();
    assert!(copied.unwrap().success());
    assert_eq!(second.images(), Vec::<String>::new());

    let plan = second.larder("plan --format json").0;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["services"]["app"]["image"], "pull", "{plan:#}");
    assert_eq!(plan["services"]["app"]["fingerprint"], fingerprint);
    assert_eq!(second.images(), Vec::<String>::new());

    front.given();
    let (events, shown) = second.larder("--progress json up");
    let began = actions(&events);
    assert_eq!(builds(&began), 0, "{shown}");
    let pulls: Vec<&String> = began.iter().filter(|own| own.starts_with("pull")).collect();
    let wanted = format!("pull {}@{}", shop.repository, shelf.digest(&fp));
    assert_eq!(pulls, [&wanted], "{shown}");
    // The layers, a configuration twice (larder looks at it, the engine keeps it), and no more.
    let (said, pulled) = (shelf.bytes(&fp), front.given());
    eprintln!("the image has {said} bytes in the registry, {pulled} were pulled");
    assert!((said..said + 20_000).contains(&pulled), "{said} {pulled}");
    let names = second.images();
    let own = format!("localhost/larder/image:{fingerprint}");
    assert!(names.contains(&own), "{names:?}");
    assert!(!names.contains(&base.0), "{names:?}");

    // The registry is gone, and nobody asks for it.
    front.close();
    front.asked();
    let again = second.larder("up").0;
    assert!(again.contains("1 service up to date"), "{again}");
    second.larder("down");
    let began = actions(&second.larder("--progress json up").0);
    assert_eq!(builds(&began), 0, "{began:?}");
    assert!(
        !began.iter().any(|own| own.starts_with("pull")),
        "{began:?}"
    );
    drop(front);

    // It is back, at another address as it happens; a source is edited.
    let front = Front::open();
    front.also_at(second.process());
    let moved = shop.repository.split_once('/').unwrap().1;
    let moved = format!("{}/{moved}", front.host);
    second.sandbox.write("app/src/what", "edited\n");
    let line = format!("--cache-from {moved} ");
    // The file speaks for the address that it names.
    second.sandbox.set("LARDER_TRUSTED_REGISTRIES", &front.host);
    let plan = second.larder(&format!("plan {line} --format json")).0;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["services"]["app"]["image"], "resume", "{plan:#}");
    let (events, shown) = second.larder(&format!("--progress json up {line}"));
    let began = actions(&events);
    assert!(
        !began
            .iter()
            .any(|own| own.starts_with("build-dependencies")),
        "{shown}"
    );
    assert_eq!(builds(&began), 1, "{shown}");
    // Nothing starts from the base, so it stays where it is.
    let pulls: Vec<&String> = began.iter().filter(|own| own.starts_with("pull")).collect();
    let wanted = format!("pull {moved}@{}", shelf.digest(&dep));
    assert_eq!(pulls, [&wanted], "{shown}");
    // What it is built on: the layers of the dependency image, and one more.
    let layers = |name: &str| {
        let format = "{{json .RootFS.Layers}}";
        let found = second.docker(&["image", "inspect", "-f", format, name]);
        serde_json::from_slice::<Vec<String>>(&found.stdout).unwrap()
    };
    let dependencies = dep.replacen("dep-", "localhost/larder/dependencies:", 1);
    let (below, whole) = (
        layers(&dependencies),
        layers(&format!("{}-app", name_of(&second))),
    );
    assert_eq!(whole[..below.len()], below[..]);
    assert_eq!(whole.len(), below.len() + 1);
}

fn name_of(second: &Second) -> String {
    let folder = second.sandbox.path().file_name().unwrap();
    folder.to_str().unwrap().to_owned()
}
