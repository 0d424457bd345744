//! A build section as BuildKit's Dockerfile frontend takes it (moby/buildkit `frontend/dockerfile/builder`,
//! `frontend/dockerui/config.go`; written as docker/buildx `build/opt.go` writes it). Pure; must not know how a build
//! is started.

use std::collections::HashMap;

use super::files::DOCKERFILE;
use crate::build::parts::{build_args, image_labels};
use crate::fingerprint::Recipe;
use crate::model::{Build, Bytes, Ulimit};
use crate::runtime::{BuildPart, BuildRequest};

/// The frontend's attributes for a build.
pub(super) fn attributes(request: &BuildRequest<'_>) -> HashMap<String, String> {
    let Recipe {
        build, platform, ..
    } = request.recipe;
    let target = match &request.part {
        BuildPart::Target { .. } => build.target.clone(),
        // The stage that is wanted is the last one of the text.
        BuildPart::Dependencies { .. } => None,
    };
    let network = build.network.clone().filter(|mode| mode != "default");
    let hosts = join(hosts(build));
    let ulimits = join(build.ulimits.iter().map(ulimit));
    let size = build.shm_size.map(|Bytes(size)| size.to_string());
    let single = [
        ("filename", Some(DOCKERFILE.to_owned())),
        // All bases are on the engine. With containerd's image store BuildKit would ask their registries first.
        ("image-resolve-mode", Some("local".to_owned())),
        ("target", target),
        ("platform", platform.clone()),
        ("force-network-mode", network),
        ("add-hosts", hosts),
        ("ulimit", ulimits),
        ("shm-size", size),
        ("no-cache", build.no_cache.then(String::new)),
    ];
    let single = single
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let arguments = build_args(build).map(|(name, value)| (format!("build-arg:{name}"), value));
    let labels = image_labels(request).into_iter();
    let labels = labels.map(|(name, value)| (format!("label:{name}"), value));
    single.chain(arguments).chain(labels).collect()
}

/// What a build must be allowed, beyond what every build may do.
pub(super) fn entitlements(build: &Build) -> Vec<String> {
    let host = build.network.as_deref() == Some("host");
    host.then(|| "network.host".to_owned())
        .into_iter()
        .collect()
}

/// `host=address`, in the order of the file.
fn hosts(build: &Build) -> impl Iterator<Item = String> {
    build.extra_hosts.iter().flat_map(|(host, addresses)| {
        let line = move |address: &String| format!("{host}={}", address.trim_matches(['[', ']']));
        addresses.iter().map(line)
    })
}

fn ulimit((name, limit): (&String, &Ulimit)) -> String {
    format!("{name}={}:{}", limit.soft(), limit.hard())
}

fn join(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// An attribute that the BuildKit of an engine takes from this API version on, and drops before.
pub(super) fn needs_newer(build: &Build) -> Option<&'static str> {
    let set = [
        ("shm_size", build.shm_size.is_some()),
        ("ulimits", !build.ulimits.is_empty()),
    ];
    set.into_iter().find_map(|(name, set)| set.then_some(name))
}

/// The first attribute of a build section that is not carried out.
pub(super) fn unsupported(build: &Build) -> Option<String> {
    let network = build.network.as_deref();
    let network = network.is_none_or(|mode| matches!(mode, "default" | "none" | "host"));
    let mut addresses = build.extra_hosts.values().flatten();
    let fixed = [
        ("network", !network),
        // Only the engine knows which address that is.
        (
            "extra_hosts: host-gateway",
            addresses.any(|own| own == "host-gateway"),
        ),
    ];
    let other = build.other.iter().find(|(key, value)| {
        let carried_out = match key.as_str() {
            // Bases are pulled before anybody builds.
            "pull" => true,
            "isolation" => *value == "default",
            key => key.starts_with("x-") || is_unused(key),
        };
        !carried_out
    });
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| other.map(|(key, _)| key.clone()))
}

/// Attributes that say where a builder keeps its cache, or what it notes about itself: not one of them changes
/// the image's file system or configuration.
fn is_unused(key: &str) -> bool {
    matches!(key, "cache_from" | "cache_to" | "provenance" | "sbom")
}

/// The attributes that are there and change nothing.
pub(super) fn unused(build: &Build) -> impl Iterator<Item = &String> {
    build.other.keys().filter(|key| is_unused(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::recipe;
    use crate::model::Project;
    use crate::plan::BuilderKind;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn of(build: Build, part: BuildPart<'_>) -> BTreeMap<String, String> {
        let mut recipe = recipe(Path::new("/nonexistent-is-empty"), "FROM a\n", &[]);
        recipe.build = build;
        let request = BuildRequest {
            project: &Project::default(),
            recipe: &recipe,
            part,
            builder: BuilderKind::Docker,
            name: String::new(),
            labels: BTreeMap::from([("larder".to_owned(), "1".to_owned())]),
        };
        attributes(&request).into_iter().collect()
    }

    fn build(text: &str) -> Build {
        serde_yaml::from_str(text).unwrap()
    }

    fn pairs(all: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        let pairs = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.collect()
    }

    #[test]
    fn every_attribute_has_its_name() {
        let text = "context: .\ntarget: web\nargs: {A: '1', B: null}\nlabels: {l: v}\nnetwork: host\n\
                    extra_hosts: ['a=1.1.1.1', 'a=::1', 'b=2.2.2.2']\nshm_size: '1024'\n\
                    ulimits: {nofile: {soft: 1, hard: 2}}\nno_cache: true\n";
        let none = BTreeMap::new();
        let build = build(text);
        assert_eq!(entitlements(&build), ["network.host"]);
        assert_eq!(
            pairs(&of(build, BuildPart::Target { on: &none })),
            [
                ("add-hosts", "a=1.1.1.1,a=::1,b=2.2.2.2"),
                ("build-arg:A", "1"),
                ("filename", "Dockerfile"),
                ("force-network-mode", "host"),
                ("image-resolve-mode", "local"),
                ("label:l", "v"),
                ("label:larder", "1"),
                ("no-cache", ""),
                ("shm-size", "1024"),
                ("target", "web"),
                ("ulimit", "nofile=1:2"),
            ]
        );
    }

    #[test]
    fn a_dependency_image_has_no_target_and_no_labels_of_the_service() {
        let build = build("context: .\ntarget: web\nlabels: {l: v}\n");
        assert_eq!(
            pairs(&of(build, BuildPart::Dependencies { stage: 0 })),
            [
                ("filename", "Dockerfile"),
                ("image-resolve-mode", "local"),
                ("label:larder", "1")
            ]
        );
    }

    #[test]
    fn what_is_not_carried_out_is_named() {
        let refusal = |text: &str| unsupported(&build(text));
        assert_eq!(refusal("context: ."), None);
        assert_eq!(
            refusal("context: .\ncache_from: [a]\npull: true\nx-own: 1"),
            None
        );
        assert_eq!(refusal("context: .\nnetwork: none"), None);
        assert_eq!(refusal("context: .\nisolation: default"), None);
        let isolated = refusal("context: .\nisolation: hyperv");
        assert_eq!(isolated.unwrap(), "isolation");
        let gateway = "context: .\nextra_hosts: ['a=host-gateway']";
        assert!(refusal(gateway).unwrap().starts_with("extra_hosts"));
        assert_eq!(refusal("context: .\nnetwork: own").unwrap(), "network");
        let allowed = "context: .\nentitlements: [network.host]";
        assert_eq!(refusal(allowed).unwrap(), "entitlements");
    }
}
