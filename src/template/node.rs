//! Node.js: what npm, pnpm and yarn install from, and what `package.json` says of building and starting.

use serde_json::Value;

use super::error::Error;
use super::facts::{Facts, Start, copies, is_plain, version};
use super::folder::Folder;
use super::kind::Template;

/// The Node.js of a project that says none.
const VERSION: &str = "24";
const PORT: u16 = 3000;

pub(super) fn facts(
    here: Folder<'_>,
    template: Template,
    port: Option<u16>,
) -> Result<Facts, Error> {
    let package = package(here)?;
    let script = |name: &str| {
        package
            .pointer(&format!("/scripts/{name}"))
            .and_then(Value::as_str)
    };
    let builds = script("build").is_some();
    let tool = Tool::of(here, template)?;
    let mut facts = Facts::new();
    facts
        .set("copies", copies(&tool.files(here)))
        .set("manager", tool.manager.clone())
        .set("install", tool.install(here, builds))
        .set(
            "build",
            if builds {
                format!("{} run build", tool.word)
            } else {
                String::new()
            },
        )
        .set(
            "version",
            version(here, &[".nvmrc", ".node-version"], VERSION),
        )
        .set("port", port.unwrap_or(PORT).to_string())
        .mark(
            "workspaces",
            package.get("workspaces").is_some() || here.has("pnpm-workspace.yaml"),
        )
        .start(start(here, &package, script("start"), &tool));
    Ok(facts)
}

fn package(here: Folder<'_>) -> Result<Value, Error> {
    let text = here.text("package.json")?;
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|source| Error::Malformed {
        file: here.root.join("package.json"),
        source,
    })
}

/// The package manager that `package.json` names, and its version: `"packageManager": "pnpm@9.1.0+sha512.…"`.
pub(super) fn manager(here: Folder<'_>) -> Result<Option<(String, String)>, Error> {
    let package = package(here)?;
    let said = package.get("packageManager").and_then(Value::as_str);
    let said = said.and_then(|text| text.split_once('@'));
    Ok(said.map(|(name, version)| {
        let version = version.split('+').next().unwrap_or_default();
        (name.to_owned(), version.to_owned())
    }))
}

/// A package manager as a project uses it.
struct Tool {
    word: &'static str,
    /// What installs the manager itself; empty where the image has it.
    manager: String,
    /// Yarn of version 2 or later, which has ways of its own.
    modern: bool,
}

impl Tool {
    fn of(here: Folder<'_>, template: Template) -> Result<Self, Error> {
        let asked = |word: &str| -> Result<Option<String>, Error> {
            let said = manager(here)?.filter(|(name, _)| name == word);
            Ok(said
                .map(|(_, version)| version)
                .filter(|version| is_plain(version)))
        };
        Ok(match template {
            Template::NodePnpm => {
                let version = match asked("pnpm")? {
                    Some(version) => version,
                    None => pnpm_of(&here.beginning("pnpm-lock.yaml")).to_owned(),
                };
                Self {
                    word: "pnpm",
                    manager: format!("npm install --global pnpm@{version}"),
                    modern: false,
                }
            }
            Template::NodeYarn => {
                let asked = asked("yarn")?;
                let lock = here.beginning("yarn.lock");
                let modern = match &asked {
                    Some(version) => !version.starts_with("1."),
                    None => here.has(".yarnrc.yml") || lock.contains("__metadata:"),
                };
                let version = asked
                    .map(|version| format!("@{version}"))
                    .unwrap_or_default();
                Self {
                    word: "yarn",
                    // The image has a yarn, of version 1.
                    manager: if modern {
                        format!("npm install --global --force @yarnpkg/cli-dist{version}")
                    } else {
                        String::new()
                    },
                    modern,
                }
            }
            _ => Self {
                word: "npm",
                manager: String::new(),
                modern: false,
            },
        })
    }

    fn files(&self, here: Folder<'_>) -> Vec<String> {
        let mut files = here.those(&["package.json", ".npmrc"]);
        let own: &[&str] = match self.word {
            "pnpm" => &["pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs"],
            "yarn" => &["yarn.lock", ".yarnrc", ".yarnrc.yml"],
            _ => &["package-lock.json", "npm-shrinkwrap.json"],
        };
        files.extend(here.those(own));
        if self.word == "yarn" {
            for folder in ["patches", "plugins", "releases"] {
                let folder = format!(".yarn/{folder}");
                let names = here.names(&folder).into_iter();
                files.extend(
                    names
                        .map(|name| format!("{folder}/{name}"))
                        .filter(|file| here.has(file)),
                );
            }
        }
        files
    }

    /// What installs: what only development needs, too, where something is built.
    fn install(&self, here: Folder<'_>, builds: bool) -> String {
        let locked = here
            .first(&["package-lock.json", "npm-shrinkwrap.json"])
            .is_some();
        let only = |option: &str| {
            if builds {
                String::new()
            } else {
                format!(" {option}")
            }
        };
        match (self.word, self.modern) {
            ("pnpm", _) => {
                let frozen = if here.has("pnpm-lock.yaml") {
                    " --frozen-lockfile"
                } else {
                    ""
                };
                format!(
                    "--mount=type=cache,target=/pnpm-store pnpm install{frozen}{} --store-dir /pnpm-store",
                    only("--prod")
                )
            }
            // Its cache must be where the user of the container finds it.
            ("yarn", true) => "YARN_ENABLE_GLOBAL_CACHE=false yarn install --immutable".to_owned(),
            ("yarn", false) => {
                let frozen = if here.has("yarn.lock") {
                    " --frozen-lockfile"
                } else {
                    ""
                };
                format!(
                    "--mount=type=cache,target=/usr/local/share/.cache/yarn yarn install{frozen}{}",
                    only("--production")
                )
            }
            _ => {
                let install = if locked { "npm ci" } else { "npm install" };
                format!(
                    "--mount=type=cache,target=/root/.npm {install}{}",
                    only("--omit=dev")
                )
            }
        }
    }
}

/// The pnpm that wrote a lock file of this form.
fn pnpm_of(lock: &str) -> &'static str {
    let said = lock
        .lines()
        .find_map(|line| line.strip_prefix("lockfileVersion:"));
    match said.map(|version| version.trim().trim_matches(['\'', '"'])) {
        Some(version) if version.starts_with("5.") => "7",
        Some(version) if version.starts_with("6.") => "8",
        _ => "10",
    }
}

fn start(here: Folder<'_>, package: &Value, script: Option<&str>, tool: &Tool) -> Start {
    if let Some(script) = script {
        let because = "`package.json` has a script `start`";
        // Without a package manager in between signals come through.
        if let Some(file) = script.strip_prefix("node ").filter(|file| is_plain(file))
            && !tool.modern
        {
            return Start::of(&["node", file], because);
        }
        return Start::of(&[tool.word, "start"], because);
    }
    let main = package
        .get("main")
        .and_then(Value::as_str)
        .filter(|file| is_plain(file));
    let main = main.filter(|file| here.has(file));
    let files = [
        "server.js",
        "index.js",
        "app.js",
        "main.js",
        "server.mjs",
        "index.mjs",
        "src/index.js",
    ];
    if let Some(file) = main.or_else(|| here.first(&files)) {
        let command: &[&str] = if tool.modern {
            &["yarn", "node", file]
        } else {
            &["node", file]
        };
        return Start::of(command, format!("`{file}` is there"));
    }
    Start::guess(&[tool.word, "start"])
}
