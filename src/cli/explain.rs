//! `larder config --explain`: where a value of the model, or a variable, comes from.

use super::invocation::Invocation;
use crate::compose::{self, Explanation, Kind, Role, Source, Used};
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
            kind,
        } = explanation;
        let mut lines = vec![match (value, kind) {
            (Some(value), _) => format!("{subject} = {value}"),
            (None, Kind::Variable) => format!("{subject} has no value"),
            (None, Kind::Value) => format!("{subject} is there, and empty"),
            (None, Kind::Absent(None)) => format!("{subject} is not in the model"),
            (None, Kind::Absent(Some(reason))) => {
                format!("{subject} is not in the model: {reason}")
            }
        }];
        let is_said = sources.iter().any(|source| source.role == Role::Says);
        let nobody = match (kind, value) {
            (Kind::Variable, None) => "neither the environment nor an env file defines it",
            (Kind::Variable, Some(_)) => "larder defines it",
            (Kind::Value, _) => "no file says so: it is what Compose takes by default",
            (Kind::Absent(_), _) => "",
        };
        if !is_said && !nobody.is_empty() {
            lines.push(format!("  {nobody}"));
        }
        for (number, source) in sources.iter().enumerate() {
            let label = match source.role {
                Role::Says if matches!(kind, Kind::Absent(_)) => "written in",
                Role::Says => "from",
                Role::Adds => "and",
                Role::Asks => "asked for in",
                Role::Removes if number == 0 => "removed by",
                Role::Removes => "over what is removed by",
                Role::Overridden => "over",
            };
            lines.push(format!("  {label} {}", self.source(source)));
            for variable in &source.variables {
                lines.extend(self.variable(variable));
            }
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
            .join(", ");
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
