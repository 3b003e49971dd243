#!/bin/bash
# down.sh [--purge] - stop what up.sh started.
# Only sessions named in $OSIT_STATE/run/*.pid are signalled, and only when the
# leader still has the start time noted there. --purge also deletes the state.
set -u
STATE=${OSIT_STATE:-/var/tmp/nodepool-openstack}
RUN=$STATE/run
start_time() { awk '{sub(/.*\) /, ""); if ($1 != "Z") print $20}' "/proc/$1/stat" 2>/dev/null; }
ours() {                        # ours FILE: sets pid; true if still that process
    local st
    read -r pid st < "$1" || return 1
    [ -n "$pid" ] && [ "$pid" -gt 1 ] && [ "$(start_time "$pid")" = "$st" ]
}
# Services that others lean on go last: API and Nova first, then the broker,
# then epmd and the database.
stop() {
    local files=() f pid left end sig
    for f in "$@"; do
        [ -e "$f" ] || continue
        if ours "$f"; then kill -TERM -- "-$pid" 2>/dev/null; files+=("$f"); else rm -f "$f"; fi
    done
    end=$((SECONDS + 20))
    while [ ${#files[@]} -gt 0 ]; do
        left=()
        for f in "${files[@]}"; do if ours "$f"; then left+=("$f"); else rm -f "$f"; fi; done
        files=("${left[@]}")
        [ ${#files[@]} -eq 0 ] && break
        if [ $SECONDS -ge $end ]; then
            for f in "${files[@]}"; do ours "$f" && kill -KILL -- "-$pid" 2>/dev/null; done
        fi
        sleep 0.2
    done
}
first=()
for f in "$RUN"/*.pid; do
    case ${f##*/} in mariadb.pid|memcached.pid|rabbitmq.pid|epmd.pid) ;; *) first+=("$f");; esac
done
stop "${first[@]}"
stop "$RUN/rabbitmq.pid"
stop "$RUN/epmd.pid" "$RUN/memcached.pid" "$RUN/mariadb.pid"
[ "${1:-}" = --purge ] && [ -d "$RUN" ] && rm -rf -- "$STATE"
exit 0
