//! Java: what Maven and Gradle build from, and what they leave to be started.

use super::error::Error;
use super::facts::{Facts, Start, copies, version};
use super::folder::Folder;
use super::kind::Template;

/// The Java of a project that says none.
const VERSION: &str = "21";
/// The Gradle of a project without a wrapper.
const GRADLE: &str = "8";
const PORT: u16 = 8080;

pub(super) fn facts(
    here: Folder<'_>,
    template: Template,
    port: Option<u16>,
) -> Result<Facts, Error> {
    let mut facts = Facts::new();
    facts
        .set("version", version(here, &[".java-version"], VERSION))
        .set("port", port.unwrap_or(PORT).to_string());
    if template == Template::JavaMaven {
        if here.text("pom.xml")?.contains("<modules>") {
            return Err(Error::Beyond {
                template: "java-maven",
                file: here.root.join("pom.xml"),
                what: "that of several modules",
            });
        }
        let start = Start::of(&["java", "-jar", "app.jar"], "`mvn package` makes a jar");
        let mut files = here.those(&["pom.xml"]);
        files.extend(here.those(&[
            ".mvn/maven.config",
            ".mvn/jvm.config",
            ".mvn/extensions.xml",
        ]));
        facts.set("copies", copies(&files)).start(start);
        return Ok(facts);
    }
    let build = format!(
        "{}{}",
        here.text("build.gradle")?,
        here.text("build.gradle.kts")?
    );
    let settings = format!(
        "{}{}",
        here.text("settings.gradle")?,
        here.text("settings.gradle.kts")?
    );
    if settings
        .lines()
        .any(|line| line.trim_start().starts_with("include"))
    {
        let file = here
            .first(&["settings.gradle.kts", "settings.gradle"])
            .unwrap_or_default();
        return Err(Error::Beyond {
            template: "java-gradle",
            file: here.root.join(file),
            what: "that of several projects",
        });
    }
    let boots = build.contains("org.springframework.boot");
    let names = |line: &str| {
        let line = line.trim();
        [
            "application",
            "`application`",
            "id 'application'",
            "id(\"application\")",
            "id \"application\"",
            "apply plugin: 'application'",
        ]
        .contains(&line)
    };
    let installs = !boots && build.lines().any(names);
    let start = if installs {
        Start::of(&["bin/start"], "the build has the plugin `application`")
    } else {
        Start::of(
            &["java", "-jar", "app.jar"],
            "`gradle assemble` makes a jar",
        )
    };
    let files = [
        "build.gradle",
        "build.gradle.kts",
        "settings.gradle",
        "settings.gradle.kts",
        "gradle.properties",
        "gradle.lockfile",
        "gradle/libs.versions.toml",
    ];
    facts
        .set("copies", copies(&here.those(&files)))
        .set(
            "gradle",
            wrapped(&here.text("gradle/wrapper/gradle-wrapper.properties")?)
                .unwrap_or_else(|| GRADLE.to_owned()),
        )
        .mark("install", installs)
        .start(start);
    Ok(facts)
}

/// The version that a wrapper brings: `distributionUrl=https\://…/gradle-8.10.2-bin.zip`.
fn wrapped(properties: &str) -> Option<String> {
    let line = properties
        .lines()
        .find_map(|line| line.trim().strip_prefix("distributionUrl="))?;
    let (_, rest) = line.rsplit_once("/gradle-")?;
    let version = rest.split('-').next()?.trim_end_matches(".zip");
    let fits = |char: char| char.is_ascii_digit() || char == '.';
    (!version.is_empty() && version.chars().all(fits)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_says_its_version() {
        let of = |url: &str| wrapped(&format!("a=b\ndistributionUrl=https\\://h/d/{url}\n"));
        assert_eq!(of("gradle-8.10.2-bin.zip").as_deref(), Some("8.10.2"));
        assert_eq!(of("gradle-8.10-rc-1-all.zip").as_deref(), Some("8.10"));
        assert_eq!(of("x.zip"), None);
    }
}
