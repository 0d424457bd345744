//! Builds on a real engine: what `resume` gives is what the whole Dockerfile gives, failures name their place,
//! and what was not fingerprinted is never built. Every image made here is removed again.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use larder::build::{BuildKit, Builders, Dagger, DaggerSource, available};
use larder::fingerprint::{Base, Recipe};
use larder::model::{Build, Digest, FileObject, FileReference, ImageId, Project, labels};
use larder::plan::{BuilderKind, StepId};
use larder::runtime::{BuildError, BuildPart, BuildRequest, Builder, Event, EventSink, Progress};

#[allow(dead_code, reason = "it is that of other tests, too")]
#[path = "cli/registry.rs"]
mod registry;

#[path = "engine/recipe.rs"]
mod recipe;

#[path = "engine/dagger.rs"]
mod stand_in;

use recipe::recipe;
use stand_in::{Answer, StandIn};

/// What a build reported.
#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    fn doing(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let doing = events.iter().filter_map(|event| match event {
            Event::Progress { doing, .. } => Some(doing.clone()),
            _ => None,
        });
        doing.collect()
    }

    fn notes(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let notes = events.iter().filter_map(|event| match event {
            Event::Note { text } => Some(text.clone()),
            _ => None,
        });
        notes.collect()
    }

    fn output(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let output = events.iter().filter_map(|event| match event {
            Event::Output { line, .. } => Some(line.clone()),
            _ => None,
        });
        output.collect()
    }
}

/// A folder with a Dockerfile's context, and the images that were made from it.
struct Lab {
    folder: tempfile::TempDir,
    events: Arc<Events>,
    names: Mutex<Vec<String>>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("src/empty")).unwrap();
        // New each time: nothing that reads it is in a builder's cache.
        std::fs::write(root.join("need.txt"), root.to_str().unwrap()).unwrap();
        std::fs::write(root.join("src/main"), "#!/bin/sh\necho main\n").unwrap();
        run("chmod", &["755", root.join("src/main").to_str().unwrap()]);
        std::os::unix::fs::symlink("./main", root.join("src/link")).unwrap();
        Self {
            folder,
            events: Arc::default(),
            names: Mutex::default(),
        }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// An image that a registry has, too: Dagger takes no other. Where the engine pulled `python:3.11-slim` it is
    /// that one, else one made from it and pushed to a registry on this machine.
    async fn base_in_a_registry(&self) -> String {
        let pulled = run(
            "docker",
            &[
                "image",
                "inspect",
                "-f",
                "{{.RepoDigests}}",
                "python:3.11-slim",
            ],
        );
        if pulled.contains('@') {
            return "python:3.11-slim".to_owned();
        }
        let registry = "127.0.0.1:5000";
        let own = Digest::of(self.root().as_os_str().as_encoded_bytes()).short();
        let name = format!("{registry}/larder-test/base:{own}");
        let recipe = self.recipe("FROM python:3.11-slim\nLABEL base=test\n", &[]);
        let none = BTreeMap::new();
        let part = BuildPart::Target { on: &none };
        self.build(&buildkit().await, &recipe, part, name.clone())
            .await
            .unwrap();
        run("docker", &["push", "-q", &name]);
        name
    }

    /// The recipe that the fingerprint room makes, with those of its cuts that lie behind the given number of
    /// instructions of a stage.
    fn recipe(&self, text: &str, cuts: &[(usize, usize)]) -> Recipe {
        let mut recipe = self.own_recipe(text);
        recipe
            .cuts
            .retain(|cut| cuts.contains(&(cut.stage, cut.instructions)));
        assert_eq!(recipe.cuts.len(), cuts.len());
        recipe
    }

    /// The recipe that the fingerprint room makes, with its own cuts.
    fn own_recipe(&self, text: &str) -> Recipe {
        let build = Build {
            context: self.root().to_str().unwrap().to_owned(),
            dockerfile_inline: Some(text.to_owned()),
            ..Build::default()
        };
        recipe("sample", build, |image| base(&image.image.familiar()))
    }

    async fn build(
        &self,
        builder: &impl Builder,
        recipe: &Recipe,
        part: BuildPart<'_>,
        name: String,
    ) -> Result<ImageId, BuildError> {
        let project = Project::default();
        self.build_in(&project, builder, recipe, part, name).await
    }

    async fn build_in(
        &self,
        project: &Project,
        builder: &impl Builder,
        recipe: &Recipe,
        part: BuildPart<'_>,
        name: String,
    ) -> Result<ImageId, BuildError> {
        self.names.lock().unwrap().push(name.clone());
        let label = match part {
            BuildPart::Dependencies { .. } => labels::DEPENDENCIES,
            BuildPart::Target { .. } => labels::FINGERPRINT,
        };
        let request = BuildRequest {
            project,
            recipe,
            part,
            // Only `Builders` looks at it.
            builder: BuilderKind::Dagger,
            name,
            labels: BTreeMap::from([(label.to_owned(), "test".to_owned())]),
        };
        let sink: Arc<dyn EventSink> = Arc::clone(&self.events) as _;
        builder
            .build(&request, &Progress::new(StepId(0), sink))
            .await
    }

    async fn whole(&self, builder: &impl Builder, recipe: &Recipe) -> Result<ImageId, BuildError> {
        let name = format!("localhost/larder-test/whole:{}", recipe.full);
        let none = BTreeMap::new();
        self.build(builder, recipe, BuildPart::Target { on: &none }, name)
            .await
    }

    /// The dependency images of all cuts by `slow`, and the rest on them by the engine's BuildKit.
    async fn resumed(&self, slow: &impl Builder, recipe: &Recipe) -> ImageId {
        for cut in &recipe.cuts {
            let part = BuildPart::Dependencies { stage: cut.stage };
            let name = labels::dependencies_name(&cut.key);
            self.build(slow, recipe, part, name).await.unwrap();
        }
        let on = on(recipe);
        let name = format!("localhost/larder-test/resumed:{}", recipe.full);
        let part = BuildPart::Target { on: &on };
        self.build(&buildkit().await, recipe, part, name)
            .await
            .unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in self.names.lock().unwrap().iter().rev() {
            let _ = Command::new("docker").args(["rmi", "-f", name]).output();
        }
    }
}

async fn buildkit() -> BuildKit {
    let environment = std::env::vars().collect();
    let engine = larder::docker::Docker::connect(&environment).await.unwrap();
    let memory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("buildkit");
    BuildKit::new(
        engine.client().clone(),
        Arc::new(engine.access()),
        Some(memory),
    )
}

/// An image as the engine knows it.
fn base(name: &str) -> Base {
    let text = run("docker", &["image", "inspect", name]);
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let repository = format!("{}@", name.rsplit_once(':').map_or(name, |(name, _)| name));
    let digests = all[0]["RepoDigests"].as_array().unwrap().iter();
    let digests = digests.filter_map(|digest| digest.as_str()?.strip_prefix(&repository));
    let id = all[0]["Id"].as_str().unwrap();
    Base {
        identity: digests.min().unwrap_or(id).to_owned(),
        onbuild: Vec::new(),
        env: serde_json::from_value(all[0]["Config"]["Env"].clone()).unwrap_or_default(),
        working_dir: String::new(),
        volumes: Vec::new(),
    }
}

/// The dependency images of all cuts of a recipe.
fn on(recipe: &Recipe) -> BTreeMap<usize, Digest> {
    let cuts = recipe.cuts.iter();
    cuts.map(|cut| (cut.stage, cut.key)).collect()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An image's configuration, larder's own labels aside.
fn configuration(image: &ImageId) -> serde_json::Value {
    let text = run("docker", &["image", "inspect", &image.0]);
    let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let image = &mut all[0];
    let mut config = image["Config"].take();
    if let Some(labels) = config["Labels"].as_object_mut() {
        labels.retain(|name, _| !name.starts_with("dev.larder."));
        if labels.is_empty() {
            config["Labels"].take();
        }
    }
    // What only the container of a classic build had.
    for key in ["Image", "Hostname"] {
        config.as_object_mut().unwrap().remove(key);
    }
    serde_json::json!([config, image["Os"], image["Architecture"], image["Author"]])
}

/// Everything in an image's file system: type, mode, owner, size, link, and the digest of the content.
fn files(image: &ImageId) -> BTreeMap<String, String> {
    let container = run("docker", &["create", &image.0, "nothing"]);
    let archive = Command::new("docker")
        .args(["export", container.trim()])
        .output()
        .unwrap()
        .stdout;
    run("docker", &["rm", container.trim()]);
    let mut archive = tar::Archive::new(archive.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        let header = entry.header();
        let link = entry
            .link_name_bytes()
            .map(|link| String::from_utf8_lossy(&link).into_owned());
        let what = format!(
            "{:?} {:o} {}:{} {:?} {} {}",
            header.entry_type(),
            header.mode().unwrap() & 0o7777,
            header.uid().unwrap(),
            header.gid().unwrap(),
            link,
            content.len(),
            Digest::of(&content).short(),
        );
        (
            String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            what,
        )
    });
    entries.collect()
}

fn assert_same(one: &ImageId, other: &ImageId) {
    assert_same_but(one, other, &[]);
}

/// That two images are the same, but for what lies below some folders.
fn assert_same_but(one: &ImageId, other: &ImageId, but: &[&str]) {
    assert_eq!(configuration(one), configuration(other));
    let (one, other) = (files(one), files(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ: Vec<_> = names
        .into_iter()
        .filter(|name| !but.iter().any(|folder| name.starts_with(folder)))
        .filter(|name| one.get(*name) != other.get(*name))
        .map(|name| format!("{name}: {:?} {:?}", one.get(name), other.get(name)))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// A bit of everything that an image carries from one instruction to the next.
const RICH: &str = r#"ARG VERSION=7
FROM python:3.11-slim AS tools
ARG PREFIX=/opt
SHELL ["/bin/bash", "-c"]
RUN mkdir -p $PREFIX && [[ -n $BASH_VERSION ]] && echo tool > $PREFIX/tool
COPY need.txt $PREFIX/
ONBUILD RUN touch /triggered

FROM python:3.11-slim AS base
ARG VERSION
ARG GREETING="hello $VERSION"
ENV MODE=fast PATH=/app/bin:$PATH
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN useradd -m -u 1234 worker && install -d -o worker /app
WORKDIR /app
USER worker
VOLUME /data
HEALTHCHECK --interval=3s CMD true
LABEL team=core
STOPSIGNAL SIGINT
CMD ["serve"]
COPY --chown=worker need.txt .
RUN sort need.txt > installed
COPY --from=0 /opt/tool tool
COPY src ./src
RUN [[ -n $BASH_VERSION ]] && echo "$GREETING $MODE $(id -un) $PWD" > said
ENTRYPOINT ["/app/src/main"]

FROM base
RUN echo "child $GREETING" > child
COPY --from=tools /opt/need.txt /app/need-too
EXPOSE 80
"#;

#[tokio::test]
async fn a_resumed_image_is_the_whole_image() {
    let lab = Lab::new();
    // Stage 0 is cut in front of its ONBUILD, stage 1 behind the RUN that installs.
    let recipe = lab.recipe(RICH, &[(0, 3), (1, 14)]);
    let whole = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let resumed = lab.resumed(&buildkit().await, &recipe).await;
    assert_ne!(whole, resumed);
    assert_same(&whole, &resumed);
    let found = files(&resumed);
    assert!(
        found["app/src/main"].contains(" 755 0:0 "),
        "{}",
        found["app/src/main"]
    );
    assert!(found["app/need.txt"].contains(" 1234:1234 "));
    assert!(found["app/src/link"].contains("./main"));
    assert!(!found.contains_key("triggered"));
    let doing = lab.events.doing();
    assert!(
        doing
            .iter()
            .any(|doing| doing.starts_with("RUN sort need.txt")),
        "{doing:?}"
    );
}

#[tokio::test]
async fn a_variable_set_over_an_argument_keeps_its_value() {
    let lab = Lab::new();
    let text = "FROM debian:bookworm-slim AS base\nARG X=arg\nENV X=env\nARG V=1\nENV V=${V}-suffix\n\
        ENV MODE=prod\nARG MODE=dev Q='a \"b\" \\ $c'\nARG \"AA\"=1\nENV AA=2\nFROM base\nCOPY need.txt /\n\
        RUN sort need.txt\nCOPY src /src\nRUN echo \"$X $V $MODE $Q $AA\" > /out\n\
        COPY src/main /copied-$V\nENV FINAL=$X\n";
    let recipe = lab.own_recipe(text);
    assert_eq!(recipe.cuts.len(), 1);
    let whole = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let resumed = lab.resumed(&buildkit().await, &recipe).await;
    assert_same(&whole, &resumed);
    let files = files(&resumed);
    assert!(files["out"].ends_with(&Digest::of(b"env 1-suffix prod a \"b\" \\ $c 2\n").short()));
    assert!(files.contains_key("copied-1-suffix"));
}

#[tokio::test]
async fn a_command_set_before_the_cut_survives_an_entrypoint_behind_it() {
    let lab = Lab::new();
    let text =
        "FROM debian:bookworm-slim\nCMD [\"a\"]\nRUN true\nCOPY src /src\nENTRYPOINT [\"/e\"]\n";
    let recipe = lab.recipe(text, &[(0, 2)]);
    let whole = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let resumed = lab.resumed(&buildkit().await, &recipe).await;
    assert_eq!(configuration(&whole)[0]["Cmd"], serde_json::json!(["a"]));
    assert_same(&whole, &resumed);
}

#[tokio::test]
async fn an_edited_file_is_built_on_the_dependency_image_of_before() {
    let lab = Lab::new();
    let text = "FROM python:3.11-slim\nWORKDIR /app\nCOPY need.txt .\nRUN sort need.txt > installed\n\
        COPY src ./src\nCMD [\"src/main\"]\n";
    let before = lab.own_recipe(text);
    lab.resumed(&buildkit().await, &before).await;
    std::fs::write(lab.root().join("src/main"), "#!/bin/sh\necho edited\n").unwrap();
    let after = lab.own_recipe(text);
    assert_eq!((before.cuts.len(), &before.cuts), (1, &after.cuts));
    assert_ne!(before.full, after.full);
    let name = format!("localhost/larder-test/resumed:{}", after.full);
    let on = on(&after);
    let part = BuildPart::Target { on: &on };
    let resumed = lab
        .build(&buildkit().await, &after, part, name)
        .await
        .unwrap();
    let whole = lab.whole(&buildkit().await, &after).await.unwrap();
    assert_same(&whole, &resumed);
}

#[tokio::test]
async fn arguments_targets_and_labels_of_the_build_section_count() {
    let lab = Lab::new();
    let text =
        "FROM debian:bookworm-slim AS one\nARG A=default\nRUN echo $A > /a\nFROM scratch AS two\n";
    let mut recipe = lab.recipe(text, &[]);
    recipe.build.target = Some("one".to_owned());
    recipe
        .build
        .args
        .insert("A".to_owned(), Some("given".to_owned()));
    recipe
        .build
        .labels
        .insert("team".to_owned(), "core".to_owned());
    let image = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let given = Digest::of(b"given\n").short();
    assert!(files(&image)["a"].ends_with(&given));
    assert_eq!(configuration(&image)[0]["Labels"]["team"], "core");
}

#[tokio::test]
async fn a_failed_instruction_comes_with_its_line_and_its_last_words() {
    let lab = Lab::new();
    let text = "FROM debian:bookworm-slim AS slim\nRUN true\n\n# the rest\nCOPY src /src\n\
        RUN seq 30 \\\n  && printf 'no newline' && exit 3\n";
    let recipe = lab.recipe(text, &[(0, 1)]);
    for whole in [true, false] {
        let error = if whole {
            lab.whole(&buildkit().await, &recipe).await.unwrap_err()
        } else {
            let dependencies = BuildPart::Dependencies { stage: 0 };
            let name = labels::dependencies_name(&recipe.cuts[0].key);
            lab.build(&buildkit().await, &recipe, dependencies, name)
                .await
                .unwrap();
            let on = on(&recipe);
            let name = "localhost/larder-test/fails:never".to_owned();
            let part = BuildPart::Target { on: &on };
            lab.build(&buildkit().await, &recipe, part, name)
                .await
                .unwrap_err()
        };
        let BuildError::Instruction {
            line,
            instruction,
            output,
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(*line, Some(6), "{error:?}");
        assert!(instruction.as_ref().unwrap().starts_with("RUN seq 30"));
        assert_eq!(output.len(), 20);
        assert_eq!(output.last().unwrap(), "no newline");
        assert!(lab.events.output().contains(&"12".to_owned()));
    }
}

#[tokio::test]
async fn a_failed_trigger_comes_with_the_line_of_its_from() {
    let lab = Lab::new();
    let text = "FROM debian:bookworm-slim AS a\nONBUILD RUN true\nONBUILD RUN exit 3\n\nFROM a\nRUN true\n";
    let recipe = lab.own_recipe(text);
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    let BuildError::Instruction {
        line, instruction, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*line, Some(5), "{error:?}");
    assert!(instruction.as_ref().unwrap().starts_with("ONBUILD RUN"));
}

#[tokio::test]
async fn a_dockerfile_that_does_not_parse_comes_with_its_line() {
    let lab = Lab::new();
    let recipe = lab.recipe("FROM debian:bookworm-slim\n\nNONSENSE here\n", &[]);
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    assert!(
        matches!(error, BuildError::Instruction { line: Some(3), .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_file_that_moved_is_not_built() {
    let lab = Lab::new();
    let recipe = lab.recipe("FROM scratch\nCOPY src /src\n", &[]);
    std::fs::write(lab.root().join("src/main"), "#!/bin/sh\necho MAIN\n").unwrap();
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::InputMoved { path, .. } if path == "src/main"),
        "{error:?}"
    );
    let name = format!("localhost/larder-test/whole:{}", recipe.full);
    let found = run("docker", &["images", "-q", &name]);
    assert!(found.is_empty());
}

/// Overwrites a file; its time of modification stays.
fn overwrite(file: &Path, content: &str) {
    let modified = file.metadata().unwrap().modified().unwrap();
    std::fs::write(file, content).unwrap();
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(modified).unwrap();
}

#[tokio::test]
async fn buildkit_is_sent_what_it_does_not_have_and_is_never_taken_by_its_trust_in_times() {
    let lab = Lab::new();
    let buildkit = buildkit().await;
    let text = "FROM debian:bookworm-slim\nCOPY . /app/\n";
    let (edited, other) = (lab.root().join("need.txt"), lab.root().join("src/main"));
    let content = |image: &ImageId, name: &str| files(image)[&format!("app/{name}")].clone();
    let first = lab.whole(&buildkit, &lab.recipe(text, &[])).await.unwrap();

    // Were the other file sent again, it would be seen to have moved.
    std::fs::write(&edited, "edited").unwrap();
    let recipe = lab.recipe(text, &[]);
    overwrite(&other, "#!/bin/sh\necho niam\n");
    let second = lab.whole(&buildkit, &recipe).await.unwrap();
    assert!(content(&second, "need.txt").ends_with(&Digest::of(b"edited").short()));
    assert_eq!(content(&second, "src/main"), content(&first, "src/main"));

    // Of the same size and time: BuildKit by itself takes it for the one that it has.
    overwrite(&edited, "detide");
    let third = lab.whole(&buildkit, &lab.recipe(text, &[])).await.unwrap();
    assert!(content(&third, "need.txt").ends_with(&Digest::of(b"detide").short()));
    let main = Digest::of(b"#!/bin/sh\necho niam\n").short();
    assert!(content(&third, "src/main").ends_with(&main));

    // A folder's mode alone, which BuildKit by itself overlooks.
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(lab.root().join("src"), closed).unwrap();
    let fourth = lab.whole(&buildkit, &lab.recipe(text, &[])).await.unwrap();
    let (open, closed) = (content(&third, "src/"), content(&fourth, "src/"));
    assert_eq!(open.replacen("755", "700", 1), closed);
}

#[tokio::test]
async fn a_base_that_moved_gives_no_name() {
    let lab = Lab::new();
    let recipe = lab.recipe("FROM debian:bookworm-slim\nLABEL a=b\n", &[]);
    lab.whole(&buildkit().await, &recipe).await.unwrap();
    let mut moved = lab.recipe("FROM debian:bookworm-slim\nLABEL a=c\n", &[]);
    moved.bases[0].1.identity = "sha256:0000".to_owned();
    let error = lab.whole(&buildkit().await, &moved).await.unwrap_err();
    assert!(matches!(error, BuildError::BaseMoved { .. }), "{error:?}");
    let name = format!("localhost/larder-test/whole:{}", moved.full);
    assert!(run("docker", &["images", "-q", &name]).is_empty());
}

#[tokio::test]
async fn what_was_keyed_is_built_though_the_name_moved() {
    let registry = registry::Registry::start();
    registry.push("base:1", "one");
    registry.push("base:2", "two");
    let names = ["base:1", "base:2"].map(|name| registry.name(name));
    for name in &names {
        run("docker", &["pull", "-q", name]);
    }
    let lab = Lab::new();
    let text = format!(
        "FROM {0}\nCOPY --from={0} /what /copied\nCOPY need.txt /\n",
        names[0]
    );
    let recipe = lab.recipe(&text, &[]);
    run("docker", &["tag", &names[1], &names[0]]);
    let built = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let env = run("docker", &["inspect", "-f", "{{.Config.Env}}", &built.0]);
    assert!(env.contains("WHAT=one "), "{env}");
    run("docker", &["rmi", &names[0]]);
    let other = lab.recipe(&text.replace(&names[0], &names[1]), &[]);
    assert_ne!(other.full, recipe.full);
}

/// BuildKit would look for such an image at its registry, where it goes by a digest and with containerd's image store always.
#[tokio::test]
async fn what_no_registry_has_is_built_as_it_was_keyed() {
    let lab = Lab::new();
    // Nobody listens there.
    let name = format!("127.0.0.1:9/larder-test/alone:{}", std::process::id());
    let text = "FROM busybox:stable\nENV WHAT=own\nCOPY need.txt /\n";
    let none = BTreeMap::new();
    let part = BuildPart::Target { on: &none };
    let own = lab.recipe(text, &[]);
    let built = lab.build(&buildkit().await, &own, part, name.clone()).await;
    let alone = labels::base_name(&built.unwrap().0).familiar();
    lab.names.lock().unwrap().push(alone);

    let text = format!("FROM {name}\nCOPY --from={name} /need.txt /copied\n");
    let whole = async |recipe: &Recipe| {
        let built = lab.whole(&buildkit().await, recipe).await.unwrap();
        run("docker", &["inspect", "-f", "{{.Config.Env}}", &built.0])
    };
    let recipe = lab.recipe(&text, &[]);
    assert!(whole(&recipe).await.contains("WHAT=own"));
    let recipe = lab.recipe(&text.replace("/copied", "/more"), &[]);
    run("docker", &["tag", "debian:bookworm-slim", &name]);
    assert!(whole(&recipe).await.contains("WHAT=own"));
    let other = lab.recipe(&text.replace("/copied", "/more"), &[]);
    assert_ne!(other.full, recipe.full);
}

/// A trigger's text is in its image: nothing pins what it names, so its name must mean what was keyed.
#[tokio::test]
async fn what_a_trigger_names_is_built_only_as_it_was_keyed() {
    let registry = registry::Registry::start();
    for name in ["base:1", "base:2"] {
        registry.push(name, name);
        run("docker", &["pull", "-q", &registry.name(name)]);
    }
    let lab = Lab::new();
    let (base, other) = (registry.name("base:1"), registry.name("base:2"));
    let text = format!("FROM {base} AS a\nONBUILD COPY --from={base} /what /copied\nFROM a\n");
    let recipe = lab.recipe(&text, &[]);
    run("docker", &["tag", &other, &base]);
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    assert!(matches!(error, BuildError::BaseBeside { .. }), "{error:?}");
}

/// `COPY . .` has nothing of larder's in it, whole or resumed: the image is the one that `docker build` makes.
#[tokio::test]
async fn a_copied_context_is_the_one_that_docker_build_copies() {
    let lab = Lab::new();
    let text =
        "FROM debian:bookworm-slim\nCOPY need.txt /\nRUN sort need.txt > /sorted\nCOPY . /app/\n";
    std::fs::create_dir_all(lab.root().join("src-old/a")).unwrap();
    std::fs::write(lab.root().join("src.txt"), "beside the folder src").unwrap();
    std::fs::write(lab.root().join("src-old/a/big"), vec![b'x'; 700_000]).unwrap();
    std::fs::write(lab.root().join(".dockerignore"), "*.log\n").unwrap();
    std::fs::write(lab.root().join("left.log"), "out").unwrap();
    let recipe = lab.own_recipe(text);
    assert_eq!(recipe.cuts.len(), 1);
    let whole = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let resumed = lab.resumed(&buildkit().await, &recipe).await;
    assert_same(&whole, &resumed);
    let name = format!("localhost/larder-test/by-docker:{}", recipe.full);
    lab.names.lock().unwrap().push(name.clone());
    let dockerfile = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(dockerfile.path(), text).unwrap();
    let by_docker = Command::new("docker")
        .env("DOCKER_BUILDKIT", "1")
        .args(["build", "-q", "-t", &name, "-f"])
        .args([dockerfile.path(), lab.root()])
        .output()
        .unwrap();
    assert!(by_docker.status.success(), "{by_docker:?}");
    let by_docker = ImageId(
        String::from_utf8(by_docker.stdout)
            .unwrap()
            .trim()
            .to_owned(),
    );
    assert_same(&whole, &by_docker);
}

/// Names are bytes. BuildKit 0.8 (engine 20.10) takes them so, that of engine 28 takes UTF-8 only.
#[tokio::test]
async fn a_name_that_is_not_utf8_arrives_or_is_told() {
    let lab = Lab::new();
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"src/\xff odd");
    std::fs::write(lab.root().join(odd), "odd").unwrap();
    let recipe = lab.own_recipe("FROM scratch\nCOPY src /src\nCMD [\"none\"]\n");
    match lab.whole(&buildkit().await, &recipe).await {
        Ok(image) => assert!(files(&image).keys().any(|name| name.contains("odd"))),
        Err(BuildError::Context { source, .. }) => {
            let text = source.to_string();
            assert!(text.contains("src/\u{fffd} odd"), "{text}");
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn secrets_hosts_and_networks_of_the_build_section_reach_it() {
    let lab = Lab::new();
    let text = "FROM debian:bookworm-slim\nRUN --mount=type=secret,id=token --mount=type=secret,id=word \\\n  \
        cp /run/secrets/token /token && cp /run/secrets/word /word && cp /etc/hosts /hosts\n";
    let mut recipe = lab.recipe(text, &[]);
    let secret = |source: &str, target: Option<&str>| FileReference {
        source: source.to_owned(),
        target: target.map(ToOwned::to_owned),
        ..FileReference::default()
    };
    recipe.build.secrets = vec![secret("kept", Some("token")), secret("word", None)];
    let addresses = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    let hosts = [
        ("one", addresses(&["10.1.1.1", "10.1.1.2"])),
        ("two", addresses(&["10.2.2.2"])),
    ];
    recipe.build.extra_hosts = hosts.map(|(host, all)| (host.to_owned(), all)).into();
    recipe.build.network = Some("host".to_owned());
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), b"\xff\x00secret").unwrap();
    let mut project = Project::default();
    let from_file = FileObject {
        file: Some(outside.path().display().to_string()),
        ..FileObject::default()
    };
    let from_text = FileObject {
        content: Some("hello".to_owned()),
        ..FileObject::default()
    };
    project.secrets.insert("kept".to_owned(), from_file);
    project.secrets.insert("word".to_owned(), from_text);
    let none = BTreeMap::new();
    let part = BuildPart::Target { on: &none };
    let name = format!("localhost/larder-test/whole:{}", recipe.full);
    let image = lab
        .build_in(&project, &buildkit().await, &recipe, part, name)
        .await
        .unwrap();
    let files = files(&image);
    assert!(files["token"].ends_with(&Digest::of(b"\xff\x00secret").short()));
    assert!(files["word"].ends_with(&Digest::of(b"hello").short()));
    let hosts = run("docker", &["run", "--rm", &image.0, "cat", "/hosts"]);
    for line in ["10.1.1.1\tone", "10.1.1.2\tone", "10.2.2.2\ttwo"] {
        assert!(hosts.contains(line), "{hosts}");
    }
}

#[tokio::test]
async fn what_the_engine_has_no_input_for_is_refused_by_name() {
    let lab = Lab::new();
    let mut recipe = lab.recipe("FROM scratch\nLABEL a=b\n", &[]);
    recipe.build.ssh.push("default".to_owned());
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    assert!(matches!(&error, BuildError::NoAgent { id, .. } if id == "default"));
    let other = &mut recipe.build.other;
    other.insert("privileged".to_owned(), serde_json::json!(true));
    let error = lab.whole(&buildkit().await, &recipe).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::Unsupported { attribute, .. } if attribute == "privileged")
    );
}

/// Dagger by a session of a stand-in.
fn dagger_by(source: DaggerSource) -> Dagger {
    let docker = Docker::connect_with_defaults().unwrap();
    Dagger::new(source, Duration::from_secs(10), docker)
}

fn layers(image: &str) -> Vec<String> {
    let layers = run(
        "docker",
        &["inspect", "-f", "{{json .RootFS.Layers}}", image],
    );
    serde_json::from_str(&layers).unwrap()
}

#[tokio::test]
async fn of_what_dagger_built_only_what_the_engine_lacks_is_moved() {
    let registry = registry::Registry::start();
    registry.push("base:1", "one");
    let base = registry.name("base:1");
    run("docker", &["pull", "-q", &base]);
    let lab = Lab::new();
    let session = StandIn::with_image(&layers(&base), |_, _| Answer::Fine);
    let dagger = dagger_by(session.open());
    let recipe = lab.recipe(&format!("FROM {base}\nCOPY need.txt /\n"), &[]);
    let image = lab.whole(&dagger, &recipe).await.unwrap();
    assert_eq!(*session.there.lock().unwrap(), layers(&base));
    assert!(files(&image)["made"].ends_with(&Digest::of(b"here").short()));
    assert_eq!(configuration(&image)[0]["Env"][0], "MADE=here");
    assert_eq!(session.asked("export").len(), 0);
    run("docker", &["rmi", "-f", &base]);
}

#[tokio::test]
async fn a_dagger_engine_that_cannot_push_to_larder_gives_an_archive() {
    let lab = Lab::new();
    let session = StandIn::with_image(&[], |kind, _| match kind {
        "publish" => Answer::Fault("Unknown argument \"registryService\" on field \"publish\""),
        _ => Answer::Fine,
    });
    let dagger = dagger_by(session.open());
    for text in ["FROM scratch\nLABEL a=b\n", "FROM scratch\nLABEL a=c\n"] {
        let image = lab.whole(&dagger, &lab.recipe(text, &[])).await.unwrap();
        assert!(files(&image).contains_key("made"));
    }
    // It is asked once.
    assert_eq!(
        (
            session.asked("publish").len(),
            session.asked("export").len()
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn a_session_that_is_lost_is_opened_anew_once() {
    let lab = Lab::new();
    let recipe = lab.recipe("FROM scratch\nLABEL a=b\n", &[]);
    let session = StandIn::with_image(&[], |kind, before| match (kind, before) {
        ("sync", 0) => Answer::Broken,
        _ => Answer::Fine,
    });
    let dagger = dagger_by(session.command(9));
    lab.whole(&dagger, &recipe).await.unwrap();
    assert_eq!((session.opened(), session.asked("sync").len()), (2, 2));
    let notes = lab.events.notes();
    assert!(
        notes[0].contains("the Dagger session was lost"),
        "{notes:?}"
    );

    let lost = |_: &str, _| Answer::Broken;
    let ending = |_: &str, _| Answer::Fault("session \"x\" not found");
    for (answers, again) in [
        (StandIn::with_image(&[], lost), 9),
        (StandIn::with_image(&[], ending), 1),
    ] {
        let dagger = dagger_by(answers.command(again));
        let error = lab.whole(&dagger, &recipe).await.unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { .. }), "{error:?}");
        assert_eq!(answers.opened(), 2);
    }
    // The next service does not wait for what is gone, and is built by the engine.
    let session = StandIn::with_image(&[], lost);
    let builders = Builders::new(buildkit().await, Some(dagger_by(session.command(1))), false);
    for name in ["c", "d"] {
        let recipe = lab.recipe(&format!("FROM scratch\nLABEL a={name}\n"), &[]);
        lab.whole(&builders, &recipe).await.unwrap();
    }
    assert_eq!(session.opened(), 2);
    let notes = lab.events.notes();
    assert!(
        notes
            .last()
            .unwrap()
            .contains("the engine's BuildKit builds"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn a_build_that_fails_is_not_begun_anew() {
    let lab = Lab::new();
    let session = StandIn::with_image(&[], |_, _| Answer::Fault("lstat /none: no such file"));
    let recipe = lab.recipe("FROM scratch\nLABEL a=b\n", &[]);
    let dagger = dagger_by(session.command(9));
    let error = lab.whole(&dagger, &recipe).await.unwrap_err();
    assert!(matches!(error, BuildError::Instruction { .. }), "{error:?}");
    assert_eq!(session.opened(), 1);
}

/// Dagger, which must answer: these tests are run by `make test-dagger`.
async fn dagger() -> Dagger {
    let docker = Docker::connect_with_defaults().unwrap();
    let source = available(|name: &str| std::env::var(name).ok()).unwrap();
    let dagger = Dagger::new(source, Duration::from_secs(10), docker);
    dagger.open().await.unwrap();
    dagger
}

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn dagger_builds_what_buildkit_builds() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let base = lab.base_in_a_registry().await;
    let text = RICH
        .replace("python:3.11-slim", &base)
        .replace("--chown=worker ", "")
        .replace(
            "useradd -m -u 1234 worker && install -d -o worker /app",
            "mkdir /app",
        )
        .replace("USER worker\n", "USER root\n");
    let recipe = lab.recipe(&text, &[(0, 3), (1, 14)]);
    let by_buildkit = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let by_dagger = lab.whole(&dagger, &recipe).await.unwrap();
    // A Dagger engine with CA certificates of its own puts them into what it runs, and lets
    // `update-ca-certificates` take them out again (`engineutil/cacerts`).
    let certificates = ["etc/ssl/certs/"];
    assert_same_but(&by_buildkit, &by_dagger, &certificates);
    let resumed = lab.resumed(&dagger, &recipe).await;
    assert_same_but(&by_buildkit, &resumed, &certificates);
}

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn a_copied_context_has_nothing_of_larder_in_it_by_dagger_either() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let base = lab.base_in_a_registry().await;
    std::fs::write(lab.root().join("a.dockerignore"), "kept").unwrap();
    let recipe = lab.recipe(&format!("FROM {base}\nCOPY . /app/\n"), &[]);
    let by_buildkit = lab.whole(&buildkit().await, &recipe).await.unwrap();
    let by_dagger = lab.whole(&dagger, &recipe).await.unwrap();
    let below = |image: &ImageId| -> Vec<_> {
        let files = files(image).into_iter();
        files.filter(|(name, _)| name.starts_with("app/")).collect()
    };
    assert_eq!(below(&by_buildkit), below(&by_dagger));
    assert_eq!(below(&by_dagger).len(), 7, "{:?}", below(&by_dagger));
}

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn what_dagger_does_differently_is_refused_by_name() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let recipe = lab.recipe("FROM scratch\nCOPY --chown=7 src /src\n", &[]);
    let error = lab.whole(&dagger, &recipe).await.unwrap_err();
    let BuildError::Unsupported { attribute, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(attribute, "COPY --chown=7");
    let builders = Builders::new(buildkit().await, Some(dagger), false);
    let image = lab.whole(&builders, &recipe).await.unwrap();
    assert!(files(&image)["src/main"].contains(" 7:"));
    // A folder that is there already keeps its owner.
    let text = "FROM debian:bookworm-slim\nRUN install -d -o 7 /src\nCOPY src /src\nUSER 7\nRUN touch /src/written\n";
    let image = lab.whole(&builders, &lab.recipe(text, &[])).await.unwrap();
    assert!(files(&image)["src/"].contains(" 7:"));
}

/// An SSH agent of the test's own, without keys.
struct Agent(std::process::Child, std::path::PathBuf);

impl Agent {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("agent.sock");
        let mut agent = Command::new("ssh-agent");
        agent.args(["-D", "-a"]).arg(&socket);
        let agent = agent.stdout(std::process::Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(agent, socket)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the agent for its keys in its own words, as no image here has `ssh-add`: a list of none comes back.
const ASKS: &str = "import os,socket\ns=socket.socket(socket.AF_UNIX)\ns.connect(os.environ['SSH_AUTH_SOCK'])\n\
    s.sendall(bytes([0,0,0,1,11]))\nopen('/said','w').write(s.recv(99).hex())\n";

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn an_agent_and_secrets_of_the_build_section_reach_dagger() {
    let lab = Lab::new();
    let outside = tempfile::tempdir().unwrap();
    let agent = Agent::start(outside.path());
    let dagger = dagger().await.with_agent(Some(agent.1.clone()));
    let base = lab.base_in_a_registry().await;
    std::fs::write(lab.root().join("asks.py"), ASKS).unwrap();
    let text = format!(
        "FROM {base}\nCOPY asks.py /\nRUN --mount=type=ssh python3 /asks.py\n\
         RUN --mount=type=secret,id=token cp /run/secrets/token /token && echo "
    );
    // Two builds at once, with secrets of one name. What a secret says is no part of any builder's cache.
    let build = async |content: &str| {
        let mut recipe = lab.recipe(&format!("{text}{content}\n"), &[]);
        recipe.build.ssh.push("default".to_owned());
        let secret = FileReference {
            source: "token".to_owned(),
            ..FileReference::default()
        };
        recipe.build.secrets = vec![secret];
        let mut project = Project::default();
        let token = FileObject {
            content: Some(content.to_owned()),
            ..FileObject::default()
        };
        project.secrets.insert("token".to_owned(), token);
        let none = BTreeMap::new();
        let part = BuildPart::Target { on: &none };
        let name = format!("localhost/larder-test/whole:{}", recipe.full);
        let image = lab.build_in(&project, &dagger, &recipe, part, name).await;
        let image = image.unwrap();
        let found = files(&image);
        assert!(found["token"].ends_with(&Digest::of(content.as_bytes()).short()));
        assert!(found["said"].ends_with(&Digest::of(b"000000050c00000000").short()));
    };
    tokio::join!(build("one"), build("two"));
}

/// Files that are put into folders of all kinds, and commands that see what was set before them.
const PLAIN: &str = "ENV A=1\nRUN mkdir -p /real /shut/deep && ln -s /real /link && ln -s nowhere /dangling && \\\n  \
    chown 7:8 /shut && chmod 700 /shut && echo old > /real/need.txt && chown 7:8 /real/need.txt\n\
    COPY need.txt src/main /link/\nWORKDIR /app/deep\nCOPY need.txt .\nCOPY need.txt src/main /shut/\n\
    ENV B=\"two words\" PATH=/own:$PATH\nUSER 7:8\nRUN (id; pwd; env | grep -E '^(A|B|PATH|HOME|PWD|USER|SHELL|LANG)=' | sort; cat need.txt) \\\n  \
    > /tmp/said; \\\n  # a comment\n  echo 'a  b \\t c' \"$B\" >> /tmp/said\nUSER root\nLABEL x=y\nWORKDIR more\n\
    CMD [\"a\"]\nHEALTHCHECK CMD true\nRUN --mount=type=tmpfs,target=/tmp true\n";

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn dependencies_in_single_steps_are_those_that_buildkit_builds() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let base = lab.base_in_a_registry().await;
    // The second text is left to `dockerBuild`.
    let plain = PLAIN.replace("RUN --mount=type=tmpfs,target=/tmp true", "RUN true");
    for text in [plain.as_str(), PLAIN] {
        let text = format!("FROM {base}\n{text}");
        let count = lab.own_recipe(&text).dockerfile.stages[0]
            .instructions
            .len();
        let mut recipe = lab.own_recipe(&text);
        recipe.cuts[0].instructions = count;
        let part = BuildPart::Dependencies { stage: 0 };
        let build = async |builder: BuilderKind| {
            let name = format!("localhost/larder-test/{builder}:{}", recipe.cuts[0].key);
            let part = part.clone();
            match builder {
                BuilderKind::Dagger => lab.build(&dagger, &recipe, part, name).await,
                BuilderKind::Docker => lab.build(&buildkit().await, &recipe, part, name).await,
            }
        };
        let (one, other) = (
            build(BuilderKind::Docker).await,
            build(BuilderKind::Dagger).await,
        );
        assert_same_but(&one.unwrap(), &other.unwrap(), &["etc/ssl/certs/"]);
    }
    let doing = lab.events.doing();
    assert!(
        doing.iter().any(|own| own.starts_with("RUN (id; pwd")),
        "{doing:?}"
    );
    let text =
        format!("FROM {base}\nCOPY need.txt .\n\nRUN echo last words && exit 3\nCOPY src .\n");
    let recipe = lab.recipe(&text, &[(0, 2)]);
    let part = BuildPart::Dependencies { stage: 0 };
    let name = "localhost/larder-test/fails:never".to_owned();
    let error = lab.build(&dagger, &recipe, part, name).await.unwrap_err();
    let BuildError::Instruction { line, output, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (*line, &output[..]),
        (Some(4), &["last words".to_owned()][..]),
        "{error:?}"
    );
}

/// Each sleeps for as long as both together may take.
#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn builds_of_one_session_go_on_side_by_side() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let base = lab.base_in_a_registry().await;
    let build = async |name: &str| {
        let text = format!(
            "FROM {base}\nRUN date +%s%N >/{name}; sleep 4; date +%s%N >>/{name}; cat /{name}\n"
        );
        let image = lab.whole(&dagger, &lab.recipe(&text, &[])).await.unwrap();
        let times = run(
            "docker",
            &["run", "--rm", &image.0, "cat", &format!("/{name}")],
        );
        let times: Vec<u64> = times.lines().map(|line| line.parse().unwrap()).collect();
        (times[0], times[1])
    };
    let (one, other) = tokio::join!(build("one"), build("two"));
    assert!(one.0 < other.1 && other.0 < one.1, "{one:?} {other:?}");
}

#[tokio::test]
#[ignore = "needs a Dagger engine: make test-dagger"]
async fn an_instruction_that_fails_in_dagger_comes_with_its_line_and_its_last_words() {
    let dagger = dagger().await;
    let lab = Lab::new();
    let base = lab.base_in_a_registry().await;
    let text = format!("FROM {base}\n\nRUN seq 30 \\\n  && echo oh >&2 && exit 3\n");
    let recipe = lab.recipe(&text, &[]);
    let error = lab.whole(&dagger, &recipe).await.unwrap_err();
    let BuildError::Instruction { line, output, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*line, Some(3), "{error:?}");
    assert!(
        output.contains(&"30".to_owned()) && output.contains(&"oh".to_owned()),
        "{error:?}"
    );
    // What is not understood is refused where it names an image: Dagger would take what a registry has under that name now.
    let recipe = lab.recipe(&format!("FROM {base}\n\nNONSENSE here\n"), &[]);
    let error = lab.whole(&dagger, &recipe).await.unwrap_err();
    let BuildError::Unsupported { attribute, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(attribute.contains("line 3"), "{error:?}");
    let recipe = lab.recipe("FROM scratch\n\nNONSENSE here\n", &[]);
    let error = lab.whole(&dagger, &recipe).await.unwrap_err();
    assert!(
        matches!(error, BuildError::Instruction { line: Some(3), .. }),
        "{error:?}"
    );
}
