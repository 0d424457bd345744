//! The attributes of what a service is made of, as tables: its build, deploy, health check, mounts and so on.

use super::identity::{before_equals, secret, whole};
use super::long_form as long;
use super::schema::Merge::{Replace, ReplaceEach, Unique};
use super::schema::Shape::{
    Any, Bool, Checked, Duration, Fields, Int, IntOr, Labels, List, Long, Maybe, Named, Number,
    OneOf, Parsed, Scalar, Size, Text, Texts, Variables,
};
use super::schema::{Shape, Table, closed, field, table};
use super::values;

/// What is run: words, or a text that is split into them.
pub(super) const COMMAND: Shape = Parsed(
    long::command,
    "text or a list of text",
    &Maybe(&List(&Text)),
);

pub(super) static BUILD: Table = table(&[
    field(
        "additional_contexts",
        Parsed(long::contexts, "a list of `NAME=CONTEXT` or a map", &Labels),
    ),
    field("args", Variables),
    field("cache_from", Texts).later(),
    field("cache_to", Texts).later(),
    field("context", Text),
    field("dockerfile", Text),
    field("dockerfile_inline", Text),
    field("entitlements", List(&Text)).later(),
    field(
        "extra_hosts",
        Parsed(long::hosts, "a list of `NAME=IP` or a map", &List(&Text)),
    )
    .merge(Unique(whole)),
    field("isolation", Text).later(),
    field("labels", Labels),
    field("network", Text),
    field("no_cache", Bool),
    field("platforms", Texts).merge(Unique(whole)),
    field("privileged", Bool).later(),
    field(
        "provenance",
        Long(long::printed, "text, true or false", &Text),
    )
    .later(),
    field("pull", Bool),
    field("sbom", Long(long::printed, "text, true or false", &Text)).later(),
    field(
        "secrets",
        List(&Long(
            long::file_reference,
            "a name or a map",
            &Fields(&BUILD_SECRET),
        )),
    )
    .merge(Unique(secret)),
    field("shm_size", Size),
    field("ssh", Parsed(long::ssh, "a list or a map", &List(&Text))).merge(Unique(before_equals)),
    field("tags", Texts).merge(Unique(whole)),
    field("target", Text),
    field("ulimits", Named(&ULIMIT)).merge(ReplaceEach),
]);

pub(super) static DEPENDENCY: Table = closed(&[
    field(
        "condition",
        OneOf(&[
            "service_started",
            "service_healthy",
            "service_completed_successfully",
        ]),
    ),
    field("required", Bool),
    field("restart", Bool).later(),
])
.needs(&["condition"]);

pub(super) static DEPLOY: Table = table(&[
    field("endpoint_mode", Text).later(),
    field("labels", Labels).harmless(),
    field("mode", Text).later(),
    field("placement", Any).later(),
    field("replicas", Checked(values::count, &Int)),
    field("resources", Fields(&RESOURCES)),
    field("restart_policy", Fields(&RESTART_POLICY)).later(),
    field("rollback_config", Any).later(),
    field("update_config", Any).later(),
]);

static RESOURCES: Table = closed(&[
    field(
        "limits",
        Fields(&table(&[
            field("cpus", Checked(values::not_negative, &Number)),
            field("memory", Size),
            field("pids", Int),
        ])),
    ),
    field(
        "reservations",
        Fields(&table(&[
            field("cpus", Checked(values::not_negative, &Number)).harmless(),
            field("devices", List(&DEVICE_REQUEST)).later(),
            field("generic_resources", Any).harmless(),
            field("memory", Size),
        ])),
    ),
]);

static RESTART_POLICY: Table = table(&[
    field("condition", Text),
    field("delay", Duration),
    field("max_attempts", Int),
    field("window", Duration),
]);

pub(super) static DEVICE_REQUEST: Shape = Long(
    long::device_request,
    "a map",
    &Fields(&table(&[
        field("capabilities", List(&Text)),
        field("count", Int),
        field("device_ids", List(&Text)),
        field("driver", Text),
        field("options", Labels),
    ])),
);

pub(super) static DEVICE: Table = table(&[
    field("permissions", Text),
    field("source", Text),
    field("target", Text),
]);

pub(super) static ENV_FILE: Table = closed(&[
    field("format", OneOf(&["raw", "dotenv", ".env"])),
    field("path", Text),
    field("required", Bool),
]);

pub(super) static EXTENDS: Table = closed(&[field("file", Text), field("service", Text)]);

pub(super) static HEALTHCHECK: Table = closed(&[
    field("disable", Bool),
    field("interval", Checked(values::not_negative, &Duration)),
    field("retries", Checked(values::count, &Int)),
    field("start_interval", Checked(values::not_negative, &Duration)),
    field("start_period", Checked(values::not_negative, &Duration)),
    field(
        "test",
        Long(long::health_test, "text or a list of text", &List(&Text)),
    )
    .merge(Replace),
    field("timeout", Checked(values::not_negative, &Duration)),
]);

pub(super) static HOOK: Shape = Fields(&table(&[
    field("command", COMMAND),
    field("environment", Variables),
    field("privileged", Bool),
    field("user", Text),
    field("working_dir", Text),
]));

pub(super) static LOGGING: Table = closed(&[field("driver", Text), field("options", Labels)]);

pub(super) static ATTACHMENT: Table = table(&[
    field("aliases", List(&Text)).merge(Unique(whole)),
    field("driver_opts", Labels).later(),
    field("gw_priority", Int).later(),
    field("interface_name", Text).later(),
    field("ipv4_address", Checked(values::ipv4, &Text)),
    field("ipv6_address", Checked(values::ipv6, &Text)),
    field("link_local_ips", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("mac_address", Text).later(),
    field("priority", Int),
]);

pub(super) static PORT: Table = closed(&[
    field("app_protocol", Text),
    field("host_ip", Checked(values::host_ip, &Text)),
    field("mode", Text),
    field("name", Text),
    field("protocol", Checked(values::protocol, &Text)),
    field("published", Checked(values::ports, &Scalar)),
    field("target", Checked(values::port, &Int)),
]);

pub(super) static FILE_REFERENCE: Table = closed(&[
    field("gid", Text),
    field(
        "mode",
        Parsed(long::mode, "an octal mode, as in `0440`", &Text),
    ),
    field("source", Text),
    field("target", Text),
    field("uid", Text),
]);

/// A build mounts them as its RUN steps say.
static BUILD_SECRET: Table = closed(&[
    field("gid", Text).later(),
    field(
        "mode",
        Parsed(long::mode, "an octal mode, as in `0440`", &Text),
    )
    .later(),
    field("source", Text),
    field("target", Text),
    field("uid", Text).later(),
]);

pub(super) static MOUNT: Table = closed(&[
    field(
        "bind",
        Fields(&closed(&[
            field("create_host_path", Bool),
            field("propagation", Text),
            field(
                "recursive",
                OneOf(&["enabled", "disabled", "writable", "readonly"]),
            )
            .later(),
            field("selinux", OneOf(&["z", "Z"])),
        ])),
    ),
    field("consistency", Text),
    field("image", Any),
    field("read_only", Bool),
    field("source", Text),
    field("target", Text),
    field(
        "tmpfs",
        Fields(&closed(&[
            field(
                "mode",
                Parsed(long::mode_number, "an octal mode, as in `0440`", &Int),
            ),
            field("size", Size),
        ])),
    ),
    field(
        "type",
        OneOf(&["bind", "cluster", "image", "npipe", "tmpfs", "volume"]),
    ),
    field(
        "volume",
        Fields(&closed(&[
            field("labels", Labels).later(),
            field("nocopy", Bool),
            field("subpath", Text),
        ])),
    ),
]);

pub(super) static ULIMIT: Shape = IntOr(
    "a number, or a map with `soft` and `hard`",
    &Fields(&closed(&[field("hard", Int), field("soft", Int)]).needs(&["hard", "soft"])),
);
