//! A template filled with what is known of a folder: the text of a Dockerfile, and of its ignore file.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::error::Error;
use super::facts::{Facts, Start};
use super::folder::Folder;
use super::kind::Template;
use super::{go, java, node, php, python, ruby, rust};

/// What a template comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// The text of the ignore file.
    pub ignore: String,
    /// What the container starts, and why; none where the image decides.
    pub starts: Option<Starts>,
}

/// What a container starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts {
    /// The command line.
    pub command: String,
    /// What in the folder says so; none where nothing does, and it has to be edited.
    pub because: Option<String>,
}

/// Fills a template for a folder. `port` is what the container is to listen on, where somebody knows.
///
/// # Errors
/// A file of the project cannot be read or understood, or it is of a kind that the template does not cover.
pub fn render(template: Template, folder: &Path, port: Option<u16>) -> Result<Rendered, Error> {
    let here = Folder { root: folder };
    let mut facts = match template {
        Template::PythonPip | Template::PythonUv | Template::PythonPoetry => {
            python::facts(here, template, port)?
        }
        Template::NodeNpm | Template::NodePnpm | Template::NodeYarn => {
            node::facts(here, template, port)?
        }
        Template::Go => go::facts(here, port),
        Template::Rust => rust::facts(here, port)?,
        Template::JavaMaven | Template::JavaGradle => java::facts(here, template, port)?,
        Template::Ruby => ruby::facts(here, port)?,
        Template::Php => php::facts(here, port),
        Template::Static => php::pages(here),
    };
    let head = format!(
        "# From larder's template `{}`, and yours from here on: it is built as any other Dockerfile.",
        template.name()
    );
    let edit = match &facts.start {
        Some(Start { because: None, .. }) => {
            "# EDIT: nothing in this folder says what is to be started.\n"
        }
        _ => "",
    };
    facts.set("head", head).set("edit", edit);
    let dockerfile = fill(template, &facts).map_err(|source| Error::Broken {
        template: template.name(),
        source,
    })?;
    let starts = facts.start.map(|start| Starts {
        command: start.command.join(" "),
        because: start.because,
    });
    Ok(Rendered {
        dockerfile,
        ignore: template.ignore(),
        starts,
    })
}

fn fill(template: Template, facts: &Facts) -> Result<String, minijinja::Error> {
    let mut environment = Environment::empty();
    let mut syntax = SyntaxConfig::builder();
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.keep_trailing_newline(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let values = Value::from_object(facts.values.clone());
    environment.render_str(template.dockerfile(), values)
}
