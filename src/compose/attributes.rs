//! A service's attributes as a table: shape, merge rule and standing of each (the compose-spec's JSON schema, and
//! compose-go's `override` and `transform`). What is more than one value is in `parts`.

use super::deploy::{DEPLOY, GPU};
use super::identity::{before_equals, config, device, env_file, mount, secret, whole};
use super::long_form as long;
use super::parts::{
    ATTACHMENT, BLKIO, BUILD, CACHE, COMMAND, CREDENTIAL_SPEC, DEPENDENCY, DEVELOP, DEVICE,
    ENV_FILE, EXTENDS, FILE_REFERENCE, HEALTHCHECK, HOOK, HOSTS, LOGGING, MOUNT, PORT, PRE_START,
    ULIMIT,
};
use super::refused::{MODEL_VARIABLES, PROVIDER};
use super::schema::Merge::{Logging, Replace, ReplaceEach, Unique};
use super::schema::Shape::{
    Bool, Checked, Digits, Distinct, Duration, Fields, Int, Items, Labels, List, Long, Map, Maybe,
    Named, NoText, Number, OneOf, Parsed, Size, Text, Texts, Variables, Whole,
};
use super::schema::{Shape, Table, closed, field, table};
use super::{ports, values};
use crate::template;

pub(super) static SERVICE_SHAPE: Shape = Fields(&SERVICE);
pub(super) static SERVICE: Table = table(&[
    field("annotations", Labels),
    field("attach", Bool).kept(),
    field("blkio_config", Fields(&BLKIO)).kept(),
    field(
        "build",
        Long(long::build, "a folder or a map", &Fields(&BUILD)),
    )
    .kept(),
    field("cap_add", List(&Text)).merge(Unique(whole)),
    field("cap_drop", List(&Text)).merge(Unique(whole)),
    field("cgroup", OneOf(&["host", "private"])),
    field("cgroup_parent", Text),
    field("command", COMMAND).merge(Replace).kept(),
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
    field("cpu_count", Checked(values::natural, &Int)),
    field("cpu_percent", Checked(values::percent, &Int)),
    field("cpu_period", Whole),
    field("cpu_quota", Whole),
    field("cpu_rt_period", Whole),
    field("cpu_rt_runtime", Whole),
    field("cpu_shares", Whole),
    field("cpus", Checked(values::not_negative, &Number)),
    field("cpuset", Text),
    field("credential_spec", Fields(&CREDENTIAL_SPEC)).kept(),
    field(
        "depends_on",
        Distinct(&Parsed(
            long::depends_on,
            "a list of services or a map of them",
            &Named(&Fields(&DEPENDENCY)),
        )),
    ),
    field("deploy", Maybe(&Fields(&DEPLOY))).kept(),
    field("develop", Maybe(&Fields(&DEVELOP))).kept().harmless(),
    field("device_cgroup_rules", Distinct(&List(&Text))),
    field(
        "devices",
        List(&Parsed(long::device, "text or a map", &Fields(&DEVICE))),
    )
    .merge(Unique(device)),
    field("dns", Texts).merge(Unique(before_equals)),
    field("dns_opt", List(&Text)).merge(Unique(before_equals)),
    field("dns_search", Texts).merge(Unique(before_equals)),
    field("domainname", Text),
    field("entrypoint", COMMAND).merge(Replace).kept(),
    field(
        "env_file",
        Long(
            long::one_or_more,
            "a file or a list of files",
            &List(&Long(long::env_file, "a path or a map", &Fields(&ENV_FILE))),
        ),
    )
    .merge(Unique(env_file)),
    field("environment", Variables),
    field("expose", List(&Checked(values::exposed, &Digits))).merge(Unique(whole)),
    field(
        "extends",
        Long(long::extends, "a service or a map", &Fields(&EXTENDS)),
    ),
    field("external_links", Distinct(&List(&Text))),
    field("extra_hosts", Distinct(&HOSTS)).merge(Unique(whole)),
    field("gpus", Parsed(long::gpus, "`all` or a list", &List(&GPU))),
    field("group_add", Distinct(&List(&Digits))),
    field("healthcheck", Fields(&HEALTHCHECK)).kept(),
    field("hostname", Text),
    field("image", Text),
    field("init", Bool).kept(),
    field("ipc", Text),
    field("isolation", Checked(values::isolation, &Text)),
    field("label_file", Texts),
    field("labels", Labels),
    field("links", List(&Text)).merge(Unique(before_equals)),
    field("logging", Fields(&LOGGING)).merge(Logging).kept(),
    field("mac_address", Text),
    field("mem_limit", Size),
    field("mem_reservation", Size),
    field("mem_swappiness", Size),
    field("memswap_limit", Size),
    field(
        "models",
        Distinct(&Parsed(
            long::keyed_by_name,
            "a list of names or a map",
            &Named(&Maybe(&Fields(&MODEL_VARIABLES))),
        )),
    )
    .refused("AI models"),
    field("network_mode", Text),
    field(
        "networks",
        Distinct(&Parsed(
            long::keyed_by_name,
            "a list of names or a map",
            &Named(&Maybe(&Fields(&ATTACHMENT))),
        )),
    ),
    field("oom_kill_disable", Bool),
    field("oom_score_adj", Checked(values::oom_score, &Int)),
    field("pid", Maybe(&Text)),
    field("pids_limit", Whole),
    field("platform", Checked(values::platform, &Text)),
    field(
        "ports",
        Items(ports::long, "text, a number or a map", &Fields(&PORT)),
    )
    .merge(Unique(ports::identity)),
    field("post_start", List(&HOOK)),
    field("pre_start", List(&Fields(&PRE_START)))
        .refused("a hook before the start (docker compose 5.3 and later)"),
    field("pre_stop", List(&HOOK)),
    field("privileged", Bool),
    field("profiles", List(&Text)).merge(Unique(whole)),
    field("provider", Fields(&PROVIDER))
        .refused("a provider, an external program that larder would have to run"),
    field("pull_policy", Checked(values::pull_policy, &Text)),
    field("pull_refresh_after", Text).dropped(),
    field("read_only", Bool),
    field("restart", Checked(values::restart, &Text)),
    field("runtime", Text),
    field("scale", Checked(values::count, &Int)).kept(),
    field(
        "secrets",
        List(&Long(
            long::file_reference,
            "a name or a map",
            &Fields(&FILE_REFERENCE),
        )),
    )
    .merge(Unique(secret)),
    field("security_opt", Distinct(&List(&Text))),
    field("shm_size", Size),
    field("stdin_open", Bool),
    field("stop_grace_period", Duration).kept(),
    field("stop_signal", Text),
    field("storage_opt", STORAGE_OPTIONS),
    field("sysctls", Labels),
    field("tmpfs", Texts).merge(Unique(before_equals)),
    field("tty", Bool),
    field("ulimits", Map(&ULIMIT)).merge(ReplaceEach),
    field("use_api_socket", NoText(&Bool)),
    field("user", Text),
    field("userns_mode", Text),
    field("uts", Text),
    field(
        "volumes",
        List(&Parsed(long::volume, "text or a map", &Fields(&MOUNT))),
    )
    .merge(Unique(mount)),
    field("volumes_from", Distinct(&List(&Text))),
    field("working_dir", Text),
    field("x-larder", Fields(&OF_LARDER)),
]);

const STORAGE_OPTIONS: Shape = Map(&Long(long::blank, "text or a number", &Digits));

/// What larder itself is told of a service.
static OF_LARDER: Table = closed(&[
    field("cache", CACHE),
    field("dependencies", List(&Text)),
    field("probe", OneOf(&["engine"])),
    field("shadowed", Bool).kept(),
    field("template", OneOf(&template::NAMES)),
]);
