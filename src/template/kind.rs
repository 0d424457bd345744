//! The templates by name, and their texts.

/// A template of a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Template {
    /// Python, dependencies by pip.
    PythonPip,
    /// Python, by uv.
    PythonUv,
    /// Python, by poetry.
    PythonPoetry,
    /// Node.js, by npm.
    NodeNpm,
    /// Node.js, by pnpm.
    NodePnpm,
    /// Node.js, by yarn.
    NodeYarn,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// Java, by Maven.
    JavaMaven,
    /// Java, by Gradle.
    JavaGradle,
    /// Ruby, by bundler.
    Ruby,
    /// PHP, by composer.
    Php,
    /// Files that are served as they are.
    Static,
}

/// The names by which a template can be asked for: each one's own, and those of languages with several.
pub const NAMES: [&str; 16] = [
    "python",
    "python-pip",
    "python-uv",
    "python-poetry",
    "node",
    "node-npm",
    "node-pnpm",
    "node-yarn",
    "go",
    "rust",
    "java",
    "java-maven",
    "java-gradle",
    "ruby",
    "php",
    "static",
];

const COMMON: &str = include_str!("../../templates/dockerignore/common");

impl Template {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::PythonPip,
        Self::PythonUv,
        Self::PythonPoetry,
        Self::NodeNpm,
        Self::NodePnpm,
        Self::NodeYarn,
        Self::Go,
        Self::Rust,
        Self::JavaMaven,
        Self::JavaGradle,
        Self::Ruby,
        Self::Php,
        Self::Static,
    ];

    /// Its own name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PythonPip => "python-pip",
            Self::PythonUv => "python-uv",
            Self::PythonPoetry => "python-poetry",
            Self::NodeNpm => "node-npm",
            Self::NodePnpm => "node-pnpm",
            Self::NodeYarn => "node-yarn",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::JavaMaven => "java-maven",
            Self::JavaGradle => "java-gradle",
            Self::Ruby => "ruby",
            Self::Php => "php",
            Self::Static => "static",
        }
    }

    /// The language that it is of: what stands in front of the package manager in its name.
    pub fn language(self) -> &'static str {
        let name = self.name();
        name.split_once('-').map_or(name, |(language, _)| language)
    }

    /// Whether a name means it, its own or its language's.
    pub(super) fn is_meant_by(self, name: &str) -> bool {
        name == self.name() || name == self.language()
    }

    /// The Dockerfile, with what is to be filled in.
    pub(super) const fn dockerfile(self) -> &'static str {
        match self {
            Self::PythonPip => include_str!("../../templates/dockerfile/python-pip.dockerfile"),
            Self::PythonUv => include_str!("../../templates/dockerfile/python-uv.dockerfile"),
            Self::PythonPoetry => {
                include_str!("../../templates/dockerfile/python-poetry.dockerfile")
            }
            Self::NodeNpm | Self::NodePnpm | Self::NodeYarn => {
                include_str!("../../templates/dockerfile/node.dockerfile")
            }
            Self::Go => include_str!("../../templates/dockerfile/go.dockerfile"),
            Self::Rust => include_str!("../../templates/dockerfile/rust.dockerfile"),
            Self::JavaMaven => include_str!("../../templates/dockerfile/java-maven.dockerfile"),
            Self::JavaGradle => include_str!("../../templates/dockerfile/java-gradle.dockerfile"),
            Self::Ruby => include_str!("../../templates/dockerfile/ruby.dockerfile"),
            Self::Php => include_str!("../../templates/dockerfile/php.dockerfile"),
            Self::Static => include_str!("../../templates/dockerfile/static.dockerfile"),
        }
    }

    /// The ignore file.
    pub(super) fn ignore(self) -> String {
        let own = match self {
            Self::PythonPip | Self::PythonUv | Self::PythonPoetry => {
                include_str!("../../templates/dockerignore/python")
            }
            Self::NodeNpm | Self::NodePnpm | Self::NodeYarn => {
                include_str!("../../templates/dockerignore/node")
            }
            Self::Go => include_str!("../../templates/dockerignore/go"),
            Self::Rust => include_str!("../../templates/dockerignore/rust"),
            Self::JavaMaven => include_str!("../../templates/dockerignore/java-maven"),
            Self::JavaGradle => include_str!("../../templates/dockerignore/java-gradle"),
            Self::Ruby => include_str!("../../templates/dockerignore/ruby"),
            Self::Php => include_str!("../../templates/dockerignore/php"),
            Self::Static => "",
        };
        format!("{COMMON}{own}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_asked_for() {
        for template in Template::ALL {
            assert!(NAMES.contains(&template.name()));
            assert!(NAMES.contains(&template.language()));
        }
        for name in NAMES {
            assert!(
                Template::ALL.iter().any(|own| own.is_meant_by(name)),
                "{name}"
            );
        }
    }
}
