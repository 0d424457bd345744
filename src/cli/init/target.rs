//! The folders that `larder init` is to write a Dockerfile into.

use std::path::{Path, PathBuf};

use crate::cli::invocation::Invocation;
use crate::compose::{self, LoadOptions};
use crate::failure::Failure;
use crate::model::{Build, Place, Project, Service, clean};

/// A folder without a Dockerfile.
pub(super) struct Target {
    /// The service, or the folder as it was typed.
    pub(super) name: String,
    pub(super) context: PathBuf,
    pub(super) dockerfile: PathBuf,
    /// The port that the service's containers are to listen on.
    pub(super) port: Option<u16>,
    /// The template that the service names.
    pub(super) template: Option<String>,
    /// Where it names it, which is an error beside a Dockerfile.
    pub(super) takes_the_place_of: Option<Place>,
}

impl Target {
    fn of_folder(name: &str, folder: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            dockerfile: folder.join("Dockerfile"),
            context: folder,
            port: None,
            template: None,
            takes_the_place_of: None,
        }
    }

    fn of_service(project: &Project, name: &str, service: &Service, build: &Build) -> Self {
        let context = PathBuf::from(&build.context);
        let file = build.dockerfile.as_deref().unwrap_or("Dockerfile");
        let path = ["services", name, "x-larder", "template"];
        let template = service.template().map(str::to_owned);
        let dockerfile = context.join(file);
        Self {
            name: name.to_owned(),
            dockerfile: dockerfile
                .to_str()
                .map_or(dockerfile.clone(), |path| PathBuf::from(clean(path))),
            context,
            port: service.ports.first().map(|port| port.target),
            takes_the_place_of: template
                .as_ref()
                .and_then(|_| compose::place(project, &path)),
            template,
        }
    }

    pub(super) fn ignore_file(&self) -> PathBuf {
        self.context.join(".dockerignore")
    }

    /// Whether nobody has written it yet.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match there(&self.dockerfile) {
            Some(_) => Err(self.is_there()),
            None => Ok(()),
        }
    }

    pub(super) fn is_there(&self) -> Failure {
        let path = there(&self.dockerfile);
        let path = path.as_deref().unwrap_or(&self.dockerfile).display();
        Failure::Kept {
            text: format!("`{path}` is there: larder writes over no file"),
            place: None,
            hint: "remove it, or give it another name, to have one written".to_owned(),
        }
    }
}

/// The Dockerfile that is there under this name, also as a link that leads nowhere; `dockerfile` is as good as `Dockerfile`.
fn there(path: &Path) -> Option<PathBuf> {
    let lower = path.with_file_name("dockerfile");
    let is_default = path.file_name().is_some_and(|name| name == "Dockerfile");
    let paths = [Some(path.to_owned()), is_default.then_some(lower)];
    let mut paths = paths.into_iter().flatten();
    paths.find(|path| path.symlink_metadata().is_ok())
}

/// Those that are named; without names all services whose Dockerfile is missing, or the current folder where there is no
/// Compose file.
pub(super) fn targets(invocation: &Invocation, names: &[String]) -> Result<Vec<Target>, Failure> {
    let is_path = |name: &String| name.contains('/') || name == "." || name == "..";
    let project = if !names.is_empty() && names.iter().all(is_path) {
        None
    } else {
        project(invocation)?
    };
    let mut targets = Vec::new();
    if names.is_empty() {
        match &project {
            Some(project) => targets.extend(lacking(project)),
            None => targets.push(Target::of_folder(".", invocation.folder.clone())),
        }
    }
    for name in names {
        let project = project.as_ref().filter(|_| !is_path(name));
        let target = match project.and_then(|own| Some((own, own.services.get(name)?))) {
            Some((project, service)) => named(project, name, service)?,
            None => folder(invocation, name, project)?,
        };
        targets.push(target);
    }
    // Services may share a folder.
    let mut seen = Vec::new();
    targets.retain(|target| {
        let new = !seen.contains(&target.dockerfile);
        seen.push(target.dockerfile.clone());
        new
    });
    Ok(targets)
}

/// All services, whatever their profiles; none where there is no Compose file.
fn project(invocation: &Invocation) -> Result<Option<Project>, Failure> {
    let options = LoadOptions {
        profiles: vec!["*".to_owned()],
        without_env_files: true,
        ..invocation.options(&[])
    };
    match compose::load(&options) {
        Ok(project) => Ok(Some(project)),
        Err(error) if error.is_no_file() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn lacking(project: &Project) -> impl Iterator<Item = Target> {
    project.services.iter().filter_map(|(name, service)| {
        let build = service.build.as_ref()?;
        let here =
            !build.is_remote() && build.dockerfile_inline.is_none() && service.template().is_none();
        let target = Target::of_service(project, name, service, build);
        (here && there(&target.dockerfile).is_none()).then_some(target)
    })
}

fn named(project: &Project, name: &str, service: &Service) -> Result<Target, Failure> {
    let refused = |key: &str, text: &str, hint: &str| {
        let place = compose::place(project, &["services", name, key]);
        Failure::Kept {
            text: format!("service `{name}` {text}"),
            place: place.map(Box::new),
            hint: hint.to_owned(),
        }
    };
    let Some(build) = &service.build else {
        let hint = format!("`build: ./{name}` says which folder it is built from");
        return Err(refused("image", "is not built: it names an image", &hint));
    };
    if build.is_remote() {
        let hint = "clone it, and name the folder as `context`";
        return Err(refused(
            "build",
            "is built from what is not on this machine",
            hint,
        ));
    }
    if build.dockerfile_inline.is_some() {
        let hint = "take `dockerfile_inline` out to have a file";
        return Err(refused(
            "build",
            "has its Dockerfile in the Compose file",
            hint,
        ));
    }
    Ok(Target::of_service(project, name, service, build))
}

/// A folder by its path. Where there is a Compose file a service may have been meant.
fn folder(
    invocation: &Invocation,
    name: &str,
    project: Option<&Project>,
) -> Result<Target, Failure> {
    let path = invocation.folder.join(name);
    if path.is_dir() {
        let path = path
            .to_str()
            .map_or(path.clone(), |text| PathBuf::from(clean(text)));
        return Ok(Target::of_folder(name, path));
    }
    let (text, hint) = match project {
        Some(project) => {
            let known: Vec<String> = project.services.keys().cloned().collect();
            let hint = compose::named_here("services", name, &known);
            (format!("`{name}` is neither a service nor a folder"), hint)
        }
        None => (
            format!("`{name}` is no folder"),
            "a folder is what an image is built from".to_owned(),
        ),
    };
    Err(Failure::Kept {
        text,
        place: None,
        hint,
    })
}
