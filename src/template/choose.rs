//! Which template fits a folder: by the files that lie in it, those that lock versions first.

use std::path::Path;

use super::error::Error;
use super::folder::Folder;
use super::kind::{NAMES, Template};

/// A template, and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The template.
    pub template: Template,
    /// The file by which it was chosen.
    pub file: &'static str,
}

/// A file that speaks for a template. Of one language the files with the lowest rank count.
struct Sign {
    file: &'static str,
    template: Template,
    rank: u8,
}

/// A lock file says which package manager is used.
const LOCK: u8 = 0;

const SIGNS: [Sign; 20] = [
    sign("uv.lock", Template::PythonUv, LOCK),
    sign("poetry.lock", Template::PythonPoetry, LOCK),
    sign("requirements.txt", Template::PythonPip, 1),
    sign("pyproject.toml", Template::PythonPip, 2),
    sign("pnpm-lock.yaml", Template::NodePnpm, LOCK),
    sign("yarn.lock", Template::NodeYarn, LOCK),
    sign("package-lock.json", Template::NodeNpm, LOCK),
    sign("npm-shrinkwrap.json", Template::NodeNpm, LOCK),
    sign("package.json", Template::NodeNpm, 1),
    sign("go.mod", Template::Go, 1),
    sign("Cargo.toml", Template::Rust, 1),
    sign("pom.xml", Template::JavaMaven, 1),
    sign("build.gradle", Template::JavaGradle, 1),
    sign("build.gradle.kts", Template::JavaGradle, 1),
    sign("Gemfile", Template::Ruby, 1),
    sign("composer.json", Template::Php, 1),
    sign("index.html", Template::Static, 1),
    sign("public/index.html", Template::Static, 2),
    sign("dist/index.html", Template::Static, 3),
    sign("site/index.html", Template::Static, 4),
];

const fn sign(file: &'static str, template: Template, rank: u8) -> Sign {
    Sign {
        file,
        template,
        rank,
    }
}

/// Chooses the template for `folder`: the one that was `asked` for, or of that language; without that the one that fits.
///
/// # Errors
/// None or more than one fits, or the one that was asked for has nothing to install from.
pub fn choose(folder: &Path, asked: Option<&str>) -> Result<Choice, Error> {
    let here = Folder { root: folder };
    if let Some(name) = asked {
        if !NAMES.contains(&name) {
            let name = name.to_owned();
            return Err(Error::Unknown { name });
        }
        if let Some(template) = Template::ALL.into_iter().find(|own| own.name() == name) {
            return of_name(here, template, name);
        }
    }
    let counts = |sign: &&Sign| asked.is_none_or(|name| sign.template.is_meant_by(name));
    let there: Vec<&Sign> = SIGNS
        .iter()
        .filter(counts)
        .filter(|sign| here.has(sign.file))
        .collect();
    let mut found: Vec<Choice> = Vec::new();
    for sign in &there {
        // Of a language, what counts most; a page counts only where there is no program.
        let language = |other: &&&Sign| other.template.language() == sign.template.language();
        let best = there.iter().filter(language).map(|own| own.rank).min();
        let is_page = sign.template == Template::Static;
        let has_program = there.iter().any(|own| own.template != Template::Static);
        let known = found.iter().any(|own| own.template == sign.template);
        if best == Some(sign.rank) && !known && !(is_page && has_program) {
            found.push(Choice {
                template: refined(here, sign)?,
                file: sign.file,
            });
        }
    }
    match found[..] {
        [only] => Ok(only),
        [] if asked.is_some() => Err(lacks(folder, asked.unwrap_or_default())),
        [] => Err(Error::Nothing {
            folder: folder.to_owned(),
            looked_for: SIGNS.iter().map(|sign| sign.file).collect(),
        }),
        _ => {
            let one_language = found
                .iter()
                .all(|own| own.template.language() == found[0].template.language());
            let name = |own: &Choice| {
                let name = own.template.name();
                (
                    own.file,
                    if one_language {
                        name
                    } else {
                        own.template.language()
                    },
                )
            };
            Err(Error::Several {
                folder: folder.to_owned(),
                found: found.iter().map(name).collect(),
            })
        }
    }
}

/// A manifest without a lock may still say what reads it.
fn refined(here: Folder<'_>, sign: &Sign) -> Result<Template, Error> {
    Ok(match sign.file {
        "pyproject.toml" if here.text(sign.file)?.contains("[tool.poetry") => {
            Template::PythonPoetry
        }
        "package.json" => {
            let manager = super::node::manager(here)?;
            match manager.as_ref().map(|(name, _)| name.as_str()) {
                Some("pnpm") => Template::NodePnpm,
                Some("yarn") => Template::NodeYarn,
                _ => Template::NodeNpm,
            }
        }
        _ => sign.template,
    })
}

/// What a template installs from: it needs one of them.
const fn needs(template: Template) -> &'static [&'static str] {
    match template {
        Template::PythonPip => &["requirements.txt", "pyproject.toml"],
        Template::PythonUv | Template::PythonPoetry => &["pyproject.toml"],
        Template::NodeNpm | Template::NodePnpm | Template::NodeYarn => &["package.json"],
        Template::Go => &["go.mod"],
        Template::Rust => &["Cargo.toml"],
        Template::JavaMaven => &["pom.xml"],
        Template::JavaGradle => &["build.gradle", "build.gradle.kts"],
        Template::Ruby => &["Gemfile"],
        Template::Php => &["composer.json"],
        Template::Static => &[
            "index.html",
            "public/index.html",
            "dist/index.html",
            "site/index.html",
        ],
    }
}

fn of_name(here: Folder<'_>, template: Template, name: &str) -> Result<Choice, Error> {
    let file = here.first(needs(template));
    let file = file.ok_or_else(|| lacks(here.root, name))?;
    Ok(Choice { template, file })
}

fn lacks(folder: &Path, name: &str) -> Error {
    let meant = Template::ALL
        .into_iter()
        .filter(|own| own.is_meant_by(name));
    let mut files: Vec<&'static str> = Vec::new();
    for file in meant.flat_map(needs) {
        if !files.contains(file) {
            files.push(file);
        }
    }
    Error::Lacks {
        template: name.to_owned(),
        folder: folder.to_owned(),
        needs: files,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is chosen for a folder with these files.
    fn chosen(files: &str, asked: Option<&str>) -> Result<&'static str, String> {
        let folder = tempfile::tempdir().unwrap();
        for entry in files.split_whitespace() {
            let (file, text) = entry.split_once('=').unwrap_or((entry, ""));
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let chosen = choose(folder.path(), asked);
        let shown = folder.path().display().to_string();
        chosen
            .map(|own| own.template.name())
            .map_err(|error| error.to_string().replace(&shown, "F"))
    }

    #[test]
    fn what_lies_in_a_folder_chooses() {
        for (files, expected) in [
            ("requirements.txt main.py", "python-pip"),
            ("pyproject.toml", "python-pip"),
            ("pyproject.toml=[tool.poetry]", "python-poetry"),
            ("pyproject.toml uv.lock requirements.txt", "python-uv"),
            ("pyproject.toml poetry.lock", "python-poetry"),
            ("package.json={}", "node-npm"),
            ("package.json={} package-lock.json index.html", "node-npm"),
            ("package.json={} pnpm-lock.yaml", "node-pnpm"),
            ("package.json={} yarn.lock", "node-yarn"),
            (
                "package.json={\"packageManager\":\"pnpm@9.1.0\"}",
                "node-pnpm",
            ),
            ("go.mod go.sum main.go", "go"),
            ("Cargo.toml Cargo.lock", "rust"),
            ("pom.xml", "java-maven"),
            ("build.gradle.kts", "java-gradle"),
            ("Gemfile", "ruby"),
            ("composer.json composer.lock", "php"),
            ("index.html", "static"),
            ("public/index.html", "static"),
        ] {
            assert_eq!(chosen(files, None).as_deref(), Ok(expected), "{files}");
        }
    }

    #[test]
    fn what_can_be_asked_for_is_taken() {
        let both = "requirements.txt uv.lock pyproject.toml package.json={}";
        assert_eq!(chosen(both, Some("python")).as_deref(), Ok("python-uv"));
        assert_eq!(
            chosen(both, Some("python-pip")).as_deref(),
            Ok("python-pip")
        );
        assert_eq!(chosen(both, Some("node")).as_deref(), Ok("node-npm"));
        let error = chosen(both, Some("go")).unwrap_err();
        assert_eq!(
            error,
            "template `go` needs `go.mod`, which `F` does not have"
        );
        let error = chosen("x", Some("java")).unwrap_err();
        assert_eq!(
            error,
            "template `java` needs `pom.xml`, `build.gradle` or `build.gradle.kts`, which `F` does not have"
        );
        let error = chosen("x", Some("cobol")).unwrap_err();
        assert_eq!(error, "there is no template `cobol`");
    }

    #[test]
    fn nothing_and_too_much_are_told() {
        assert_eq!(chosen("main.c", None).unwrap_err(), "no template fits `F`");
        assert_eq!(
            chosen("package.json={} requirements.txt", None).unwrap_err(),
            "more than one template fits `F`: `python` for `requirements.txt`, `node` for `package.json`"
        );
        assert_eq!(
            chosen("package.json={} yarn.lock pnpm-lock.yaml", None).unwrap_err(),
            "more than one template fits `F`: `node-pnpm` for `pnpm-lock.yaml`, `node-yarn` for `yarn.lock`"
        );
    }
}
