//! A Compose file's top-level elements as tables: networks, volumes, configs, secrets (the compose-spec's JSON
//! schema). A service's attributes are in `attributes`.

use super::attributes::SERVICE_SHAPE;
use super::long_form as long;
use super::schema::Merge::{Pools, Replace};
use super::schema::Shape::{
    Any, Bool, Checked, Fields, Int, Labels, List, Long, Maybe, Named, OneOf, Parsed, Text, Texts,
};
use super::schema::{Shape, Table, closed, field, table};
use super::values;

/// A Compose file.
pub(super) static ROOT: Shape = Fields(&ROOT_TABLE);
pub(super) static ROOT_TABLE: Table = table(&[
    field(
        "configs",
        Named(&Parsed(long::external, "a map", &Fields(&CONFIG))),
    ),
    field(
        "include",
        List(&Long(long::included, "a path or a map", &Fields(&INCLUDED))),
    )
    .merge(Replace),
    field("models", Any).refused("AI models"),
    field("name", Text),
    field(
        "networks",
        Named(&Maybe(&Parsed(long::external, "a map", &Fields(&NETWORK)))),
    ),
    field(
        "secrets",
        Named(&Parsed(long::external, "a map", &Fields(&SECRET))),
    ),
    field("services", Named(&SERVICE_SHAPE)),
    field("version", Text).harmless(),
    field(
        "volumes",
        Named(&Maybe(&Parsed(long::external, "a map", &Fields(&VOLUME)))),
    ),
    field("x-larder", Fields(&OF_LARDER)),
]);

static INCLUDED: Table = closed(&[
    field("env_file", Texts),
    field("path", Texts),
    field("project_directory", Texts),
]);

/// What larder itself is told of a project.
static OF_LARDER: Table = closed(&[
    field("builder", OneOf(&["auto", "dagger", "docker"])),
    field("frozen", Bool),
    field("timeout", Checked(values::seconds, &Int)),
]);

static NETWORK: Table = table(&[
    field("attachable", Bool),
    field("driver", Text),
    field("driver_opts", Labels),
    field("enable_ipv4", Bool).later(),
    field("enable_ipv6", Bool),
    field("external", Bool),
    field("internal", Bool),
    field(
        "ipam",
        Fields(&closed(&[
            field("config", List(&Fields(&IPAM_POOL))).merge(Pools),
            field("driver", Text),
            field("options", Labels),
        ])),
    ),
    field("labels", Labels),
    field("name", Text),
]);

static IPAM_POOL: Table = closed(&[
    field("aux_addresses", Labels),
    field("gateway", Checked(values::address, &Text)),
    field("ip_range", Checked(values::subnet, &Text)),
    field("subnet", Checked(values::subnet, &Text)),
]);

static VOLUME: Table = table(&[
    field("driver", Text),
    field("driver_opts", Labels),
    field("external", Bool),
    field("labels", Labels),
    field("name", Text),
]);

static CONFIG: Table = table(&[
    field("content", Text),
    field("environment", Text),
    field("external", Bool),
    field("file", Text),
    field("labels", Labels).harmless(),
    field("name", Text),
    field("template_driver", Text).later(),
]);

static SECRET: Table = table(&[
    field("driver", Text).later(),
    field("driver_opts", Labels).later(),
    field("environment", Text),
    field("external", Bool),
    field("file", Text),
    field("labels", Labels).harmless(),
    field("name", Text),
    field("template_driver", Text).later(),
]);

#[cfg(test)]
mod tests {
    use super::super::schema::Shape::{IntOr, Items};
    use super::*;

    fn check(table: &Table) {
        assert!(
            table.fields.is_sorted_by(|a, b| a.name < b.name),
            "{:?}",
            table.fields.first().map(|f| f.name)
        );
        table.fields.iter().for_each(|field| walk(&field.shape));
    }

    fn walk(shape: &Shape) {
        match shape {
            Fields(table) => check(table),
            List(inner)
            | Named(inner)
            | Maybe(inner)
            | Checked(_, inner)
            | IntOr(_, inner)
            | Long(_, _, inner)
            | Parsed(_, _, inner)
            | Items(_, _, inner) => {
                walk(inner);
            }
            _ => {}
        }
    }

    #[test]
    fn tables_are_sorted_for_the_search() {
        walk(&ROOT);
    }
}
