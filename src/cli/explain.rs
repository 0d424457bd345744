//! `larder config --explain`: where a value of the model, or a variable, comes from.

use super::invocation::Invocation;
use crate::compose::{self, Explanation, Source, Used};
use crate::failure::Failure;
use crate::term::{near, visible};

pub(super) fn explain(invocation: &Invocation, subject: &str) -> Result<(), Failure> {
    let explanation = compose::explain(&invocation.options(&[]), subject)?;
    let shown = Shown { invocation };
    for line in shown.lines(&explanation) {
        invocation.screen.out(&format!("{}\n", visible(&line)));
    }
    Ok(())
}

struct Shown<'a> {
    invocation: &'a Invocation,
}

impl Shown<'_> {
    fn lines(&self, explanation: &Explanation) -> Vec<String> {
        let Explanation {
            subject,
            value,
            sources,
            is_variable,
        } = explanation;
        let mut lines = vec![match value {
            Some(value) => format!("{subject} = {value}"),
            None if *is_variable => format!("{subject} has no value"),
            None => format!("{subject} is there, and empty"),
        }];
        if sources.is_empty() {
            let nobody = if *is_variable {
                "neither the environment nor an env file defines it"
            } else {
                "no file says so: it is what Compose takes by default"
            };
            lines.push(format!("  {nobody}"));
        }
        let mut label = "from";
        for source in sources {
            lines.push(format!("  {label} {}", self.source(source)));
            for variable in &source.variables {
                lines.extend(self.variable(variable));
            }
            // What is weaker than one that takes its place has no say any more.
            label = if source.adds && label != "over" {
                "and"
            } else {
                "over"
            };
        }
        lines
    }

    fn source(&self, source: &Source) -> String {
        let place = source.place.as_ref();
        let place = place.map(|place| near(place, &self.invocation.folder));
        let mut text = [place, source.what.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", where ");
        if let Some(written) = &source.written {
            text = format!("{text}: {written}");
        }
        text
    }

    fn variable(&self, variable: &Used) -> Vec<String> {
        let name = &variable.name;
        if let (None, [source]) = (&variable.value, &variable.sources[..]) {
            return vec![format!("    {name} is from {}", self.source(source))];
        }
        let Some(value) = &variable.value else {
            return vec![format!("    {name} is not set")];
        };
        let mut lines = Vec::new();
        for (number, source) in variable.sources.iter().enumerate() {
            let line = match number {
                0 => {
                    let source = Source {
                        written: None,
                        ..source.clone()
                    };
                    format!("    {name} = {value}, from {}", self.source(&source))
                }
                _ => format!("      over {}", self.source(source)),
            };
            lines.push(line);
        }
        lines
    }
}
