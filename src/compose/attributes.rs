//! A service's attributes as a table: shape, merge rule and standing of each (the compose-spec's JSON schema, and
//! compose-go's `override` and `transform`). What is more than one value is in `parts`.

use super::identity::{before_equals, config, device, env_file, mount, secret, whole};
use super::long_form as long;
use super::parts::{
    ATTACHMENT, BUILD, COMMAND, DEPENDENCY, DEPLOY, DEVICE, DEVICE_REQUEST, ENV_FILE, EXTENDS,
    FILE_REFERENCE, HEALTHCHECK, HOOK, LOGGING, MOUNT, PORT, ULIMIT,
};
use super::schema::Merge::{Logging, Replace, ReplaceEach, Unique};
use super::schema::Shape::{
    Any, Bool, Checked, Duration, Fields, Int, Items, Labels, List, Long, Maybe, Named, Number,
    OneOf, Parsed, Scalar, Size, Text, Texts, Variables,
};
use super::schema::{Shape, Table, closed, field, table};
use super::{ports, values};

pub(super) static SERVICE_SHAPE: Shape = Fields(&SERVICE);
pub(super) static SERVICE: Table = table(&[
    field("annotations", Labels).later(),
    field("attach", Bool).harmless(),
    field("blkio_config", Any).later(),
    field(
        "build",
        Long(long::build, "a folder or a map", &Fields(&BUILD)),
    ),
    field("cap_add", List(&Text)).merge(Unique(whole)),
    field("cap_drop", List(&Text)).merge(Unique(whole)),
    field("cgroup", OneOf(&["host", "private"])).later(),
    field("cgroup_parent", Text).later(),
    field("command", COMMAND).merge(Replace),
    field(
        "configs",
        List(&Long(
            long::file_reference,
            "a name or a map",
            &Fields(&FILE_REFERENCE),
        )),
    )
    .merge(Unique(config)),
    field("container_name", Checked(values::container_name, &Text)),
    field("cpu_count", Int).later(),
    field("cpu_percent", Number).later(),
    field("cpu_period", Int).later(),
    field("cpu_quota", Int).later(),
    field("cpu_rt_period", Int).later(),
    field("cpu_rt_runtime", Int).later(),
    field("cpu_shares", Int).later(),
    field("cpus", Checked(values::not_negative, &Number)),
    field("cpuset", Text).later(),
    field("credential_spec", Any).later(),
    field(
        "depends_on",
        Parsed(
            long::depends_on,
            "a list of services or a map of them",
            &Named(&Fields(&DEPENDENCY)),
        ),
    ),
    field("deploy", Maybe(&Fields(&DEPLOY))),
    field("develop", Any).harmless(),
    field("device_cgroup_rules", List(&Text))
        .merge(Unique(whole))
        .later(),
    field(
        "devices",
        List(&Parsed(long::device, "text or a map", &Fields(&DEVICE))),
    )
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
    field("entrypoint", COMMAND).merge(Replace),
    field(
        "env_file",
        Long(
            long::env_files,
            "a file or a list of files",
            &List(&Long(long::env_file, "a path or a map", &Fields(&ENV_FILE))),
        ),
    )
    .merge(Unique(env_file)),
    field("environment", Variables),
    field("expose", List(&Checked(values::exposed, &Scalar))).merge(Unique(whole)),
    field(
        "extends",
        Long(long::extends, "a service or a map", &Fields(&EXTENDS)),
    ),
    field("external_links", List(&Text))
        .merge(Unique(whole))
        .later(),
    field(
        "extra_hosts",
        Parsed(long::hosts, "a list of `NAME=IP` or a map", &List(&Text)),
    )
    .merge(Unique(whole)),
    field(
        "gpus",
        Long(long::gpus, "`all` or a list", &List(&DEVICE_REQUEST)),
    )
    .later(),
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
        Parsed(
            long::keyed_by_name,
            "a list of names or a map",
            &Named(&Maybe(&Fields(&ATTACHMENT))),
        ),
    ),
    field("oom_kill_disable", Bool).later(),
    field("oom_score_adj", Int).later(),
    field("pid", Maybe(&Text)).later(),
    field("pids_limit", Int),
    field("platform", Checked(values::platform, &Text)),
    field(
        "ports",
        Items(ports::long, "text, a number or a map", &Fields(&PORT)),
    )
    .merge(Unique(ports::identity)),
    field("post_start", List(&HOOK)).later(),
    field("pre_start", Any).later(),
    field("pre_stop", List(&HOOK)).later(),
    field("privileged", Bool),
    field("profiles", List(&Text)).merge(Unique(whole)),
    field("provider", Any).refused("a provider, an external program that larder would have to run"),
    field("pull_policy", Checked(values::pull_policy, &Text)),
    field("pull_refresh_after", Text).later(),
    field("read_only", Bool),
    field("restart", Checked(values::restart, &Text)),
    field("runtime", Text).later(),
    field("scale", Checked(values::count, &Int)),
    field(
        "secrets",
        List(&Long(
            long::file_reference,
            "a name or a map",
            &Fields(&FILE_REFERENCE),
        )),
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
    field("ulimits", Named(&ULIMIT)).merge(ReplaceEach),
    field("use_api_socket", Bool).later(),
    field("user", Text),
    field("userns_mode", Text).later(),
    field("uts", Text).later(),
    field(
        "volumes",
        List(&Parsed(long::volume, "text or a map", &Fields(&MOUNT))),
    )
    .merge(Unique(mount)),
    field("volumes_from", List(&Text))
        .merge(Unique(whole))
        .later(),
    field("working_dir", Text),
    field("x-larder", Fields(&OF_LARDER)),
]);

/// What larder itself is told of a service.
static OF_LARDER: Table = closed(&[
    field("dependencies", List(&Text)),
    field("probe", OneOf(&["engine"])),
    field("shadowed", Bool),
]);
