//! The attributes of `deploy` as tables, and those of a device that a driver gives. Most of them are for Swarm: docker
//! compose reads them and does nothing.

use super::long_form as long;
use super::schema::Shape::{
    Checked, Distinct, Duration, Fields, Int, Labels, List, Long, Number, OneOf, OnlyText, Size,
    Text, Whole,
};
use super::schema::{Shape, Table, closed, field, table};
use super::values;

pub(super) static DEPLOY: Table = table(&[
    field("endpoint_mode", Text).harmless(),
    field("labels", Labels).harmless(),
    field("mode", Text).harmless(),
    field("placement", Fields(&PLACEMENT)).harmless(),
    field("replicas", Checked(values::count, &Int)).kept(),
    field("resources", Fields(&RESOURCES)),
    field("restart_policy", Fields(&RESTART_POLICY)).kept(),
    field("rollback_config", Fields(&UPDATE)).kept().harmless(),
    field("update_config", Fields(&UPDATE)).kept().harmless(),
]);

static PLACEMENT: Table = table(&[
    field("constraints", List(&Text)),
    field("max_replicas_per_node", Checked(values::natural, &Int)),
    field(
        "preferences",
        List(&Fields(&table(&[field("spread", Text)]))),
    ),
]);

static RESOURCES: Table = closed(&[
    field(
        "limits",
        Fields(&table(&[
            field("cpus", Checked(values::not_negative, &Number)),
            field("memory", OnlyText(&Size)),
            field("pids", Int),
        ])),
    )
    .kept(),
    field(
        "reservations",
        Fields(&table(&[
            field("cpus", Checked(values::not_negative, &Number)).harmless(),
            field("devices", List(&RESERVED_DEVICE)),
            field("generic_resources", List(&Fields(&GENERIC_RESOURCE))).harmless(),
            field("memory", OnlyText(&Size)),
        ])),
    )
    .kept(),
]);

static GENERIC_RESOURCE: Table = table(&[field(
    "discrete_resource_spec",
    Long(
        long::discrete_resource,
        "a map",
        &Fields(&table(&[
            field("kind", Text).kept(),
            field("value", Whole).kept(),
        ])),
    ),
)
.kept()]);

static RESTART_POLICY: Table = table(&[
    field("condition", Checked(values::condition, &Text)),
    field("delay", Duration).kept(),
    field("max_attempts", Checked(values::count, &Int)).kept(),
    field("window", Duration).kept(),
]);

/// How Swarm brings out a change, or takes it back.
static UPDATE: Table = table(&[
    field("delay", Duration),
    field("failure_action", Text),
    field("max_failure_ratio", Number),
    field("monitor", Duration),
    field("order", OneOf(&["start-first", "stop-first"])),
    field("parallelism", Checked(values::natural, &Int)).kept(),
]);

static RESERVED_DEVICE: Shape = Long(
    long::device_request,
    "a map",
    &Fields(&DEVICE_REQUEST.needs(&["capabilities"])),
);

/// One of `gpus`.
pub(super) static GPU: Shape = Long(
    long::device_request,
    "a map",
    &Fields(&DEVICE_REQUEST.open()),
);

const DEVICE_REQUEST: Table = closed(&[
    field("capabilities", Distinct(&List(&Text))).kept(),
    field("count", Int).kept(),
    field("device_ids", Distinct(&List(&Text))).kept(),
    field("driver", Text),
    field("options", Distinct(&Labels)),
]);
