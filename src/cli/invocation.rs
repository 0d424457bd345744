//! What every command starts from: what was typed, the environment, the folder, the screen.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::args::Global;
use super::hold::{self, Hold, Images, Way};
use super::interrupt::Interrupt;
use super::offers::Shunned;
use crate::compose::{self, LoadOptions};
use crate::docker::Docker;
use crate::failure::Failure;
use crate::model::{Project, Warning};
use crate::settings::{self, Caches, Environment, Progress, Settings, Typed, TypedCaches};
use crate::term::{Message, Screen, note_json, total};

/// One call of larder.
pub(super) struct Invocation {
    pub(super) global: Global,
    pub(super) environment: Environment,
    /// Where it was called; absolute.
    pub(super) folder: PathBuf,
    pub(super) screen: Arc<Screen>,
    pub(super) interrupt: Interrupt,
    /// The project that this run changes, and nobody else meanwhile.
    hold: Mutex<Option<Hold>>,
    /// Larder's images on the engine, which nobody removes meanwhile.
    images: Mutex<Option<Images>>,
    /// Whether an engine answered.
    reached: AtomicBool,
    /// What of registries this run does without.
    shunned: Mutex<Shunned>,
}

/// The project that a command on running containers is about. Their labels say the rest.
pub(super) struct Named {
    pub(super) name: String,
    /// `None` where only the name is known.
    pub(super) project: Option<Project>,
}

impl Named {
    /// The services that a Compose file defines.
    pub(super) fn services(&self) -> BTreeSet<String> {
        let project = self.project.iter();
        let defined = project.flat_map(|project| project.services.keys().chain(&project.disabled));
        defined.cloned().collect()
    }

    /// Whether a service is one that the Compose file defines and that is on; all are, where there is no file.
    pub(super) fn is_on(&self, service: &str) -> bool {
        let project = self.project.as_ref();
        project.is_none_or(|project| project.services.contains_key(service))
    }

    /// Whether a service is switched off: none of its profiles is active.
    pub(super) fn is_off(&self, service: &str) -> bool {
        let project = self.project.as_ref();
        project.is_some_and(|project| project.disabled.contains(service))
    }
}

impl Invocation {
    /// Listens for Ctrl-C from now on, which needs a running tokio.
    pub(super) fn new(
        global: Global,
        environment: Environment,
        folder: PathBuf,
        screen: Arc<Screen>,
    ) -> Self {
        let interrupt = Interrupt::open(&screen);
        Self {
            global,
            environment,
            folder,
            screen,
            interrupt,
            hold: Mutex::new(None),
            images: Mutex::new(None),
            reached: AtomicBool::new(false),
            shunned: Mutex::default(),
        }
    }

    /// Loads the project, with the profiles of the named services on.
    pub(super) fn load(&self, services: &[String]) -> Result<Project, Failure> {
        Ok(compose::load(&self.options(services))?)
    }

    /// Loads the project with all of its services, whatever their profiles.
    pub(super) fn load_all(&self) -> Result<Project, Failure> {
        Ok(compose::load(&LoadOptions {
            profiles: vec!["*".to_owned()],
            ..self.options(&[])
        })?)
    }

    /// The project, or its name alone where one is given and no Compose file is there to load.
    pub(super) fn named(&self) -> Result<Named, Failure> {
        let options = LoadOptions {
            without_env_files: true,
            ..self.options(&[])
        };
        let error = match compose::load(&options) {
            Ok(project) => {
                return Ok(Named {
                    name: project.name.clone(),
                    project: Some(project),
                });
            }
            Err(error) => error,
        };
        let of_file = || {
            let variables = compose::environment_alone(&options).ok()?;
            named_by(&variables)
        };
        let name = self.project_name().or_else(of_file);
        match name.filter(|_| error.is_no_file()) {
            Some(name) => Ok(Named {
                name,
                project: None,
            }),
            None => Err(error.by_name().into()),
        }
    }

    /// Takes what its files say now, where these can be read once more.
    pub(super) fn read_again(&self, named: &mut Named) -> Result<(), Failure> {
        let project = named.project.as_ref();
        if project.is_none_or(compose::can_be_read_again) {
            *named = self.named()?;
        }
        Ok(())
    }

    /// The project's name, where it was asked for: what the folder's `.env` says is no more than what its Compose file says.
    pub(super) fn project_name(&self) -> Option<String> {
        let typed = self.global.project_name.clone();
        typed.or_else(|| named_by(&self.environment))
    }

    /// Whether the environment, or else an env file, asks for the removal of what other files made: `COMPOSE_REMOVE_ORPHANS`,
    /// with the values that docker compose takes for yes.
    pub(super) fn removes_orphans(&self, project: Option<&Project>) -> bool {
        let variables = project.map_or(&self.environment, |own| &own.compose_variables);
        let asked = variables.get("COMPOSE_REMOVE_ORPHANS");
        let asked = asked.map(|asked| asked.trim().to_ascii_lowercase());
        asked.is_some_and(|asked| matches!(asked.as_str(), "1" | "t" | "true" | "y"))
    }

    pub(super) fn options(&self, services: &[String]) -> LoadOptions {
        LoadOptions {
            working_dir: self.folder.clone(),
            files: self.global.files.clone(),
            project_directory: self.global.project_directory.clone(),
            project_name: self.global.project_name.clone(),
            env_files: self.global.env_files.clone(),
            profiles: self.global.profiles.clone(),
            services: services.to_vec(),
            without_env_files: false,
            keep_env_files: false,
            environment: self.environment.clone(),
        }
    }

    /// What the run goes by.
    pub(super) fn settings(
        &self,
        project: Option<&Project>,
        timeout: Option<u64>,
    ) -> Result<Settings, Failure> {
        let typed = Typed {
            progress: Some(self.progress()),
            builder: self.global.builder,
            timeout,
            frozen: self.global.frozen,
            parallel: self.global.parallel,
        };
        let extension = project.and_then(|project| project.extensions.get("x-larder"));
        let terminal = self.screen.is_terminal();
        let mut environment = self.environment.clone();
        environment.extend(
            project
                .into_iter()
                .flat_map(|own| own.compose_variables.clone()),
        );
        let services = project.into_iter().flat_map(|own| &own.services);
        let services = services.filter_map(|(name, own)| Some((name, own.other.get("x-larder")?)));
        let caches = TypedCaches {
            from: self.global.cache_from.clone(),
            to: self.global.cache_to.clone(),
        };
        let caches = Caches::resolve(caches, &environment, extension, services)?;
        let settings = Settings::resolve(typed, &environment, extension, terminal)?;
        Ok(Settings { caches, ..settings })
    }

    /// Reaches the engine.
    pub(super) async fn engine(&self) -> Result<Docker, Failure> {
        let engine = Docker::connect(&self.environment).await?;
        self.reached.store(true, Ordering::Relaxed);
        Ok(engine)
    }

    /// Whether an engine answered since the command was called.
    pub(super) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Reaches the engine for a command that changes a project, behind whoever changes it now. From here on it is this run's,
    /// until it ends.
    pub(super) async fn engine_to_change(&self, project: &str) -> Result<Docker, Failure> {
        let engine = self.engine().await?;
        let other = |hold: &Hold| hold.project != project;
        if self.held().as_ref().is_none_or(other) {
            self.held().take();
            let taken = hold::take(self, &engine, &self.global.word, project).await?;
            *self.held() = taken;
        }
        Ok(engine)
    }

    /// Whether another run was waited for since this was asked last: what was read of the project before is old.
    pub(super) fn has_waited(&self) -> bool {
        let mut held = self.held();
        let held = held.as_mut();
        held.is_some_and(|hold| std::mem::take(&mut hold.waited))
    }

    /// What of registries this run does without.
    pub(super) fn shunned(&self) -> MutexGuard<'_, Shunned> {
        self.shunned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the images on an engine, until this run ends.
    pub(super) async fn hold_images(&self, engine: &Docker, way: Way) -> Result<(), Failure> {
        if self.held_images().is_none() {
            let held = hold::images(self, engine, way).await?;
            *self.held_images() = held;
        }
        Ok(())
    }

    /// Lets others change the project, and remove images.
    pub(super) fn release(&self) {
        self.held().take();
        self.held_images().take();
    }

    fn held_images(&self) -> MutexGuard<'_, Option<Images>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Option<Hold>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket of the user's SSH agent.
    pub(super) fn ssh_agent(&self) -> Option<PathBuf> {
        let socket = self.environment.get("SSH_AUTH_SOCK");
        socket.filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Prints what a person should know of a project and that stops nothing.
    pub(super) fn warn(&self, project: &Project) {
        self.warn_of(&project.warnings);
    }

    pub(super) fn warn_of(&self, warnings: &[Warning]) {
        for warning in warnings {
            Message::from(warning).warning(&self.screen, &self.folder);
        }
    }

    /// How progress is shown.
    pub(super) fn progress(&self) -> Progress {
        // What `-v` tells would run through live lines.
        let plain = (self.global.verbose > 0).then_some(Progress::Plain);
        let typed = self.global.progress.or(plain);
        settings::progress(typed, &self.environment, self.screen.is_terminal())
    }

    /// Says while a run goes on why it does not get on, or how it does: to a person, or to a program that reads events.
    pub(super) fn say(&self, text: &str) {
        match self.progress() {
            Progress::Quiet => {}
            Progress::Json => self.tell_program(text),
            _ => self.screen.err(&format!("{text}\n")),
        }
    }

    /// Says it to a program that reads events.
    pub(super) fn tell_program(&self, text: &str) {
        if self.progress() == Progress::Json {
            note_json(&self.screen, text);
        }
    }

    /// Says what else would be said by silence, unless a program reads.
    pub(super) fn note(&self, text: &str) -> Result<(), Failure> {
        if !self.settings(None, None)?.progress.is_silent() {
            self.screen.err(&format!("{text}\n"));
        }
        Ok(())
    }

    /// Says at the end what was done to how many, and how long the command took, unless a program reads.
    pub(super) fn total(
        &self,
        count: usize,
        noun: &str,
        how: &str,
        begun: Instant,
    ) -> Result<(), Failure> {
        if !self.settings(None, None)?.progress.is_silent() {
            self.screen.out(&total(count, noun, how, begun.elapsed()));
        }
        Ok(())
    }

    /// Prints one warning.
    pub(super) fn warning(&self, text: &str) {
        let message = Message {
            text: text.to_owned(),
            ..Message::default()
        };
        message.warning(&self.screen, &self.folder);
    }
}

/// The name of a project that variables give.
fn named_by(variables: &Environment) -> Option<String> {
    let name = variables.get("COMPOSE_PROJECT_NAME").cloned();
    name.filter(|name| !name.is_empty())
}
