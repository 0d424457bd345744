//! What `down` takes away: of some services alone, of earlier states of the files, and images. Needs `busybox:stable` on the
//! engine.

use crate::stack::{Stack, docker};

const THREE: &str = "\
services:
  db: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, volumes: ['data:/d', 'both:/b'], networks: [back]}
  web: {image: 'busybox:stable', command: [sleep, '1000'], stop_grace_period: 0s, volumes: ['both:/b'], networks: [front], depends_on: [db]}
networks: {back: , front: }
volumes: {data: , both: }
";

fn of_project(stack: &Stack, what: &str) -> Vec<String> {
    let label = format!("label=com.docker.compose.project={}", stack.name);
    let listed = docker(&[what, "ls", "--format", "{{.Name}}", "--filter", &label]);
    let mut names: Vec<String> = listed
        .lines()
        .map(|name| name.replace(&stack.name, "p"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_service_goes_with_what_it_alone_has() {
    let stack = Stack::new("down-some", THREE);
    stack.larder("up");
    stack.larder("down -v db");
    assert!(stack.containers("db").is_empty());
    assert_eq!(stack.containers("web").len(), 1);
    assert_eq!(of_project(&stack, "network"), ["p_front"]);
    assert_eq!(of_project(&stack, "volume"), ["p_both"]);
    // By the name alone, on what docker compose started.
    stack.compose("up -d");
    let name = &stack.name;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = stack.sandbox.command(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(["-p", name, "down", "-v", "web"]);
    let output = command.current_dir(elsewhere.path()).output().unwrap();
    assert!(output.status.success(), "{}", stack.sandbox.shown(&output));
    assert!(stack.containers("web").is_empty());
    assert_eq!(of_project(&stack, "network"), ["p_back"]);
    assert_eq!(of_project(&stack, "volume"), ["p_both", "p_data"]);
    stack.larder("down -v");
    assert_eq!(of_project(&stack, "volume"), Vec::<String>::new());
    assert_eq!(of_project(&stack, "network"), Vec::<String>::new());
}

#[test]
fn orphans_of_these_files_go_and_those_of_others_stay() {
    let stack = Stack::new("down-orphans", THREE);
    stack.sandbox.write(
        "other.yaml",
        &THREE
            .replace("  db:", "  guest:")
            .replace("[db]", "[guest]"),
    );
    // docker compose made it: what its labels say is what counts.
    stack.compose("up -d");
    stack.larder("-f other.yaml up guest");
    let (db, guest) = (&stack.names("db")[0], &stack.names("guest")[0]);
    let web = THREE.lines().filter(|line| !line.starts_with("  db:"));
    let web: Vec<String> = web.map(|line| format!("{line}\n")).collect();
    stack.sandbox.write(
        "compose.yaml",
        &web.concat().replace(", depends_on: [db]", ""),
    );
    let shown = stack.sandbox.show("down");
    let own = format!("no compose file defines the service of `{db}` any more: it goes, too\n");
    assert!(
        shown.starts_with("exit 0") && shown.contains(&own),
        "{shown}"
    );
    let foreign =
        format!("warning: `{guest}` (of `[hub]/other.yaml`) was made from other Compose files");
    assert!(shown.contains(&foreign), "{shown}");
    assert!(shown.contains("still in use and stays"), "{shown}");
    assert!(stack.containers("db").is_empty() && stack.containers("web").is_empty());
    assert_eq!(stack.containers("guest").len(), 1);
    // Nor does what `run` made from other files go, or is said to be of no file.
    stack.larder(
        "-f other.yaml run -d --no-deps --name extra guest sleep 1000"
            .replace("extra", &format!("{}-extra", stack.name))
            .as_str(),
    );
    let shown = stack.sandbox.show("down");
    let extra = format!("`{}-extra` (of `[hub]/other.yaml`)", stack.name);
    assert!(shown.contains(&extra), "{shown}");
    assert!(shown.contains("`--remove-orphans` removes them"), "{shown}");
    assert!(!shown.contains("no compose file defines"), "{shown}");
    let events = stack.sandbox.run("down --remove-orphans --progress json");
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    let cause = "other Compose files made it, and `--remove-orphans` asks for it";
    assert!(events.contains(cause), "{events}");
    assert!(!events.contains("no compose file defines"), "{events}");
    assert!(stack.containers("guest").is_empty());

    stack.larder("-f other.yaml up guest");
    let shown = stack.sandbox.show("down --remove-orphans");
    let told = format!(
        "`{guest}` (of `[hub]/other.yaml`) was made from other Compose files under this project's name: it goes, too\n"
    );
    assert!(shown.contains(&told), "{shown}");
    assert!(!shown.contains("no compose file defines"), "{shown}");
}

#[test]
fn images_go_when_asked() {
    let name = format!("larder-cli-{}-rmi", std::process::id());
    let dockerfile =
        format!("FROM busybox:stable\nLABEL dev.larder.test={name}\nCMD [\"sleep\", \"1000\"]\n");
    let compose = format!(
        "services:\n  own: {{build: ., stop_grace_period: 0s}}\n  tagged: {{build: ., image: '{name}:tagged', stop_grace_period: 0s}}\n  named: {{image: '{name}:named', command: [sleep, '1000'], stop_grace_period: 0s}}\n"
    );
    let stack = Stack::new("rmi", &compose);
    assert_eq!(stack.name, name);
    stack.sandbox.write("Dockerfile", &dockerfile);
    docker(&["tag", "busybox:stable", &format!("{name}:named")]);
    let images = || {
        let label = format!("label=dev.larder.test={name}");
        let listed = docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            &label,
        ]);
        let own = listed
            .lines()
            .filter(|name| !name.starts_with("localhost/"));
        let mut own: Vec<String> = own.map(|image| image.replace(&name, "p")).collect();
        own.sort_unstable();
        (own, listed.contains("localhost/larder/image:"))
    };
    stack.larder("up");
    let both = ["p-own:latest", "p:tagged"].map(ToOwned::to_owned).to_vec();
    assert_eq!(images(), (both, true));
    // The other one still has the image of that fingerprint.
    stack.larder("down --rmi local own");
    assert_eq!(images(), (vec!["p:tagged".to_owned()], true));
    // What has a name of its own may be anybody's.
    stack.larder("down --rmi local");
    assert_eq!(images(), (vec!["p:tagged".to_owned()], true));
    docker(&["image", "inspect", &format!("{name}:named")]);
    stack.larder("up named tagged");
    stack.larder("down --rmi all");
    assert_eq!(images(), (vec![], false));
    assert_eq!(docker(&["images", "-q", &format!("{name}:named")]), "");
}
