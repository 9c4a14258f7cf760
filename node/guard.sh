#!/bin/sh
# The guard of this device's leases: ends a `strict` container whose lease was not
# renewed in time, whatever became of the daemon. `guard.sh FOLDER`, e.g. <run>/leases.
#
# FOLDER/*.lease   one line each: DEADLINE PIDFILE CONTAINER. The deadline is in seconds
#                  since boot with two decimals, by the clock that also counts sleep: the
#                  first field of /proc/uptime. Replaced by rename, so never seen by half.
# FOLDER/guard     written here in every round: seconds since boot, own pid.
#
# From its deadline on, the container of a lease is killed whenever it is seen, so one
# that is started under a stale lease dies too. A line that cannot be read but names a
# container counts as over: nobody can tell that it is not. One without a container
# guards nothing.
#
# Whom to kill is never taken from a number alone: the process must be in the control
# group that Podman names after the container. If the pid file leads nowhere, every
# process of the device is asked.
#
# Beside `sleep` everything is built into the shell: one short process a second is all it
# costs. It ends when its folder is gone, or when another guard is at work there.

folder=$1
calm=100   # hundredths of a second between looks: a new lease is at least 1.5 s long
alert=50   # … while one is over: what is started under it lives no longer than this
fresh=300  # a heartbeat this old is nobody's
search=4   # rounds between two searches through all processes

trap '' HUP INT
cd "$folder" || exit 1

# Sets $hundredths of the seconds in $1, or fails: 12.34, as /proc/uptime writes them.
count() {
    case $1 in
    *[!0-9.]* | *.*.* | .* | *. | ????????????????*) return 1 ;;
    *.[0-9][0-9]) hundredths=${1%.*}${1#*.} ;;
    *) return 1 ;;
    esac
    while :; do # a leading zero would make it octal
        case $hundredths in
        0?*) hundredths=${hundredths#0} ;;
        *) return 0 ;;
        esac
    done
}

# Whether process $1 belongs to container $2; conmon's own group is not the container's.
belongs() {
    while read -r group; do
        case $group in
        *"/libpod-$2"*) return 0 ;;
        esac
    done 2>/dev/null <"/proc/$1/cgroup"
    return 1
}

# Ends container $2, whose first process is in the file $1.
strike() {
    pid=
    [ -r "$1" ] && read -r pid <"$1"
    case $pid in
    '' | *[!0-9]*) ;;
    *) belongs "$pid" "$2" && kill -9 "$pid" 2>/dev/null && return ;;
    esac
    [ $((round % search)) -eq 0 ] || return
    for process in /proc/[0-9]*; do
        belongs "${process#/proc/}" "$2" && kill -9 "${process#/proc/}" 2>/dev/null
    done
}

# Whether another guard is alive here.
taken() {
    beat= other=
    [ -r guard ] && read -r beat other <guard
    case $other in
    '' | "$$" | *[!0-9]*) return 1 ;;
    esac
    [ -d "/proc/$other" ] && count "$beat" && [ $((now - hundredths)) -lt $fresh ]
}

round=0
while [ -d "$folder" ]; do
    read -r uptime rest </proc/uptime || exit 1
    count "$uptime" || exit 1
    now=$hundredths
    taken && exit 0
    # Not truncated first: whoever reads meanwhile sees the line before or this one.
    echo "$uptime $$" 1<>guard || exit 1
    pause=$calm
    for lease in *.lease; do
        [ -r "$lease" ] || continue
        deadline= pidfile= container=
        read -r deadline pidfile container rest <"$lease"
        case $container in
        *[!0-9a-f]*) continue ;;
        ????????????*) ;;
        *) continue ;;
        esac
        count "$deadline" || hundredths=0
        left=$((hundredths - now))
        if [ $left -le 0 ]; then
            strike "$pidfile" "$container"
            [ "$pause" -le $alert ] || pause=$alert
        elif [ $left -lt "$pause" ]; then
            pause=$left
        fi
    done
    round=$((round + 1))
    case $pause in
    ?) sleep "0.0$pause" ;;
    ??) sleep "0.$pause" ;;
    *) sleep "${pause%??}.${pause#?}" ;;
    esac
done
