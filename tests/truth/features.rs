//! What the engine's own Dockerfile frontend understands, found out by one small build each: engines differ, and what
//! one does not know cannot be held against it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::engine::{BASES, Engine};

/// What not every frontend has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    Heredoc,
    Link,
    Parents,
    Exclude,
    ChmodByLetters,
    /// `${V-x}`, `${V+x}`.
    Unset,
    /// `${V#p}`, `${V##p}`, `${V%p}`, `${V%%p}`.
    Trim,
    /// `${V/a/b}`, `${V//a/b}`.
    Replace,
    RunNetwork,
    SecretInEnvironment,
    Unpack,
    StartInterval,
    /// `--target 0`.
    TargetByNumber,
    Contexts,
    /// `shm_size` and `ulimits`.
    Limits,
}

/// A Dockerfile per feature, behind a FROM.
const PROBES: &[(Feature, &str)] = &[
    (Feature::Heredoc, "RUN <<E\ntrue\nE\n"),
    (Feature::Link, "COPY --link f /x\n"),
    (Feature::Parents, "COPY --parents d/f /x/\n"),
    (Feature::Exclude, "COPY --exclude=f d /x/\n"),
    (
        Feature::ChmodByLetters,
        "COPY --chmod=u+x,go-r f /x\nRUN [ \"$(stat -c %a /x)\" = 700 ]\n",
    ),
    (Feature::Unset, "ARG V=a\nENV W=${V-b} U=${V+b}\n"),
    (Feature::Trim, "ARG V=ab\nENV W=${V#a} U=${V%%b}\n"),
    (Feature::Replace, "ARG V=ab\nENV W=${V/a/c} U=${V//a/c}\n"),
    (Feature::RunNetwork, "RUN --network=none true\n"),
    (
        Feature::SecretInEnvironment,
        "RUN --mount=type=secret,id=x,env=X true\n",
    ),
    (Feature::Unpack, "ADD --unpack=false f /x\n"),
    (
        Feature::StartInterval,
        "HEALTHCHECK --start-interval=1s CMD true\n",
    ),
    (Feature::TargetByNumber, "RUN true\n"),
    (Feature::Contexts, "COPY --from=extra f /x\n"),
    (Feature::Limits, "RUN [ \"$(ulimit -n)\" = 1234 ]\n"),
];

/// Engines from this version on have all but what no engine's own frontend had so far.
const ALL_SINCE: u32 = 28;
const IN_NONE: [Feature; 2] = [Feature::Parents, Feature::TargetByNumber];

/// Those that the engine has, and in words why it does not have the others.
pub(crate) struct Features {
    pub(crate) known: Vec<Feature>,
    pub(crate) left_out: BTreeMap<Feature, String>,
}

impl Features {
    pub(crate) async fn probe(engine: &Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("f"), "f").unwrap();
        fs::write(root.join("d/f"), "f").unwrap();
        let mut features = Self {
            known: Vec::new(),
            left_out: BTreeMap::new(),
        };
        for (feature, text) in PROBES {
            fs::write(
                root.join("Dockerfile"),
                format!("FROM {}\n{text}", BASES[0]),
            )
            .unwrap();
            match engine.try_feature(root, *feature).await {
                Ok(()) => features.known.push(*feature),
                Err(why) => {
                    features.left_out.insert(*feature, last_line(&why));
                }
            }
        }
        features
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.known.contains(&feature)
    }

    /// Those that an engine of such a version should have, and does not: a probe is wrong.
    pub(crate) fn lost(&self, version: &str) -> Vec<Feature> {
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        let has_all = major.is_none_or(|major: u32| major >= ALL_SINCE);
        let left_out = self.left_out.keys().copied();
        left_out
            .filter(|feature| has_all && !IN_NONE.contains(feature))
            .collect()
    }

    /// For a person.
    pub(crate) fn describe(&self) -> String {
        let left_out = self.left_out.iter();
        let left_out = left_out.map(|(feature, why)| format!("  LEFT OUT: {feature:?}: {why}\n"));
        format!(
            "  features: {:?}\n{}",
            self.known,
            left_out.collect::<String>()
        )
    }
}

pub(crate) fn last_line(text: &str) -> String {
    let mut lines = text.lines().rev().map(str::trim);
    lines
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// The folder that probes read from.
pub(crate) fn folder_of_probe(root: &Path) -> std::path::PathBuf {
    root.join("d")
}
