# Sourced by up.sh: starts services and waits for them.
# shellcheck shell=bash disable=SC2154
# ------------------------------------------------------- process handling --
# A service is one session (setsid) whose leader's pid and start time are in
# run/NAME.pid. The start time guards against a recycled pid: openstack-down.sh
# signals a session only when both still match.
# One that has ended and is not reaped yet has none.
start_time() { awk '{sub(/.*\) /, ""); if ($1 != "Z") print $20}' "/proc/$1/stat" 2>/dev/null || true; }
is_up() {
    local pid st
    [ -f "$RUN/$1.pid" ] || return 1
    read -r pid st < "$RUN/$1.pid" || return 1
    [ -n "$pid" ] && [ "$(start_time "$pid")" = "$st" ]
}
STARTED=()
start() {                       # start NAME COMMAND...
    local name=$1 pid; shift
    is_up "$name" && return 0
    setsid "$@" >> "$LOG/$name.out" 2>&1 < /dev/null &
    pid=$!
    # setsid runs its command in place (a background job of a script is no
    # group leader), so $! is the leader's pid.
    echo "$pid $(start_time "$pid")" > "$RUN/$name.pid"
    STARTED+=("$name")
}
wait_for() {                    # wait_for LABEL SERVICE COMMAND...
    local label=$1 svc=$2 end=$((SECONDS + TIMEOUT)); shift 2
    until "$@" > /dev/null 2>&1; do
        is_up "$svc" || { tail -n 25 "$LOG/$svc.out" "$LOG/$svc.log" 2>/dev/null; die "$svc died while waiting for $label"; }
        [ $SECONDS -lt $end ] || { tail -n 25 "$LOG/$svc.out" 2>/dev/null; die "timed out waiting for $label"; }
        sleep 0.3
    done
    say "$label is up"
}
http_ok() { curl -s -o /dev/null --max-time 5 -w '%{http_code}' "$1" | grep -qE '^(200|300)$'; }
port_free() { ! ss -Hltn "sport = :$1" | grep -q .; }

