//! What a template is filled with: the files to install from, how the project starts, on which port it listens.

use std::collections::BTreeMap;

use super::folder::Folder;

/// The values of a template.
pub(super) struct Facts {
    /// By the names that the template has for them; one that says no is empty.
    pub(super) values: BTreeMap<&'static str, String>,
    /// What is started, where somebody has to know.
    pub(super) start: Option<Start>,
}

/// The command of a container.
pub(super) struct Start {
    /// Its words.
    pub(super) command: Vec<String>,
    /// Why it is this one: as a sentence goes on behind "as"; none where nothing in the folder says what is to be started.
    pub(super) because: Option<String>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Self {
            values: BTreeMap::new(),
            start: None,
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.values.insert(name, value.into());
        self
    }

    /// A value that says yes or no.
    pub(super) fn mark(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.set(name, if value { "yes" } else { "" })
    }

    pub(super) fn start(&mut self, start: Start) -> &mut Self {
        self.set("command", exec_form(&start.command));
        self.start = Some(start);
        self
    }
}

impl Start {
    /// With what says so.
    pub(super) fn of(command: &[&str], because: impl Into<String>) -> Self {
        Self {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            because: Some(because.into()),
        }
    }

    /// A guess, to be edited.
    pub(super) fn guess(command: &[&str]) -> Self {
        Self {
            because: None,
            ..Self::of(command, "")
        }
    }
}

/// Words as CMD and COPY have them between brackets.
pub(super) fn exec_form(words: &[String]) -> String {
    let words = words.iter().map(|word| serde_json::json!(word).to_string());
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}

/// The COPY instructions for these files: one for each folder, as a COPY puts all of its files into one.
pub(super) fn copies(files: &[String]) -> String {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push(file);
    }
    let lines = folders.iter().map(|(folder, files)| {
        let plain = files.iter().all(|file| is_plain(file));
        if plain {
            format!("COPY {} ./{}", files.join(" "), slashed(folder))
        } else {
            let mut words: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            words.push(format!("./{}", slashed(folder)));
            format!("COPY {}", exec_form(&words))
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn slashed(folder: &str) -> String {
    if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    }
}

/// Whether a word from a project's files can stand in an instruction as it is.
pub(super) fn is_plain(word: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "._-/+@".contains(char);
    !word.is_empty() && !word.starts_with('-') && word.chars().all(fits)
}

/// The version that a file of one line says, in front of `default`: `v22.1.0`, `3.12`.
pub(super) fn version(here: Folder<'_>, files: &[&str], default: &str) -> String {
    let said = files.iter().find_map(|file| {
        let text = here.text(file).ok()?;
        let line = text.lines().next()?.trim();
        let line = line.strip_prefix("ruby-").unwrap_or(line);
        let line = line.strip_prefix('v').unwrap_or(line);
        let fits = |char: char| char.is_ascii_digit() || char == '.';
        let is_version = line.starts_with(|char: char| char.is_ascii_digit());
        (is_version && line.chars().all(fits)).then(|| line.to_owned())
    });
    said.unwrap_or_else(|| default.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_folder_by_folder() {
        let files = ["a.txt", "r/b.txt", "c.txt", "r/d.txt"].map(str::to_owned);
        assert_eq!(
            copies(&files),
            "COPY a.txt c.txt ./\nCOPY r/b.txt r/d.txt ./r/"
        );
        let odd = ["a b.txt", "c.txt"].map(str::to_owned);
        assert_eq!(copies(&odd), r#"COPY ["a b.txt", "c.txt", "./"]"#);
    }

    #[test]
    fn a_version_is_a_line_of_digits() {
        let folder = tempfile::tempdir().unwrap();
        let here = Folder {
            root: folder.path(),
        };
        let said = |text: &str| {
            std::fs::write(folder.path().join("f"), text).unwrap();
            version(here, &["none", "f"], "1")
        };
        assert_eq!(said("v22.1.0\n"), "22.1.0");
        assert_eq!(said("ruby-3.3.1"), "3.3.1");
        for other in ["lts/*", "3.12\\nRUN x", "", "pypy3.9"] {
            assert_eq!(said(other), "1", "{other}");
        }
    }
}
