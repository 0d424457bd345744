//! What an instruction wants from a context that does not have it, or does not let it be read: which line it is,
//! and what may have been meant. BuildKit finds out in the middle of a build; here nothing has begun.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::dockerfile::Instruction;
use super::error::Error;
use super::gather::{Gathered, gather};
use super::reading::Reading;
use super::sources::{Source, rooted};
use super::statcache::StatCache;
use super::steps::{Read, Step};
use super::walk::Folder;
use crate::compose::nearby;
use crate::model::Place;

/// A Dockerfile as the instructions that its target needs.
pub(super) struct Script<'a> {
    pub(super) service: &'a str,
    /// `None` where it stands in the Compose file.
    pub(super) file: Option<PathBuf>,
    /// What it is called.
    pub(super) name: &'a str,
    /// The additional context that is read; `None` is the build's own.
    pub(super) context: Option<&'a str>,
    pub(super) ignore_file: &'a Path,
    pub(super) reading: &'a Reading,
}

impl Script<'_> {
    /// Reads what `sources` take of the context.
    ///
    /// # Errors
    /// Something cannot be read, or is named and not there.
    pub(super) fn gather(
        &self,
        folder: Folder<'_>,
        sources: &BTreeSet<Source>,
        cache: &StatCache,
    ) -> Result<Gathered, Error> {
        let gathered = gather(folder, sources, cache);
        let gathered = gathered.map_err(|error| self.blame(error, folder, cache))?;
        self.check(folder, &gathered)?;
        Ok(gathered)
    }

    /// Looks whether all that is named is there.
    ///
    /// # Errors
    /// The first source that is not.
    fn check(&self, folder: Folder<'_>, gathered: &Gathered) -> Result<(), Error> {
        let missing = |source: &Source| {
            let taken = gathered.taken.get(source);
            taken.is_some_and(|taken| taken.missing)
        };
        for (step, source) in self.sources().filter(|(_, source)| missing(source)) {
            let Some(path) = source.required() else {
                continue;
            };
            if let Some(hint) = self.why(folder, path, &step.instruction) {
                let (keyword, line) = (&step.instruction.keyword, step.instruction.lines.0);
                let of = self.context.map_or_else(String::new, |name| {
                    format!(" of additional context `{name}`")
                });
                let wanted = match self.file {
                    Some(_) => format!("`{path}`{of}"),
                    None => {
                        format!(
                            "`{path}`{of} for {keyword} in line {line} of `{}`",
                            self.name
                        )
                    }
                };
                let place = self.file.clone().map(|file| {
                    let at = Some((line, 1));
                    Box::new(Place { file, at })
                });
                return Err(Error::NoSource {
                    service: self.service.to_owned(),
                    wanted,
                    place,
                    hint,
                });
            }
        }
        Ok(())
    }

    /// Finds the instruction for which something could not be read.
    fn blame(&self, error: Error, folder: Folder<'_>, cache: &StatCache) -> Error {
        let (Some(file), true) = (&self.file, matches!(error, Error::Read { .. })) else {
            return error;
        };
        let mut steps = self.sources();
        let reads = steps.find(|(_, source)| {
            let alone = BTreeSet::from([(*source).clone()]);
            gather(folder, &alone, cache).is_err()
        });
        match reads {
            Some((step, _)) => error.at(file, step.instruction.lines.0),
            None => error,
        }
    }

    /// What keeps `path` out of the context, as a hint; `None` where it is there after all, as something that is
    /// neither file, link nor folder.
    fn why(&self, folder: Folder<'_>, path: &str, instruction: &Instruction) -> Option<String> {
        let there = folder.root.join(path);
        if let Some((line, pattern)) = folder.ignore.leaves_out(path.as_bytes()) {
            let file = self.ignore_file.file_name().unwrap_or_default().display();
            let out = format!("`{file}` leaves it out: line {line}, `{pattern}`");
            return Some(if there.exists() {
                format!("{out}; a line `!{path}` behind that one takes it in again")
            } else {
                out
            });
        }
        if let Ok(target) = fs::read_link(&there) {
            let target = target.display();
            return Some(format!(
                "it is a link to `{target}`, which the context does not have"
            ));
        }
        if let Ok(found) = there.symlink_metadata() {
            let kind = found.file_type();
            let counts = kind.is_file() || kind.is_dir();
            return counts.then(|| "a link on the way to it leads out of the context".to_owned());
        }
        let words = instruction.arguments.split_whitespace();
        let mut above = words.filter(|word| word.starts_with("../") && rooted(word) == path);
        if let Some(word) = above.next() {
            return Some(format!(
                "`{word}` is read as `{path}`: nothing outside of the context can be copied, so `context:` has to be a \
             folder that holds it"
            ));
        }
        let root = folder.root.display();
        Some(nearby(&there, |_| true).unwrap_or_else(|| format!("it is looked for in `{root}`")))
    }

    fn sources(&self) -> impl Iterator<Item = (&Step, &Source)> {
        let steps = self.reading.stages.values().flat_map(|stage| &stage.steps);
        steps.flat_map(|step| {
            let sources = step.reads.iter().filter_map(|read| match read {
                Read::Context(source) if self.context.is_none() => Some(source),
                Read::Named(name, source) if self.context == Some(name.as_str()) => Some(source),
                _ => None,
            });
            sources.map(move |source| (step, source))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::fingerprint::error::Error;
    use crate::fingerprint::lab::Lab;

    fn lab(text: &str) -> Lab {
        Lab::new(text)
            .files(&[
                "a.txt",
                "notes.md",
                "out/x",
                "excepted/keep",
                "excepted/no",
                "src/main.py",
            ])
            .file(
                ".dockerignore",
                "# notes\n*.md\nout\nexcepted\n!excepted/keep\n",
            )
            .link("dangling", "nowhere")
            .link("to-notes", "notes.md")
            .link("good", "src")
    }

    /// Each of them was given to BuildKit, too: engine 20.10.
    #[test]
    fn what_buildkit_does_not_find_is_an_error_with_its_line() {
        let cases = [
            ("COPY scr /", "did you mean `src`?"),
            ("COPY a.txt nothing /x/", "it is looked for in"),
            ("ADD src/mian.py /", "did you mean `main.py`?"),
            ("COPY a.txt/x /", "it is looked for in"),
            (
                "COPY notes.md /",
                "`.dockerignore` leaves it out: line 2, `*.md`; a line `!notes.md`",
            ),
            (
                "COPY out/x /",
                "`.dockerignore` leaves it out: line 3, `out`; a line `!out/x`",
            ),
            ("COPY out /", "`.dockerignore` leaves it out: line 3"),
            (
                "COPY gone.md /",
                "`.dockerignore` leaves it out: line 2, `*.md`",
            ),
            ("COPY dangling /", "it is a link to `nowhere`"),
            ("COPY to-notes /", "it is a link to `notes.md`"),
            ("COPY ../b.txt /", "`../b.txt` is read as `b.txt`"),
            (
                "RUN --mount=type=bind,source=nothing,target=/m x",
                "it is looked for in",
            ),
            (
                "RUN --mount=type=bind,source=*.txt,target=/m x",
                "did you mean `a.txt`?",
            ),
        ];
        for (text, hint) in cases {
            let error = lab(&format!("FROM a\n\n{text}\n"))
                .try_recipe()
                .unwrap_err();
            assert!(matches!(&error, Error::NoSource { .. }), "{text}: {error}");
            assert!(
                error.hints()[0].starts_with(hint),
                "{text}: {:?}",
                error.hints()
            );
            assert_eq!(error.place().unwrap().at, Some((3, 1)), "{text}");
        }
    }

    #[test]
    fn what_buildkit_finds_or_does_not_look_for_is_none() {
        for text in [
            "COPY *.nothing /x",
            "COPY nothing* a.txt /x/",
            "COPY good /x",
            "COPY excepted /x",
            "COPY a.txt/ /x",
            "COPY ../../a.txt /x",
            "COPY --from=other nothing /x",
            "COPY --parents nothing /x",
            "ADD https://example.com/x /x",
            "COPY <<E /x\nE",
            "COPY . /x",
            "NEW nothing",
        ] {
            let recipe = lab(&format!("FROM a\n{text}\n")).try_recipe();
            assert!(recipe.is_ok(), "{text}: {}", recipe.unwrap_err());
        }
    }

    #[test]
    fn a_stage_that_the_target_does_not_need_may_want_what_it_likes() {
        let text = "FROM a AS dev\nCOPY nothing /\nFROM a AS used\nCOPY a.txt /\nFROM a\nCOPY --from=used /a.txt /\n";
        assert!(lab(text).try_recipe().is_ok());
        assert!(lab(text).target("dev").try_recipe().is_err());
    }

    #[test]
    fn a_name_that_the_base_gives_is_looked_for_once_that_is_known() {
        let lab =
            |folder: &str| lab("FROM b\nCOPY $DIR /x\n").base("b:latest", "id", &[], &[folder]);
        assert!(lab("DIR=src").try_recipe().is_ok());
        assert!(lab("DIR=none").try_recipe().is_err());
    }
}
