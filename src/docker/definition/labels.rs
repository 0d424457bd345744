//! The labels on what larder makes: the user's first, then docker compose's and larder's own over them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::sharing::Sharing;
use crate::model::{Condition, Digest, Project, Service, labels, shares_label};
use crate::plan::ports_label;
use crate::runtime::ContainerSpec;

/// The labels of a container.
pub(super) fn of_container(
    spec: &ContainerSpec<'_>,
    service: &Service,
    sharing: &Sharing,
) -> HashMap<String, String> {
    let project = spec.project;
    let mut all = of(project, &service.labels, &spec.config);
    let mut set = |key: &str, value: String| {
        all.insert(key.to_owned(), value);
    };
    // What docker compose's `up` would label it with, so that it leaves it alone.
    let compose = spec
        .compose_hash
        .unwrap_or_else(|| service.container_hash(spec.shares));
    set(labels::CONFIG_HASH, compose.to_string());
    if let Some(mounted) = spec.mounted {
        set(labels::MOUNTED, mounted.to_string());
    }
    if let Some(images) = labels::image_mounts(spec.image_mounts) {
        set(labels::IMAGE_MOUNTS, images);
    }
    if let Some(ports) = ports_label(&service.ports) {
        set(labels::PORTS, ports);
    }
    if let Some(shares) = shares_label(&sharing.shares) {
        set(labels::SHARES, shares);
    }
    set(labels::SERVICE, spec.service.to_owned());
    set(labels::NUMBER, spec.number.to_string());
    set(labels::ONE_OFF, "False".to_owned());
    set(labels::IMAGE, spec.image.to_string());
    set(labels::DEPENDS_ON, depends_on(service));
    set(labels::WORKING_DIR, text(&project.working_dir));
    set(labels::CONFIG_FILES, joined(&project.files));
    if !project.env_files.is_empty() {
        set(labels::ENVIRONMENT_FILE, joined(&project.env_files));
    }
    if let Some(one_off) = &service.one_off {
        set(labels::ONE_OFF, "True".to_owned());
        set(labels::SLUG, one_off.slug.clone());
        all.remove(labels::NUMBER);
    }
    all.extend(labels::of_build(
        spec.fingerprint,
        spec.dependencies,
        spec.shadowed,
    ));
    all
}

/// The labels of a network or a volume: `kind` is the label that holds its key, `compose` docker compose's own hash of it.
pub(super) fn of_shared(
    project: &Project,
    own: &BTreeMap<String, String>,
    (config, compose): (&Digest, &Digest),
    (kind, key): (&str, &str),
) -> HashMap<String, String> {
    let mut all = of(project, own, config);
    all.insert(kind.to_owned(), key.to_owned());
    all.insert(labels::CONFIG_HASH.to_owned(), compose.to_string());
    all
}

fn of(
    project: &Project,
    own: &BTreeMap<String, String>,
    config: &Digest,
) -> HashMap<String, String> {
    let mut all: HashMap<String, String> = own.clone().into_iter().collect();
    all.insert(labels::PROJECT.to_owned(), project.name.clone());
    all.insert(
        labels::VERSION.to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    );
    all.insert(labels::CONFIG.to_owned(), config.to_string());
    all
}

fn depends_on(service: &Service) -> String {
    let entries: Vec<String> = service
        .depends_on
        .iter()
        .map(|(name, dependency)| {
            let condition = match dependency.condition {
                Condition::Started => "service_started",
                Condition::Healthy => "service_healthy",
                Condition::Completed => "service_completed_successfully",
            };
            format!("{name}:{condition}:{}", dependency.restart)
        })
        .collect();
    entries.join(",")
}

fn joined(paths: &[std::path::PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| text(path)).collect();
    paths.join(",")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageId;

    #[test]
    fn the_labels_of_an_image_do_not_show_through() {
        let service = Service::default();
        let spec = ContainerSpec {
            project: &Project::default(),
            service: "app",
            number: 1,
            name: "p-app-1",
            image: &ImageId("sha256:abc".to_owned()),
            fingerprint: None,
            dependencies: None,
            shadowed: None,
            config: Digest::of(b"c"),
            compose_hash: None,
            mounted: None,
            inherits: &BTreeMap::new(),
            image_mounts: &[],
            shares: &BTreeMap::new(),
        };
        let all = of_container(&spec, &service, &Sharing::default());
        for label in [labels::FINGERPRINT, labels::DEPENDENCIES, labels::SHADOWED] {
            assert_eq!(all.get(label).map(String::as_str), Some(""), "{label}");
        }
    }
}
