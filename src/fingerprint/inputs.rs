//! One build section with everything it names read from disk: the Dockerfile, the ignore file, the files of
//! the context; and, once its bases are known, the fingerprint of all that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::absent::Script;
use super::chain::Materials;
use super::cover::Cover;
use super::cut;
use super::dockerfile::Dockerfile;
use super::error::Error;
use super::extras::{self, Extra};
use super::gather::Gathered;
use super::ignorefile::Patterns;
use super::ingredients::Section;
use super::manifests::Manifests;
use super::parse::parse;
use super::platform::Platform;
use super::reading::{self, Bases, Reading};
use super::recipe::{AdditionalContext, BaseRef, Fingerprinted, Recipe, Shadowed};
use super::section;
use super::shadowed::shadowed;
use super::stages::{Layout, NothingToBuild, Request, lay_out};
use super::statcache::StatCache;
use super::templated::{self, Templated};
use super::walk::{Folder, is_gone};
use crate::model::{Build, Digest, ImageRef, Place, Project, Service};

/// A build section, read.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    service: String,
    build: Build,
    platform: Option<String>,
    /// The Dockerfile's bytes.
    bytes: Vec<u8>,
    dockerfile: Arc<Dockerfile>,
    layout: Layout,
    request: Request,
    root: PathBuf,
    ignore: Patterns,
    /// The file that `ignore` is from.
    ignore_file: PathBuf,
    manifests: Manifests,
    /// Without what depends on a base image.
    reading: Reading,
    gathered: Arc<Gathered>,
    /// The additional contexts that are folders and used.
    folders: BTreeMap<String, Gathered>,
}

/// What the bind mounts of each service that shares a build hide of it.
pub(super) type Hidden = BTreeMap<String, Shadowed>;

/// A Dockerfile, before it is understood.
struct Source {
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Inputs {
    /// Reads the `build` section of `service`, which is called `name`, for an engine whose own platform is `native`.
    pub(super) fn read(
        project: &Project,
        name: &str,
        service: &Service,
        build: &Build,
        native: &Platform,
        cache: &StatCache,
    ) -> Result<Self, Error> {
        let mut inputs = Self::open(project, name, service, build, native)?;
        inputs.gathered = Arc::new(inputs.gather(&inputs.reading, cache)?);
        inputs.folders = inputs.folders(&inputs.reading, cache)?;
        Ok(inputs)
    }

    /// Reads the Dockerfile of a `build` section, and nothing of its contexts.
    pub(super) fn open(
        project: &Project,
        name: &str,
        service: &Service,
        build: &Build,
        native: &Platform,
    ) -> Result<Self, Error> {
        let manifests = Manifests::of(service.other.get("x-larder")).map_err(|problem| {
            Error::Dependencies {
                service: name.to_owned(),
                problem,
            }
        })?;
        let only_platform = || {
            build
                .platforms
                .first()
                .filter(|_| build.platforms.len() == 1)
                .cloned()
        };
        let platform = service.platform.clone().or_else(only_platform);
        let request = Request {
            given: build
                .args
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
                .collect(),
            target: build.target.clone(),
            platform: platform
                .as_deref()
                .map_or_else(|| native.clone(), Platform::parse),
            native: native.clone(),
            asked: platform.as_deref().map(Platform::parse),
            contexts: extras::of(project, build),
        };
        let root = PathBuf::from(&build.context);
        let templated = templated::of(name, service, build)?;
        let build = templated.as_ref().map_or(build, |own| &own.build);
        let mut inputs = if build.is_remote() {
            let layout = Layout::unseen(
                &build.context,
                "its context is not on this machine".to_owned(),
            );
            Self::new(name, build, layout, request, root)
        } else {
            Self::local(name, build, templated.as_ref(), request, root)?
        };
        (inputs.platform, inputs.manifests) = (platform, manifests);
        inputs.reading = inputs.reading(None);
        Ok(inputs)
    }

    fn new(service: &str, build: &Build, layout: Layout, request: Request, root: PathBuf) -> Self {
        Self {
            service: service.to_owned(),
            build: build.clone(),
            platform: None,
            bytes: Vec::new(),
            dockerfile: Arc::new(layout.dockerfile.clone()),
            layout,
            request,
            root,
            ignore: Patterns::default(),
            ignore_file: PathBuf::new(),
            manifests: Manifests::default(),
            reading: Reading::default(),
            gathered: Arc::default(),
            folders: BTreeMap::new(),
        }
    }

    fn local(
        service: &str,
        build: &Build,
        templated: Option<&Templated>,
        request: Request,
        root: PathBuf,
    ) -> Result<Self, Error> {
        if !root.is_dir() {
            return Err(Error::NoContext {
                service: service.to_owned(),
                name: None,
                path: root,
            });
        }
        let mut source = dockerfile(service, build, &root)?;
        if let Some(templated) = templated {
            source.name.clone_from(&templated.name);
        }
        let text = String::from_utf8_lossy(&source.bytes);
        let (service_name, file) = (service.to_owned(), source.path.clone());
        let mut layout = lay_out(&parse(&text), &source.name, &text, &request).map_err(
            |nothing| match nothing {
                NothingToBuild::NoStage => Error::NoStage {
                    service: service_name,
                    file,
                },
                NothingToBuild::NoTarget { target, stages } => Error::NoTarget {
                    service: service_name,
                    file,
                    target,
                    stages,
                },
            },
        )?;
        if std::str::from_utf8(&source.bytes).is_err() {
            layout.doubt = Some("it is not UTF-8".to_owned());
        }
        let (mut ignore, mut ignore_file) = ignore_patterns(&source.path, build, &root)?;
        if let Some(templated) = templated
            && !ignore_file.is_file()
        {
            ignore = templated.ignore.clone();
            ignore_file = PathBuf::from(format!(".dockerignore of {}", templated.name));
        }
        Ok(Self {
            bytes: source.bytes,
            ignore,
            ignore_file,
            ..Self::new(service, build, layout, request, root)
        })
    }

    fn reading(&self, bases: Option<&Bases>) -> Reading {
        let mut reading = reading::read(&self.layout, &self.request, bases);
        if self.build.is_remote() {
            reading.sources.clear();
            reading.unpinned = Some(format!(
                "what is in `{}` is not known here",
                Build::shown_context(&self.build.context)
            ));
        }
        for name in reading.contexts.keys() {
            if let Some(Extra::Elsewhere(text)) = self.request.contexts.get(name) {
                let text = Build::shown_context(text);
                reading.unpinned = Some(format!("additional context `{name}` is `{text}`"));
            }
        }
        reading
    }

    fn gather(&self, reading: &Reading, cache: &StatCache) -> Result<Gathered, Error> {
        let folder = Folder {
            root: &self.root,
            ignore: &self.ignore,
        };
        let script = self.script(reading, None, &self.ignore_file);
        script.gather(folder, &reading.sources, cache)
    }

    fn script<'a>(
        &'a self,
        reading: &'a Reading,
        context: Option<&'a str>,
        ignore_file: &'a Path,
    ) -> Script<'a> {
        Script {
            service: &self.service,
            file: self.build.dockerfile_path(&self.dockerfile.name),
            name: &self.dockerfile.name,
            context,
            ignore_file,
            reading,
        }
    }

    /// What is taken of the additional contexts that are folders. Each has an ignore file of its own
    /// (`dockerui/namedcontext.go`).
    fn folders(
        &self,
        reading: &Reading,
        cache: &StatCache,
    ) -> Result<BTreeMap<String, Gathered>, Error> {
        let mut folders = BTreeMap::new();
        for (name, sources) in &reading.contexts {
            let Some(Extra::Folder(root)) = self.request.contexts.get(name) else {
                continue;
            };
            if !root.is_dir() {
                return Err(Error::NoContext {
                    service: self.service.clone(),
                    name: Some(name.clone()),
                    path: root.clone(),
                });
            }
            let ignore_file = root.join(".dockerignore");
            let ignore = read_patterns(&ignore_file)?.unwrap_or_default();
            let folder = Folder {
                root,
                ignore: &ignore,
            };
            let script = self.script(reading, Some(name), &ignore_file);
            folders.insert(name.clone(), script.gather(folder, sources, cache)?);
        }
        Ok(folders)
    }

    /// The images that it starts from or reads from.
    pub(super) fn images(&self) -> BTreeSet<BaseRef> {
        self.reading.images.clone()
    }

    /// Those, and what the triggers of its bases name, once all bases are known.
    pub(super) fn images_with(&self, bases: &Bases) -> BTreeSet<BaseRef> {
        let mut known = self.reading.images.iter();
        if known.all(|image| bases.contains_key(image)) {
            self.reading(Some(bases)).images
        } else {
            self.images()
        }
    }

    /// The ignore file's name and what it says.
    fn ignore_digest(&self) -> Option<(String, Digest)> {
        let digest = self.ignore.digest()?;
        let name = self.ignore_file.file_name()?;
        Some((name.to_string_lossy().into_owned(), digest))
    }

    /// Where the Dockerfile names an image first.
    pub(super) fn place_of(&self, image: &ImageRef) -> Option<Place> {
        let line = reading::line_of(&self.layout, &self.request, image)?;
        Some(Place {
            file: self.build.dockerfile_path(&self.dockerfile.name)?,
            at: Some((line, 1)),
        })
    }

    /// The fingerprint, when all bases are among `bases`, and what the `covers` of services hide.
    pub(super) fn fingerprint(
        &self,
        bases: &Bases,
        cache: &StatCache,
        covers: &BTreeMap<&str, &Cover>,
    ) -> Result<(Fingerprinted, Hidden), Error> {
        let missing = |reading: &Reading| -> Vec<BaseRef> {
            reading
                .images
                .iter()
                .filter(|image| !bases.contains_key(image))
                .cloned()
                .collect()
        };
        let unknown = missing(&self.reading);
        if !unknown.is_empty() {
            return Ok((Fingerprinted::Missing(unknown), Hidden::new()));
        }
        let reading = self.reading(Some(bases));
        let unknown = missing(&reading);
        if !unknown.is_empty() {
            return Ok((Fingerprinted::Missing(unknown), Hidden::new()));
        }
        let gathered = if reading.sources == self.reading.sources {
            Arc::clone(&self.gathered)
        } else {
            Arc::new(self.gather(&reading, cache)?)
        };
        let folders = if reading.contexts == self.reading.contexts {
            self.folders.clone()
        } else {
            self.folders(&reading, cache)?
        };
        let materials = self.materials(bases, &reading, &gathered, &folders);
        let hidden = covers.iter().filter_map(|(service, cover)| {
            let hidden = shadowed(cover, &self.build, &materials)?;
            Some(((*service).to_owned(), hidden))
        });
        let hidden = hidden.collect();
        let recipe = self.recipe(&materials);
        Ok((Fingerprinted::Known(Box::new(recipe)), hidden))
    }

    fn materials<'a>(
        &'a self,
        bases: &'a Bases,
        reading: &'a Reading,
        gathered: &'a Gathered,
        folders: &'a BTreeMap<String, Gathered>,
    ) -> Materials<'a> {
        let syntax = self.layout.dockerfile.syntax.as_deref();
        let surroundings = section::surroundings(
            &self.build,
            &self.request.platform,
            syntax,
            &self.request.given,
        );
        Materials {
            layout: &self.layout,
            request: &self.request,
            reading,
            gathered,
            bases,
            folders,
            surroundings,
        }
    }

    fn recipe(&self, materials: &Materials<'_>) -> Recipe {
        let Materials {
            layout,
            request,
            reading,
            gathered,
            bases,
            folders,
            surroundings,
        } = *materials;
        let section = Section {
            surroundings: Some(surroundings),
            values: section::values(
                &self.build,
                &self.request.platform,
                &self.layout.dockerfile,
                &self.request.given,
            ),
            target: self.build.target.clone(),
            ignore: self.ignore_digest(),
        };
        let (chain, last, (cuts, source)) = if reading.doubt.is_some() {
            let (chain, last) = materials.opaque(&self.bytes);
            (chain, last, (Vec::new(), BTreeMap::new()))
        } else {
            let (chain, last) = materials.keys();
            let cuts = cut::cuts(layout, request, reading, gathered, &self.manifests, &chain);
            (chain, last, cuts)
        };
        let of_image = |base: &BaseRef| Some((base.image.clone(), bases.get(base)?.clone()));
        Recipe {
            service: self.service.clone(),
            full: section::image(&last, &self.build),
            dependencies: cut::dependencies(&cuts),
            cuts,
            chain,
            opaque: reading.doubt.clone(),
            unpinned: reading.unpinned.clone(),
            shadowed: None,
            dockerfile: Arc::clone(&self.dockerfile),
            context: Arc::clone(&gathered.context),
            contexts: self.contexts(reading, folders),
            bases: reading.images.iter().filter_map(of_image).collect(),
            build: self.build.clone(),
            section,
            source,
            platform: self.platform.clone(),
        }
    }

    /// The additional contexts that a build needs.
    fn contexts(
        &self,
        reading: &Reading,
        folders: &BTreeMap<String, Gathered>,
    ) -> BTreeMap<String, AdditionalContext> {
        let extras = self.request.contexts.iter();
        let contexts = extras.filter_map(|(name, extra)| {
            let context = match extra {
                Extra::Image(image) => AdditionalContext::Image(image.clone()),
                Extra::Folder(_) => {
                    AdditionalContext::Folder(Arc::clone(&folders.get(name)?.context))
                }
                Extra::Elsewhere(text) => {
                    reading.contexts.get(name)?;
                    AdditionalContext::Elsewhere(text.clone())
                }
            };
            Some((name.clone(), context))
        });
        contexts.collect()
    }
}

/// The Dockerfile of a local context: the inline text, the named file, or `Dockerfile` in either case of its
/// first letter (`dockerui/config.go`).
fn dockerfile(service: &str, build: &Build, root: &Path) -> Result<Source, Error> {
    let path = root.join(build.dockerfile.as_deref().unwrap_or("Dockerfile"));
    if let Some(text) = &build.dockerfile_inline {
        let bytes = text.clone().into_bytes();
        return Ok(Source {
            name: INLINE.to_owned(),
            path,
            bytes,
        });
    }
    let lower = path.with_file_name("dockerfile");
    let is_default = path.file_name().is_some_and(|name| name == "Dockerfile");
    let path = if is_default && !path.exists() && lower.is_file() {
        lower
    } else {
        path
    };
    if !path.is_file() {
        return Err(Error::NoDockerfile {
            service: service.to_owned(),
            path,
        });
    }
    let name = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .display()
        .to_string();
    let bytes = read(&path)?;
    Ok(Source { name, path, bytes })
}

/// What a Dockerfile is called that stands in the Compose file.
pub(super) const INLINE: &str = "dockerfile_inline";

/// The largest Dockerfile or ignore file that is read, in bytes.
const LIMIT: u64 = 2 << 20;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
    file.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: LIMIT,
        });
    }
    Ok(bytes)
}

/// The ignore file beside the Dockerfile, else the context's.
fn ignore_patterns(
    dockerfile: &Path,
    build: &Build,
    root: &Path,
) -> Result<(Patterns, PathBuf), Error> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let own = PathBuf::from(own);
    if build.dockerfile_inline.is_none()
        && let Some(patterns) = read_patterns(&own)?
    {
        return Ok((patterns, own));
    }
    let file = root.join(".dockerignore");
    Ok((read_patterns(&file)?.unwrap_or_default(), file))
}

fn read_patterns(file: &Path) -> Result<Option<Patterns>, Error> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if is_gone(&error) => return Ok(None),
        Err(source) => {
            return Err(Error::Read {
                path: file.to_owned(),
                source,
            });
        }
    }
    let bytes = read(file)?;
    let patterns = Patterns::parse(&String::from_utf8_lossy(&bytes));
    let refused = |bad: super::ignorefile::BadPattern| Error::IgnorePattern {
        file: file.to_owned(),
        line: bad.line,
        pattern: bad.pattern,
    };
    patterns.map(Some).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::lab::{Lab, paths};

    #[test]
    fn what_is_missing_is_named() {
        let no_file = Lab::new("FROM a")
            .without("Dockerfile")
            .file("Dockerfile.dev", "");
        let error = no_file.try_recipe().unwrap_err();
        assert!(matches!(error, Error::NoDockerfile { .. }));
        assert_eq!(
            error.hints(),
            ["there is `Dockerfile.dev`; `dockerfile:` says which is meant"]
        );
        let no_target = Lab::new("FROM a AS one\nFROM b AS two")
            .target("three")
            .try_recipe()
            .unwrap_err();
        assert_eq!(no_target.hints(), ["its stages: `one`, `two`"]);
        assert!(matches!(
            Lab::new("# nothing").try_recipe(),
            Err(Error::NoStage { .. })
        ));
        let no_context = Lab::new("FROM a");
        std::fs::remove_dir_all(no_context.path("")).unwrap();
        assert!(matches!(
            no_context.try_recipe(),
            Err(Error::NoContext { .. })
        ));
        let pattern = Lab::new("FROM a")
            .file(".dockerignore", "x\n[\n")
            .try_recipe()
            .unwrap_err();
        assert_eq!(pattern.place().unwrap().at, Some((2, 1)));
    }

    #[test]
    fn the_dockerfile_is_found_where_buildkit_finds_it() {
        let named = |name: &str, text: &str| {
            let mut lab = Lab::new("FROM scratch\nCOPY x /")
                .files(&["x", "y"])
                .file(name, text);
            lab.build.dockerfile = Some(name.to_owned());
            lab
        };
        assert_eq!(
            paths(&named("sub/Other", "FROM a\nCOPY y /").recipe()),
            ["y"]
        );
        let lower = Lab::new("")
            .without("Dockerfile")
            .file("dockerfile", "FROM a\nCOPY x /")
            .file("x", "");
        assert_eq!(paths(&lower.recipe()), ["x"]);
        let mut inline = Lab::new("FROM a\nCOPY x /").files(&["x", "y"]);
        inline.build.dockerfile_inline = Some("FROM a\nCOPY y /".to_owned());
        assert_eq!(paths(&inline.recipe()), ["y"]);
        let file = Lab::new("FROM a\nCOPY y /").files(&["y"]);
        assert_eq!(
            inline.without("x").full(),
            file.full(),
            "where the text lies does not count"
        );
    }

    #[test]
    fn an_ignore_file_of_its_own_beats_the_folders() {
        let lab = |own: &str| {
            Lab::new("FROM a\nCOPY ? /")
                .files(&["x", "y"])
                .file(".dockerignore", "x")
                .file(own, "y")
        };
        assert_eq!(paths(&lab("Dockerfile.dockerignore").recipe()), ["x"]);
        assert_eq!(paths(&lab("Other.dockerignore").recipe()), ["y"]);
    }

    #[test]
    fn an_ignored_dockerfile_is_still_read() {
        let lab = Lab::new("FROM a\nCOPY . /").file(".dockerignore", "**");
        assert!(paths(&lab.recipe()).is_empty());
        assert_ne!(
            lab.full(),
            lab.file("Dockerfile", "FROM a\nCOPY . /x").full()
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_apart() {
        let key = |byte: u8| {
            let lab = Lab::new("");
            std::fs::write(
                lab.path("Dockerfile"),
                [b"FROM a\nRUN ", &[byte][..]].concat(),
            )
            .unwrap();
            let recipe = lab.file(".dockerignore", "*").recipe();
            assert!(recipe.opaque.is_some());
            recipe.full
        };
        assert_ne!(key(0xff), key(0xfe));
    }

    #[test]
    fn a_context_elsewhere_is_opaque_and_never_reused() {
        let recipe = |context: &str| {
            let build = Build {
                context: context.to_owned(),
                ..Build::default()
            };
            let inputs = Inputs::read(
                &Project::default(),
                "app",
                &Service::default(),
                &build,
                &Platform::host(),
                &StatCache::open(None),
            )
            .unwrap();
            match inputs
                .fingerprint(&Bases::new(), &StatCache::open(None), &BTreeMap::new())
                .unwrap()
                .0
            {
                Fingerprinted::Known(recipe) => *recipe,
                Fingerprinted::Missing(_) => unreachable!("it has no bases"),
            }
        };
        let elsewhere = recipe("https://h/x.git#main");
        assert!(elsewhere.unpinned.is_some() && elsewhere.opaque.is_some());
        assert_ne!(
            recipe("https://h/x.git").full,
            recipe("https://h/y.git").full
        );
    }
}
