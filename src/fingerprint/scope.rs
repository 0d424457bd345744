//! The variables that an instruction sees: ARG and ENV in the order in which BuildKit sets them, the base
//! image's own below them (`dockerfile2llb/convert.go`, `dispatchArg`, `dispatchEnv`).

use std::collections::BTreeMap;

use super::dockerfile::Instruction;
use super::parse;
use super::recipe::Argument;
use super::words::{Unclear, expand};

/// Linux gives a process 2 MiB for its arguments and environment.
const MAX_SIZE: usize = 2 * 1024 * 1024;
/// What BuildKit sets where an image sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The build's own values: `args` from outside, and the arguments in front of the first FROM.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    /// What the build section gives; it counts only where an ARG declares the name.
    pub(super) given: BTreeMap<String, String>,
    /// Predefined and global arguments with their values.
    pub(super) values: BTreeMap<String, String>,
}

impl Globals {
    pub(super) fn expand(&self, word: &str, escape: char) -> Result<String, Unclear> {
        expand(word, escape, &|name| Ok(self.values.get(name).cloned()))
    }

    /// Takes in an ARG in front of the first FROM.
    pub(super) fn declare(
        &mut self,
        instruction: &Instruction,
        escape: char,
    ) -> Result<(), Unclear> {
        for (name, default) in arguments(instruction, escape) {
            let name = self.expand(&name, escape)?;
            let value = match (self.given.get(&name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand(&default, escape)?),
                (None, None) => None,
            };
            if let Some(value) = value {
                self.values.insert(name, value);
            }
        }
        Ok(())
    }
}

/// The variables at one point of a stage.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// `None` for one that depends on a base image whose environment is not known.
    values: BTreeMap<String, Option<String>>,
    /// What an image of the stage would carry of them: the base's and every ENV, no ARG.
    carried: BTreeMap<String, Option<String>>,
    base_known: bool,
    /// Bytes set so far.
    size: usize,
}

impl Scope {
    /// Behind FROM: the environment of the base image, when it is known.
    pub(super) fn behind_from(env: Option<&[String]>) -> Self {
        let mut values = BTreeMap::new();
        for variable in env.unwrap_or_default() {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            values.insert(name.to_owned(), Some(value.to_owned()));
        }
        if env.is_some() {
            values
                .entry("PATH".to_owned())
                .or_insert_with(|| Some(DEFAULT_PATH.to_owned()));
        }
        Self {
            carried: values.clone(),
            values,
            base_known: env.is_some(),
            size: 0,
        }
    }

    /// Behind a FROM that names the stage at whose end this is. BuildKit sets what the image carries once more, over
    /// an ARG of the same name (`dispatchStages`, "initialize base metadata from image conf").
    pub(super) fn inherited(&self) -> Self {
        let mut scope = self.clone();
        if !self.base_known {
            // The base may carry any of them.
            scope.values.values_mut().for_each(|value| *value = None);
        }
        scope.values.extend(self.carried.clone());
        scope
    }

    /// The variables that ARG set last; `None` when a Dockerfile cannot declare one of them with its value.
    pub(super) fn arguments(&self, globals: &Globals) -> Option<Vec<Argument>> {
        let set = self.values.iter();
        let set = set.filter(|(name, value)| self.carried.get(*name) != Some(*value));
        set.map(|(name, value)| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if name.is_empty() || !name.chars().all(is_plain) {
                return None;
            }
            // ARG without a default takes these from outside again, and a builder may know its own platform better.
            let given = globals.given.contains_key(name)
                || value.is_some() && globals.values.get(name) == value.as_ref();
            let one_line = |value: &String| !value.contains(['\n', '\r']);
            let value = match value.clone().filter(one_line) {
                _ if given => None,
                Some(value) => Some(value),
                None => return None,
            };
            Some(Argument {
                name: name.clone(),
                value,
            })
        })
        .collect()
    }

    pub(super) fn expand(&self, word: &str, escape: char) -> Result<String, Unclear> {
        expand(word, escape, &|name| match self.values.get(name) {
            Some(Some(value)) => Ok(Some(value.clone())),
            None if self.base_known => Ok(None),
            Some(None) | None => Err(Unclear::NeedsBase),
        })
    }

    fn set(&mut self, name: String, value: Result<String, Unclear>) -> Result<(), Unclear> {
        let value = match value {
            Ok(value) => Some(value),
            Err(Unclear::NeedsBase) => None,
            Err(refused) => return Err(refused),
        };
        self.size += name.len() + value.as_ref().map_or(0, String::len);
        if self.size > MAX_SIZE {
            return Err(Unclear::NotUnderstood(
                "the environment is too large".to_owned(),
            ));
        }
        self.values.insert(name, value);
        Ok(())
    }

    /// Takes in an ARG of the stage; gives each name with the value that comes from outside the stage, which
    /// its text does not tell.
    pub(super) fn declare(
        &mut self,
        instruction: &Instruction,
        globals: &Globals,
        escape: char,
    ) -> Result<Vec<(String, Option<String>)>, Unclear> {
        let mut outside = Vec::new();
        for (name, default) in arguments(instruction, escape) {
            let name = self.expand(&name, escape)?;
            let from_outside = match (globals.given.get(&name), &default) {
                (Some(given), _) => Some(given),
                (None, None) => globals.values.get(&name),
                (None, Some(_)) => None,
            };
            match (from_outside, default) {
                (Some(value), _) => self.set(name.clone(), Ok(value.clone()))?,
                (None, Some(default)) => self.set(name.clone(), self.expand(&default, escape))?,
                (None, None) => {}
            }
            outside.push((name, from_outside.cloned()));
        }
        Ok(outside)
    }

    /// Takes in an ENV: all its values are read before any is set.
    pub(super) fn set_env(
        &mut self,
        instruction: &Instruction,
        escape: char,
    ) -> Result<(), Unclear> {
        let (_, rest) = parse::flags(&instruction.arguments, escape);
        let words = parse::assignments(rest, escape);
        let pairs: Vec<(&str, &str)> = match words.first() {
            Some(first) if !first.contains('=') => {
                let (name, value) = rest.split_once(parse::is_space).unwrap_or((rest, ""));
                vec![(name, value.trim_start_matches(parse::is_space))]
            }
            _ => words
                .iter()
                .filter_map(|word| word.split_once('='))
                .collect(),
        };
        let mut read = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            read.push((self.expand(name, escape)?, self.expand(value, escape)));
        }
        for (name, value) in read {
            self.set(name.clone(), value)?;
            self.carried.extend(
                self.values
                    .get_key_value(&name)
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        Ok(())
    }
}

/// The names of an ARG, with their defaults.
fn arguments(instruction: &Instruction, escape: char) -> Vec<(String, Option<String>)> {
    let (_, rest) = parse::flags(&instruction.arguments, escape);
    let words = parse::assignments(rest, escape).into_iter();
    words
        .map(|word| match word.split_once('=') {
            Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
            None => (word, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::parse::parse;

    fn seen_by(text: &str, given: &[(&str, &str)], word: &str) -> Result<String, Unclear> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let globals = Globals {
            given: given.iter().map(pair).collect(),
            values: [pair(&("TARGETARCH", "amd64")), pair(&("G", "global"))].into(),
        };
        let mut scope = Scope::behind_from(Some(&["LANG=C".to_owned()]));
        for instruction in parse(text).instructions {
            match instruction.keyword.as_str() {
                "ARG" => drop(scope.declare(&instruction, &globals, '\\')?),
                _ => scope.set_env(&instruction, '\\')?,
            }
        }
        scope.expand(word, '\\')
    }

    #[test]
    fn arguments_count_where_they_are_declared() {
        let cases = [
            ("", "X", "$X", ""),
            ("ARG X", "X", "$X", "given"),
            ("ARG X=default", "X", "$X", "given"),
            ("ARG X=default", "", "$X", "default"),
            ("ARG X", "", "${X-unset}", "unset"),
            ("ARG G", "", "$G", "global"),
            ("", "", "${G-unset}", "unset"),
            ("ARG G=own", "", "$G", "own"),
            ("ARG TARGETARCH", "", "$TARGETARCH", "amd64"),
            ("ARG A=1 B=$A", "", "$B", "1"),
            ("ARG A=1\nENV A=2 B=$A", "", "$A$B", "21"),
            ("ARG \"X\"=1", "X", "$X", "given"),
            ("ARG \"A\"=1\nENV A=2", "", "$A", "2"),
            ("ENV A=2\nARG A=1", "", "$A", "1"),
            ("ENV A one two", "", "$A", "one two"),
            ("ENV A='x y' B=\"$LANG\"", "", "$A$B", "x yC"),
            ("ENV PATH=/x:$PATH", "", "${PATH%%:/u*}", "/x"),
        ];
        for (text, given, word, expected) in cases {
            let given: &[(&str, &str)] = if given.is_empty() {
                &[]
            } else {
                &[("X", "given")]
            };
            assert_eq!(
                seen_by(text, given, word).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_stage_built_on_another_has_what_its_image_carries_over_its_arguments() {
        let read = |env: Option<&[String]>| {
            let mut scope = Scope::behind_from(env);
            for instruction in parse("ENV A=env\nARG A=1 B=2 C=3").instructions {
                match instruction.keyword.as_str() {
                    "ARG" => drop(scope.declare(&instruction, &Globals::default(), '\\')),
                    _ => scope.set_env(&instruction, '\\').unwrap(),
                }
            }
            assert_eq!(scope.expand("$A$B$C", '\\').as_deref(), Ok("123"));
            scope.inherited()
        };
        let known = read(Some(&["B=base".to_owned()]));
        assert_eq!(known.expand("$A$B$C", '\\').as_deref(), Ok("envbase3"));
        let arguments = known.arguments(&Globals::default()).unwrap();
        let names: Vec<&str> = arguments.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["C"]);
        let unknown = read(None);
        assert_eq!(unknown.expand("$A", '\\').as_deref(), Ok("env"));
        assert_eq!(unknown.expand("$C", '\\'), Err(Unclear::NeedsBase));
    }

    #[test]
    fn what_needs_the_base_says_so() {
        let mut scope = Scope::behind_from(None);
        assert_eq!(scope.expand("$PATH", '\\'), Err(Unclear::NeedsBase));
        scope
            .set_env(&parse("ENV PATH=/x:$PATH A=1").instructions[0], '\\')
            .unwrap();
        assert_eq!(scope.expand("$PATH", '\\'), Err(Unclear::NeedsBase));
        assert_eq!(scope.expand("$A", '\\').as_deref(), Ok("1"));
    }
}
