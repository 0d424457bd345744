//! Edits of the build section.
// One type for all edits: many of them find nothing to change.
#![allow(clippy::unnecessary_wraps)]

use serde_json::json;

use crate::example::Example;
use crate::features::{Feature, Features};
use crate::generator::some_target;
use crate::random::Random;

pub(crate) fn argument(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let declared: Vec<String> = {
        let dockerfile = &example.dockerfile;
        let all = dockerfile
            .stages
            .iter()
            .flat_map(|stage| &stage.body)
            .chain(&dockerfile.globals);
        let names = all
            .filter(|own| own.keyword == "ARG")
            .filter_map(|own| own.arguments.split(['=', ' ']).next());
        names
            .filter(|name| *name != "BASE")
            .map(str::to_owned)
            .collect()
    };
    let name = match random.any(&declared) {
        Some(name) if random.percent(75) => name.clone(),
        _ => (*random.pick(&[
            "A",
            "B",
            "C",
            "GLOBAL",
            "UNDECLARED",
            "HTTP_PROXY",
            "TARGETARCH",
        ]))
        .to_owned(),
    };
    let args = &mut example.section.args;
    if args.contains_key(&name) && random.percent(25) {
        args.remove(&name);
        return Some(format!("no build argument {name}"));
    }
    let value = if matches!(name.as_str(), "B" | "C") && random.percent(40) {
        "a".to_owned()
    } else {
        random.word()
    };
    args.insert(name.clone(), value.clone());
    Some(format!("build argument {name}={value}"))
}

pub(crate) fn label(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let name = *random.pick(&["of.section", "one", "of.base"]);
    let labels = &mut example.section.labels;
    if labels.contains_key(name) && random.percent(30) {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), random.word());
    }
    Some(format!("label {name}"))
}

pub(crate) fn target(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    let target = some_target(random, features, &example.dockerfile);
    example.section.target = target.filter(|_| random.percent(75));
    Some(format!("target {:?}", example.section.target))
}

/// The machine's own platform, written out or not.
pub(crate) fn platform(example: &mut Example, _: &mut Random, _: &Features) -> Option<String> {
    let own = larder::fingerprint::Platform::host().to_string();
    let platform = &mut example.section.platform;
    *platform = if platform.is_some() { None } else { Some(own) };
    Some(format!("platform {platform:?}"))
}

pub(crate) fn network(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let network = random.pick(&[None, Some("none"), Some("host")]);
    example.section.network = network.map(str::to_owned);
    Some(format!("network {:?}", example.section.network))
}

pub(crate) fn hosts(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let hosts = &mut example.section.hosts;
    if !hosts.is_empty() && random.percent(40) {
        hosts.clear();
    } else {
        hosts.insert(
            "some.host".to_owned(),
            format!("10.0.0.{}", random.below(200)),
        );
    }
    Some("hosts".to_owned())
}

/// Which secrets there are, not what they say: that is in no image that is made well.
pub(crate) fn secrets(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let id = *random.pick(&["s1", "s2"]);
    let secrets = &mut example.section.secrets;
    if secrets.remove(id).is_none() {
        secrets.insert(id.to_owned(), random.word());
    }
    Some(format!("secret {id}"))
}

pub(crate) fn limits(
    example: &mut Example,
    random: &mut Random,
    features: &Features,
) -> Option<String> {
    if !features.has(Feature::Limits) {
        return None;
    }
    if random.percent(50) {
        example.section.open_files = *random.pick(&[None, Some(1000), Some(2000)]);
    } else {
        example.section.shm_size = *random.pick(&[None, Some(8 << 20), Some(16 << 20)]);
    }
    Some("limits".to_owned())
}

pub(crate) fn contexts(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let extra = example.section.contexts.get_mut("extra")?;
    if random.percent(20) {
        let line = *random.pick(&["lib", "*.txt", "**/x", "new"]);
        extra.file(".dockerignore", format!("{line}\n"));
        return Some(format!("the additional context ignores {line}"));
    }
    let path = *random.pick(&["a.txt", "lib/c.py", "more/x", "new", ".hidden"]);
    let word = random.word();
    extra.file(path, word);
    Some(format!("{path} of the additional context"))
}

pub(crate) fn asides(example: &mut Example, random: &mut Random, _: &Features) -> Option<String> {
    let all = [
        ("cache_from", json!(["type=local,src=/absent"])),
        ("provenance", json!(false)),
        ("pull", json!(false)),
        ("x-note", json!("anything")),
        ("no_cache_filter", json!(["st0"])),
    ];
    let (name, value) = random.pick(&all);
    example
        .section
        .asides
        .insert((*name).to_owned(), value.clone());
    Some(format!("{name} in the build section"))
}
