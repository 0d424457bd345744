//! What counts as hidden, and every way in which it would not be.

use std::collections::BTreeMap;

use super::*;
use crate::fingerprint::lab::Lab;
use crate::fingerprint::recipe::Base;
use crate::model::{Project, Service};

const DEV: &str = "FROM base\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip\nCOPY . .\nCMD run\n";
const MOUNT: &str = "volumes: [{type: bind, source: /src, target: /app}]";

fn service(yaml: &str) -> Service {
    serde_yaml::from_str(yaml).unwrap()
}

/// A context with a service's mounts over it.
fn lab(dockerfile: &str, mounts: &str) -> Lab {
    let files = [
        "requirements.txt",
        "run.sh",
        "src/a.py",
        "web/index.html",
        "conf/x",
    ];
    let mut lab = Lab::new(dockerfile)
        .files(&files)
        .file(".dockerignore", "Dockerfile\n.dockerignore\n");
    lab.service = service(mounts);
    lab
}

fn key(lab: &Lab) -> Option<Digest> {
    lab.recipe().shadowed.map(|own| own.key)
}

/// Whether an edit of the source leaves the key, while it moves the full fingerprint.
fn hides(dockerfile: &str, mounts: &str) -> bool {
    let before = lab(dockerfile, mounts);
    let after = lab(dockerfile, mounts).file("src/a.py", "edited");
    assert_ne!(before.full(), after.full(), "{dockerfile}");
    let (before, after) = (key(&before), key(&after));
    before.is_some() && before == after
}

#[test]
fn what_is_mounted_over_does_not_count() {
    let on = |target: &str| format!("volumes: [{{type: bind, source: /x, target: {target}}}]");
    for (dockerfile, target) in [
        (DEV, "/app"),
        ("FROM base\nCOPY . /app\n", "/app"),
        ("FROM scratch\nCOPY src/ /app/\n", "/app"),
        ("FROM base\nARG D=app\nCOPY . /$D\n", "/app"),
        ("FROM base\nCOPY src web /app/\n", "/app"),
        ("FROM base\nCOPY src/a.py run.sh /app/\n", "/app"),
        ("FROM base\nCOPY [\"src\", \"/app\"]\n", "/app"),
        // The rest of the folder stays in the image, and in the key.
        ("FROM base\nCOPY . /app\n", "/app/src"),
        ("FROM base\nCOPY . /\n", "/src"),
        (
            "FROM base\nCOPY --chown=1:1 --exclude=*.md . /app\n",
            "/app",
        ),
        (
            "FROM base\nCOPY . /app\nWORKDIR /app\nUSER 1\nEXPOSE 80\n",
            "/app",
        ),
        (
            "FROM base\nCOPY src /app\nCOPY web /web\nCOPY <<E /e\nx\nE\n",
            "/app",
        ),
        (
            "FROM base AS deps\nWORKDIR /app\nRUN x\nFROM deps\nCOPY . .\n",
            "/app",
        ),
        (
            "FROM base AS dev\nCOPY . /app\nFROM dev\nCOPY src /app\n",
            "/app",
        ),
    ] {
        let hidden = hides(dockerfile, &on(target));
        // A stage in front has the source, too, in the last.
        assert_eq!(hidden, !dockerfile.contains("AS dev\n"), "{dockerfile}");
    }
}

#[test]
fn everything_else_counts() {
    let with = |lab: Lab| key(&lab).unwrap();
    let before = with(lab(DEV, MOUNT));
    let others = vec![
        (
            "a dependency",
            lab(DEV, MOUNT).file("requirements.txt", "2"),
        ),
        (
            "the Dockerfile",
            lab(&DEV.replace("RUN pip", "RUN pip2"), MOUNT),
        ),
        ("a label", lab(&format!("{DEV}LABEL a=b\n"), MOUNT)),
        (
            "the base",
            lab(DEV, MOUNT).base("base:latest", "2", &[], &[]),
        ),
        (
            "a second mount",
            lab(
                DEV,
                &MOUNT.replace("}]", "}, {type: bind, source: /s, target: /app/src}]"),
            ),
        ),
        (
            "where it starts",
            lab(DEV, &format!("{MOUNT}\nworking_dir: /")),
        ),
        (
            "a volume inside",
            lab(
                DEV,
                &MOUNT.replace("}]", "}, {type: volume, target: /app/n}]"),
            ),
        ),
    ];
    for (what, other) in others {
        assert_ne!(with(other), before, "{what}");
    }
    for (what, other) in [
        ("a new file", lab(DEV, MOUNT).file("src/b.py", "")),
        ("a removed file", lab(DEV, MOUNT).without("web/index.html")),
        ("a mode", lab(DEV, MOUNT).mode("run.sh", 0o755)),
        (
            "where it is mounted from",
            lab(DEV, &MOUNT.replace("/src", "/other")),
        ),
    ] {
        assert_eq!(with(other), before, "{what}");
    }
    let partly = |path: &str| {
        let mounts = MOUNT.replace("/app", "/app/src");
        with(lab("FROM base\nCOPY . /app\n", &mounts).file(path, "2"))
    };
    assert_ne!(partly("web/index.html"), partly("src/a.py"));
}

#[test]
fn what_something_sees_before_is_not_hidden() {
    for (why, dockerfile) in [
        ("a RUN behind it", "FROM base\nCOPY . /app\nRUN x\n"),
        (
            "a RUN that mounts",
            "FROM base\nCOPY . /app\nRUN --mount=type=cache,target=/c x\n",
        ),
        (
            "the stage is copied from",
            "FROM base AS a\nCOPY . /app\nFROM base\nCOPY --from=a /app /app\n",
        ),
        (
            "the stage is built on",
            "FROM base AS a\nCOPY . /app\nFROM a\nCMD x\n",
        ),
        (
            "the stage is mounted",
            "FROM base AS a\nCOPY . /app\nFROM base\nRUN --mount=from=a,target=/a x\n",
        ),
        (
            "a RUN reads the source",
            "FROM base\nRUN --mount=target=/s x\nCOPY . /app\n",
        ),
        ("an archive may be unpacked", "FROM base\nADD src /app\n"),
        (
            "an ADD behind may turn a folder into a link",
            "FROM base\nCOPY . /app\nADD conf/x /\n",
        ),
        (
            "what comes from a stage may, too",
            "FROM base AS b\nFROM base\nCOPY . /app\nCOPY --from=b / /\n",
        ),
        (
            "an independent layer may, too",
            "FROM base\nCOPY . /app\nCOPY --link conf /\n",
        ),
        (
            "its own layer is independent",
            "FROM base\nCOPY --link . /app\n",
        ),
        (
            "the folders of `--parents`",
            "FROM base\nCOPY --parents src /app\n",
        ),
        ("another place", "FROM base\nCOPY . /srv\n"),
        (
            "a place beside, with its name in front",
            "FROM base\nCOPY . /application\n",
        ),
        (
            "below the mount, perhaps through a link of the image",
            "FROM base\nCOPY src /app/src\n",
        ),
        (
            "a file that may be the folder itself",
            "FROM base\nCOPY src/a.py /app\n",
        ),
        ("a wildcard", "FROM base\nCOPY src/* /app/\n"),
        ("up and down", "FROM base\nCOPY . /app/../app\n"),
        (
            "a folder that is not known",
            "FROM base\nWORKDIR $X/..\nCOPY . .\n",
        ),
        ("not understood", "FROM base\nCOPY . /app\nNEW x\n"),
        ("not pinned", "FROM base\nADD https://x/y /y\nCOPY . /app\n"),
        (
            "a volume in it",
            "FROM base\nVOLUME /app/src\nCOPY . /app\n",
        ),
        ("a volume at it", "FROM base\nCOPY . /app\nVOLUME /app\n"),
        (
            "a volume above it",
            "FROM base\nVOLUME [\"/\"]\nCOPY . /app\n",
        ),
        (
            "a volume that a link may bring there",
            "FROM base\nVOLUME /data\nCOPY . /app\n",
        ),
    ] {
        assert!(!hides(dockerfile, MOUNT), "{why}: {dockerfile}");
    }
}

#[test]
fn what_shows_through_is_not_hidden() {
    let source = "FROM base\nCOPY . /app\n";
    let bind = "{type: bind, source: /src, target: /app}";
    for (why, mounts) in [
        ("no mount", String::new()),
        (
            "a named volume gets the image's files",
            "volumes: [{type: volume, source: v, target: /app}]".into(),
        ),
        (
            "so does an anonymous one",
            "volumes: [{type: volume, target: /app}]".into(),
        ),
        ("memory", "tmpfs: [/app]".into()),
        (
            "a volume inside gets what is copied there",
            format!("volumes: [{bind}, {{type: volume, target: /app/src}}]"),
        ),
        (
            "a volume at a file's place",
            format!("volumes: [{bind}, {{type: volume, target: /app/run.sh/x}}]"),
        ),
        (
            "a volume above goes to other containers",
            format!("volumes: [{bind}, {{type: volume, source: v, target: /}}]"),
        ),
        (
            "a volume beside, perhaps through a link",
            format!("volumes: [{bind}, {{type: volume, source: v, target: /data}}]"),
        ),
        (
            "memory that is filled",
            format!("volumes: [{bind}]\ntmpfs: ['/app/src:tmpcopyup']"),
        ),
        (
            "volumes of another container",
            format!("volumes: [{bind}]\nvolumes_from: [other]"),
        ),
        (
            "a process that can unmount",
            format!("volumes: [{bind}]\nprivileged: true"),
        ),
        (
            "the capability to",
            format!("volumes: [{bind}]\ncap_add: [cap_sys_admin]"),
        ),
        (
            "all capabilities",
            format!("volumes: [{bind}]\ncap_add: [ALL]"),
        ),
        (
            "a file where the process starts",
            format!("volumes: [{bind}]\nworking_dir: /app/run.sh"),
        ),
        (
            "switched off",
            format!("volumes: [{bind}]\nx-larder: {{shadowed: false}}"),
        ),
        (
            "one file",
            "volumes: [{type: bind, source: /src/a.py, target: /app/a.py}]".into(),
        ),
    ] {
        assert!(!hides(source, &mounts), "{why}");
    }
    for target in ["/", "/etc", "/etc/app", "/proc/x", "/dev"] {
        let mounts = format!("volumes: [{{type: bind, source: /src, target: {target}}}]");
        let source = format!("FROM base\nCOPY . {target}\n");
        assert!(!hides(&source, &mounts), "the engine reads {target} itself");
    }
    for inside in [
        "{type: volume, target: /app/node_modules}",
        "{type: volume, source: v, target: /app/src, volume: {nocopy: true}}",
        "{type: tmpfs, target: /app/src}",
        "{type: bind, source: /y, target: /app/src}",
    ] {
        assert!(
            hides(source, &format!("volumes: [{bind}, {inside}]")),
            "{inside}"
        );
    }
}

#[test]
fn what_the_base_image_says_counts() {
    let with = |working_dir: &str, volumes: &[&str], onbuild: &[&str], dockerfile: &str| {
        let hidden = |content: &str| {
            let mut lab = lab(dockerfile, MOUNT).file("src/a.py", content);
            let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            let base = Base {
                identity: "id".to_owned(),
                onbuild: own(onbuild),
                env: Vec::new(),
                working_dir: working_dir.to_owned(),
                volumes: own(volumes),
            };
            lab.bases = BTreeMap::from([("base:latest".to_owned(), base)]);
            key(&lab)
        };
        hidden("1").is_some() && hidden("1") == hidden("2")
    };
    let dot = "FROM base\nCOPY . .\n";
    assert!(with("/app", &[], &[], dot));
    assert!(!with("", &[], &[], dot), "the root");
    assert!(!with("/srv", &[], &[], dot));
    assert!(!with("/app", &["/app/src"], &[], dot));
    assert!(!with("/app", &["/data"], &[], dot));
    assert!(with("/app", &["/app/cache"], &[], dot));
    assert!(with("/app", &[], &["COPY . ."], "FROM base\n"));
    assert!(!with("/app", &[], &["COPY . .", "RUN x"], "FROM base\n"));
    // A folder whose name is a file in the source.
    assert!(!with("/app/run.sh/x", &[], &[], "FROM base\nCOPY . /app\n"));
}

#[test]
fn links_among_the_source_lead_nobody_behind_it() {
    let with = |rest: &str| {
        let dockerfile = format!("FROM base\nCOPY src /app\n{rest}");
        hides_linked(&dockerfile)
    };
    // What comes later may land through them: elsewhere, where it is seen.
    assert!(with("CMD x\n"));
    assert!(!with("COPY conf /app/out/conf\n"));
    assert!(!with("WORKDIR /app/out\n"));
    assert!(
        !with("COPY conf /srv\n"),
        "the image may lead from there to here"
    );
    // And links that are copied later may lead away from the mount.
    let later = |from: &str| {
        let dockerfile = format!("FROM base\nCOPY src /app\nCOPY {from} /x\n");
        let with = |content: &str| {
            let lab = lab(&dockerfile, MOUNT).folder("link");
            let lab = lab.link("link/out", "/elsewhere");
            key(&lab.file("src/a.py", content))
        };
        with("1").is_some() && with("1") == with("2")
    };
    assert!(later("conf"));
    assert!(!later("link"));
}

fn hides_linked(dockerfile: &str) -> bool {
    let with = |content: &str| {
        let lab = lab(dockerfile, MOUNT).link("src/out", "/etc");
        key(&lab.file("src/a.py", content))
    };
    with("1").is_some() && with("1") == with("2")
}

#[test]
fn a_volume_is_not_filled_through_a_link_of_the_source() {
    let mounts = MOUNT.replace("}]", "}, {type: volume, target: /app/web/modules}]");
    let with = |lab: Lab| key(&lab).is_some();
    let source = "FROM base\nCOPY . /app\n";
    assert!(with(lab(source, &mounts)));
    let linked = lab(source, &mounts).without("web").link("web", "src");
    assert!(!with(linked));
}

#[test]
fn a_source_reached_by_a_link_is_not_hidden() {
    let linked = |content: &str| {
        let lab = lab("FROM base\nCOPY to /app\n", MOUNT).link("to", "src");
        key(&lab.file("src/a.py", content))
    };
    assert_eq!((linked("1"), linked("2")), (None, None));
}

#[test]
fn a_service_that_runs_the_image_by_name_sees_all_of_it() {
    let own = format!("build: {{context: /src, tags: ['tagged:1']}}\n{MOUNT}");
    let with = |image: &str| {
        let other = service(&format!("image: '{image}'"));
        let project = Project {
            name: "p".to_owned(),
            services: [
                ("app".to_owned(), service(&own)),
                ("other".to_owned(), other),
            ]
            .into(),
            ..Project::default()
        };
        Cover::of(
            &project,
            "app",
            &crate::fingerprint::cover::Seen::of(&project),
        )
        .is_some()
    };
    assert!(with("redis:7"));
    assert!(!with("p-app"));
    assert!(!with("docker.io/library/p-app:latest"));
    assert!(!with("tagged:1"));
}

#[test]
fn the_reason_names_mounts_and_lines() {
    let reason = |lab: Lab| lab.recipe().shadowed.unwrap().to_string();
    assert_eq!(
        reason(lab(DEV, MOUNT)),
        "the bind mount at `/app` hides what line 5 copies there"
    );
    let two =
        "volumes: [{type: bind, source: /a, target: /a}, {type: bind, source: /b, target: /b}]";
    assert_eq!(
        reason(lab("FROM base\nCOPY src /a\nCOPY web /b\n", two)),
        "the bind mount at `/a` hides what line 2 copies there, the bind mount at `/b` hides what line 3 copies there"
    );
}
