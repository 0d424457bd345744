//! Dependency images in single steps of Dagger's, where all of their instructions are plain ones. `dockerBuild` hashes the whole file
//! system anew behind each COPY, 2 to 3 s for each GB; a file that is put into a file system costs nothing. Pure, but for the
//! queries at the end; must not know where the result goes.

use dagger_sdk::errors::DaggerError;
use dagger_sdk::{
    Container, ContainerWithFileOpts, Directory, DirectoryDockerBuildOpts,
    DirectoryWithNewDirectoryOpts, Platform, Query,
};

use crate::build::references::{Pins, References};
use crate::fingerprint::{Context, EntryKind, Instruction, Recipe, StageBase};
use crate::runtime::{BuildPart, BuildRequest};

/// The steps of one image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// A Dockerfile of what comes before the first COPY.
    start: String,
    rest: Vec<Step>,
    /// A Dockerfile of what is in the image's configuration alone.
    end: String,
}

/// One step.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A file of the context, and its absolute path in the image.
    Copy { file: String, to: String },
    /// A working directory.
    Folder(String),
    /// A command of the shell, and a Dockerfile of the configuration that it runs with.
    Run { command: String, with: String },
}

impl Steps {
    /// Those of a request; `None` where `dockerBuild` has to build it. `shell` says whether a base image has one of its own.
    pub(super) fn of(request: &BuildRequest<'_>, pins: &Pins, shell: bool) -> Option<Self> {
        let BuildPart::Dependencies { stage } = request.part else {
            return None;
        };
        let recipe = request.recipe;
        let cut = recipe.cuts.iter().find(|cut| cut.stage == stage)?;
        let own = recipe.dockerfile.stages.get(stage)?;
        let StageBase::Image(image) = &own.base else {
            return None;
        };
        let (_, base) = recipe.bases.iter().find(|(name, _)| name == image)?;
        let plain = !shell
            && own.platform.is_none()
            && recipe.opaque.is_none()
            && recipe.dockerfile.escape == '\\'
            && base.onbuild.is_empty()
            // Else BuildKit sets one.
            && base.env.iter().any(|line| line.starts_with("PATH="))
            // They are in the environment of each RUN, declared or not.
            && !recipe.build.args.keys().any(|name| name.to_lowercase().ends_with("_proxy"));
        let instructions = own.instructions.get(..cut.instructions)?;
        let first = instructions.iter().position(|own| own.keyword == "COPY")?;
        if !plain || !instructions.iter().all(is_plain) {
            return None;
        }
        let from = References::new(recipe, pins).from(own)?;
        let (before, behind) = instructions.split_at(first);
        let mut walk = Walk {
            recipe,
            folder: absolute("/", &base.working_dir)?,
            config: format!("{from}\n"),
            steps: Vec::new(),
        };
        let mut start = walk.config.clone();
        for own in before {
            start.push_str(&own.source);
            start.push('\n');
            walk.configure(own)?;
        }
        for own in behind {
            walk.step(own)?;
        }
        Some(Self {
            start,
            rest: walk.steps,
            end: walk.config,
        })
    }

    /// The files of the Dockerfiles, by name: no two of them are the same.
    pub(super) fn dockerfiles(&self) -> Vec<&str> {
        let mut all = vec![&*self.start];
        let with = self.rest.iter().filter_map(|step| match step {
            Step::Run { with, .. } => Some(&**with),
            _ => None,
        });
        for text in with.chain([&*self.end]) {
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    /// Builds, with the files of `context` and the Dockerfiles as `Dockerfile-<number>` in `texts`.
    ///
    /// # Errors
    /// Dagger's own.
    pub(super) async fn build(
        &self,
        query: &Query,
        context: &str,
        texts: &str,
        platform: Option<&str>,
    ) -> Result<Container, DaggerError> {
        let context: Directory = query.host().directory(context);
        let texts = query.host().directory(texts);
        let dockerfiles = self.dockerfiles();
        let built = |text: &str| {
            let number = dockerfiles.iter().position(|own| *own == text);
            let file = format!("Dockerfile-{}", number.unwrap_or_default());
            texts.docker_build_opts(DirectoryDockerBuildOpts {
                build_args: None,
                dockerfile: Some(&file),
                no_init: None,
                platform: platform.map(|own| Platform(own.to_owned())),
                secrets: None,
                ssh: None,
                target: None,
            })
        };
        let mut image = built(&self.start);
        for step in &self.rest {
            image = match step {
                Step::Copy { file, to } => {
                    let file = context.file(file).id().await?;
                    let options = ContainerWithFileOpts {
                        expand: None,
                        owner: Some("0:0"),
                        permissions: None,
                    };
                    image.with_file_opts(to, file, options)
                }
                Step::Folder(path) => {
                    let options = DirectoryWithNewDirectoryOpts {
                        permissions: Some(0o755),
                    };
                    let root = image.rootfs().with_new_directory_opts(path, options);
                    image.with_rootfs(root.id().await?)
                }
                Step::Run { command, with } => {
                    let root = image.rootfs().id().await?;
                    let words = ["/bin/sh", "-c", command.as_str()];
                    built(with).with_rootfs(root).with_exec(words.to_vec())
                }
            };
        }
        let root = image.rootfs().id().await?;
        built(&self.end).with_rootfs(root).sync().await
    }
}

/// Whether all about an instruction can be told from its text.
fn is_plain(own: &Instruction) -> bool {
    let text = own.arguments.as_str();
    let bare = own.flags('\\').is_empty() && own.heredocs.is_empty() && !text.contains('\n');
    match own.keyword.as_str() {
        "COPY" | "WORKDIR" => {
            bare && !text.contains(['$', '\\', '"', '\'', '*', '?', '[', ']', '`'])
        }
        "RUN" => bare && !text.trim_start().starts_with('['),
        other => [
            "ENV",
            "LABEL",
            "USER",
            "EXPOSE",
            "CMD",
            "ENTRYPOINT",
            "STOPSIGNAL",
            "HEALTHCHECK",
            "MAINTAINER",
        ]
        .contains(&other),
    }
}

struct Walk<'a> {
    recipe: &'a Recipe,
    /// The working directory.
    folder: String,
    /// A Dockerfile of the configuration so far.
    config: String,
    steps: Vec<Step>,
}

impl Walk<'_> {
    fn step(&mut self, own: &Instruction) -> Option<()> {
        match own.keyword.as_str() {
            "COPY" => return self.copy(&own.arguments),
            "RUN" => self.steps.push(Step::Run {
                command: own.arguments.trim().to_owned(),
                with: self.config.clone(),
            }),
            "WORKDIR" => {
                self.configure(own)?;
                self.steps.push(Step::Folder(self.folder.clone()));
            }
            _ => self.configure(own)?,
        }
        Some(())
    }

    /// What is in the configuration of an image, and not in its files.
    fn configure(&mut self, own: &Instruction) -> Option<()> {
        if matches!(own.keyword.as_str(), "COPY" | "RUN") {
            return Some(());
        }
        if own.keyword == "WORKDIR" {
            self.folder = absolute(&self.folder, own.arguments.trim())?;
        }
        self.config.push_str(&own.source);
        self.config.push('\n');
        Some(())
    }

    /// Files into a folder: what a path without a slash at its end means depends on what is there.
    fn copy(&mut self, arguments: &str) -> Option<()> {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let (to, files) = words.split_last()?;
        let is_folder = matches!(*to, "." | "./") || to.ends_with('/');
        if !is_folder || files.is_empty() {
            return None;
        }
        let folder = absolute(&self.folder, to)?;
        for file in files {
            let file = absolute("/", file)?;
            let file = file.trim_start_matches('/');
            if !is_file(&self.recipe.context, file) {
                return None;
            }
            let name = file.rsplit('/').next()?;
            self.steps.push(Step::Copy {
                file: file.to_owned(),
                to: format!("{}/{name}", folder.trim_end_matches('/')),
            });
        }
        Some(())
    }
}

fn is_file(context: &Context, path: &str) -> bool {
    let entries = &context.entries;
    let found = entries.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes()));
    found.is_ok_and(|at| matches!(entries[at].kind, EntryKind::File { .. }))
}

/// A path from a folder on, without `.`; `None` where it goes up, as links may lie on the way.
fn absolute(folder: &str, path: &str) -> Option<String> {
    let start = if path.starts_with('/') { "" } else { folder };
    let parts = start.split('/').chain(path.split('/'));
    let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.contains(&"..")).then(|| format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::recipe;
    use crate::fingerprint::Base;
    use crate::model::Project;
    use crate::plan::BuilderKind;
    use std::collections::BTreeMap;

    fn steps(rest: &str, change: impl Fn(&mut Recipe)) -> Option<Steps> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("need.txt"), "x").unwrap();
        std::fs::write(folder.path().join("src/own"), "x").unwrap();
        let text = format!("FROM a\n{rest}\n");
        let count = rest.lines().filter(|line| !line.starts_with(' ')).count();
        let mut recipe = recipe(folder.path(), &text, &[(0, count)]);
        let image = "a".parse().unwrap();
        let base = Base {
            identity: String::new(),
            onbuild: Vec::new(),
            env: vec!["PATH=/bin".to_owned()],
            working_dir: "/base".to_owned(),
            volumes: Vec::new(),
        };
        recipe.bases = vec![(image, base)];
        change(&mut recipe);
        let request = BuildRequest {
            project: &Project::default(),
            recipe: &recipe,
            part: BuildPart::Dependencies { stage: 0 },
            builder: BuilderKind::Dagger,
            name: String::new(),
            labels: BTreeMap::new(),
        };
        let pins = Pins::from([("a".parse().unwrap(), "a@1".to_owned())]);
        Steps::of(&request, &pins, false)
    }

    #[test]
    fn files_are_put_where_copy_puts_them_and_commands_run_with_what_was_set_before_them() {
        let text = "RUN before\nENV A=1\nCOPY need.txt src/own ./\nWORKDIR app\nUSER me\nRUN make $A\nCOPY need.txt /\nRUN last";
        let found = steps(text, |_| ()).unwrap();
        let copy = |file: &str, to: &str| Step::Copy {
            file: file.to_owned(),
            to: to.to_owned(),
        };
        let run = |command: &str| Step::Run {
            command: command.to_owned(),
            with: found.end.clone(),
        };
        assert_eq!(found.start, "FROM a@1\nRUN before\nENV A=1\n");
        assert_eq!(found.end, "FROM a@1\nENV A=1\nWORKDIR app\nUSER me\n");
        assert_eq!(
            found.rest,
            [
                copy("need.txt", "/base/need.txt"),
                copy("src/own", "/base/own"),
                Step::Folder("/base/app".to_owned()),
                run("make $A"),
                copy("need.txt", "/need.txt"),
                run("last"),
            ]
        );
        assert_eq!(found.dockerfiles(), [&*found.start, &*found.end]);
    }

    #[test]
    fn what_is_not_plain_is_left_to_docker_build() {
        for text in [
            "RUN x",
            "ARG A\nCOPY need.txt .\nRUN x",
            "COPY need.txt /somewhere\nRUN x",
            "COPY src ./\nRUN x",
            "COPY need* ./\nRUN x",
            "COPY ../need.txt ./\nRUN x",
            "COPY missing ./\nRUN x",
            "COPY --chmod=600 need.txt ./\nRUN x",
            "COPY need.txt $HOME/\nRUN x",
            "COPY [\"need.txt\", \"./\"]\nRUN x",
            "COPY need.txt ./\nRUN --mount=type=tmpfs,target=/t x",
            "COPY need.txt ./\nRUN [\"x\"]",
            "SHELL [\"/bin/bash\", \"-c\"]\nCOPY need.txt ./\nRUN x",
            "COPY need.txt ./\nADD need.txt /\nRUN x",
            "VOLUME /v\nCOPY need.txt ./\nRUN x",
        ] {
            assert_eq!(steps(text, |_| ()), None, "{text}");
        }
        let plain = "COPY need.txt ./\nRUN x";
        assert!(steps(plain, |_| ()).is_some());
        let odd: [fn(&mut Recipe); 4] = [
            |recipe| recipe.bases[0].1.onbuild.push("RUN y".to_owned()),
            |recipe| recipe.bases[0].1.env.clear(),
            |recipe| recipe.opaque = Some("line 1".to_owned()),
            |recipe| {
                let args = &mut recipe.build.args;
                args.insert("HTTPS_PROXY".to_owned(), Some("x".to_owned()));
            },
        ];
        for change in odd {
            assert_eq!(steps(plain, change), None);
        }
    }
}
