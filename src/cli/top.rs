//! `larder top`: the processes in the project's containers.

use clap::Args;
use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};

use super::args::{Listing, listing};
use super::invocation::Invocation;
use super::stack;
use crate::docker::Processes;
use crate::failure::Failure;
use crate::plan::{Container, State};
use crate::runtime::Engine;
use crate::term::columns;

/// `larder top`.
#[derive(Args, Debug)]
pub struct Top {
    /// The services; all of them when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The format: table or json
    #[arg(long, value_parser = listing, default_value = "table", hide_default_value = true)]
    pub format: Listing,
}

pub(super) async fn top(invocation: &Invocation, args: &Top) -> Result<(), Failure> {
    let named = invocation.named()?;
    let engine = invocation.engine().await?;
    let observed = engine.observe(&named.name).await?;
    let services = &args.services;
    let mut chosen = stack::of_services(&observed.containers, services, &named.services())?;
    // Between two starts there is none.
    chosen.retain(|own| matches!(own.state, State::Running(_) | State::Paused));
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    let found = chosen
        .iter()
        .map(async |own| engine.processes(&own.id).await);
    let found = try_join_all(found).await?;
    let all: Vec<(&Container, Processes)> = chosen.into_iter().zip(found).collect();
    match args.format {
        Listing::Table => invocation.screen.out(&table(&all)),
        Listing::Json => {
            let processes: Vec<Value> = all.iter().flat_map(objects).collect();
            let document = json!({"schema": 1, "processes": processes});
            invocation.screen.out(&format!("{document:#}\n"));
        }
    }
    Ok(())
}

/// The columns that any of them has, the command last.
fn table(all: &[(&Container, Processes)]) -> String {
    let mut titles: Vec<&String> = Vec::new();
    for title in all.iter().flat_map(|(_, processes)| &processes.titles) {
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    titles.sort_by_key(|title| ["CMD", "COMMAND"].contains(&title.as_str()));
    let mut rows = Vec::new();
    for (container, processes) in all {
        for row in &processes.rows {
            let cell = |title: &&String| {
                let at = processes.titles.iter().position(|own| own == *title);
                let cell = at.and_then(|at| row.get(at)).cloned();
                cell.unwrap_or_else(|| "-".to_owned())
            };
            let own = [container.service.clone(), container.number.to_string()];
            rows.push(own.into_iter().chain(titles.iter().map(cell)).collect());
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let titles = titles.into_iter().cloned();
    let header = ["SERVICE".to_owned(), "#".to_owned()].into_iter();
    columns(header.chain(titles).collect(), rows)
}

fn objects((container, processes): &(&Container, Processes)) -> Vec<Value> {
    let object = |row: &Vec<String>| {
        let cells = processes.titles.iter().cloned().zip(row.iter().cloned());
        let cells: Map<String, Value> = cells.map(|(k, v)| (k, Value::from(v))).collect();
        json!({
            "service": container.service,
            "container": container.name,
            "number": container.number,
            "columns": cells,
        })
    };
    processes.rows.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::container;
    use super::*;

    fn processes(titles: &[&str], row: &[&str]) -> Processes {
        let owned = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        Processes {
            titles: owned(titles),
            rows: vec![owned(row)],
        }
    }

    #[test]
    fn the_command_stands_last_whatever_columns_there_are() {
        let (a, b) = (container("a", ""), container("b", ""));
        let all = [
            (&a, processes(&["PID", "CMD"], &["1", "sleep 5"])),
            (&b, processes(&["PID", "CMD", "TTY"], &["2", "sh", "?"])),
        ];
        insta::assert_snapshot!(table(&all), @"
        SERVICE   #   PID   TTY   CMD
        a         1   1     -     sleep 5
        b         1   2     ?     sh
        ");
    }
}
