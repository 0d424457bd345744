//! The order that `depends_on` asks for. Linear in services and edges, and iterative: a chain of ten
//! thousand services is a list, not a stack.

use std::collections::BTreeMap;

/// Services that wait for each other: the first waits for the second, and so on, the last for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<String>);

/// The names of `graph` (name → names it waits for), every name after all those it waits for.
/// Edges to names that are not in the graph are passed over.
///
/// # Errors
/// A cycle, the first in name order.
pub fn start_order(graph: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, Cycle> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Fresh,
        OnPath,
        Done,
    }
    let names: Vec<&String> = graph.keys().collect();
    let index: BTreeMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    let edges: Vec<Vec<usize>> = graph
        .values()
        .map(|waits| {
            waits
                .iter()
                .filter_map(|name| index.get(name.as_str()).copied())
                .collect()
        })
        .collect();

    let mut marks = vec![Mark::Fresh; names.len()];
    let mut order = Vec::with_capacity(names.len());
    for root in 0..names.len() {
        if marks[root] != Mark::Fresh {
            continue;
        }
        // Each frame: a node, and how many of its edges were walked.
        let mut path = vec![(root, 0)];
        marks[root] = Mark::OnPath;
        while let Some((node, walked)) = path.last_mut() {
            if let Some(&next) = edges[*node].get(*walked) {
                *walked += 1;
                match marks[next] {
                    Mark::Done => {}
                    Mark::Fresh => {
                        marks[next] = Mark::OnPath;
                        path.push((next, 0));
                    }
                    Mark::OnPath => {
                        let from = path.iter().position(|(at, _)| *at == next).unwrap_or(0);
                        let cycle = path[from..].iter().map(|(at, _)| names[*at].clone());
                        return Err(Cycle(cycle.collect()));
                    }
                }
            } else {
                marks[*node] = Mark::Done;
                order.push(names[*node].clone());
                path.pop();
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        edges
            .iter()
            .map(|(name, waits)| ((*name).to_owned(), owned(waits)))
            .collect()
    }

    #[test]
    fn what_is_waited_for_comes_first() {
        let order = start_order(&graph(&[("web", &["api"]), ("api", &["db"]), ("db", &[])]));
        assert_eq!(order.unwrap(), ["db", "api", "web"]);
    }

    #[test]
    fn a_cycle_is_named_without_what_leads_to_it() {
        let cycle = start_order(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]));
        assert_eq!(cycle.unwrap_err(), Cycle(vec!["b".into(), "c".into()]));
        let own = start_order(&graph(&[("a", &["a"])]));
        assert_eq!(own.unwrap_err(), Cycle(vec!["a".into()]));
    }

    #[test]
    fn a_long_chain_is_no_deep_stack() {
        let mut chain: BTreeMap<String, Vec<String>> = (0..100_000)
            .map(|i| (format!("s{i}"), vec![format!("s{}", i + 1)]))
            .collect();
        chain.insert("s100000".into(), Vec::new());
        assert_eq!(start_order(&chain).unwrap().len(), 100_001);
    }
}
