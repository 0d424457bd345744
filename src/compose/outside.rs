//! The paths that a project names and that lie outside of its folder: what a stack that somebody else wrote would read,
//! mount or run of this machine. Looks at links, and at nothing in the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::{Build, MountKind, Project, Service, clean};

/// A path outside of the project's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// The path as it is named, absolute.
    pub path: PathBuf,
    /// Where it leads, when links lead it elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<PathBuf>,
    /// The attributes that name it: `services.web.volumes[0]`.
    pub named_by: Vec<String>,
}

/// The paths that these services name, and the project itself, in order. One that is written within the folder is among
/// them when a link leads it out.
pub fn outside(project: &Project, services: &BTreeSet<String>) -> Vec<Outside> {
    let mut names = Names::default();
    for named in project.named.iter() {
        let counts = named
            .service
            .as_ref()
            .is_none_or(|own| services.contains(own));
        if counts {
            names.add(&named.file, named.by.clone());
        }
    }
    for by in project
        .inherited
        .iter()
        .filter(|by| by.file != by.base_file)
    {
        names.add(&by.base_file, format!("services.{}.extends", by.service));
    }
    let own = |(name, _): &(&String, _)| services.contains(*name);
    for (name, service) in project.services.iter().filter(own) {
        names.service(project, &format!("services.{name}"), service);
    }
    names.resources(project, services);
    let folder = Folder::of(&project.working_dir);
    let all = names.0.into_iter();
    all.filter_map(|(path, named_by)| folder.leaves(path, named_by))
        .collect()
}

/// Paths, each with who names it.
#[derive(Default)]
struct Names(BTreeMap<PathBuf, Vec<String>>);

impl Names {
    fn add(&mut self, path: &Path, by: String) {
        let named = self.0.entry(path.to_owned()).or_default();
        // What is said once for each of many services that share it.
        if named.last() != Some(&by) {
            named.push(by);
        }
    }

    fn service(&mut self, project: &Project, own: &str, service: &Service) {
        if let Some(build) = &service.build {
            self.build(&format!("{own}.build"), build);
        }
        for (index, mount) in service.volumes.iter().enumerate() {
            if let (MountKind::Bind, Some(source)) = (mount.kind, &mount.source) {
                self.add(Path::new(source), format!("{own}.volumes[{index}]"));
            }
        }
        for profile in service.seccomp_profiles() {
            let path = project.working_dir.join(profile);
            self.add(&cleaned(&path), format!("{own}.security_opt"));
        }
        self.others(&project.working_dir, own, service);
    }

    fn others(&mut self, folder: &Path, own: &str, service: &Service) {
        for (index, device) in service.devices.iter().enumerate() {
            // `vendor.com/class=name` is no path.
            let path = device.source.as_deref();
            if let Some(path) = path.filter(|path| path.starts_with('/')) {
                self.add(Path::new(path), format!("{own}.devices[{index}]"));
            }
        }
        let spec = service.credential_spec.as_ref();
        if let Some(file) = spec.and_then(|spec| spec.file.as_ref()) {
            let path = cleaned(&folder.join(file));
            self.add(&path, format!("{own}.credential_spec.file"));
        }
        if service.use_api_socket == Some(true) {
            self.add(Path::new(SOCKET), format!("{own}.use_api_socket"));
        }
    }

    fn build(&mut self, own: &str, build: &Build) {
        let is_folder = |context: &str| context.starts_with('/');
        if is_folder(&build.context) {
            self.add(Path::new(&build.context), format!("{own}.context"));
            let name = build.dockerfile.as_deref().unwrap_or("Dockerfile");
            if let Some(path) = build.dockerfile_path(name).map(|path| cleaned(&path))
                && !path.starts_with(&build.context)
            {
                self.add(&path, format!("{own}.dockerfile"));
            }
        }
        for (name, context) in &build.additional_contexts {
            if is_folder(context) {
                let by = format!("{own}.additional_contexts.{name}");
                self.add(Path::new(context), by);
            }
        }
        for key in &build.ssh {
            if let Some((id, path)) = key.split_once('=') {
                self.add(Path::new(path), format!("{own}.ssh.{id}"));
            }
        }
    }

    fn resources(&mut self, project: &Project, services: &BTreeSet<String>) {
        let own = || {
            project
                .services
                .iter()
                .filter(|(name, _)| services.contains(*name))
        };
        let configs = own().flat_map(|(_, service)| &service.configs);
        let configs: BTreeSet<&String> = configs.map(|config| &config.source).collect();
        let built = own().filter_map(|(_, service)| service.build.as_ref());
        let secrets = own().flat_map(|(_, service)| &service.secrets);
        let secrets = secrets.chain(built.flat_map(|build| &build.secrets));
        let secrets: BTreeSet<&String> = secrets.map(|secret| &secret.source).collect();
        for (kind, used, objects) in [
            ("configs", configs, &project.configs),
            ("secrets", secrets, &project.secrets),
        ] {
            for (name, object) in objects.iter().filter(|(name, _)| used.contains(name)) {
                if let Some(file) = &object.file {
                    self.add(Path::new(file), format!("{kind}.{name}.file"));
                }
            }
        }
        let mounts = own().flat_map(|(_, service)| &service.volumes);
        let used: BTreeSet<&String> = mounts.filter_map(|mount| mount.source.as_ref()).collect();
        for (name, volume) in project
            .volumes
            .iter()
            .filter(|(name, _)| used.contains(name))
        {
            let device = volume.driver_opts.get("device");
            if let Some(device) = device.filter(|device| device.starts_with('/')) {
                self.add(
                    Path::new(device),
                    format!("volumes.{name}.driver_opts.device"),
                );
            }
        }
    }
}

/// What `use_api_socket` gives a container.
const SOCKET: &str = "/var/run/docker.sock";

fn cleaned(path: &Path) -> PathBuf {
    path.to_str()
        .map_or_else(|| path.to_owned(), |text| PathBuf::from(clean(text)))
}

/// The project's folder: by its name, and where that leads.
struct Folder<'a> {
    name: &'a Path,
    real: PathBuf,
}

impl<'a> Folder<'a> {
    fn of(name: &'a Path) -> Self {
        let real = real(name);
        Self { name, real }
    }

    fn leaves(&self, path: PathBuf, named_by: Vec<String>) -> Option<Outside> {
        let real = real(&path);
        if path.starts_with(self.name) && real.starts_with(&self.real) {
            return None;
        }
        // By another name it may be within.
        if real.starts_with(&self.real) {
            return None;
        }
        Some(Outside {
            leads_to: (real != path).then_some(real),
            path,
            named_by,
        })
    }
}

/// Where a path leads: the nearest of its folders that is there, with its links followed, and what follows.
fn real(path: &Path) -> PathBuf {
    let found = path
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, real)) = found else {
        return path.to_owned();
    };
    match path.strip_prefix(above) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{LoadOptions, load};
    use super::*;

    /// Of a project in `p/` of a new folder: what is outside, as `path [→ where] by`.
    fn listed(compose: &str, prepare: impl FnOnce(&Path), asked: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("p")).unwrap();
        fs::write(root.join("p/compose.yaml"), compose).unwrap();
        prepare(&root);
        let project = load(&LoadOptions {
            working_dir: root.join("p"),
            project_name: Some("p".to_owned()),
            ..LoadOptions::default()
        })
        .unwrap();
        let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let services = project.with_dependencies(&asked).unwrap();
        let shown = |path: &Path| {
            path.display()
                .to_string()
                .replace(root.to_str().unwrap(), "")
        };
        let line = |one: &Outside| {
            let leads = one.leads_to.as_deref();
            let leads = leads.map(|to| format!(" → {}", shown(to)));
            let by = one.named_by.join(", ");
            format!("{}{} {by}", shown(&one.path), leads.unwrap_or_default())
        };
        outside(&project, &services).iter().map(line).collect()
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn whoever_names_a_path_is_told() {
        let compose = "
include: [{path: ../shared/db.yaml, env_file: ../shared/db.env}, sub/own.yaml]
services:
  web:
    build:
      context: ../web
      dockerfile: ../docker/web
      additional_contexts: {lib: ../lib, own: ./lib, base: 'docker-image://x'}
      ssh: [key=../keys/id]
      secrets: [token]
    extends: {file: ../shared/base.yaml, service: base}
    env_file: [../e.env, own.env]
    label_file: ../l.labels
    volumes: [../data:/data, ./own:/own, named:/named, '/nowhere/zone:/etc/localtime:ro']
    devices: ['/dev/null:/dev/x', 'vendor.com/class=name']
    security_opt: ['seccomp=../profile.json', 'seccomp=unconfined']
    configs: [outer]
  other: {image: other, volumes: ['../data:/data']}
volumes:
  named: {driver: local, driver_opts: {type: none, o: bind, device: /srv/data}}
configs:
  outer: {file: ../c.conf}
secrets:
  token: {file: ../token}
  unused: {file: ../unused}
";
        let lines = listed(
            compose,
            |root| {
                write(&root.join("shared/db.yaml"), "services: {db: {image: db}}");
                write(&root.join("shared/db.env"), "");
                write(
                    &root.join("shared/base.yaml"),
                    "services: {base: {tty: true}}",
                );
                write(&root.join("p/sub/own.yaml"), "services: {}");
                write(&root.join("e.env"), "");
                write(&root.join("p/own.env"), "");
                write(&root.join("l.labels"), "");
            },
            &[],
        );
        assert_eq!(
            lines,
            [
                "/dev/null services.web.devices[0]",
                "/nowhere/zone services.web.volumes[3]",
                "/srv/data volumes.named.driver_opts.device",
                "/c.conf configs.outer.file",
                "/data services.other.volumes[0], services.web.volumes[0]",
                "/docker/web services.web.build.dockerfile",
                "/e.env services.web.env_file[0]",
                "/keys/id services.web.build.ssh.key",
                "/l.labels services.web.label_file[0]",
                "/lib services.web.build.additional_contexts.lib",
                "/profile.json services.web.security_opt",
                "/shared/base.yaml services.web.extends",
                "/shared/db.env include[0].env_file",
                "/shared/db.yaml include[0]",
                "/token secrets.token.file",
                "/web services.web.build.context",
            ]
        );
    }

    #[test]
    fn links_are_followed_both_ways() {
        let compose = "services: {a: {image: a, volumes: ['./out:/o', './in:/i', '../way/x:/w', './new/x:/n']}}";
        let lines = listed(
            compose,
            |root| {
                fs::create_dir_all(root.join("elsewhere")).unwrap();
                fs::create_dir_all(root.join("p/data")).unwrap();
                symlink(root.join("elsewhere"), root.join("p/out")).unwrap();
                symlink("data", root.join("p/in")).unwrap();
                symlink(root.join("p"), root.join("way")).unwrap();
            },
            &[],
        );
        assert_eq!(lines, ["/p/out → /elsewhere services.a.volumes[0]"]);
    }

    #[test]
    fn only_the_services_in_question_count() {
        let compose = "services: {a: {image: a, volumes: ['../a:/a']}, b: {image: b, env_file: ../e.env, secrets: [s]}}
secrets: {s: {file: ../s}}";
        let lines = listed(compose, |root| write(&root.join("e.env"), ""), &["a"]);
        assert_eq!(lines, ["/a services.a.volumes[0]"]);
    }
}
