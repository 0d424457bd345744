//! What one document of a file says of a path, as a source: with who extends it, what brings it there, and what it resets.

use std::path::Path;
use std::rc::Rc;

use serde_json::Value;

use super::document::{Document, File, Lookup, Said};
use super::item;
use super::origin::Origins;
use super::rule::{Meeting, Rule};
use super::source::{Source, Used, shown};
use super::spot::{Spot, Through};
use super::standing::{Does, Event};
use super::subject::{Step, leading_keys};
use crate::compose::variables;
use crate::model::Inherited;

/// A file as one of those that are merged.
#[derive(Clone)]
pub(super) struct Layer<'a> {
    pub(super) file: &'a Path,
    /// Who extends a service of it.
    pub(super) by: Option<&'a Inherited>,
    /// The one document that counts.
    pub(super) only: Option<usize>,
    /// The variables that it is read with, where they are known.
    pub(super) origins: Option<Rc<Origins>>,
    pub(super) is_own: bool,
    pub(super) depth: usize,
}

/// What is looked for.
pub(super) struct Search {
    rule: Rule,
    /// Weakest first.
    pub(super) events: Vec<Event>,
    /// How many more layers are looked into.
    pub(super) looks: usize,
    /// The driver of the logging so far, or the subnets of the pools.
    named: Vec<Value>,
}

impl Search {
    pub(super) fn of(steps: &[Step], looks: usize) -> Self {
        Self {
            rule: Rule::of(steps),
            events: Vec::new(),
            looks,
            named: Vec::new(),
        }
    }

    /// Notes what a document says. `steps` is the path in it, which has another service where one extends it.
    pub(super) fn document(
        &mut self,
        layer: &Layer<'_>,
        document: &Document,
        file: &File,
        steps: &[Step],
    ) {
        let spots = &file.spots;
        let lookup = |name: &str| {
            let value = layer.origins.as_ref()?.value(name)?;
            Some(value.to_owned())
        };
        let said = document.says(steps, spots, &lookup);
        let reset = document.reset_of(steps);
        if let (Some(keys), None) = (reset, &said) {
            let spot = document.spot_of(keys, spots);
            let tag = if document.has(keys) {
                "!override"
            } else {
                "!reset"
            };
            let what = if keys.len() == leading_keys(steps).len() && keys.len() == steps.len() {
                format!("`{tag}`")
            } else {
                format!("`{tag}` of `{}`", keys.join("."))
            };
            let source = layer.source(spot, None, [Some(what)]);
            self.note(layer, source, Does::Removes);
        }
        let Some(said) = said else { return };
        for (spot, text) in document.passed_over(steps, spots) {
            let source = layer.source(Some(spot), text, []);
            self.note(layer, source, Does::Lost);
        }
        let gone = document.resets_below(steps);
        let gone = (!gone.is_empty()).then(|| {
            let gone: Vec<_> = gone.iter().map(|name| format!("`{name}`")).collect();
            format!("with `!reset` of {}", gone.join(", "))
        });
        let overrides = reset.filter(|_| file.has_override);
        let overrides = overrides.map(|_| "with `!override`".to_owned());
        let is_list_or_map = said.value.is_object() || said.value.is_array();
        let is_silent = said.value.is_null() && !self.rule.is_entry && !self.rule.is_cleared;
        let does = if is_silent && reset.is_none() {
            Does::Nothing
        } else if self.rule.meeting != Meeting::Replace
            && is_list_or_map
            && reset.is_none()
            && !self.is_of_another(document, &said, &lookup, steps)
        {
            Does::Merges
        } else {
            Does::Replaces
        };
        let source = Source {
            variables: layer.variables(&said.written),
            ..layer.source(said.spot, shown(&said.written), [overrides, gone])
        };
        self.note(layer, source, does);
    }

    fn note(&mut self, layer: &Layer<'_>, source: Source, does: Does) {
        let is_own = layer.is_own;
        self.events.push(Event {
            source,
            does,
            is_own,
        });
    }

    /// Whether nothing is merged as it is of another logging driver, or of other subnets, than what came before.
    fn is_of_another(
        &mut self,
        document: &Document,
        said: &Said,
        lookup: Lookup<'_>,
        steps: &[Step],
    ) -> bool {
        let named: Vec<Value> = match self.rule.meeting {
            Meeting::MergeOfDriver => document.driver(steps).into_iter().cloned().collect(),
            Meeting::MergeOfSubnet => {
                let pools = said.value.as_array().into_iter().flatten();
                pools
                    .filter_map(|pool| pool.get("subnet"))
                    .cloned()
                    .collect()
            }
            Meeting::Merge | Meeting::MergeWhole | Meeting::Replace => return false,
        };
        if named.is_empty() {
            return false;
        }
        let named: Vec<Value> = named
            .into_iter()
            .map(|name| item::meant(name, lookup))
            .collect();
        let is_other =
            !self.named.is_empty() && !named.iter().any(|name| self.named.contains(name));
        self.named = named;
        is_other
    }
}

impl Layer<'_> {
    fn source<const N: usize>(
        &self,
        spot: Option<Spot>,
        written: Option<String>,
        more: [Option<String>; N],
    ) -> Source {
        let by = self
            .by
            .map(|by| format!("as `{}` extends `{}`", by.service, by.base));
        let through = spot
            .and_then(|spot| spot.through)
            .map(|through| match through {
                Through::Merge((line, _)) => format!("by `<<` in line {line}"),
                Through::Alias((line, _)) => format!("by the alias in line {line}"),
            });
        let what: Vec<_> = [by, through].into_iter().chain(more).flatten().collect();
        Source {
            what: (!what.is_empty()).then(|| what.join(", ")),
            ..Source::written(self.file, spot.map(|spot| spot.at), written)
        }
    }

    fn variables(&self, value: &Value) -> Vec<Used> {
        let asked = variables::of(value).into_iter();
        asked
            .map(|variable| match &self.origins {
                Some(origins) => origins.used(variable.name),
                None => Used {
                    name: variable.name,
                    value: None,
                    sources: vec![Source::elsewhere(
                        "the included project's own variables",
                        None,
                    )],
                },
            })
            .collect()
    }
}
