//! A Dockerfile as what may be changed in it, and how it is written down.

use std::fmt::Write;

use crate::random::Random;

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dockerfile {
    /// The escape character.
    pub(crate) escape: char,
    /// Comment lines at its top.
    pub(crate) comments: Vec<String>,
    /// The arguments in front of the first FROM.
    pub(crate) globals: Vec<Instruction>,
    pub(crate) stages: Vec<Stage>,
    /// Whether lines end as on Windows.
    pub(crate) returns: bool,
    /// Whether it starts with a byte order mark.
    pub(crate) marked: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) from: Instruction,
    pub(crate) body: Vec<Instruction>,
}

/// One instruction, with how it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) keyword: &'static str,
    pub(crate) flags: Vec<String>,
    pub(crate) arguments: String,
    /// The lines of its here-document, whose name is EOF.
    pub(crate) heredoc: Option<String>,
    /// Lines in front of it: comments, or nothing.
    pub(crate) above: Vec<String>,
    pub(crate) small_letters: bool,
    pub(crate) broken: Option<Break>,
}

/// Where and how a line is broken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Break {
    /// At which of its spaces.
    pub(crate) at: usize,
    /// The spaces behind the escape character.
    pub(crate) trailing: &'static str,
    /// The line that stands inside.
    pub(crate) inside: Option<&'static str>,
}

impl Break {
    pub(crate) fn somewhere(random: &mut Random) -> Self {
        let lines = ["# inside", "  # more", "", "#"];
        Self {
            at: random.below(9),
            trailing: if random.percent(10) { "  " } else { "" },
            inside: random.percent(45).then(|| *random.pick(&lines)),
        }
    }
}

impl Instruction {
    pub(crate) fn new(keyword: &'static str, arguments: impl Into<String>) -> Self {
        Self {
            keyword,
            arguments: arguments.into(),
            ..Self::default()
        }
    }

    pub(crate) fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// The bytes where the line can be broken: spaces outside of quotes.
    fn breaks(line: &str) -> Vec<usize> {
        let mut quote = None;
        let mut found = Vec::new();
        for (at, letter) in line.char_indices() {
            match (quote, letter) {
                (None, '"' | '\'') => quote = Some(letter),
                (Some(open), _) if open == letter => quote = None,
                (None, ' ') => found.push(at),
                _ => {}
            }
        }
        found
    }

    fn write(&self, escape: char, text: &mut String) {
        for line in &self.above {
            text.push_str(line);
            text.push('\n');
        }
        let mut line = String::from(self.keyword);
        if self.small_letters {
            line.make_ascii_lowercase();
        }
        for flag in &self.flags {
            line.push(' ');
            line.push_str(flag);
        }
        line.push(' ');
        line.push_str(&self.arguments);
        let breaks = Self::breaks(&line);
        match &self.broken {
            Some(own) if self.heredoc.is_none() && !breaks.is_empty() => {
                let (head, tail) = line.split_at(breaks[own.at % breaks.len()]);
                let _ = writeln!(text, "{head} {escape}{}", own.trailing);
                if let Some(inside) = own.inside {
                    let _ = writeln!(text, "{inside}");
                }
                text.push_str(tail);
            }
            _ => text.push_str(&line),
        }
        text.push('\n');
        if let Some(heredoc) = &self.heredoc {
            let _ = writeln!(text, "{heredoc}EOF");
        }
    }
}

impl Stage {
    /// Its name, when FROM gives it one.
    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.from.arguments.split_once(" AS ")?.1)
    }
}

impl Dockerfile {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.escape != '\\' {
            let _ = writeln!(text, "# escape={}", self.escape);
        }
        for comment in &self.comments {
            let _ = writeln!(text, "{comment}");
        }
        let stages = self.stages.iter();
        let stages = stages.flat_map(|stage| std::iter::once(&stage.from).chain(&stage.body));
        for own in self.globals.iter().chain(stages) {
            own.write(self.escape, &mut text);
        }
        if self.returns {
            text = text.replace('\n', "\r\n");
        }
        if self.marked {
            text.insert(0, '\u{feff}');
        }
        text
    }

    /// Every place of an instruction: the stage and its number in it.
    pub(crate) fn places(&self, wanted: impl Fn(&Instruction) -> bool) -> Vec<(usize, usize)> {
        let stages = self.stages.iter().enumerate();
        let all = stages.flat_map(|(stage, own)| {
            let body = own.body.iter().enumerate();
            body.filter(|(_, own)| wanted(own))
                .map(move |(at, _)| (stage, at))
        });
        all.collect()
    }
}
