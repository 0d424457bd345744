//! The address pools of a network that two files write, merged as docker compose does it (compose-go
//! `mergeIPAMConfig`): a pool of the later file goes over the one with its subnet, and where it has another subnet it
//! takes the place of those that came before.

use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::merge::merge;
use super::path::At;
use super::schema::Shape;

/// So many pairs of pools are looked at. An engine takes two pools, one of each kind of address.
const PAIRS: usize = 1_000;

/// Merges `over` into `base`.
///
/// # Errors
/// There are too many of them.
pub(super) fn merge_pools(
    base: &mut Vec<Value>,
    over: Vec<Value>,
    at: At<'_>,
) -> Result<(), Error> {
    let (first, pairs) = (base.len(), base.len() * over.len());
    if pairs > PAIRS {
        let text = format!(
            "`{}` has more address pools in two files than can be merged",
            at.path()
        );
        return Err(Error::from(ErrorKind::Rule(text)).at(at.path()));
    }
    let mut pools = std::mem::take(base);
    pools.extend(over);
    let subnet = |pools: &[Value], pool: usize| pools[pool].get("subnet").cloned();
    // Numbers of pools. One may be in it twice: what it becomes later counts for both.
    let mut merged: Vec<usize> = Vec::new();
    for own in 0..first {
        for other in first..pools.len() {
            let wanted = subnet(&pools, other);
            let is_there = merged.iter().any(|pool| subnet(&pools, *pool) == wanted);
            if wanted != subnet(&pools, own) && !is_there {
                merged.push(other);
                continue;
            }
            let value = pools[other].clone();
            merge(&mut pools[own], value, &Shape::Any, at)?;
            let same = |pool: &usize| subnet(&pools, *pool) == subnet(&pools, own);
            match merged.iter().position(same) {
                Some(place) => merged[place] = own,
                None => merged.push(own),
            }
        }
    }
    *base = merged.into_iter().map(|pool| pools[pool].clone()).collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value)] // `json!` makes values
    fn merged(base: Value, over: Value) -> Value {
        let list = |value: Value| value.as_array().unwrap().clone();
        let mut base = list(base);
        merge_pools(&mut base, list(over), At::ROOT).unwrap();
        base.into()
    }

    #[test]
    fn one_subnet_is_one_pool_and_another_takes_its_place() {
        let cases = [
            (
                json!([{"subnet": "a", "gateway": "1", "aux_addresses": {"x": "2"}}]),
                json!([{"subnet": "a", "gateway": "3", "aux_addresses": {"y": "4"}}]),
                json!([{"subnet": "a", "gateway": "3", "aux_addresses": {"x": "2", "y": "4"}}]),
            ),
            (
                json!([{"subnet": "a"}]),
                json!([{"subnet": "b"}]),
                json!([{"subnet": "b"}]),
            ),
            (
                json!([{"subnet": "a"}, {"subnet": "b"}]),
                json!([{"subnet": "c"}]),
                json!([{"subnet": "c"}]),
            ),
            (json!([]), json!([{"subnet": "a"}]), json!([])),
            (
                json!([{"subnet": "a", "gateway": "1"}, {"subnet": "b"}]),
                json!([{"subnet": "a", "ip_range": "2"}, {"subnet": "c"}]),
                json!([{"subnet": "c", "ip_range": "2"}, {"subnet": "c"}]),
            ),
        ];
        for (base, over, expected) in cases {
            assert_eq!(merged(base, over), expected);
        }
    }

    #[test]
    fn many_pools_are_refused() {
        let pools = vec![json!({"subnet": "a"}); 20_000];
        let error = merge_pools(&mut pools.clone(), pools, At::ROOT).unwrap_err();
        assert!(error.to_string().contains("more address pools"), "{error}");
    }
}
