//! What the paths of a project are in a file that lies somewhere else.

use std::path::{Component, Path, PathBuf};

/// Where an export is, and what it was made from.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The project's folder, absolute.
    pub project: PathBuf,
    /// The folder that the export is read in, absolute. The project's own stands for one whose files are brought beside it.
    pub export: PathBuf,
}

impl Paths {
    /// A path below the project's folder as the export has it; `None` where it is another one, which stays as it is.
    pub fn relative(&self, path: &str) -> Option<String> {
        let own = Path::new(path);
        if !own.starts_with(&self.project) {
            return None;
        }
        let (mut from, mut to) = (self.export.components(), own.components());
        let (mut ups, mut rest) = (from.clone(), to.clone());
        while let (Some(a), Some(b)) = (from.next(), to.next()) {
            if a != b {
                break;
            }
            ups.next();
            rest.next();
        }
        let ups: Vec<Component<'_>> = ups.collect();
        let rest = rest.as_path().to_str()?;
        let text = match (ups.len(), rest) {
            (0, "") => ".".to_owned(),
            (0, rest) => format!("./{rest}"),
            (count, "") => vec![".."; count].join("/"),
            (count, rest) => format!("{}/{rest}", vec![".."; count].join("/")),
        };
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_projects_is_named_from_where_the_export_is() {
        let from = |export: &str| Paths {
            project: "/srv/hub".into(),
            export: export.into(),
        };
        let beside = from("/srv/hub");
        assert_eq!(beside.relative("/srv/hub/src").as_deref(), Some("./src"));
        assert_eq!(beside.relative("/srv/hub").as_deref(), Some("."));
        assert_eq!(beside.relative("/srv/hubs"), None);
        assert_eq!(beside.relative("/etc/x"), None);
        assert_eq!(beside.relative("./src"), None);
        let below = from("/srv/hub/deploy/x");
        assert_eq!(below.relative("/srv/hub/src").as_deref(), Some("../../src"));
        assert_eq!(below.relative("/srv/hub/deploy/y").as_deref(), Some("../y"));
        assert_eq!(below.relative("/srv/hub").as_deref(), Some("../.."));
        assert_eq!(
            from("/tmp").relative("/srv/hub/a").as_deref(),
            Some("../srv/hub/a")
        );
    }
}
