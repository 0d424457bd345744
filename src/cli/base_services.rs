//! Services whose images others are built from: they are built before the others are fingerprinted, since only the image
//! that came out tells what those are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::bases::Bases;
use super::carry_out::carry_out;
use super::invocation::Invocation;
use super::prepare::{Prepared, Reading};
use crate::failure::Failure;
use crate::fingerprint::Survey;
use crate::model::{Digest, ImageRef, Project};
use crate::plan::{self, Action, Outcome, Plan, ServicePlan};

/// Which service builds an image that others start from.
struct Makers<'a> {
    survey: &'a Survey,
    by_image: BTreeMap<ImageRef, Vec<String>>,
}

impl<'a> Makers<'a> {
    fn new(project: &Project, services: &BTreeSet<String>, survey: &'a Survey) -> Self {
        let makers = project.makers();
        let bases = survey.bases().into_iter();
        let by_image = bases.filter_map(|base| {
            let own = makers.get(&base.image.familiar())?.iter().copied();
            let own: Vec<String> = own
                .filter(|own| services.contains(*own))
                .map(ToOwned::to_owned)
                .collect();
            (!own.is_empty()).then_some((base.image, own))
        });
        let by_image = by_image.collect();
        Self { survey, by_image }
    }

    /// Those whose images the build of a service starts from or reads from.
    fn of(&self, service: &str) -> BTreeSet<&String> {
        let bases = self.survey.bases_of(service);
        let makers = bases
            .iter()
            .filter_map(|base| self.by_image.get(&base.image));
        // What it builds itself under that name is not what it starts from.
        let makers = makers.filter_map(|own| own.iter().find(|maker| *maker != service));
        makers.collect()
    }
}

impl Prepared {
    /// Builds the services that others start from, those first that start from none of them. Where nothing may be
    /// built, what others start from is left unknown unless it is up to date.
    ///
    /// # Errors
    /// They start from each other, or a build fails.
    pub(super) async fn build_bases(
        &mut self,
        invocation: &Invocation,
        reading: &Reading,
        bases: &mut Bases,
    ) -> Result<(), Failure> {
        let services = reading.survey.services().cloned().collect();
        let makers = Makers::new(&self.project, &services, &reading.survey);
        let of_all = services.iter().flat_map(|service| makers.of(service));
        let mut open: BTreeSet<String> = of_all.cloned().collect();
        while !open.is_empty() {
            let left: BTreeSet<&String> = open.iter().collect();
            let free = |service: &&String| makers.of(service).is_disjoint(&left);
            let wave: BTreeSet<String> = open.iter().filter(free).cloned().collect();
            if wave.is_empty() {
                return Err(plan::Error::BuildCircle(open.into_iter().collect()).into());
            }
            open.retain(|service| !wave.contains(service));
            self.key(invocation, reading, bases, &wave).await?;
            bases.mark(&mut self.recipes);
            for service in &wave {
                let images = self.project.built_images(service);
                bases.made(self.recipes.get(service), images);
            }
            let stale = Box::pin(self.build_wave(invocation, wave)).await?;
            let all = reading.survey.bases();
            let unbuilt = all.into_iter().filter(|base| {
                let own = makers.by_image.get(&base.image);
                own.is_some_and(|own| own.iter().any(|maker| stale.contains(maker)))
            });
            bases.unbuilt.extend(unbuilt);
        }
        Ok(())
    }

    /// Builds the images of some services alone; which of them are not up to date, where nothing may be built.
    async fn build_wave(
        &mut self,
        invocation: &Invocation,
        wave: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Failure> {
        let (plan, dagger) = self.decide_images(invocation, &wave).await?;
        if !self.goal.acts {
            // An image that is there still lacks the name by which others start from it, where a step gives it that.
            let due = plan.steps.into_iter().filter_map(|step| step.service);
            let stale = plan.services.into_iter();
            let stale = stale.filter(|(_, own)| own.image != Outcome::Reuse);
            return Ok(stale.map(|(service, _)| service).chain(due).collect());
        }
        if !plan.is_empty() {
            self.check_first_ports().await?;
            let carried = carry_out(invocation, self, &plan, dagger).await?;
            self.path.extend(carried.path);
            self.observe().await?;
        }
        self.built.extend(built(plan));
        Ok(BTreeSet::new())
    }
}

/// The services whose images a plan builds: two that are built alike share a step.
fn built(plan: Plan) -> impl Iterator<Item = String> {
    let steps = plan.steps.into_iter();
    let built: BTreeSet<Digest> = steps
        .filter_map(|step| match step.action {
            Action::Build { fingerprint, .. } => Some(fingerprint),
            _ => None,
        })
        .collect();
    let of = move |own: &ServicePlan| own.fingerprint.is_some_and(|own| built.contains(&own));
    let services = plan.services.into_iter();
    services.filter_map(move |(service, own)| of(&own).then_some(service))
}
