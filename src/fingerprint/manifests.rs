//! Which files only say what an application depends on.

use serde_json::Value;

use super::ignorefile::Patterns;

/// A package manager: what installs with it, and the files that say what.
#[derive(Debug)]
pub(super) struct Tool {
    /// The command that installs.
    pub(super) command: &'static str,
    /// What else installs, and what means something else where it stands behind the command.
    also: &'static [&'static str],
    not: &'static [&'static str],
    /// What installs without source, where the command builds, too.
    pub(super) fetch: Option<&'static str>,
    /// Files by name; `*` stands at the start, in the middle or at the end. One with a `/` is a path's end, of which `*`
    /// is the name.
    names: &'static [&'static str],
}

const PYTHON: &[&str] = &["pyproject.toml", ".python-version"];
const JAVASCRIPT: &[&str] = &[
    "package.json",
    ".npmrc",
    ".nvmrc",
    ".node-version",
    "lerna.json",
];

/// The package managers.
const TOOLS: &[Tool] = &[
    tool(
        "pip install",
        &["pip3 install", "pip sync"],
        &[
            "requirements*.txt",
            "requirements*.in",
            "requirements/*.txt",
            "requirements/*.in",
            "constraints*.txt",
            "setup.py",
            "setup.cfg",
            "pip.conf",
        ],
    )
    .but_not(&["install .", "install -e .", "install --editable"]),
    tool("poetry install", &[], &["poetry.lock", "poetry.toml"]),
    tool("uv sync", &[], &["uv.lock", "uv.toml"]),
    tool(
        "pipenv install",
        &["pipenv sync"],
        &["Pipfile", "Pipfile.lock"],
    ),
    tool("pdm install", &["pdm sync"], &["pdm.lock", "pdm.toml"]),
    tool(
        "conda env",
        &["conda install", "mamba env"],
        &["environment.yml", "environment.yaml"],
    ),
    tool(
        "npm ci",
        &["npm install", "npm i"],
        &["package-lock.json", "npm-shrinkwrap.json"],
    ),
    tool(
        "pnpm install",
        &["pnpm i", "pnpm fetch"],
        &["pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs"],
    ),
    tool(
        "yarn install",
        &["yarn --frozen-lockfile", "yarn --immutable"],
        &[
            "yarn.lock",
            ".yarnrc*",
            ".yarn/releases/*",
            ".yarn/plugins/*",
            ".yarn/patches/*",
            ".pnp.cjs",
        ],
    ),
    tool(
        "bun install",
        &["bun i"],
        &["bun.lock", "bun.lockb", "bunfig.toml"],
    ),
    tool(
        "cargo build",
        &["cargo fetch", "cargo install"],
        &[
            "Cargo.toml",
            "Cargo.lock",
            "rust-toolchain*",
            ".cargo/config",
            ".cargo/config.toml",
        ],
    )
    .fetched_by("cargo fetch"),
    tool(
        "go mod download",
        &["go build", "go install"],
        &["go.mod", "go.sum", "go.work", "go.work.sum"],
    )
    .fetched_by("go mod download"),
    tool(
        "bundle install",
        &[],
        &[
            "Gemfile*",
            "gems.rb",
            "gems.locked",
            "*.gemspec",
            ".ruby-version",
        ],
    ),
    tool(
        "composer install",
        &["composer update"],
        &[
            "composer.json",
            "composer.lock",
            "symfony.lock",
            "auth.json",
        ],
    ),
    tool(
        "mvn",
        &["mvnw"],
        &[
            "pom.xml",
            "mvnw",
            "mvnw.cmd",
            ".mvn/*",
            ".mvn/wrapper/*",
            "maven-wrapper.jar",
            "maven-wrapper.properties",
        ],
    )
    .fetched_by("mvn dependency:go-offline"),
    tool(
        "gradle",
        &["gradlew"],
        &[
            "build.gradle*",
            "settings.gradle*",
            "gradle.properties",
            "gradle.lockfile",
            "buildscript-gradle.lockfile",
            "gradlew",
            "gradlew.bat",
            "gradle-wrapper.jar",
            "gradle-wrapper.properties",
            "libs.versions.toml",
            "*.versions.toml",
        ],
    )
    .fetched_by("gradle dependencies"),
    tool(
        "dotnet restore",
        &["dotnet build", "dotnet publish"],
        &[
            "*.csproj",
            "*.fsproj",
            "*.vbproj",
            "*.sln",
            "*.slnx",
            "Directory.*.props",
            "Directory.Build.targets",
            "packages.lock.json",
            "packages.config",
            "nuget.config",
            "NuGet.config",
            "NuGet.Config",
            "global.json",
        ],
    )
    .fetched_by("dotnet restore"),
    tool(
        "mix deps.get",
        &["mix do deps.get"],
        &["mix.exs", "mix.lock"],
    ),
];

const fn tool(
    command: &'static str,
    also: &'static [&'static str],
    names: &'static [&'static str],
) -> Tool {
    let not: &[&str] = &[];
    Tool {
        command,
        also,
        not,
        fetch: None,
        names,
    }
}

impl Tool {
    const fn but_not(self, not: &'static [&'static str]) -> Self {
        Self { not, ..self }
    }

    const fn fetched_by(self, fetch: &'static str) -> Self {
        Self {
            fetch: Some(fetch),
            ..self
        }
    }

    /// Whether a command line installs with it.
    fn is_called(&self, text: &str) -> bool {
        let words: Vec<&str> = text
            .split(|char: char| {
                char.is_whitespace() || matches!(char, '"' | ',' | '[' | ']' | ';' | '&' | '(')
            })
            .filter(|word| !word.is_empty())
            .map(|word| word.rsplit('/').next().unwrap_or(word))
            .collect();
        let says = |phrase: &str| {
            let phrase: Vec<&str> = phrase.split(' ').collect();
            words.windows(phrase.len()).any(|own| own == phrase)
        };
        let calls = std::iter::once(&self.command).chain(self.also);
        calls.into_iter().any(|call| says(call)) && !self.not.iter().any(|other| says(other))
    }

    /// The files that its ecosystem shares.
    fn shared(&self) -> &'static [&'static str] {
        match self.command.split(' ').next() {
            Some("pip" | "poetry" | "uv" | "pipenv" | "pdm" | "conda") => PYTHON,
            Some("npm" | "pnpm" | "yarn" | "bun") => JAVASCRIPT,
            _ => &[],
        }
    }
}

/// The package managers that a command line installs with.
pub(super) fn tools_of(text: &str) -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(move |tool| tool.is_called(text))
}

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
        TOOLS.iter().any(|tool| Self::is_of(tool, path)) || self.added.matches_path(path).0
    }

    /// Whether the file at `path` is one of a package manager's.
    pub(super) fn is_of(tool: &Tool, path: &[u8]) -> bool {
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (folder, name) = cut.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        let fits_path = |pattern: &&str| match pattern.rsplit_once('/') {
            None => fits(pattern, name),
            Some((own, pattern)) => {
                let inside = folder.strip_suffix(own.as_bytes());
                inside.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
                    && fits(pattern, name)
            }
        };
        tool.names.iter().chain(tool.shared()).any(fits_path)
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
        let of_each = [
            (
                "pip",
                "requirements.txt requirements-dev.txt requirements/prod.txt constraints.txt pyproject.toml setup.py",
            ),
            ("poetry", "pyproject.toml poetry.lock poetry.toml"),
            ("uv", "pyproject.toml uv.lock .python-version uv.toml"),
            ("pipenv", "Pipfile Pipfile.lock"),
            (
                "npm",
                "package.json a/b/package.json package-lock.json npm-shrinkwrap.json .npmrc",
            ),
            ("pnpm", "pnpm-lock.yaml pnpm-workspace.yaml .pnpmfile.cjs"),
            (
                "yarn",
                "yarn.lock .yarnrc .yarnrc.yml .yarn/releases/yarn-4.1.0.cjs",
            ),
            ("bun", "bun.lock bun.lockb bunfig.toml"),
            (
                "cargo",
                "Cargo.toml Cargo.lock rust-toolchain rust-toolchain.toml .cargo/config.toml",
            ),
            ("go", "go.mod go.sum go.work go.work.sum"),
            ("bundler", "Gemfile Gemfile.lock x.gemspec .ruby-version"),
            ("composer", "composer.json composer.lock"),
            (
                "maven",
                "pom.xml sub/pom.xml mvnw .mvn/maven.config .mvn/wrapper/maven-wrapper.jar .mvn/extensions.xml",
            ),
            (
                "gradle",
                "build.gradle build.gradle.kts settings.gradle.kts gradle.properties gradle.lockfile gradlew \
                 gradle/libs.versions.toml gradle/wrapper/gradle-wrapper.jar gradle/wrapper/gradle-wrapper.properties",
            ),
            (
                "nuget",
                "x/App.csproj All.sln Directory.Packages.props Directory.Build.props packages.lock.json \
                 nuget.config NuGet.Config global.json",
            ),
            ("mix", "mix.exs mix.lock apps/web/mix.exs"),
        ];
        for (tool, paths) in of_each {
            for path in paths.split_whitespace() {
                assert!(known.contains(path.as_bytes()), "{tool}: {path}");
            }
        }
        for path in [
            "main.py",
            "requirements.py",
            "package.json.bak",
            "src/Cargo.rs",
            "txt",
            "requirements/app.py",
            "my.mvn/x",
            "x.mvn/maven.config",
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
    fn commands_that_install_are_known() {
        let called = |text: &str| tools_of(text).map(|tool| tool.command).collect::<Vec<_>>();
        assert_eq!(called("RUN pip3 install -r x"), ["pip install"]);
        assert_eq!(
            called("RUN --mount=type=cache,target=/x python -m pip install -r x"),
            ["pip install"]
        );
        assert_eq!(called("RUN [\"npm\", \"ci\"]"), ["npm ci"]);
        assert_eq!(
            called("RUN cd x&&./gradlew build && bun install"),
            ["bun install", "gradle"]
        );
        assert_eq!(called("RUN pip install -e ."), Vec::<&str>::new());
        assert_eq!(
            called("RUN echo npm; apt-get install x"),
            Vec::<&str>::new()
        );
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
