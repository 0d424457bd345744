# What scripts/setup and scripts/base-images share: how they speak, and how they use Debian's packages. Sourced, not run.
# shellcheck shell=bash

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# Packages can be installed here: root on Debian or a system made from it.
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# The system's own mirror of Debian, from apt's sources; nothing on other systems.
mirror() {
  grep -qx 'ID=debian' /etc/os-release || return 0
  awk '/^URIs:/ { print $2; exit }
       $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }' \
    $(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null)
}

# install PACKAGE...: quietly, waiting for another apt that holds the lock; the lists are fetched once per run.
install() {
  can_install || die "needs $*: please install it, or run this as root on Debian or Ubuntu"
  say "installing $* from the system's packages"
  export DEBIAN_FRONTEND=noninteractive
  [ -n "${lists_are_fresh:-}" ] || apt-get -o DPkg::Lock::Timeout=300 update -qq
  lists_are_fresh=yes
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null </dev/null
}
