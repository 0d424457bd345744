//! Which files only say what an application depends on.

use serde_json::Value;

use super::ignorefile::Patterns;

/// Files that package managers read, by name; `*` stands at the start or the end.
const NAMES: &[&str] = &[
    // Python: pip, poetry, uv, pipenv, conda
    "requirements*.txt",
    "constraints*.txt",
    "pyproject.toml",
    "poetry.lock",
    "poetry.toml",
    "uv.lock",
    "pdm.lock",
    "Pipfile*",
    "setup.py",
    "setup.cfg",
    ".python-version",
    "environment.yml",
    // JavaScript: npm, pnpm, yarn, bun
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    ".pnpmfile.cjs",
    "bun.lock",
    "bun.lockb",
    "bunfig.toml",
    ".npmrc",
    ".yarnrc*",
    ".nvmrc",
    ".node-version",
    "lerna.json",
    // Rust and Go
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain*",
    "go.mod",
    "go.sum",
    "go.work",
    "go.work.sum",
    // Ruby and PHP
    "Gemfile*",
    "*.gemspec",
    ".ruby-version",
    "composer.json",
    "composer.lock",
    "symfony.lock",
    // JVM: maven, gradle
    "pom.xml",
    "build.gradle*",
    "settings.gradle*",
    "gradle.properties",
    "gradle.lockfile",
    "gradlew",
    "gradlew.bat",
    "gradle-wrapper.jar",
    "gradle-wrapper.properties",
    "libs.versions.toml",
    "mvnw",
    "mvnw.cmd",
    "maven-wrapper.jar",
    "maven-wrapper.properties",
    // .NET
    "*.csproj",
    "*.fsproj",
    "*.vbproj",
    "*.sln",
    "*.slnx",
    "Directory.*.props",
    "Directory.Build.targets",
    "packages.lock.json",
    "nuget.config",
    "NuGet.config",
    "NuGet.Config",
    "global.json",
    // Elixir
    "mix.exs",
    "mix.lock",
];

/// Tells dependency manifests from source, for one service.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifests {
    /// What the service's `x-larder: dependencies:` adds, matched as in an ignore file.
    added: Patterns,
}

impl Manifests {
    /// With the `x-larder` value of a service.
    ///
    /// # Errors
    /// What is wrong with its `dependencies`.
    pub(super) fn of(x_larder: Option<&Value>) -> Result<Self, String> {
        let Some(list) = x_larder.and_then(|value| value.get("dependencies")) else {
            return Ok(Self::default());
        };
        let globs: Option<Vec<&str>> = list
            .as_array()
            .and_then(|list| list.iter().map(Value::as_str).collect());
        let globs = globs.ok_or("something other than a list of patterns")?;
        for glob in &globs {
            Patterns::of([*glob]).map_err(|_| format!("the malformed pattern `{glob}`"))?;
        }
        Ok(Self {
            added: Patterns::of(globs).unwrap_or_default(),
        })
    }

    /// Whether the file at `path` is a manifest.
    pub(super) fn contains(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        NAMES.iter().any(|pattern| fits(pattern, name)) || self.added.matches_path(path).0
    }
}

fn fits(pattern: &str, name: &[u8]) -> bool {
    match pattern.split_once('*') {
        None => pattern.as_bytes() == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len()
                && name.starts_with(head.as_bytes())
                && name.ends_with(tail.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn manifests_are_known_by_name_and_added_by_pattern() {
        let known = Manifests::default();
        for path in [
            "requirements-dev.txt",
            "a/b/package.json",
            "Gemfile.lock",
            "x/App.csproj",
            "go.sum",
        ] {
            assert!(known.contains(path.as_bytes()), "{path}");
        }
        for path in [
            "main.py",
            "requirements.py",
            "package.json.bak",
            "src/Cargo.rs",
            "txt",
        ] {
            assert!(!known.contains(path.as_bytes()), "{path}");
        }
        let added = Manifests::of(Some(&json!({"dependencies": ["vendor", "*.lst"]}))).unwrap();
        assert!(
            added.contains(b"vendor/a/b.c")
                && added.contains(b"apt.lst")
                && added.contains(b"go.mod")
        );
        assert!(!added.contains(b"src/apt.lst"));
    }

    #[test]
    fn what_is_no_list_of_patterns_is_told() {
        assert!(Manifests::of(Some(&json!({"dependencies": "a"}))).is_err());
        assert!(Manifests::of(Some(&json!({"dependencies": [1]}))).is_err());
        assert!(
            Manifests::of(Some(&json!({"dependencies": ["["]})))
                .unwrap_err()
                .contains("`[`")
        );
        assert!(Manifests::of(Some(&json!({"cache": []}))).is_ok());
    }
}
