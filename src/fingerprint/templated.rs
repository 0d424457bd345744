//! A service that is built from a template of larder's: as if the template's Dockerfile stood in its build section, and its ignore
//! file in the context, where that has none.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::ignorefile::Patterns;
use crate::model::{Build, Service};
use crate::template;

/// A build section that a template was put into.
pub(super) struct Templated {
    pub(super) build: Build,
    /// What the Dockerfile is called.
    pub(super) name: String,
    /// What the template leaves out of the context.
    pub(super) ignore: Patterns,
}

/// Puts in the template that `x-larder: template:` names, where it names one.
///
/// # Errors
/// The context has a Dockerfile, or does not have what the template installs from.
pub(super) fn of(name: &str, service: &Service, build: &Build) -> Result<Option<Templated>, Error> {
    let Some(asked) = service.template() else {
        return Ok(None);
    };
    let root = Path::new(&build.context);
    if !root.is_dir() {
        return Err(Error::NoContext {
            service: name.to_owned(),
            name: None,
            path: root.to_owned(),
        });
    }
    if let Some(path) = beside(root) {
        return Err(Error::TwoDockerfiles {
            service: name.to_owned(),
            template: asked.to_owned(),
            path,
        });
    }
    let refused = |source| Error::Template {
        service: name.to_owned(),
        source: Box::new(source),
    };
    let choice = template::choose(root, Some(asked)).map_err(refused)?;
    let rendered = template::render(choice.template, root, None).map_err(refused)?;
    let own = choice.template.name();
    Ok(Some(Templated {
        build: Build {
            dockerfile: None,
            dockerfile_inline: Some(rendered.dockerfile),
            ..build.clone()
        },
        name: format!("template {own}"),
        // They are larder's own, and a test reads them.
        ignore: Patterns::parse(&rendered.ignore).unwrap_or_default(),
    }))
}

/// A Dockerfile in the context.
fn beside(root: &Path) -> Option<PathBuf> {
    let names = ["Dockerfile", "dockerfile"].into_iter();
    let mut paths = names.map(|name| root.join(name));
    // Also a link that leads nowhere: somebody meant to have one.
    paths.find(|path| path.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    #[test]
    fn ignore_files_of_templates_are_understood() {
        for template in Template::ALL {
            let folder = tempfile::tempdir().unwrap();
            for (file, text) in [
                ("pyproject.toml", "[project]\nname = \"x\"\n"),
                ("package.json", "{}"),
            ] {
                std::fs::write(folder.path().join(file), text).unwrap();
            }
            let rendered = template::render(template, folder.path(), None).unwrap();
            assert!(Patterns::parse(&rendered.ignore).is_ok(), "{template:?}");
        }
    }
}
