//! The engine that says what is true: builds by docker's own command, which knows nothing of larder and sends the
//! whole context, each without any cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bollard::Docker as Client;
use bollard::query_parameters::{RemoveImageOptions, TagImageOptionsBuilder};
use futures_util::TryStreamExt;
use larder::docker::Docker;

use crate::example::{Example, Written};
use crate::features::{Feature, folder_of_probe};
use crate::image::Image;

/// What `FROM` may name: an image, another one, and one with triggers. They are this process's own: two runs at a time
/// take nothing from one another.
pub(crate) static BASES: LazyLock<[String; 3]> = LazyLock::new(|| {
    let run = std::process::id();
    ["plain", "other", "onbuild"].map(|name| format!("larder-truth/{name}:{run}"))
});

/// Of each base, its Dockerfile. `look` says what is in a folder, times aside, and without one what is around a RUN.
const RECIPES: [&str; 3] = [
    "FROM busybox:stable\nCOPY look /bin/look\nRUN chmod 755 /bin/look && mkdir -p /srv\n\
     ENV BASE=plain KEPT=base\nLABEL of.base=plain of.run={plain}\nWORKDIR /srv\n",
    "FROM {plain}\nRUN echo other > /srv/other\nENV BASE=other\nWORKDIR /srv/base\nCMD [\"sh\"]\n",
    "FROM {plain}\nONBUILD ENV TRIGGERED=yes\nONBUILD COPY *.txt /srv/triggered/\n\
     ONBUILD RUN (look; look /srv/triggered) > /tmp/triggered\n",
];

/// Proxies are left out: no builder keys them.
const LOOK: &str = "#!/bin/sh\n\
    if [ $# = 0 ]; then\n\
    env | grep -iv _proxy= | sort; id; pwd; umask; ulimit -n; cat /etc/hosts; ls -d /sys/class/net/eth0 /sys/class/net/docker0 2>&1\n\
    grep ' /dev/shm ' /proc/mounts; exit 0\n\
    fi\n\
    find \"$@\" -xdev -exec stat -c '%N %a %u:%g %F' {} + 2>/dev/null | sort\n\
    find \"$@\" -xdev -type f -exec sha256sum {} + 2>/dev/null | sort\n";

/// An engine, and where builds lie while it builds them.
pub(crate) struct Engine {
    pub(crate) larder: Docker,
    pub(crate) folder: tempfile::TempDir,
    built: AtomicUsize,
    buildx: Option<String>,
}

impl Engine {
    pub(crate) async fn connect() -> Self {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let larder = Docker::connect(&environment).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            larder,
            folder,
            built: AtomicUsize::new(0),
            buildx: buildx(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        self.larder.client()
    }

    /// Makes the images that examples start from, where they are not what they should be.
    pub(crate) fn make_bases(&self) {
        for (name, text) in BASES.iter().zip(RECIPES) {
            let folder = tempfile::tempdir_in(&self.folder).unwrap();
            fs::write(folder.path().join("look"), LOOK).unwrap();
            let text = text.replace("{plain}", &BASES[0]);
            fs::write(folder.path().join("Dockerfile"), text).unwrap();
            let mut command = self.build();
            command.args(["-q", "-t", name]).arg(folder.path());
            finish(&mut command).unwrap_or_else(|why| {
                panic!("{name} cannot be made (`scripts/base-images busybox:stable` brings what it is made from): {why}")
            });
        }
    }

    pub(crate) async fn forget_bases(&self) {
        for name in BASES.iter().rev() {
            self.forget(name).await;
        }
    }

    pub(crate) async fn version(&self) -> String {
        let version = self.client().version().await.unwrap();
        version.version.unwrap_or_default()
    }

    /// Docker's own build. The plugin behind it is called by itself: the command in front takes as long as a small build.
    fn build(&self) -> Command {
        let mut command = match &self.buildx {
            Some(plugin) => Command::new(plugin),
            None => Command::new("docker"),
        };
        command.arg("build").env("DOCKER_BUILDKIT", "1");
        // What buildx notes of builds stays with this run.
        command.env("BUILDX_CONFIG", self.folder.path().join("buildx"));
        command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command
    }

    fn new_name(&self) -> String {
        let number = self.built.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().file_name().unwrap_or_default();
        let own = folder.to_string_lossy().to_lowercase();
        format!(
            "larder-truth/built:{}-{number}",
            own.trim_start_matches('.')
        )
    }

    /// Builds a folder and the Dockerfile in it, to see whether that can be done.
    pub(crate) async fn try_feature(&self, root: &Path, feature: Feature) -> Result<(), String> {
        let name = self.new_name();
        let mut command = self.build();
        command.args(["--no-cache", "-q", "-t", &name]);
        match feature {
            Feature::Contexts => {
                let folder = folder_of_probe(root);
                command.arg(format!("--build-context=extra={}", folder.display()));
            }
            Feature::TargetByNumber => {
                command.arg("--target=0");
            }
            Feature::Limits => {
                command.arg("--ulimit=nofile=1234:1234");
            }
            _ => {}
        }
        finish(command.arg(root))?;
        self.forget(&name).await;
        Ok(())
    }

    /// Builds an example from nothing; what it gives, or in the engine's words why it gives nothing.
    pub(crate) async fn truth(
        &self,
        example: &Example,
        written: &Written,
    ) -> Result<Image, String> {
        let section = &example.section;
        let mut command = self.build();
        command
            .args(["--no-cache", "-q", "-f"])
            .arg(&written.dockerfile);
        for (name, value) in &section.args {
            command.arg(format!("--build-arg={name}={value}"));
        }
        for (name, value) in &section.labels {
            command.arg(format!("--label={name}={value}"));
        }
        for (name, address) in &section.hosts {
            command.arg(format!("--add-host={name}:{address}"));
        }
        for id in section.secrets.keys() {
            command.arg(format!(
                "--secret=id={id},src={}",
                written.secret(id).display()
            ));
        }
        for name in section.contexts.keys() {
            command.arg(format!(
                "--build-context={name}={}",
                written.extra(name).display()
            ));
        }
        let single = [
            ("target", section.target.clone()),
            ("platform", section.platform.clone()),
            ("network", section.network.clone()),
            ("shm-size", section.shm_size.map(|size| size.to_string())),
            (
                "ulimit",
                section
                    .open_files
                    .map(|files| format!("nofile={files}:{files}")),
            ),
        ];
        for (name, value) in single {
            if let Some(value) = value {
                command.arg(format!("--{name}={value}"));
            }
        }
        // By a name: one without an instruction of its own may be its base, which must stay.
        let name = self.new_name();
        command.args(["-t", &name]).arg(&written.context);
        finish(&mut command)?;
        let image = self.image(&name).await;
        self.forget(&name).await;
        Ok(image)
    }

    /// Reads an image whole. Its layers are read as they are saved, not a container made from it: the engine puts
    /// files of its own (`/etc/hosts`, `/dev/console`) over those of the image when it makes one.
    pub(crate) async fn image(&self, id: &str) -> Image {
        let pieces = self.client().export_image(id);
        let archive = pieces.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        });
        match archive.await {
            Ok(archive) => Image::read(&archive),
            // Without a single layer there is nothing to save.
            Err(error) => {
                let found = self.client().inspect_image(id).await.unwrap();
                let layers = found.root_fs.and_then(|own| own.layers).unwrap_or_default();
                assert!(layers.is_empty(), "{id} cannot be saved: {error}");
                Image::bare(&serde_json::to_value(found.config).unwrap())
            }
        }
    }

    /// Gives an image a name; another one loses it.
    pub(crate) async fn name(&self, image: &str, name: &str) {
        let (repo, tag) = name.split_once(':').unwrap();
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        let named = self.client().tag_image(image, Some(options)).await;
        named.unwrap();
    }

    /// Takes a name away, and its image with it where that has no other and nothing is made from it.
    pub(crate) async fn forget(&self, name: &str) {
        let none = None::<RemoveImageOptions>;
        let _ = self.client().remove_image(name, none, None).await;
    }
}

/// The plugin that docker builds with; an older docker builds by itself.
fn buildx() -> Option<String> {
    let format = "{{range .ClientInfo.Plugins}}{{if eq .Name \"buildx\"}}{{.Path}}{{end}}{{end}}";
    let path = finish(Command::new("docker").args(["info", "--format", format])).ok()?;
    Some(path.trim().to_owned()).filter(|path| !path.is_empty())
}

fn finish(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if status.success() {
        Ok(text(&stdout))
    } else {
        Err(text(&stderr))
    }
}
