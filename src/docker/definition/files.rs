//! Configs and secrets: a file of the host is bound read-only, a text is put into the container before it
//! starts (docker/compose `pkg/compose/secrets.go`).

use std::collections::BTreeMap;

use bollard::models::Mount as EngineMount;

use super::api_socket;
use super::mounts::file_bind;
use crate::model::{FileObject, FileReference, Project, Service};

/// The binds of those that are files.
pub(super) fn binds(project: &Project, service: &Service) -> Vec<EngineMount> {
    references(project, service)
        .filter_map(|(target, _, object)| Some(file_bind(object.file.as_ref()?, target)))
        .collect()
}

/// An archive of those that are texts, and of the credentials that the service asks for, to be unpacked at the container's
/// root; `None` when there are none.
pub(super) fn archive(
    project: &Project,
    service: &Service,
    credentials: Option<&str>,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut entries = 0;
    if let Some(content) = credentials {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        header.set_uid(0);
        header.set_gid(0);
        let path = api_socket::config();
        let path = path.trim_start_matches('/');
        archive.append_data(&mut header, path, content.as_bytes())?;
        entries += 1;
    }
    for (target, reference, object) in references(project, service) {
        let Some(content) = object.text().filter(|_| !object.is_empty_variable()) else {
            continue;
        };
        let number = |text: &Option<String>| text.as_ref().and_then(|id| id.parse().ok());
        let mode = reference
            .mode
            .as_ref()
            .and_then(|mode| u32::from_str_radix(mode.trim_start_matches("0o"), 8).ok());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode.unwrap_or(0o444));
        header.set_uid(number(&reference.uid).unwrap_or(0));
        header.set_gid(number(&reference.gid).unwrap_or(0));
        let path = target.trim_start_matches('/');
        archive.append_data(&mut header, path, content.as_bytes())?;
        entries += 1;
    }
    if entries == 0 {
        return Ok(None);
    }
    archive.into_inner().map(Some)
}

/// Every config and secret of a service: its path in the container, the reference, and what it refers to.
fn references<'a>(
    project: &'a Project,
    service: &'a Service,
) -> impl Iterator<Item = (String, &'a FileReference, &'a FileObject)> {
    type Objects = BTreeMap<String, FileObject>;
    let of = |references: &'a [FileReference], objects: &'a Objects, base: &'static str| {
        references.iter().filter_map(move |reference| {
            let target = match reference.target.as_deref() {
                None | Some("") => format!("{base}{}", reference.source),
                Some(absolute) if absolute.starts_with('/') => absolute.to_owned(),
                Some(relative) => format!("{base}{relative}"),
            };
            Some((target, reference, objects.get(&reference.source)?))
        })
    };
    of(&service.configs, &project.configs, "/").chain(of(
        &service.secrets,
        &project.secrets,
        "/run/secrets/",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn texts_are_archived_and_files_are_bound() {
        let text = FileObject {
            content: Some("hello".to_owned()),
            ..FileObject::default()
        };
        let file = FileObject {
            file: Some("/host/key".to_owned()),
            ..FileObject::default()
        };
        let variable = |value: &str| FileObject {
            environment: Some("TOKEN".to_owned()),
            value: Some(value.to_owned()),
            ..FileObject::default()
        };
        let reference = |source: &str, target: Option<&str>| FileReference {
            source: source.to_owned(),
            target: target.map(ToOwned::to_owned),
            ..FileReference::default()
        };
        let project = Project {
            configs: BTreeMap::from([("motd".to_owned(), text)]),
            secrets: BTreeMap::from([
                ("key".to_owned(), file),
                ("token".to_owned(), variable("t0k")),
                ("none".to_owned(), variable("")),
            ]),
            ..Project::default()
        };
        let service = Service {
            configs: vec![reference("motd", Some("/etc/motd"))],
            secrets: vec![
                reference("key", None),
                reference("key", Some("deep/key")),
                FileReference {
                    uid: Some("103".to_owned()),
                    gid: Some("104".to_owned()),
                    mode: Some("0440".to_owned()),
                    ..reference("token", None)
                },
                reference("none", None),
            ],
            ..Service::default()
        };
        let targets: Vec<_> = binds(&project, &service)
            .into_iter()
            .filter_map(|bind| bind.target)
            .collect();
        assert_eq!(targets, ["/run/secrets/key", "/run/secrets/deep/key"]);

        let bytes = archive(&project, &service, Some("{}")).unwrap().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let shown = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            let path = entry.path().unwrap().display().to_string();
            format!("{path} {:o} {owner:?} {content}", header.mode().unwrap())
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "run/secrets/docker/config.json 444 (0, 0) {}",
                "etc/motd 444 (0, 0) hello",
                "run/secrets/token 440 (103, 104) t0k"
            ]
        );
    }
}
