//! Which ports a container of this machine listens on, read from the kernel: no process is started for it. An
//! engine elsewhere, or in a virtual machine, has its processes elsewhere too; then nothing is known.

use crate::runtime::{Condition, Listening};

/// Whether one of the container's exposed TCP ports is listened on (proc(5), `net/tcp`).
pub(super) fn listening(container: &str, condition: &Condition) -> Listening {
    if condition.exposed.is_empty() {
        return Listening::Unknown;
    }
    let Some(pid) = condition.pid else {
        return Listening::Unknown;
    };
    let read = |file: &str| fs_err::read_to_string(format!("/proc/{pid}/{file}"));
    // The number may be another process here: only one in the container's own control group is meant.
    if !read("cgroup").is_ok_and(|cgroup| cgroup.contains(container)) {
        return Listening::Unknown;
    }
    let Ok(mut table) = read("net/tcp") else {
        return Listening::Unknown;
    };
    table.push_str(&read("net/tcp6").unwrap_or_default());
    if listeners(&table).any(|port| condition.exposed.contains(&port)) {
        Listening::Yes
    } else {
        Listening::No
    }
}

/// The ports of the table's sockets in state LISTEN (`0A`).
fn listeners(table: &str) -> impl Iterator<Item = u16> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (_, port) = fields.next()?.rsplit_once(':')?;
        (fields.nth(1)? == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999
   1: 0100007F:1F90 0100007F:A001 01 00000000:00000000 00:00000000 00000000   999
   2: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0
";

    #[test]
    fn only_listening_sockets_count() {
        assert_eq!(listeners(TABLE).collect::<Vec<_>>(), [5432, 3000]);
    }

    #[test]
    fn a_process_outside_the_container_tells_nothing() {
        let condition = Condition {
            exposed: vec![80],
            pid: Some(std::process::id()),
            ..Condition::default()
        };
        assert_eq!(listening(&"f".repeat(64), &condition), Listening::Unknown);
    }
}
