//! What Dagger's `dockerBuild` has no input for, or does otherwise than BuildKit, and how images are named to it.
//! Pure; must not know how a build is started.

use bollard::models::ImageInspect;

use crate::fingerprint::{EntryKind, Instruction, Recipe};
use crate::model::ImageRef;
use crate::plan;
use crate::runtime::{BuildPart, BuildRequest};

/// The first thing about a build that `dockerBuild` has no input for, or does otherwise.
pub(super) fn beyond_dagger(request: &BuildRequest<'_>) -> Option<String> {
    let build = &request.recipe.build;
    let special = request
        .recipe
        .context
        .entries
        .iter()
        .any(|entry| entry.mode & 0o7000 != 0);
    let fixed = [
        ("context", build.is_remote()),
        // Dagger takes a folder without its set-user-ID, set-group-ID and sticky bits.
        ("files with special mode bits", special),
    ];
    fixed
        .into_iter()
        .find_map(|(name, set)| set.then(|| name.to_owned()))
        .or_else(|| plan::beyond_dagger(build))
        .or_else(|| other_agent(request))
        .or_else(|| changed_owner(request))
}

/// A RUN that asks for another SSH agent than the build section has, where Dagger gives it that one, or for its socket with
/// other modes, which Dagger does not know.
fn other_agent(request: &BuildRequest<'_>) -> Option<String> {
    let written = request.recipe.build.ssh.first()?;
    let id = written.split('=').next().unwrap_or_default();
    let escape = request.recipe.dockerfile.escape;
    let runs = carried_out(request).filter(|(_, _, own)| own.keyword == "RUN");
    let flags = runs.flat_map(|(_, _, own)| own.flags(escape));
    let mut mounts = flags.filter(|flag| {
        let fields = flag.strip_prefix("--mount=").unwrap_or_default();
        fields.split(',').any(|field| field == "type=ssh")
    });
    let other = |mount: &String| {
        let field = |name: &str| {
            let mut fields = mount.split(',').filter_map(|field| field.split_once('='));
            fields.find_map(|(own, value)| (own == name).then_some(value))
        };
        field("id").unwrap_or("default") != id
            || field("mode").is_some_and(|mode| !matches!(mode, "0600" | "600"))
    };
    mounts.find(other).map(|mount| format!("RUN {mount}"))
}

/// A COPY or ADD that gives a folder another owner or mode than with BuildKit. Dagger sets them on a folder that is there
/// already, too, where BuildKit leaves it as it is, and takes over a folder's own mode (seen with engines of 0.21). What a
/// script does that a RUN starts, or the base image has, cannot be seen here.
fn changed_owner(request: &BuildRequest<'_>) -> Option<String> {
    let recipe = request.recipe;
    let mut owners_are_set = false;
    for (stage, number, own) in carried_out(request) {
        owners_are_set |= sets_owners(own);
        if !matches!(own.keyword.as_str(), "COPY" | "ADD") {
            continue;
        }
        let words = own.arguments.split_whitespace();
        let flags: Vec<&str> = words.take_while(|word| word.starts_with("--")).collect();
        let has = |start: &str| flags.iter().find(|flag| flag.starts_with(start));
        if let Some(flag) = has("--chown=").or_else(|| has("--chmod=")) {
            return Some(format!("{} {flag}", own.keyword));
        }
        let modes = match has("--from=") {
            // What lies in another image is not known.
            Some(_) => vec![0o755],
            None => folders(recipe, stage, number),
        };
        if modes.iter().any(|mode| *mode != 0o755) || owners_are_set && !modes.is_empty() {
            return Some(format!(
                "{} {} (of a folder)",
                own.keyword,
                own.arguments.trim()
            ));
        }
    }
    None
}

/// The instructions that a request carries out, with the numbers of their stage, from 0, and in it, from 1.
fn carried_out<'a>(
    request: &BuildRequest<'a>,
) -> impl Iterator<Item = (usize, usize, &'a Instruction)> {
    let recipe = request.recipe;
    let stages = recipe.dockerfile.stages.iter().enumerate();
    let part = request.part.clone();
    stages.flat_map(move |(number, stage)| {
        let cut = recipe.cuts.iter().find(|cut| cut.stage == number);
        let end = match part {
            BuildPart::Dependencies { stage } if number > stage => 0,
            BuildPart::Dependencies { stage } if number == stage => {
                cut.map_or(0, |cut| cut.instructions)
            }
            _ => stage.instructions.len(),
        };
        let own = stage.instructions[..end].iter().zip(1..);
        own.map(move |(own, at)| (number, at, own))
    })
}

/// Whether an instruction may leave folders that are not `root`'s with mode 0755.
fn sets_owners(own: &Instruction) -> bool {
    const WORDS: [&str; 9] = [
        "chown",
        "chmod",
        "useradd",
        "adduser",
        "umask",
        "install -d",
        "install -o",
        "install -m",
        "mkdir -m",
    ];
    match own.keyword.as_str() {
        "USER" => !matches!(own.arguments.trim(), "root" | "0"),
        "RUN" => WORDS.iter().any(|word| own.arguments.contains(word)),
        _ => false,
    }
}

/// The modes of the folders that an instruction reads from the context; of all, where that is not known.
fn folders(recipe: &Recipe, stage: usize, number: usize) -> Vec<u32> {
    let mut links = recipe.chain.iter();
    let link = links.find(|link| (link.stage, link.instruction) == (stage, number));
    let all = 0..recipe.context.entries.len();
    let reads = link.map_or_else(|| all.collect(), |link| link.reads.clone());
    let entries = reads.into_iter().map(|at| &recipe.context.entries[at]);
    let folders = entries.filter(|entry| matches!(entry.kind, EntryKind::Directory));
    folders.map(|entry| entry.mode & 0o777).collect()
}

/// The image's name with a digest under which a registry has it: its own registry's, else that of another one,
/// since a digest says the same wherever it is found.
pub(super) fn pinned(image: &ImageRef, found: &ImageInspect) -> Option<String> {
    let name = image.familiar_name();
    let digests = found.repo_digests.iter().flatten();
    let digests = digests.filter_map(|own| own.split_once('@'));
    let digests: Vec<(&str, &str)> = digests.collect();
    let own = digests.iter().find(|(of, _)| *of == name);
    let (_, digest) = own.or_else(|| digests.first())?;
    Some(format!("{name}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::recipe;
    use crate::model::Project;
    use crate::plan::BuilderKind;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn a_folder_is_copied_only_where_dagger_leaves_owners_and_modes_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("src/deep")).unwrap();
        std::fs::write(folder.path().join("need.txt"), "x").unwrap();
        let refused = |rest: &str| {
            let recipe = recipe(folder.path(), &format!("FROM a\n{rest}\n"), &[]);
            let none = BTreeMap::new();
            changed_owner(&BuildRequest {
                project: &Project::default(),
                recipe: &recipe,
                part: BuildPart::Target { on: &none },
                builder: BuilderKind::Dagger,
                name: String::new(),
                labels: BTreeMap::new(),
            })
        };
        for fine in [
            "COPY src /src",
            "COPY --from=b /x /y",
            "RUN install -d -o app /app\nCOPY need.txt /app/",
            "USER root\nRUN pip install x\nCOPY src /src\nUSER app",
        ] {
            assert_eq!(refused(fine), None, "{fine}");
        }
        for other in [
            "RUN install -d -o app /app\nCOPY src /app",
            "USER app\nWORKDIR /app\nCOPY src /app",
            "RUN chown -R app /x\nCOPY --from=b /x /y",
            "COPY --chown=7 need.txt /",
        ] {
            assert!(refused(other).is_some(), "{other}");
        }
        let deep = folder.path().join("src/deep");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(deep, private).unwrap();
        let named = refused("COPY src /src");
        assert_eq!(named.as_deref(), Some("COPY src /src (of a folder)"));
    }

    #[test]
    fn another_agent_than_the_one_that_dagger_hands_on_is_refused() {
        let refused = |ssh: &str, mount: &str| {
            let text = format!("FROM a\nRUN --mount=type=ssh{mount} x\n");
            let mut recipe = recipe(Path::new("/nonexistent-is-empty"), &text, &[]);
            recipe.build.ssh.push(ssh.to_owned());
            let none = BTreeMap::new();
            other_agent(&BuildRequest {
                project: &Project::default(),
                recipe: &recipe,
                part: BuildPart::Target { on: &none },
                builder: BuilderKind::Dagger,
                name: String::new(),
                labels: BTreeMap::new(),
            })
        };
        assert_eq!(refused("default", ",uid=7"), None);
        assert_eq!(refused("own=/a.sock", ",id=own,mode=0600"), None);
        let other = refused("own=/a.sock", "");
        assert_eq!(other.as_deref(), Some("RUN --mount=type=ssh"));
        assert!(refused("default", ",id=own").is_some());
        assert!(refused("default", ",mode=0644").is_some());
    }

    #[test]
    fn an_image_is_pinned_by_its_own_registrys_digest_before_anothers() {
        let image: ImageRef = "python:3.11".parse().unwrap();
        let found = |digests: &[&str]| ImageInspect {
            repo_digests: Some(digests.iter().map(ToString::to_string).collect()),
            ..ImageInspect::default()
        };
        assert_eq!(pinned(&image, &found(&[])), None);
        let other = found(&["mirror:5000/python@sha256:2"]);
        assert_eq!(pinned(&image, &other).unwrap(), "python@sha256:2");
        let both = found(&["mirror:5000/python@sha256:2", "python@sha256:1"]);
        assert_eq!(pinned(&image, &both).unwrap(), "python@sha256:1");
    }
}
