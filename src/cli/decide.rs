//! The decision about what was prepared: who builds, by which builders, and whether they can.

use std::collections::BTreeSet;
use std::time::Duration;

use super::dagger;
use super::invocation::Invocation;
use super::prepare::Prepared;
use crate::build::{Dagger, refusal};
use crate::compose;
use crate::failure::Failure;
use crate::fingerprint::Fingerprinted;
use crate::plan::{self, BuilderKind, Builders, Outcome, Plan, Wanted};
use crate::settings::Builder;
use crate::term::Message;

/// How long Dagger may take where it was asked for: it may have to bring its engine first.
const ASKED_FOR: Duration = Duration::from_mins(2);
/// How long Dagger may take where it is only the better choice.
const AT_HAND: Duration = Duration::from_secs(10);

pub(super) const BY_DOCKER: Builders = Builders {
    dependencies: BuilderKind::Docker,
    rest: BuilderKind::Docker,
    strict: true,
};
const BY_DAGGER: Builders = Builders {
    dependencies: BuilderKind::Dagger,
    rest: BuilderKind::Dagger,
    strict: true,
};
const BY_BOTH: Builders = Builders {
    dependencies: BuilderKind::Dagger,
    rest: BuilderKind::Docker,
    strict: false,
};

impl Prepared {
    /// Decides about the images of some services alone, as [`Prepared::decide`] does about all that is wanted.
    pub(super) async fn decide_images(
        &mut self,
        invocation: &Invocation,
        services: &BTreeSet<String>,
    ) -> Result<(Plan, Option<Dagger>), Failure> {
        let all = std::mem::replace(&mut self.services, services.clone());
        let containers = std::mem::replace(&mut self.goal.containers, false);
        let decided = self.decide(invocation).await;
        self.services = all;
        self.goal.containers = containers;
        decided
    }

    /// Decides, and finds Dagger where it is to build.
    pub(super) async fn decide(
        &self,
        invocation: &Invocation,
    ) -> Result<(Plan, Option<Dagger>), Failure> {
        if !self.goal.builds {
            let plan = self.decide_with(BY_DOCKER)?;
            all_built(&plan)?;
            return Ok((plan, None));
        }
        match self.settings.builder {
            Builder::Docker => Ok((self.decide_with(BY_DOCKER)?, None)),
            Builder::Dagger => self.by_dagger(invocation).await,
            Builder::Auto => self.by_both(invocation).await,
        }
    }

    /// All of it by Dagger, which must be there when something is to be built.
    async fn by_dagger(&self, invocation: &Invocation) -> Result<(Plan, Option<Dagger>), Failure> {
        let plan = self.decide_with(BY_DAGGER)?;
        if !plan.builds() || !self.goal.acts {
            return Ok((plan, None));
        }
        let dagger = self.dagger(invocation, ASKED_FOR)?;
        dagger.open().await?;
        Ok((plan, Some(dagger)))
    }

    /// Dependency images by Dagger where it answers. It is looked for only where something must be built, and
    /// woken only by a command that has it build something.
    async fn by_both(&self, invocation: &Invocation) -> Result<(Plan, Option<Dagger>), Failure> {
        let plan = self.decide_with(BY_DOCKER)?;
        if !plan.builds() {
            return Ok((plan, None));
        }
        let by_buildkit = |error: &dyn std::error::Error| {
            let error = Message::of(error);
            let why = if error.causes.is_empty() {
                error.text
            } else {
                error.causes.join(": ")
            };
            invocation.warning(&format!("the engine's BuildKit builds all: {why}"));
        };
        let dagger = match self.dagger(invocation, AT_HAND) {
            Ok(dagger) => dagger,
            Err(error) => {
                let environment = &invocation.environment;
                if self.settings.builder_is_said || dagger::is_asked_for(environment) {
                    by_buildkit(&error);
                }
                return Ok((plan, None));
            }
        };
        let both = self.decide_with(BY_BOTH)?;
        if !both.builds_by(BuilderKind::Dagger) {
            return Ok((both, None));
        }
        if self.goal.acts
            && let Err(error) = dagger.open().await
        {
            by_buildkit(&error);
            return Ok((plan, None));
        }
        Ok((both, Some(dagger)))
    }

    fn dagger(&self, invocation: &Invocation, limit: Duration) -> Result<Dagger, Failure> {
        let agent = self.agent.clone();
        dagger::find(&invocation.environment, &self.engine, agent, limit)
    }

    fn decide_with(&self, builders: Builders) -> Result<Plan, Failure> {
        let plan = plan::decide(&self.wanted(builders), &self.observed)?;
        if builders.rest == BuilderKind::Docker {
            self.refuse(&plan)?;
        }
        Ok(plan)
    }

    /// Refuses what the engine's BuildKit cannot build before anything is touched.
    fn refuse(&self, plan: &Plan) -> Result<(), Failure> {
        for (service, decided) in &plan.services {
            let build = self.project.services[service].build.as_ref();
            let Some(build) = build.filter(|_| decided.image != Outcome::Reuse) else {
                continue;
            };
            let recipe = match self.recipes.get(service) {
                Some(Fingerprinted::Known(recipe)) => Some(&**recipe),
                _ => None,
            };
            if let Err(refusal) = refusal(service, build, recipe, self.agent.as_deref()) {
                let below = refusal.path.iter().map(String::as_str);
                let path: Vec<&str> = ["services", service, "build"]
                    .into_iter()
                    .chain(below)
                    .collect();
                return Err(Failure::Unbuildable {
                    place: compose::place(&self.project, &path),
                    error: Box::new(refusal.error),
                });
            }
        }
        Ok(())
    }

    /// The services whose images are wanted.
    pub(super) fn imaged(&self) -> BTreeSet<String> {
        self.wanted(BY_DOCKER).imaged()
    }

    pub(super) fn wanted(&self, builders: Builders) -> Wanted<'_> {
        Wanted {
            project: &self.project,
            services: &self.services,
            fingerprints: &self.recipes,
            configs: &self.configs,
            compose_hashes: &self.compose_hashes,
            mounted: &self.mounted,
            changes: &self.changes,
            offers: &self.pantry.offers,
            pushes: &self.pushes,
            builders,
            fresh: self.fresh,
            containers: self.goal.containers,
            wait: self.goal.wait,
            asked: &self.asked,
        }
    }
}

/// Refuses a plan that builds something.
fn all_built(plan: &Plan) -> Result<(), Failure> {
    let builds = |outcome| matches!(outcome, Outcome::Build | Outcome::Resume);
    let services = plan.services.iter();
    let unbuilt: Vec<String> = services
        .filter(|(_, own)| builds(own.image))
        .map(|(name, _)| name.clone())
        .collect();
    if unbuilt.is_empty() {
        Ok(())
    } else {
        Err(Failure::Unbuilt(unbuilt))
    }
}
