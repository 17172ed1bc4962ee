#!/bin/sh
# Runs fastchat-bench in a guest: a small Linux with a kernel of its own, in which root may allow
# more open files than the machine outside does. 100,000 connections of one server need 135,000.
#
#   guest.sh [flags] FOLDER ARGUMENTS...
#
#   FOLDER           holds fastchat-bench, fastchat-router and fastchat-server: make -s bindir
#   ARGUMENTS        of fastchat-bench
#   --memory MIB     of the guest (default: 4096; 100,000 connections take half of it)
#   --every SECONDS  how often the guest says what it uses (default: 30)
#
#   guest.sh "$(make -s bindir)" \
#       connect --local 1 --plaintext --users 100000 --seconds 60 --json
#
# The guest is user-mode Linux, a kernel that runs as a program. It has one processor, each system
# call in it costs many times what it costs outside, and CPU is counted in steps of 10 ms. So memory
# is what it is outside; CPU and times are far above it. It runs without rights of this machine.
# Files that the bench writes there are gone with it, and no other servers are in it. All that it
# says comes on standard output (grep '^{' finds the JSON object); the exit status is that of
# fastchat-bench, 3 without a guest.
set -eu

fail() {
    echo "guest.sh: $1" >&2
    exit 3
}

memory=4096
every=30
while [ $# -gt 0 ]; do
    case $1 in
    --memory | --every)
        [ $# -gt 1 ] || fail "$1 needs a value; guest.sh --help names them"
        case $1 in
        --memory) memory=$2 ;;
        --every) every=$2 ;;
        esac
        shift 2
        ;;
    --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) fail "there is no flag $1; guest.sh --help names those there are" ;;
    *) break ;;
    esac
done
[ $# -gt 1 ] || fail 'which folder, and what to measure? guest.sh --help has an example'
folder=$1
shift
for number in "$memory" "$every"; do
    case $number in
    '' | *[!0-9]* | 0*) fail "'$number' is no number for --memory or --every" ;;
    esac
done
for program in fastchat-bench fastchat-router fastchat-server; do
    [ -x "$folder/$program" ] || fail "there is no $folder/$program; build it first: make build"
done

missing=
for program in linux.uml cpio busybox; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || fail "not here:$missing. On Debian and Ubuntu: \
sudo apt-get install user-mode-linux cpio busybox-static"
busybox=$(command -v busybox)
[ -d /dev/shm ] || fail 'there is no /dev/shm, where the memory of the guest would be'

# The guest's memory is a file there. Each of its processes also has a mapping outside for each run
# of pages, 36,000 with 100,000 connections: more may need a higher vm.max_map_count.
free=$(df -Pk /dev/shm | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge "$memory" ] || fail "/dev/shm has room for $free MiB, and --memory asks for \
$memory; as root: mount -o remount,exec,size=${memory}m /dev/shm"

work=$(mktemp -d)
guest=
shown=
status=
end() {
    for process in $guest $shown; do
        if kill "$process" 2>/dev/null; then wait "$process" || true; fi
    done
    rm -rf "$work"
    [ -n "$status" ] || exit 3
}
trap end EXIT
trap 'exit 3' HUP INT TERM

root=$work/root
for directory in bin dev etc proc sys tmp; do
    mkdir -p "$root/$directory"
done
cp "$busybox" "$root/bin/busybox"
ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*' >>"$work/libraries" || true
for applet in awk cat cut date free grep head ip mount nproc poweroff sh sleep stty uname; do
    ln -s busybox "$root/bin/$applet"
done
for program in fastchat-bench fastchat-router fastchat-server; do
    cp "$folder/$program" "$root/bin/"
    ldd "$folder/$program" | grep -o '/[^ ]*' >>"$work/libraries" || true
done
sort -u "$work/libraries" | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
done
echo '127.0.0.1 localhost' >"$root/etc/hosts"

# Each argument in quotes, as a shell reads them.
{
    printf 'every=%s\nset --' "$every"
    for argument; do
        printf " '"
        printf '%s' "$argument" | sed "s/'/'\\\\''/g"
        printf "'"
    done
    echo
} >"$root/etc/arguments"

cat >"$root/init" <<'INIT'
#!/bin/sh
export PATH=/bin HOME=/tmp TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs -o size=80% tmp /tmp
stty -onlcr 2>/dev/null
ip link set lo up

put() {
    if [ -e "/proc/sys/$1" ]; then echo "$2" >"/proc/sys/$1"; fi
}
put fs/nr_open 2000000
put fs/file-max 4000000
put vm/max_map_count 1000000
put net/core/somaxconn 65535
put net/ipv4/ip_local_port_range '1024 65535'
put net/ipv4/tcp_max_syn_backlog 65535
put net/ipv4/tcp_mem '1000000 1500000 2000000'
ulimit -n 300000

say() {
    echo "guest: $(cut -d ' ' -f 1 /proc/uptime) s: $*"
}
of() {
    awk -v "name=$1:" '$1 == name { print int($2 / 1024) }' "$2" 2>/dev/null
}
server() {
    for process in /proc/[0-9]*; do
        read -r name <"$process/comm" && [ "$name" = fastchat-server ] \
            && echo "of a server $(of VmRSS "$process/status") MiB"
    done 2>/dev/null
}
uses() {
    while sleep "$every"; do
        sockets=$(awk '$1 == "TCP:" { print $3 }' /proc/net/sockstat)
        say "TCP sockets $sockets, available $(of MemAvailable /proc/meminfo) MiB," $(server)
    done
}
. /etc/arguments
say "Linux $(uname -r), $(nproc) processors, $(of MemTotal /proc/meminfo) MiB," \
    "$(ulimit -n) open files"
uses &
fastchat-bench "$@"
say "status $?"
poweroff -f
INIT
chmod 755 "$root/init"
initrd=$work/initrd
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$initrd"

console=$work/console
: >"$console"
unset TMPDIR TMP TEMP
linux.uml quiet "mem=${memory}M" "initrd=$initrd" "uml_dir=$work" umid=guest \
    console=tty0 con=null con0=null,fd:1 </dev/null >"$console" 2>&1 &
guest=$!
tail -n +1 -f --pid="$guest" "$console" &
shown=$!
wait "$guest" || true
guest=
wait "$shown" || true
shown=
status=$(sed -n 's/.*guest: .* s: status \([0-9]*\).*/\1/p' "$console" | tail -n 1)
[ -n "$status" ] || fail 'the guest ended without a status; its last words are above'
exit "$status"
