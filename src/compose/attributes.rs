//! A service's attributes as tables, its build, deploy and mounts among them: shape, merge rule and standing of
//! each (the compose-spec's JSON schema, and compose-go's `override` and `transform`).

use super::identity::{before_equals, config, device, env_file, mount, secret, whole};
use super::long_form as long;
use super::ports;
use super::schema::Merge::{Logging, Replace, Unique};
use super::schema::Shape::{
    Any, Bool, Duration, Fields, Int, Labels, List, Long, Maybe, Named, Number, OneOf, Parsed,
    Scalar, Size, Text, Texts, Variables,
};
use super::schema::{Shape, Table, closed, field, table};

pub(super) static SERVICE_SHAPE: Shape = Fields(&SERVICE);
pub(super) static SERVICE: Table = table(&[
    field("annotations", Labels).later(),
    field("attach", Bool).harmless(),
    field("blkio_config", Any).later(),
    field("build", Long(long::build, &Fields(&BUILD))),
    field("cap_add", List(&Text)).merge(Unique(whole)),
    field("cap_drop", List(&Text)).merge(Unique(whole)),
    field("cgroup", OneOf(&["host", "private"])).later(),
    field("cgroup_parent", Text).later(),
    field("command", Parsed(long::command, &Maybe(&List(&Text)))).merge(Replace),
    field(
        "configs",
        List(&Long(long::file_reference, &Fields(&FILE_REFERENCE))),
    )
    .merge(Unique(config)),
    field("container_name", Text),
    field("cpu_count", Int).later(),
    field("cpu_percent", Number).later(),
    field("cpu_period", Int).later(),
    field("cpu_quota", Int).later(),
    field("cpu_rt_period", Int).later(),
    field("cpu_rt_runtime", Int).later(),
    field("cpu_shares", Int).later(),
    field("cpus", Number),
    field("cpuset", Text).later(),
    field("credential_spec", Any).later(),
    field(
        "depends_on",
        Parsed(long::depends_on, &Named(&Fields(&DEPENDENCY))),
    ),
    field("deploy", Maybe(&Fields(&DEPLOY))),
    field("develop", Any).harmless(),
    field("device_cgroup_rules", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("devices", List(&Parsed(long::device, &Fields(&DEVICE))))
        .merge(Unique(device))
        .later(),
    field("dns", Texts).merge(Unique(before_equals)),
    field("dns_opt", List(&Text))
        .merge(Unique(before_equals))
        .later(),
    field("dns_search", Texts)
        .merge(Unique(before_equals))
        .later(),
    field("domainname", Text).later(),
    field("entrypoint", Parsed(long::command, &Maybe(&List(&Text)))).merge(Replace),
    field("env_file", Long(long::env_file, &List(&Fields(&ENV_FILE)))).merge(Unique(env_file)),
    field("environment", Variables),
    field("expose", List(&Scalar)).merge(Unique(whole)),
    field("extends", Long(long::extends, &Fields(&EXTENDS))),
    field("external_links", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("extra_hosts", Parsed(long::hosts, &List(&Text))).merge(Unique(whole)),
    field("gpus", Long(long::gpus, &List(&DEVICE_REQUEST))).later(),
    field("group_add", List(&Scalar))
        .merge(Unique(whole))
        .later(),
    field("healthcheck", Fields(&HEALTHCHECK)),
    field("hostname", Text),
    field("image", Text),
    field("init", Bool),
    field("ipc", Text).later(),
    field("isolation", Text).later(),
    field("label_file", Texts).merge(Unique(whole)),
    field("labels", Labels),
    field("links", List(&Text))
        .merge(Unique(before_equals))
        .later(),
    field("logging", Fields(&LOGGING)).merge(Logging),
    field("mac_address", Text).later(),
    field("mem_limit", Size),
    field("mem_reservation", Size),
    field("mem_swappiness", Size).later(),
    field("memswap_limit", Size).later(),
    field("models", Any).refused("AI models"),
    field("network_mode", Text),
    field(
        "networks",
        Parsed(long::keyed_by_name, &Named(&Maybe(&Fields(&ATTACHMENT)))),
    ),
    field("oom_kill_disable", Bool).later(),
    field("oom_score_adj", Int).later(),
    field("pid", Maybe(&Text)).later(),
    field("pids_limit", Int),
    field("platform", Text),
    field("ports", Parsed(long::ports, &List(&Fields(&PORT)))).merge(Unique(ports::identity)),
    field("post_start", List(&HOOK)).later(),
    field("pre_start", Any).later(),
    field("pre_stop", List(&HOOK)).later(),
    field("privileged", Bool),
    field("profiles", List(&Text)).merge(Unique(whole)),
    field("provider", Any).refused("a provider, an external program that larder would have to run"),
    field("pull_policy", Text),
    field("pull_refresh_after", Text).later(),
    field("read_only", Bool),
    field("restart", Text),
    field("runtime", Text).later(),
    field("scale", Int),
    field(
        "secrets",
        List(&Long(long::file_reference, &Fields(&FILE_REFERENCE))),
    )
    .merge(Unique(secret)),
    field("security_opt", List(&Text)).merge(Unique(whole)),
    field("shm_size", Size),
    field("stdin_open", Bool),
    field("stop_grace_period", Duration),
    field("stop_signal", Text),
    field("storage_opt", Labels).later(),
    field("sysctls", Labels),
    field("tmpfs", Texts).merge(Unique(before_equals)),
    field("tty", Bool),
    field("ulimits", Named(&ULIMIT)),
    field("use_api_socket", Bool).later(),
    field("user", Text),
    field("userns_mode", Text).later(),
    field("uts", Text).later(),
    field("volumes", List(&Parsed(long::volume, &Fields(&MOUNT)))).merge(Unique(mount)),
    field("volumes_from", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("working_dir", Text),
]);

static BUILD: Table = table(&[
    field("additional_contexts", Parsed(long::contexts, &Labels)).later(),
    field("args", Variables),
    field("cache_from", Texts).later(),
    field("cache_to", Texts).later(),
    field("context", Text),
    field("dockerfile", Text),
    field("dockerfile_inline", Text),
    field("entitlements", List(&Text)).later(),
    field("extra_hosts", Parsed(long::hosts, &List(&Text))).merge(Unique(whole)),
    field("isolation", Text).later(),
    field("labels", Labels),
    field("network", Text),
    field("no_cache", Bool),
    field("platforms", Texts).merge(Unique(whole)),
    field("privileged", Bool).later(),
    field("provenance", Long(long::printed, &Text)).later(),
    field("pull", Bool),
    field("sbom", Long(long::printed, &Text)).later(),
    field(
        "secrets",
        List(&Long(long::file_reference, &Fields(&BUILD_SECRET))),
    )
    .merge(Unique(secret)),
    field("shm_size", Size),
    field("ssh", Parsed(long::ssh, &List(&Text)))
        .merge(Unique(before_equals))
        .later(),
    field("tags", Texts).merge(Unique(whole)),
    field("target", Text),
    field("ulimits", Named(&ULIMIT)),
]);

static DEPENDENCY: Table = closed(&[
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
]);

static DEPLOY: Table = table(&[
    field("endpoint_mode", Text).later(),
    field("labels", Labels).harmless(),
    field("mode", Text).later(),
    field("placement", Any).later(),
    field("replicas", Int),
    field("resources", Fields(&RESOURCES)),
    field("restart_policy", Fields(&RESTART_POLICY)).later(),
    field("rollback_config", Any).later(),
    field("update_config", Any).later(),
]);

static RESOURCES: Table = closed(&[
    field(
        "limits",
        Fields(&table(&[
            field("cpus", Number),
            field("memory", Size),
            field("pids", Int),
        ])),
    ),
    field(
        "reservations",
        Fields(&table(&[
            field("cpus", Number).harmless(),
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

static DEVICE_REQUEST: Shape = Long(
    long::device_request,
    &Fields(&table(&[
        field("capabilities", List(&Text)),
        field("count", Int),
        field("device_ids", List(&Text)),
        field("driver", Text),
        field("options", Labels),
    ])),
);

static DEVICE: Table = table(&[
    field("permissions", Text),
    field("source", Text),
    field("target", Text),
]);

static ENV_FILE: Table = closed(&[
    field("format", OneOf(&["raw", "dotenv", ".env"])),
    field("path", Text),
    field("required", Bool),
]);

static EXTENDS: Table = closed(&[field("file", Text), field("service", Text)]);

static HEALTHCHECK: Table = closed(&[
    field("disable", Bool),
    field("interval", Duration),
    field("retries", Int),
    field("start_interval", Duration),
    field("start_period", Duration),
    field("test", Long(long::health_test, &List(&Text))).merge(Replace),
    field("timeout", Duration),
]);

static HOOK: Shape = Fields(&table(&[
    field("command", Parsed(long::command, &Maybe(&List(&Text)))),
    field("environment", Variables),
    field("privileged", Bool),
    field("user", Text),
    field("working_dir", Text),
]));

static LOGGING: Table = closed(&[field("driver", Text), field("options", Labels)]);

static ATTACHMENT: Table = table(&[
    field("aliases", List(&Text)).merge(Unique(whole)),
    field("driver_opts", Labels).later(),
    field("gw_priority", Int).later(),
    field("interface_name", Text).later(),
    field("ipv4_address", Text),
    field("ipv6_address", Text),
    field("link_local_ips", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("mac_address", Text).later(),
    field("priority", Int),
]);

static PORT: Table = closed(&[
    field("app_protocol", Text),
    field("host_ip", Text),
    field("mode", Text),
    field("name", Text),
    field("protocol", Text),
    field("published", Scalar),
    field("target", Int),
]);

static FILE_REFERENCE: Table = closed(&[
    field("gid", Text),
    field("mode", Parsed(long::mode, &Text)),
    field("source", Text),
    field("target", Text),
    field("uid", Text),
]);

/// A build mounts them as its RUN steps say.
static BUILD_SECRET: Table = closed(&[
    field("gid", Text).later(),
    field("mode", Parsed(long::mode, &Text)).later(),
    field("source", Text),
    field("target", Text),
    field("uid", Text).later(),
]);

static MOUNT: Table = closed(&[
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
            field("mode", Parsed(long::mode_number, &Int)),
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

pub(super) static ULIMIT: Shape = Long(
    long::ulimit,
    &Fields(&closed(&[field("hard", Int), field("soft", Int)])),
);
