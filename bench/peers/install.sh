#!/bin/sh
# Installs the chat servers and brokers that `fastchat-bench compare` measures, from Debian or
# Ubuntu. None of them is left running: the benchmark starts its own, with the configurations here.
set -eu

packages='nats-server mosquitto inspircd ngircd ejabberd prosody'
policy=/usr/sbin/policy-rc.d

fail() {
    echo "install.sh: $1" >&2
    echo "install.sh: the packages are: $packages" >&2
    exit 1
}

# Packages name their units as themselves; ejabberd brings Erlang's.
is_running() {
    [ -d /run/systemd/system ] && systemctl --quiet is-active "$1"
}

command -v apt-get >/dev/null || fail 'there is no apt-get here; install the packages by hand'

missing=
running=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' \
        || missing="$missing $package"
done
for unit in $packages epmd.socket epmd; do
    if is_running "$unit"; then running="$running $unit"; fi
done
[ -n "$missing" ] || { echo "install.sh: all are there: $packages"; exit 0; }
[ "$(id -u)" = 0 ] || fail "only root can install packages; missing are:$missing; run it with sudo"

# A package's scripts ask this file whether its service may start: 101 says no.
made=
forget_policy() {
    if [ -n "$made" ]; then rm -f "$policy"; fi
}
trap forget_policy EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=yes
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q || fail 'the lists of packages could not be fetched'
# shellcheck disable=SC2086 # one word for each package
apt-get install -q -y --no-install-recommends $missing || fail "not installed:$missing"

# Newly installed services start neither now nor with the machine; those that ran before stay.
if [ -d /run/systemd/system ]; then
    for unit in $missing epmd.socket epmd; do
        case " $running " in
        *" $unit "*) ;;
        *) systemctl --quiet disable --now "$unit" || true ;;
        esac
    done
fi
echo "install.sh: installed:$missing"
