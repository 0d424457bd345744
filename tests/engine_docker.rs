//! The docker room on the engine of this machine. Each test has a project of its own and takes away all it
//! made. Without an engine, or without `redis:7-alpine` on it, they fail.

mod engine {
    pub(crate) mod proxy;
    pub(crate) mod stack;
}

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use engine::proxy::Proxy;
use engine::stack::{Stack, service};
use futures_util::{StreamExt, TryStreamExt};
use larder::docker::{ExecOptions, LogOptions, LogStream};
use larder::fingerprint::{BaseRef, Platform};
use larder::model::{
    Attachment, Bytes, FileObject, FileReference, Healthcheck, ImageId, Mount, Network, Port,
    Service, Span, Volume, labels,
};
use larder::plan::{Health, State};
use larder::runtime::{Engine, EngineError, HappeningKind};

#[tokio::test]
async fn a_service_lives_and_dies_and_docker_compose_sees_it() {
    let mut stack = Stack::new("life").await;
    stack
        .project
        .networks
        .insert("default".into(), Network::default());
    stack
        .project
        .networks
        .insert("back".into(), Network::default());
    stack
        .project
        .volumes
        .insert("data".into(), Volume::default());
    let back = Box::new(Attachment {
        aliases: vec!["cache".into()],
        ..Attachment::default()
    });
    stack.add(
        "redis",
        Service {
            networks: BTreeMap::from([("default".into(), None), ("back".into(), Some(back))]),
            volumes: vec![Mount {
                source: Some("data".into()),
                target: "/data".into(),
                ..Mount::default()
            }],
            healthcheck: Some(Healthcheck {
                test: Some(vec!["CMD".into(), "redis-cli".into(), "ping".into()]),
                interval: Some(Span(200_000_000)),
                ..Healthcheck::default()
            }),
            mem_limit: Some(Bytes(64 << 20)),
            stop_grace_period: Some(Span(3_000_000_000)),
            ..service(&[])
        },
    );
    stack.prepare().await;
    let engine = &stack.engine;
    let mut events = Box::pin(engine.watch(&stack.project.name));
    let id = stack.create("redis").await;
    engine.start(&id).await.unwrap();
    engine.start(&id).await.expect("a second start is fine");

    // It is up, and the engine's own probe says so in time.
    let mut seen = Vec::new();
    while seen.last() != Some(&HappeningKind::Healthy) {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next());
        let event = event.await.expect("healthy in time").unwrap();
        assert_eq!(event.container, id);
        seen.push(event.kind);
    }
    assert_eq!(seen[0], HappeningKind::Started);
    let condition = engine.inspect(&id).await.unwrap();
    assert!(condition.running);
    assert_eq!(condition.health, Some(Health::Healthy));
    let check = condition.healthcheck.unwrap();
    assert_eq!(check.interval, Some(Span(200_000_000)));

    let ping = |argument: &str| vec!["sh".to_owned(), "-c".to_owned(), argument.to_owned()];
    assert_eq!(engine.probe(&id, &ping("redis-cli ping")).await.unwrap(), 0);
    assert_eq!(engine.probe(&id, &ping("exit 7")).await.unwrap(), 7);
    // The alias is known on the second network, attached behind the create call where the engine is old.
    let alias = ping("redis-cli -h cache ping");
    assert_eq!(engine.probe(&id, &alias).await.unwrap(), 0);

    let name = stack.project.container_name("redis", 1);
    let observed = engine.observe(&stack.project.name).await.unwrap();
    let [container] = observed.containers.as_slice() else {
        panic!("{:?}", observed.containers);
    };
    assert_eq!((&container.id, &container.name), (&id, &name));
    assert_eq!(container.image_name, "redis:7-alpine");
    assert_eq!(container.image, stack.image);
    assert_eq!(container.state, State::Running(Health::Healthy));
    assert_eq!(
        container.volumes["/data"],
        stack.project.volume_name("data")
    );
    assert_eq!(container.networks.len(), 2);
    assert!(observed.image_named("redis:7-alpine").is_some());
    let network = stack.project.network_name("back");
    let network = observed
        .networks
        .iter()
        .find(|n| n.name == network)
        .unwrap();
    assert_eq!(network.labels[labels::NETWORK], "back");

    let listed = Command::new("docker")
        .args(["compose", "-p", &stack.project.name, "ps", "-q"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), id);

    engine.stop(&id, None).await.unwrap();
    engine.stop(&id, None).await.expect("a second stop is fine");
    assert!(!engine.inspect(&id).await.unwrap().running);
    let died = events.next().await.unwrap();
    assert_eq!(died.kind, HappeningKind::Died);
    engine.remove(&id, false).await.unwrap();
    engine.remove(&id, false).await.expect("gone is fine");
    engine
        .remove_volume(&stack.project.volume_name("data"))
        .await
        .unwrap();
    engine.remove_network(&network.id).await.unwrap();
    engine
        .remove_network(&network.id)
        .await
        .expect("gone is fine");
}

#[tokio::test]
async fn output_comes_in_lines_and_without_control_characters() {
    let mut stack = Stack::new("logs").await;
    let script = "echo one; echo two >&2; printf '\\033[31mthree\\033[0m\\007'";
    stack.add("app", service(&["sh", "-c", script]));
    let id = stack.create("app").await;
    stack.engine.start(&id).await.unwrap();
    stack.ended(&id).await;
    let mut lines: Vec<_> = stack
        .engine
        .logs(&id, &LogOptions::default())
        .try_collect()
        .await
        .unwrap();
    lines.sort_by(|a, b| a.text.cmp(&b.text));
    assert_eq!(lines.len(), 3);
    let two = lines.iter().find(|line| line.text == "two").unwrap();
    assert_eq!(two.stream, LogStream::Stderr);
    let last = stack.engine.last_lines(&id, 10).await.unwrap();
    assert!(last.contains(&"three".to_owned()), "{last:?}");
    assert_eq!(stack.engine.last_lines(&id, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn followed_output_ends_with_the_container() {
    let mut stack = Stack::new("follow").await;
    stack.add("app", service(&["sh", "-c", "echo a; sleep 0.3; echo b"]));
    let id = stack.create("app").await;
    stack.engine.start(&id).await.unwrap();
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let read = stack.engine.logs(&id, &follow).try_collect::<Vec<_>>();
    let lines = tokio::time::timeout(Duration::from_secs(10), read).await;
    let texts: Vec<_> = lines
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|l| l.text)
        .collect();
    assert_eq!(texts, ["a", "b"]);
}

#[tokio::test]
async fn a_busy_port_is_told_in_the_engines_words_with_a_hint() {
    let holder = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let mut stack = Stack::new("port").await;
    stack
        .project
        .networks
        .insert("default".into(), Network::default());
    stack.add(
        "app",
        Service {
            ports: vec![Port {
                target: 80,
                published: Some(port.clone()),
                protocol: "tcp".into(),
                ..Port::default()
            }],
            networks: BTreeMap::from([("default".into(), None)]),
            ..service(&["sleep", "60"])
        },
    );
    stack.prepare().await;
    let id = stack.create("app").await;
    let error = stack.engine.start(&id).await.unwrap_err();
    let name = stack.project.container_name("app", 1);
    assert_eq!(
        error.to_string(),
        format!("starting container `{name}` failed")
    );
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains(&port), "{words}");
    assert!(error.hints()[0].contains("`ports`"), "{:?}", error.hints());
}

#[tokio::test]
async fn configs_and_secrets_are_in_the_container_before_it_starts() {
    let mut stack = Stack::new("files").await;
    let text = FileObject {
        content: Some("from a text".into()),
        ..FileObject::default()
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "from a file").unwrap();
    let file = FileObject {
        file: Some(folder.path().join("key").display().to_string()),
        ..FileObject::default()
    };
    stack.project.configs.insert("motd".into(), text);
    stack.project.secrets.insert("key".into(), file);
    let reference = |source: &str| FileReference {
        source: source.into(),
        ..FileReference::default()
    };
    stack.add(
        "app",
        Service {
            configs: vec![reference("motd")],
            secrets: vec![reference("key")],
            user: Some("nobody".into()),
            ..service(&["sh", "-c", "cat /motd; echo; cat /run/secrets/key"])
        },
    );
    let id = stack.create("app").await;
    stack.engine.start(&id).await.unwrap();
    stack.ended(&id).await;
    let lines = stack.engine.last_lines(&id, 10).await.unwrap();
    assert_eq!(lines, ["from a text", "from a file"]);
}

#[tokio::test]
async fn a_container_that_cannot_be_finished_is_not_left_behind() {
    let mut stack = Stack::new("half").await;
    let text = FileObject {
        content: Some("no place for it".into()),
        ..FileObject::default()
    };
    stack.project.configs.insert("motd".into(), text);
    stack.add(
        "app",
        Service {
            configs: vec![FileReference {
                source: "motd".into(),
                ..FileReference::default()
            }],
            read_only: Some(true),
            ..service(&["true"])
        },
    );
    let error = stack.try_create("app").await.unwrap_err();
    assert!(error.to_string().contains("configs"), "{error:?}");
    let observed = stack.engine.observe(&stack.project.name).await.unwrap();
    assert_eq!(observed.containers.len(), 0);
}

#[tokio::test]
async fn a_moved_name_does_not_move_the_image() {
    let mut stack = Stack::new("moved").await;
    let name = format!("{}:1", stack.project.name);
    stack.engine.tag(&stack.image, &name).await.unwrap();
    stack.add(
        "app",
        Service {
            image: Some(name.clone()),
            ..service(&["true"])
        },
    );
    // What is wanted is another image than the name means by now.
    let observed = stack.engine.observe("none").await.unwrap();
    let wanted = observed
        .image_named("debian:bookworm-slim")
        .unwrap()
        .id
        .clone();
    stack.image = wanted.clone();
    stack.create("app").await;
    let observed = stack.engine.observe(&stack.project.name).await.unwrap();
    assert_eq!(observed.containers.len(), 1);
    assert_eq!(observed.containers[0].image, wanted);
    stack.engine.remove_image(&name).await.unwrap();
    stack
        .engine
        .remove_image(&name)
        .await
        .expect("gone is fine");
}

#[tokio::test]
async fn networks_and_volumes_are_made_once() {
    let mut stack = Stack::new("once").await;
    stack
        .project
        .networks
        .insert("n".into(), Network::default());
    stack.project.volumes.insert("v".into(), Volume::default());
    let made = |_| async {
        stack
            .engine
            .create_network(&stack.project, "n")
            .await
            .unwrap();
        stack
            .engine
            .create_volume(&stack.project, "v")
            .await
            .unwrap();
    };
    futures_util::future::join_all((0..8).map(made)).await;
    let observed = stack.engine.observe(&stack.project.name).await.unwrap();
    let name = stack.project.network_name("n");
    let networks = observed.networks.iter().filter(|n| n.name == name);
    assert_eq!(networks.count(), 1);
}

#[tokio::test]
async fn a_command_runs_with_an_exit_code() {
    let mut stack = Stack::new("exec").await;
    stack.add("app", service(&["sleep", "60"]));
    let id = stack.create("app").await;
    stack.engine.start(&id).await.unwrap();
    let run = |script: &str| ExecOptions {
        command: ["sh", "-c", script].map(ToOwned::to_owned).to_vec(),
        environment: vec!["CODE=5".into()],
        working_dir: Some("/tmp".into()),
        ..ExecOptions::default()
    };
    let script = r#"[ "$(pwd)" = /tmp ] && exit "$CODE""#;
    assert_eq!(stack.engine.exec(&id, run(script)).await.unwrap(), 5);
    let missing = ExecOptions {
        command: vec!["no-such-program".into()],
        ..ExecOptions::default()
    };
    // Below API 1.44 this is an exit code, from there on a refusal.
    match stack.engine.exec(&id, missing).await {
        Ok(code) => assert!(code == 126 || code == 127, "{code}"),
        Err(error) => assert!(matches!(error, EngineError::Refused { .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn a_short_grace_period_is_kept_and_a_paused_container_resumes() {
    let mut stack = Stack::new("grace").await;
    stack.add("app", service(&["sh", "-c", "trap '' TERM; sleep 60"]));
    let id = stack.create("app").await;
    stack.engine.start(&id).await.unwrap();
    Stack::docker(&["pause", &id]);
    let observed = stack.engine.observe(&stack.project.name).await.unwrap();
    assert_eq!(observed.containers[0].state, State::Paused);
    stack.engine.unpause(&id).await.unwrap();
    let start = Instant::now();
    stack
        .engine
        .stop(&id, Some(Duration::from_secs(1)))
        .await
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(8));
    assert_eq!(stack.engine.inspect(&id).await.unwrap().exit_code, 137);
    stack
        .engine
        .rename(&id, &format!("{}-else", stack.project.name))
        .await
        .unwrap();
    let error = stack.engine.rename(&id, "no name").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "renaming container `{}-else` to `no name` failed",
            stack.project.name
        )
    );
}

fn base_ref(image: &str, platform: Option<&str>) -> BaseRef {
    BaseRef {
        image: image.parse().expect("a name"),
        platform: platform.map(Platform::parse),
        locked: None,
    }
}

#[tokio::test]
async fn an_image_is_for_the_platform_that_it_says() {
    let stack = Stack::new("platform").await;
    let own = &stack.engine.facts().await.unwrap().platform;
    let all = stack.engine.platforms("redis:7-alpine").await.unwrap();
    assert_eq!(all, [Platform::parse(own)]);
    let fits = async |platform: Option<&str>| {
        let base = base_ref("redis:7-alpine", platform);
        stack.engine.base(&base).await.unwrap().unwrap().fits
    };
    assert!(fits(None).await && fits(Some(own)).await);
    assert!(!fits(Some("linux/s390x")).await);
}

#[tokio::test]
async fn images_are_looked_at_saved_and_loaded() {
    let stack = Stack::new("image").await;
    let none = base_ref("localhost/larder-test/none:1", None);
    assert_eq!(stack.engine.base(&none).await.unwrap(), None);
    let redis = base_ref("redis:7-alpine", None);
    let found = stack.engine.base(&redis).await.unwrap().unwrap();
    assert!(found.fits, "{found:?}");
    let base = found.base;
    assert!(base.identity.starts_with("sha256:"), "{}", base.identity);
    assert!(base.env.iter().any(|entry| entry.starts_with("PATH=")));

    let name = format!("localhost/{}:saved", stack.project.name);
    stack.engine.tag(&stack.image, &name).await.unwrap();
    let archive = stack.engine.client().export_image(&name);
    let archive = archive.map_err(std::io::Error::other);
    let id = stack.engine.load(archive).await.unwrap();
    assert_eq!(id, stack.image);
    stack.engine.remove_image(&name).await.unwrap();

    let broken = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"no archive"))]);
    let error = stack.engine.load(broken).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_pull_that_fails_keeps_the_engines_words() {
    let stack = Stack::new("pull").await;
    let (progress, _) = engine::stack::progress();
    // Nothing listens there.
    let error = stack
        .engine
        .pull("127.0.0.1:1/larder-test/none:1", None, false, &progress)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "pulling `127.0.0.1:1/larder-test/none:1` failed"
    );
    let words = std::error::Error::source(&error).unwrap().to_string();
    assert!(words.contains("refused"), "{words}");
}

#[tokio::test]
async fn the_engine_says_who_it_is() {
    let stack = Stack::new("facts").await;
    let facts = stack.engine.facts().await.unwrap().clone();
    assert!(facts.platform.starts_with("linux/"), "{facts:?}");
    assert!(
        !facts.id.is_empty() && !facts.version.is_empty(),
        "{facts:?}"
    );
    assert_eq!(facts.api, stack.engine.api().to_string());
    assert_ne!(stack.image, ImageId(String::new()));
}

#[tokio::test]
async fn a_cut_in_the_events_is_told_and_mended() {
    let mut stack = Stack::new("cut").await;
    let proxy = Proxy::start(stack.engine.address());
    let engine = proxy.engine().await;
    stack.add("app", service(&["sleep", "60"]));
    let id = stack.create("app").await;
    let mut events = Box::pin(engine.watch(&stack.project.name));
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(10), events.next());
        event.await.expect("an event in time").unwrap()
    };
    proxy.streams(1).await;
    stack.engine.start(&id).await.unwrap();
    assert_eq!(next().await.kind, HappeningKind::Started);
    proxy.cut();
    assert_eq!(next().await.kind, HappeningKind::Lost);
    // What happens while nobody listens is told afterwards.
    stack.engine.stop(&id, Some(Duration::ZERO)).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&HappeningKind::Died) {
        seen.push(next().await.kind);
    }
    assert_eq!(seen[0], HappeningKind::Lost);
}
