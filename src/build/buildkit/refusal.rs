//! What the engine's BuildKit cannot build, told before anything is touched. Pure, but for a look at the sockets of agents.

use std::path::Path;

use super::agents::Agents;
use super::attributes::unsupported;
use crate::build::references::{Pins, References};
use crate::fingerprint::{AdditionalContext, Recipe};
use crate::model::Build;
use crate::plan::BuilderKind;
use crate::runtime::BuildError;

/// Why a recipe cannot be built.
#[derive(Debug)]
pub struct Refusal {
    /// What a person is told.
    pub error: BuildError,
    /// Where in the build section it is written.
    pub path: Vec<String>,
}

/// What of a service's build cannot be carried out, as far as its recipe is known; `agent` is the user's SSH agent,
/// `SSH_AUTH_SOCK`.
///
/// # Errors
/// The first such thing.
pub fn refusal(
    service: &str,
    build: &Build,
    recipe: Option<&Recipe>,
    agent: Option<&Path>,
) -> Result<(), Box<Refusal>> {
    agents(service, build, recipe, agent).map(drop)
}

/// The SSH agents of a build, all of which can be carried out.
///
/// # Errors
/// As [`refusal`].
pub(super) fn agents(
    service: &str,
    build: &Build,
    recipe: Option<&Recipe>,
    agent: Option<&Path>,
) -> Result<Agents, Box<Refusal>> {
    let refused = |error, path: &[&str]| {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Err(Box::new(Refusal { error, path }))
    };
    let service = || service.to_owned();
    if build.is_remote() {
        let error = BuildError::RemoteContext {
            service: service(),
            context: Build::shown_context(&build.context),
        };
        return refused(error, &["context"]);
    }
    if let Some(attribute) = unsupported(build) {
        // `extra_hosts: host-gateway` is about a value of `extra_hosts`.
        let key = attribute.split(':').next().unwrap_or_default().to_owned();
        let error = BuildError::Unsupported {
            service: service(),
            builder: BuilderKind::Docker,
            attribute,
        };
        return refused(error, &[&key]);
    }
    let of_one_platform = build.additional_contexts.keys();
    let of_one_platform = of_one_platform
        .filter(|name| name.contains("::"))
        .map(|name| {
            let reason = "a context for one platform alone is not taken in";
            (name.clone(), reason.to_owned())
        });
    let refused_one = of_one_platform.chain(recipe.and_then(context)).next();
    if let Some((name, reason)) = refused_one {
        let path = ["additional_contexts", &name];
        let error = BuildError::AdditionalContext {
            service: service(),
            name: name.clone(),
            reason,
        };
        return refused(error, &path);
    }
    Agents::of(build, agent).or_else(|none| {
        let error = BuildError::NoAgent {
            service: service(),
            id: none.id,
            reason: none.reason,
        };
        refused(error, &["ssh"])
    })
}

/// The first additional context that cannot be taken in, and why.
fn context(recipe: &Recipe) -> Option<(String, String)> {
    for (name, context) in &recipe.contexts {
        if let AdditionalContext::Elsewhere(text) = context {
            let text = Build::shown_context(text);
            return Some((name.clone(), format!("`{text}` is not on this machine")));
        }
    }
    let (name, _) = recipe.contexts.first_key_value()?;
    if let Some(why) = &recipe.opaque {
        return Some((
            name.clone(),
            format!("the Dockerfile is not understood, {why}"),
        ));
    }
    let none = Pins::new();
    let hidden = References::new(recipe, &none).hidden()?;
    let line = hidden.lines.0;
    let reason = format!("line {line} of its Dockerfile names it in quotes, or in a comment, too");
    Some((name.clone(), reason))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::build::sample;
    use crate::fingerprint::Context;

    fn refused(dockerfile: &str, change: impl Fn(&mut Recipe)) -> Option<(String, Vec<String>)> {
        let mut recipe = sample::recipe(Path::new("/nonexistent-is-empty"), dockerfile, &[]);
        let folder = AdditionalContext::Folder(Arc::new(Context::default()));
        recipe.contexts = BTreeMap::from([("more".to_owned(), folder)]);
        change(&mut recipe);
        let refusal = refusal("sample", &recipe.build, Some(&recipe), None).err()?;
        Some((refusal.error.to_string(), refusal.path))
    }

    #[test]
    fn what_cannot_be_taken_in_is_told_with_its_place() {
        let text = "FROM a\nCOPY --from=more x /\n";
        assert_eq!(refused(text, |_| ()), None);
        let git = AdditionalContext::Elsewhere("https://a/b.git".to_owned());
        let (told, path) = refused(text, |recipe| {
            recipe.contexts.insert("git".to_owned(), git.clone());
        })
        .unwrap();
        assert_eq!(
            told,
            "`sample` cannot be built with additional context `git`: `https://a/b.git` is not on this machine"
        );
        assert_eq!(path, ["additional_contexts", "git"]);
        let one = |recipe: &mut Recipe| {
            let contexts = &mut recipe.build.additional_contexts;
            contexts.insert("more::linux/arm64".to_owned(), "./more".to_owned());
        };
        let (told, path) = refused(text, one).unwrap();
        assert!(told.contains("for one platform alone"), "{told}");
        assert_eq!(path, ["additional_contexts", "more::linux/arm64"]);
        let (told, _) = refused(text, |recipe| recipe.opaque = Some("line 3".to_owned())).unwrap();
        assert!(told.contains("not understood"), "{told}");
        let (told, _) = refused("FROM a\nCOPY --from=\"more\" x /\n", |_| ()).unwrap();
        assert!(told.contains("line 2"), "{told}");
        let (told, path) = refused(text, |recipe| {
            recipe.build.context = "https://me:pass@a/b.git".to_owned();
        })
        .unwrap();
        assert_eq!(
            told,
            "`sample` cannot be built: its context `https://…@a/b.git` is not on this machine"
        );
        assert_eq!(path, ["context"]);
        let (_, path) =
            refused(text, |recipe| recipe.build.ssh = vec!["default".to_owned()]).unwrap();
        assert_eq!(path, ["ssh"]);
    }
}
