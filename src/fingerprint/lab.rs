//! For tests: a context in a temporary folder, and its fingerprint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::error::Error;
use super::platform::Platform;
use super::recipe::{Base, BaseRef, Fingerprinted, Recipe};
use super::statcache::StatCache;
use super::survey::survey;
use crate::model::{Build, Project, Service};

/// A service `app` built from a temporary folder.
pub(super) struct Lab {
    folder: TempDir,
    pub(super) build: Build,
    pub(super) service: Service,
    pub(super) bases: BTreeMap<String, Base>,
}

impl Lab {
    pub(super) fn new(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("context")).unwrap();
        let lab = Self {
            folder,
            build: Build::default(),
            service: Service::default(),
            bases: BTreeMap::new(),
        };
        lab.file("Dockerfile", dockerfile)
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("context").join(path)
    }

    pub(super) fn file(self, path: &str, content: &str) -> Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
        self.mode(path, 0o644)
    }

    pub(super) fn files(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |lab, path| lab.file(path, path))
    }

    pub(super) fn mode(self, path: &str, mode: u32) -> Self {
        fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn folder(self, path: &str) -> Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let _ = fs::remove_file(self.path(path));
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
        self
    }

    pub(super) fn without(self, path: &str) -> Self {
        let path = self.path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    pub(super) fn arg(mut self, name: &str, value: &str) -> Self {
        self.build
            .args
            .insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    pub(super) fn target(mut self, target: &str) -> Self {
        self.build.target = Some(target.to_owned());
        self
    }

    pub(super) fn ssh(mut self, own: &str) -> Self {
        self.build.ssh.push(own.to_owned());
        self
    }

    pub(super) fn context(mut self, name: &str, value: &str) -> Self {
        let contexts = &mut self.build.additional_contexts;
        contexts.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An attribute of the build section that larder does not know.
    pub(super) fn other(mut self, name: &str, value: Value) -> Self {
        self.build.other.insert(name.to_owned(), value);
        self
    }

    pub(super) fn base(
        mut self,
        image: &str,
        identity: &str,
        onbuild: &[&str],
        env: &[&str],
    ) -> Self {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let base = Base {
            identity: identity.to_owned(),
            onbuild: own(onbuild),
            env: own(env),
            working_dir: String::new(),
            volumes: Vec::new(),
        };
        self.bases.insert(image.to_owned(), base);
        self
    }

    pub(super) fn try_recipe(&self) -> Result<Recipe, Error> {
        let context = self
            .path("")
            .to_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        let build = Build {
            context,
            ..self.build.clone()
        };
        let service = Service {
            build: Some(build),
            ..self.service.clone()
        };
        let project = Project {
            name: "lab".to_owned(),
            services: BTreeMap::from([("app".to_owned(), service)]),
            ..Project::default()
        };
        let survey = survey(
            &project,
            &BTreeSet::from(["app".to_owned()]),
            &Platform::host(),
            &StatCache::open(None),
        )?;
        let mut bases: BTreeMap<BaseRef, Base> = BTreeMap::new();
        loop {
            for image in survey.bases() {
                bases.insert(image.clone(), self.known(&image));
            }
            match survey.recipes(&bases)?.remove("app").unwrap() {
                Fingerprinted::Known(recipe) => return Ok(*recipe),
                Fingerprinted::Missing(images) => {
                    bases.extend(
                        images
                            .into_iter()
                            .map(|image| (image.clone(), self.known(&image))),
                    );
                }
            }
        }
    }

    fn known(&self, image: &BaseRef) -> Base {
        let plain = Base {
            identity: format!("id of {}", image.image),
            onbuild: Vec::new(),
            env: Vec::new(),
            working_dir: String::new(),
            volumes: Vec::new(),
        };
        self.bases
            .get(&image.image.to_string())
            .cloned()
            .unwrap_or(plain)
    }

    pub(super) fn recipe(&self) -> Recipe {
        self.try_recipe().unwrap()
    }

    pub(super) fn full(&self) -> String {
        self.recipe().full.to_string()
    }
}

/// The paths of a recipe's context.
pub(super) fn paths(recipe: &Recipe) -> Vec<String> {
    recipe
        .context
        .entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
        .collect()
}

/// The paths that the instruction on a line reads.
pub(super) fn reads(recipe: &Recipe, line: usize) -> Vec<String> {
    let links = recipe
        .chain
        .iter()
        .filter(|link| link.line == line && link.instruction > 0);
    let all = paths(recipe);
    links
        .flat_map(|link| &link.reads)
        .map(|at| all[*at].clone())
        .collect()
}
