//! The text of an export: a head that says what it is and how to make it anew, and the file. The same project gives the same text.

use std::fmt::Write;

use serde_json::Value;

use crate::model::Project;

/// How every export begins.
const FIRST: &str = "# Made by `larder export";

/// What an export was asked to be.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Whether variables are as they are written.
    pub as_written: bool,
    /// The profiles that were typed.
    pub profiles: Vec<String>,
    /// The services that were named.
    pub services: Vec<String>,
    /// Whether the images lie beside it.
    pub bundled: bool,
}

impl Form {
    /// The command that makes it, without the names of files.
    pub fn command(&self) -> String {
        let mut command = "larder".to_owned();
        for profile in &self.profiles {
            let _ = write!(command, " --profile {profile}");
        }
        command.push_str(" export");
        if self.as_written {
            command.push_str(" --no-interpolate");
        }
        for service in &self.services {
            let _ = write!(command, " {service}");
        }
        command
    }
}

/// The text of an export.
///
/// # Errors
/// None that is known: every tree can be written.
pub fn text(form: &Form, tree: Value) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let pinned = if form.bundled {
        "Its images are those of images.tar: `./load.sh` loads them."
    } else {
        "Each image is pinned to its digest on a registry."
    };
    let head = format!(
        "{FIRST}`: a plain Compose file, for `docker compose` alone.\n\
         # {pinned}\n\
         # What is edited here is lost when it is made anew, by `{}`.\n",
        form.command()
    );
    let body = if form.as_written {
        Project::print_as_written(tree, false)?
    } else {
        Project::print_resolved(tree)?
    };
    Ok(head + &body)
}

/// The command that an export says it was made by, and whether its images lie beside it; `None` where it is none.
pub fn made_by(text: &str) -> Option<(&str, bool)> {
    let mut lines = text.lines();
    lines.next().filter(|own| own.starts_with(FIRST))?;
    let bundled = lines.next()?.contains("images.tar");
    let command = lines.next()?.rsplit_once("by `")?.1;
    Some((command.trim_end_matches("`."), bundled))
}

/// Whether a text is an export.
pub fn is_export(text: &[u8]) -> bool {
    text.starts_with(FIRST.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_head_says_how_it_was_made() {
        let tree = json!({"services": {"a": {"image": "b"}}, "name": "$x"});
        let form = Form {
            as_written: true,
            profiles: vec!["dev".to_owned()],
            services: vec!["a".to_owned()],
            bundled: false,
        };
        let text = text(&form, tree).unwrap();
        insta::assert_snapshot!(text, @"
        # Made by `larder export`: a plain Compose file, for `docker compose` alone.
        # Each image is pinned to its digest on a registry.
        # What is edited here is lost when it is made anew, by `larder --profile dev export --no-interpolate a`.
        name: $x
        services:
          a:
            image: b
        ");
        let made = "larder --profile dev export --no-interpolate a";
        assert_eq!(made_by(&text), Some((made, false)));
        assert_eq!(made_by("services: {}\n"), None);
        assert!(is_export(text.as_bytes()) && !is_export(b"services: {}\n"));
    }
}
