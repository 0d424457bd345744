//! What the `dagger` command tells in its plain progress, as progress of the builds that it is about. Must not
//! know how a session is opened. The form is made for people and no interface: what is not understood is left out.

use std::collections::{HashMap, VecDeque};

use crate::build::resume::Rewritten;
use crate::runtime::Progress;

/// How many lines an error about the session shows.
const LAST_LINES: usize = 5;

/// Follows the lines of one session.
#[derive(Default)]
pub(super) struct Narration {
    next: usize,
    builds: HashMap<usize, (Rewritten, Progress)>,
    /// The build and the instruction that each command belongs to, by the number in front of its lines.
    commands: HashMap<u64, (usize, String)>,
    /// The command of each build that printed last.
    heard: HashMap<usize, u64>,
    last: VecDeque<String>,
}

impl Narration {
    /// Reports to a build from now on; the number by which to forget it.
    pub(super) fn listen(&mut self, dockerfile: Rewritten, progress: Progress) -> usize {
        self.next += 1;
        self.builds.insert(self.next, (dockerfile, progress));
        self.next
    }

    pub(super) fn forget(&mut self, number: usize) {
        self.builds.remove(&number);
        self.heard.remove(&number);
        self.commands.retain(|_, (build, _)| *build != number);
    }

    /// The last lines, for an error.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// Takes the next line: `17  : ┆ withExec /bin/sh -c 'pip install'`, `17  : ┆ [1.6s] | Collecting…`.
    pub(super) fn take(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        let Some((number, text)) = line.split_once(": ") else {
            return;
        };
        let Ok(number) = number.trim_end().parse() else {
            return;
        };
        let text = text.trim_start_matches(['┆', ' ']);
        if let Some(command) = text.strip_prefix("withExec ") {
            self.command(number, &unquoted(command));
        } else if let Some((_, output)) = text
            .strip_prefix('[')
            .and_then(|text| text.split_once("s] | "))
        {
            self.output(number, output);
        }
    }

    fn command(&mut self, number: u64, command: &str) {
        let found = self.builds.iter().find_map(|(build, (dockerfile, _))| {
            Some((*build, dockerfile.run(command)?.instruction.clone()))
        });
        self.commands.extend(found.map(|found| (number, found)));
    }

    /// Commands are told of before they run, all at once: the one that prints is the one that runs.
    fn output(&mut self, number: u64, line: &str) {
        let Some((build, instruction)) = self.commands.get(&number) else {
            return;
        };
        if let Some((_, progress)) = self.builds.get(build) {
            if self.heard.insert(*build, number) != Some(number) {
                progress.doing(instruction);
            }
            // What a carriage return overwrote was not meant to stay.
            progress.output(line.rsplit('\r').next().unwrap_or(line));
        }
    }
}

/// A command without its shell quotes: only single ones are used.
fn unquoted(command: &str) -> String {
    command
        .split(r"'\''")
        .map(|part| part.replace('\'', ""))
        .collect::<Vec<_>>()
        .join("'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::resume::rewrite;
    use crate::build::sample::recipe;
    use crate::plan::StepId;
    use crate::runtime::{BuildPart, Event, EventSink};
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl EventSink for Told {
        fn send(&self, event: Event) {
            let line = match event {
                Event::Progress { id, doing, .. } => format!("{} does {doing}", id.0),
                Event::Output { id, line } => format!("{} says {line}", id.0),
                other => format!("{other:?}"),
            };
            self.0.lock().unwrap().push(line);
        }
    }

    fn dockerfile(text: &str) -> Rewritten {
        let on = BTreeMap::new();
        let recipe = recipe(Path::new("/nonexistent-is-empty"), text, &[]);
        rewrite(&recipe, &BuildPart::Target { on: &on })
    }

    #[test]
    fn output_goes_to_the_build_whose_instruction_printed_it() {
        let told = Arc::new(Told::default());
        let mut narration = Narration::default();
        let mut listen = |id, text| {
            let progress = Progress::new(StepId(id), Arc::clone(&told) as _);
            narration.listen(dockerfile(text), progress)
        };
        listen(
            1,
            "FROM a\nRUN --mount=type=cache,target=/c pip install \\\n  'it' && x\nRUN later\n",
        );
        let two = listen(2, "FROM a\nRUN npm ci\n");
        let lines = [
            "1   : connect",
            "16  : ┆ withExec /bin/sh -c 'pip install   '\\''it'\\'' && x'",
            "17  : ┆ withExec /bin/sh -c 'npm ci'",
            "19  : ┆ withExec /bin/sh -c 'later'",
            "17  : ┆ Container.withExec DONE [0.0s]",
            "16  : ┆ withExec /bin/sh -c 'pip install   '\\''it'\\'' && x'",
            "16  : ┆ [1.6s] | one: 1%\rone: 100%",
            "16  : ┆ [1.7s] | one",
            "19  : ┆ [1.8s] | last",
            "17  : ┆ [1.9s] | two [0s] | 3",
            "18  : ┆ [1.9s] | nobody's",
        ];
        for line in lines {
            narration.take(line);
        }
        narration.forget(two);
        narration.take("17  : ┆ [1.9s] | too late");
        let expected = [
            "1 does RUN --mount=type=cache,target=/c pip install   'it' && x",
            "1 says one: 100%",
            "1 says one",
            "1 does RUN later",
            "1 says last",
            "2 does RUN npm ci",
            "2 says two [0s] | 3",
        ];
        assert_eq!(*told.0.lock().unwrap(), expected);
        assert_eq!(narration.last_lines().len(), LAST_LINES);
    }
}
