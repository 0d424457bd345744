//! Jobs for continuous integration that build a project's images ahead of the people who need them.

/// Who runs the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
}

impl Provider {
    /// Where the job is written, below the root of the repository.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/larder.yml",
            Self::Gitlab => ".gitlab/larder.yml",
        }
    }

    /// The job, for a project in `folder` of the repository, which stands between quotation marks of YAML and of a shell, and a
    /// larder of `version`.
    pub fn text(self, folder: &str, version: &str) -> String {
        let text = match self {
            Self::Github => include_str!("../../templates/ci/github.yml"),
            Self::Gitlab => include_str!("../../templates/ci/gitlab.yml"),
        };
        text.replace("@FOLDER@", folder)
            .replace("@VERSION@", version)
    }

    /// What has to be done for the job to be found.
    pub const fn include(self) -> Option<&'static str> {
        match self {
            Self::Github => None,
            Self::Gitlab => {
                Some("`.gitlab-ci.yml` has to include it: `include: [{local: .gitlab/larder.yml}]`")
            }
        }
    }
}
