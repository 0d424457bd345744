//! The order of keys that docker compose prints (the declarations in compose-go 2.9 `types`), as tables.

use super::layout::Layout::{self, Always, Each, Fields, Nullable, Own};

/// `types.ServiceConfig`.
pub(super) static SERVICE: Layout = Fields(&[
    ("profiles", Own),
    ("annotations", Own),
    ("attach", Own),
    ("build", BUILD),
    ("develop", Fields(&[("watch", Each(&TRIGGER))])),
    ("blkio_config", BLKIO),
    ("cap_add", Own),
    ("cap_drop", Own),
    ("cgroup_parent", Own),
    ("cgroup", Own),
    ("cpu_count", Own),
    ("cpu_percent", Own),
    ("cpu_period", Own),
    ("cpu_quota", Own),
    ("cpu_rt_period", Own),
    ("cpu_rt_runtime", Own),
    ("cpus", Own),
    ("cpuset", Own),
    ("cpu_shares", Own),
    ("command", Nullable),
    ("configs", Each(&FILE_REFERENCE)),
    ("container_name", Own),
    (
        "credential_spec",
        Fields(&[("config", Own), ("file", Own), ("registry", Own)]),
    ),
    ("depends_on", Each(&DEPENDENCY)),
    ("deploy", DEPLOY),
    ("device_cgroup_rules", Own),
    ("devices", Each(&DEVICE)),
    ("dns", Own),
    ("dns_opt", Own),
    ("dns_search", Own),
    ("dockerfile", Own),
    ("domainname", Own),
    ("entrypoint", Nullable),
    ("provider", Fields(&[("type", Own), ("options", Own)])),
    ("environment", Own),
    ("env_file", Each(&ENV_FILE)),
    ("expose", Own),
    ("extends", Own),
    ("external_links", Own),
    ("extra_hosts", Own),
    ("group_add", Own),
    ("gpus", Each(&DEVICE_REQUEST)),
    ("hostname", Own),
    ("healthcheck", HEALTHCHECK),
    ("image", Own),
    ("init", Own),
    ("ipc", Own),
    ("isolation", Own),
    ("labels", Own),
    ("label_file", Own),
    ("links", Own),
    ("logging", Fields(&[("driver", Own), ("options", Own)])),
    ("mem_limit", Own),
    ("mem_reservation", Own),
    ("memswap_limit", Own),
    ("mem_swappiness", Own),
    ("mac_address", Own),
    ("models", Own),
    ("network_mode", Own),
    ("networks", Each(&ATTACHMENT)),
    ("oom_kill_disable", Own),
    ("oom_score_adj", Own),
    ("pid", Own),
    ("pids_limit", Own),
    ("platform", Own),
    ("ports", Each(&PORT)),
    ("privileged", Own),
    ("pull_policy", Own),
    ("read_only", Own),
    ("restart", Own),
    ("runtime", Own),
    ("scale", Own),
    ("secrets", Each(&FILE_REFERENCE)),
    ("security_opt", Own),
    ("shm_size", Own),
    ("stdin_open", Own),
    ("stop_grace_period", Own),
    ("stop_signal", Own),
    ("storage_opt", Own),
    ("sysctls", Own),
    ("tmpfs", Own),
    ("tty", Own),
    ("ulimits", Each(&ULIMIT)),
    ("use_api_socket", Own),
    ("user", Own),
    ("userns_mode", Own),
    ("uts", Own),
    ("volumes", Each(&MOUNT)),
    ("volumes_from", Own),
    ("working_dir", Own),
    ("post_start", Each(&HOOK)),
    ("pre_stop", Each(&HOOK)),
]);

const BUILD: Layout = Fields(&[
    ("context", Own),
    ("dockerfile", Own),
    ("dockerfile_inline", Own),
    ("entitlements", Own),
    ("args", Own),
    ("provenance", Own),
    ("sbom", Own),
    ("ssh", Own),
    ("labels", Own),
    ("cache_from", Own),
    ("cache_to", Own),
    ("no_cache", Own),
    ("additional_contexts", Own),
    ("pull", Own),
    ("extra_hosts", Own),
    ("isolation", Own),
    ("network", Own),
    ("target", Own),
    ("secrets", Each(&FILE_REFERENCE)),
    ("shm_size", Own),
    ("tags", Own),
    ("ulimits", Each(&ULIMIT)),
    ("platforms", Own),
    ("privileged", Own),
]);

static TRIGGER: Layout = Fields(&[
    ("path", Own),
    ("action", Own),
    ("target", Own),
    ("exec", Always(&HOOK)),
    ("include", Own),
    ("ignore", Own),
    ("initial_sync", Own),
]);

static HOOK: Layout = Fields(&[
    ("command", Nullable),
    ("user", Own),
    ("privileged", Own),
    ("working_dir", Own),
    ("environment", Own),
]);

const BLKIO: Layout = Fields(&[
    ("weight", Own),
    (
        "weight_device",
        Each(&Fields(&[("path", Own), ("weight", Own)])),
    ),
    ("device_read_bps", Each(&THROTTLE)),
    ("device_read_iops", Each(&THROTTLE)),
    ("device_write_bps", Each(&THROTTLE)),
    ("device_write_iops", Each(&THROTTLE)),
]);

static THROTTLE: Layout = Fields(&[("path", Own), ("rate", Own)]);

static DEPENDENCY: Layout = Fields(&[("condition", Own), ("restart", Own), ("required", Own)]);

const DEPLOY: Layout = Fields(&[
    ("mode", Own),
    ("replicas", Own),
    ("labels", Own),
    ("update_config", UPDATE),
    ("rollback_config", UPDATE),
    (
        "resources",
        Always(&Fields(&[("limits", LIMITS), ("reservations", LIMITS)])),
    ),
    (
        "restart_policy",
        Fields(&[
            ("condition", Own),
            ("delay", Own),
            ("max_attempts", Own),
            ("window", Own),
        ]),
    ),
    (
        "placement",
        Always(&Fields(&[
            ("constraints", Own),
            ("preferences", Own),
            ("max_replicas_per_node", Own),
        ])),
    ),
    ("endpoint_mode", Own),
]);

const UPDATE: Layout = Fields(&[
    ("parallelism", Own),
    ("delay", Own),
    ("failure_action", Own),
    ("monitor", Own),
    ("max_failure_ratio", Own),
    ("order", Own),
]);

const LIMITS: Layout = Fields(&[
    ("cpus", Own),
    ("memory", Own),
    ("pids", Own),
    ("devices", Each(&DEVICE_REQUEST)),
    (
        "generic_resources",
        Each(&Fields(&[(
            "discrete_resource_spec",
            Fields(&[("kind", Own), ("value", Own)]),
        )])),
    ),
]);

static DEVICE: Layout = Fields(&[("source", Own), ("target", Own), ("permissions", Own)]);

static DEVICE_REQUEST: Layout = Fields(&[
    ("capabilities", Own),
    ("driver", Own),
    ("count", Own),
    ("device_ids", Own),
    ("options", Own),
]);

static ENV_FILE: Layout = Fields(&[("path", Own), ("required", Own), ("format", Own)]);

const HEALTHCHECK: Layout = Fields(&[
    ("test", Own),
    ("timeout", Own),
    ("interval", Own),
    ("retries", Own),
    ("start_period", Own),
    ("start_interval", Own),
    ("disable", Own),
]);

static ATTACHMENT: Layout = Fields(&[
    ("aliases", Own),
    ("driver_opts", Own),
    ("gw_priority", Own),
    ("interface_name", Own),
    ("ipv4_address", Own),
    ("ipv6_address", Own),
    ("link_local_ips", Own),
    ("mac_address", Own),
    ("priority", Own),
]);

static PORT: Layout = Fields(&[
    ("name", Own),
    ("mode", Own),
    ("host_ip", Own),
    ("target", Own),
    ("published", Own),
    ("protocol", Own),
    ("app_protocol", Own),
]);

static MOUNT: Layout = Fields(&[
    ("type", Own),
    ("source", Own),
    ("target", Own),
    ("read_only", Own),
    ("consistency", Own),
    (
        "bind",
        Fields(&[
            ("selinux", Own),
            ("propagation", Own),
            ("create_host_path", Own),
            ("recursive", Own),
        ]),
    ),
    (
        "volume",
        Fields(&[("labels", Own), ("nocopy", Own), ("subpath", Own)]),
    ),
    ("tmpfs", Fields(&[("size", Own), ("mode", Own)])),
    ("image", Fields(&[("subpath", Own)])),
]);

static FILE_REFERENCE: Layout = Fields(&[
    ("source", Own),
    ("target", Own),
    ("uid", Own),
    ("gid", Own),
    ("mode", Own),
]);

static ULIMIT: Layout = Fields(&[("soft", Own), ("hard", Own)]);

pub(super) static NETWORK: Layout = Fields(&[
    ("name", Own),
    ("driver", Own),
    ("driver_opts", Own),
    (
        "ipam",
        Always(&Fields(&[
            ("driver", Own),
            (
                "config",
                Each(&Fields(&[
                    ("subnet", Own),
                    ("gateway", Own),
                    ("ip_range", Own),
                    ("aux_addresses", Own),
                ])),
            ),
        ])),
    ),
    ("external", Own),
    ("internal", Own),
    ("attachable", Own),
    ("labels", Own),
    ("enable_ipv4", Own),
    ("enable_ipv6", Own),
]);

pub(super) static VOLUME: Layout = Fields(&[
    ("name", Own),
    ("driver", Own),
    ("driver_opts", Own),
    ("external", Own),
    ("labels", Own),
]);

pub(super) static FILE_OBJECT: Layout = Fields(&[
    ("name", Own),
    ("file", Own),
    ("environment", Own),
    ("content", Own),
    ("external", Own),
    ("labels", Own),
    ("driver", Own),
    ("driver_opts", Own),
    ("template_driver", Own),
]);
