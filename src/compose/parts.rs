//! The attributes of what a service is made of, as tables: its build, health check, mounts and so on.

use super::identity::{before_equals, whole};
use super::long_form as long;
use super::schema::Merge::{Replace, ReplaceEach, Unique};
use super::schema::Shape::{
    Bool, Checked, Digits, Distinct, Duration, Fields, Int, IntOr, Labels, List, Long, Map, Maybe,
    NoText, OneOf, Parsed, Scalar, Size, Text, Texts, Variables, Whole,
};
use super::schema::{Shape, Table, closed, field, table};
use super::values;

/// What is run: words, or a text that is split into them.
pub(super) const COMMAND: Shape = Parsed(
    long::command,
    "text or a list of text",
    &Maybe(&List(&Text)),
);

/// Names and addresses for a hosts file.
pub(super) static HOSTS: Shape = Parsed(long::hosts, "a list of `NAME=IP` or a map", &List(&Text));

/// Where images of others lie.
pub(super) const CACHE: Shape = Long(
    long::cache,
    "a repository or a map",
    &Fields(&closed(&[
        field(
            "from",
            Long(
                long::one_or_more,
                "a repository or a list of them",
                &List(&Checked(values::repository, &Text)),
            ),
        ),
        field("key", Text),
        field("to", Checked(values::repository, &Text)),
        field("trusted", Bool).kept(),
    ])),
);

pub(super) static BUILD: Table = table(&[
    field(
        "additional_contexts",
        Parsed(
            long::contexts,
            "a list of `NAME=CONTEXT` or a map",
            &Map(&Text),
        ),
    ),
    field("args", Variables),
    field("cache_from", List(&Text)).later(),
    field("cache_to", List(&Text)).later(),
    field("context", Text),
    field("dockerfile", Text),
    field("dockerfile_inline", Text),
    field("entitlements", List(&Text)).later(),
    field("extra_hosts", Distinct(&HOSTS)).merge(Unique(whole)),
    field("isolation", Text).later(),
    field("labels", Labels),
    field("network", Text),
    field("no_cache", Bool),
    field("platforms", List(&Text)),
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
    ),
    field("shm_size", Size),
    field(
        "ssh",
        Distinct(&Parsed(long::ssh, "a list or a map", &List(&Text))),
    )
    .merge(Unique(before_equals)),
    field("tags", List(&Text)).merge(Unique(whole)),
    field("target", Text),
    field("ulimits", Map(&BUILD_ULIMIT)).merge(ReplaceEach),
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
    field("required", NoText(&Bool)).kept(),
    field("restart", Bool),
])
.needs(&["condition"]);

/// What a service takes of the disks at most.
pub(super) static BLKIO: Table = closed(&[
    field("device_read_bps", List(&DEVICE_RATE)),
    field("device_read_iops", List(&DEVICE_RATE)),
    field("device_write_bps", List(&DEVICE_RATE)),
    field("device_write_iops", List(&DEVICE_RATE)),
    field("weight", Checked(values::weight, &NoText(&Int))),
    field("weight_device", List(&DEVICE_WEIGHT)),
])
.strict();

static DEVICE_RATE: Shape = Long(
    long::device_rate,
    "a map",
    &Fields(&closed(&[field("path", Text).kept(), field("rate", Size).kept()]).strict()),
);

static DEVICE_WEIGHT: Shape = Long(
    long::device_weight,
    "a map",
    &Fields(
        &closed(&[
            field("path", Text).kept(),
            field("weight", Checked(values::weight, &NoText(&Int))).kept(),
        ])
        .strict(),
    ),
);

pub(super) static CREDENTIAL_SPEC: Table = table(&[
    field("config", Text),
    field("file", Text),
    field("registry", Text),
]);

pub(super) static DEVELOP: Table = table(&[field("watch", List(&Fields(&WATCH)))]);

static WATCH: Table = table(&[
    field(
        "action",
        OneOf(&["rebuild", "restart", "sync", "sync+exec", "sync+restart"]),
    )
    .kept(),
    field("exec", HOOK),
    field("ignore", Distinct(&Texts)),
    field("include", Distinct(&Texts)),
    field("initial_sync", NoText(&Bool)),
    field("path", Checked(values::not_blank, &Text)).kept(),
    field("target", Text),
])
.needs(&["action", "path"]);

pub(super) static DEVICE: Table = table(&[
    field("permissions", Text),
    field("source", Checked(values::not_blank, &Text)),
    field("target", Checked(values::not_blank, &Text)),
])
.needs(&["source", "target"]);

pub(super) static ENV_FILE: Table = closed(&[
    field("format", Text),
    field("path", Text).kept(),
    field("required", Bool).kept(),
])
.needs(&["path"])
.strict();

pub(super) static EXTENDS: Table = closed(&[field("file", Text), field("service", Text)]);

/// `NAME: VALUE` as a driver takes it.
pub(super) const OPTIONS: Shape = Map(&Scalar);

/// The same where a name may stand alone.
const LOG_OPTIONS: Shape = Map(&Long(long::blank, "text or a number", &Scalar));

pub(super) static HEALTHCHECK: Table = closed(&[
    field("disable", Bool),
    field("interval", Checked(values::not_negative, &Duration)).kept(),
    field("retries", Checked(values::natural, &Whole)).kept(),
    field("start_interval", Checked(values::not_negative, &Duration)).kept(),
    field("start_period", Checked(values::not_negative, &Duration)).kept(),
    field(
        "test",
        Long(long::health_test, "text or a list of text", &List(&Text)),
    )
    .merge(Replace),
    field("timeout", Checked(values::not_negative, &Duration)).kept(),
]);

pub(super) const HOOK: Shape = Fields(&HOOK_TABLE);
static HOOK_TABLE: Table = table(&[
    field("command", COMMAND).kept(),
    field("environment", Distinct(&Variables)),
    field("privileged", Bool),
    field("user", Text),
    field("working_dir", Text),
])
.needs(&["command"]);

/// A hook in a container of its own; not known to docker compose 2.40 yet.
pub(super) static PRE_START: Table = table(&[
    field("command", COMMAND).kept(),
    field("environment", Distinct(&Variables)),
    field("image", Text),
    field("per_replica", Bool),
    field("privileged", Bool),
    field("user", Text),
    field("working_dir", Text),
]);

pub(super) static LOGGING: Table = closed(&[field("driver", Text), field("options", LOG_OPTIONS)]);

pub(super) static ATTACHMENT: Table = table(&[
    field("aliases", List(&Text)).merge(Unique(whole)),
    field("driver_opts", OPTIONS),
    field("gw_priority", NoText(&Whole)),
    field("interface_name", Text),
    field("ipv4_address", Checked(values::ipv4, &Text)),
    field("ipv6_address", Checked(values::ipv6, &Text)),
    field("link_local_ips", List(&Text)).merge(Unique(whole)),
    field("mac_address", Text),
    field("priority", NoText(&Whole)),
]);

pub(super) static PORT: Table = closed(&[
    field("app_protocol", Text),
    field("host_ip", Checked(values::host_ip, &Text)),
    field("mode", Text),
    field("name", Text),
    field("protocol", Checked(values::protocol, &Text)),
    field("published", Checked(values::ports, &Digits)),
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
            field("propagation", Checked(values::propagation, &Text)),
            field(
                "recursive",
                OneOf(&["enabled", "disabled", "writable", "readonly"]),
            ),
            field("selinux", OneOf(&["z", "Z"])),
        ])),
    )
    .kept(),
    field("consistency", Text),
    field("image", Fields(&table(&[field("subpath", Text)]))).kept(),
    field("read_only", Bool),
    field("source", Text),
    field("target", Text),
    field(
        "tmpfs",
        Fields(&closed(&[
            field(
                "mode",
                Parsed(long::mode_bits, "a number, as in `0o1777`", &NoText(&Int)),
            ),
            field("size", Checked(values::not_negative, &Size)),
        ])),
    )
    .kept(),
    field(
        "type",
        OneOf(&["bind", "cluster", "image", "npipe", "tmpfs", "volume"]),
    ),
    field(
        "volume",
        Fields(&closed(&[
            field("labels", Distinct(&Labels)),
            field("nocopy", Bool),
            field("subpath", Text),
        ])),
    )
    .kept(),
])
.needs(&["type"]);

pub(super) static ULIMIT: Shape = IntOr(ULIMIT_WORDS, &Fields(&LIMITS));

/// The same in a build, where docker compose takes no text for a number.
static BUILD_ULIMIT: Shape = NoText(&IntOr(ULIMIT_WORDS, &Fields(&NUMBERS)));

const ULIMIT_WORDS: &str = "a number, or a map with `soft` and `hard`";

static LIMITS: Table =
    closed(&[field("hard", Int).kept(), field("soft", Int).kept()]).needs(&["hard", "soft"]);

static NUMBERS: Table = closed(&[
    field("hard", NoText(&Int)).kept(),
    field("soft", NoText(&Int)).kept(),
])
.needs(&["hard", "soft"]);
