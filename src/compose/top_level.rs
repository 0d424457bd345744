//! A Compose file's top-level elements as tables: networks, volumes, configs, secrets (the compose-spec's JSON
//! schema). A service's attributes are in `attributes`.

use super::attributes::SERVICE_SHAPE;
use super::long_form as long;
use super::parts::{CACHE, OPTIONS};
use super::refused::MODEL;
use super::schema::Merge::{Pools, Replace};
use super::schema::Shape::{
    Bool, Checked, Digits, Distinct, Fields, Int, Labels, List, Long, Map, Maybe, Named, OneOf,
    Parsed, Text, Texts,
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
    field("models", Map(&MODEL)),
    field("name", Text),
    field(
        "networks",
        Map(&Maybe(&Parsed(
            long::external_by_name,
            "a map",
            &Fields(&NETWORK),
        ))),
    ),
    field(
        "secrets",
        Named(&Parsed(long::external, "a map", &Fields(&SECRET))),
    ),
    field("services", Named(&SERVICE_SHAPE)),
    field("version", Text).harmless(),
    field(
        "volumes",
        Named(&Maybe(&Parsed(
            long::external_by_name,
            "a map",
            &Fields(&VOLUME),
        ))),
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
    field("cache", CACHE),
    field("frozen", Bool).kept(),
    field("ports", OneOf(&["fixed", "auto"])),
    field("timeout", Checked(values::seconds, &Int)),
]);

static NETWORK: Table = table(&[
    field("attachable", Bool),
    field("driver", Text),
    field("driver_opts", OPTIONS),
    field("enable_ipv4", Bool).kept(),
    field("enable_ipv6", Bool).kept(),
    field("external", Bool),
    field("internal", Bool),
    field(
        "ipam",
        Fields(&closed(&[
            field("config", List(&Fields(&IPAM_POOL))).merge(Pools),
            field("driver", Text),
            field("options", Map(&Text)).dropped(),
        ])),
    ),
    field("labels", Labels),
    field("name", Text),
]);

static IPAM_POOL: Table = closed(&[
    field("aux_addresses", Map(&Text)),
    field("gateway", Checked(values::address, &Text)),
    field("ip_range", Checked(values::subnet, &Text)),
    field("subnet", Checked(values::subnet, &Text)),
]);

static VOLUME: Table = table(&[
    field("driver", Text),
    field("driver_opts", OPTIONS),
    field("external", Bool),
    field("labels", Distinct(&Labels)),
    field("name", Text),
]);

static CONFIG: Table = table(&[
    field("content", Text).kept(),
    field("environment", Text).kept(),
    field("external", Bool),
    field("file", Text).kept(),
    field("labels", Distinct(&Labels)).harmless(),
    field("name", Text),
    field("template_driver", Text).later(),
]);

static SECRET: Table = table(&[
    field("driver", Text).later(),
    field("driver_opts", Map(&Digits)).later(),
    field("environment", Text).kept(),
    field("external", Bool),
    field("file", Text).kept(),
    field("labels", Distinct(&Labels)).harmless(),
    field("name", Text),
    field("template_driver", Text).later(),
]);

#[cfg(test)]
mod tests {
    use super::super::schema::Shape::Items;
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
        match shape.canonical() {
            Fields(table) => check(table),
            List(inner) | Named(inner) | Map(inner) | Items(_, _, inner) => walk(inner),
            _ => {}
        }
    }

    #[test]
    fn tables_are_sorted_for_the_search() {
        walk(&ROOT);
    }
}
