#!/bin/bash
# up.sh - a real OpenStack (Debian 12 "Zed" packages) on loopback,
# as a target for client integration tests.
#
#   usage:  up.sh [OUT_DIR]
#
# Installs (as root, only when something is missing), configures and starts:
#   MariaDB (unix socket only), memcached, epmd + RabbitMQ, Keystone, Glance, Placement,
#   Neutron server, Nova api/conductor/scheduler/compute and, with
#   OSIT_CINDER=1, Cinder api/scheduler/volume.
# No hypervisor, no packets: nova-compute runs Nova's own fake driver and
# Neutron binds ports with a mechanism driver of a few lines (osit_ml2.py).
# Everything else is the ordinary code: Keystone tokens, Nova cells v2, the
# Placement scheduler, quotas, RPC over RabbitMQ, and so on.
#
# On success OUT_DIR (default .) holds clouds.yaml with these clouds:
#   devstack-like   admin user, project admin
#   nodepool        user "nodepool" (role member), project nodepool, large quota
#   tiny            user "tiny" (role member), project tiny, quota of 2 servers
#
# The script may be run again at any time: installed packages, existing
# databases, running services and existing cloud resources are left alone.
# down.sh stops what was started here (by pid file, nothing else);
# down.sh --purge also deletes the state, so the next start is fresh.
#
# Knobs (environment):
#   OSIT_STATE      state directory                    (/var/tmp/nodepool-openstack)
#   OSIT_PORT_SHIFT added to every TCP port                               (0)
#   OSIT_COMPUTES   number of fake compute hosts                          (1)
#   OSIT_CINDER     1: also run Cinder with a do-nothing volume driver    (0)
#   OSIT_TOKEN_TTL  Keystone token life in seconds                     (3600)
#   OSIT_TIMEOUT    seconds to wait for any one thing to come up         (180)
#   OSIT_INSTALL    1: only install the packages, then exit               (0)
set -euo pipefail
umask 077

OUT=${1:-.}
STATE=${OSIT_STATE:-/var/tmp/nodepool-openstack}
# A state that is there already goes on with its own knobs.
if [ -s "$STATE/knobs" ]; then . "$STATE/knobs"; fi
SHIFT=${OSIT_PORT_SHIFT:-${KEPT_SHIFT:-0}}
COMPUTES=${OSIT_COMPUTES:-${KEPT_COMPUTES:-1}}
CINDER=${OSIT_CINDER:-${KEPT_CINDER:-0}}
TOKEN_TTL=${OSIT_TOKEN_TTL:-3600}
TIMEOUT=${OSIT_TIMEOUT:-180}

# A plain environment: Debian's own python3 (not a pyenv shim), no proxies
# (all traffic stays on 127.0.0.1), no CA or OS_* overrides from the caller.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY \
      REQUESTS_CA_BUNDLE PYTHONPATH PYTHONHOME OS_CLOUD OS_CLIENT_CONFIG_FILE || true

T0=$(date +%s.%N)
say() { printf '[%7.1fs] %s\n' "$(echo "$(date +%s.%N) $T0" | awk '{print $1-$2}')" "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }

P_KEYSTONE=$((5000 + SHIFT)) P_GLANCE=$((9292 + SHIFT)) P_PLACEMENT=$((8778 + SHIFT))
P_NOVA=$((8774 + SHIFT))     P_NEUTRON=$((9696 + SHIFT)) P_CINDER=$((8776 + SHIFT))
P_AMQP=$((5672 + SHIFT))     P_ERLDIST=$((25672 + SHIFT)) P_EPMD=$((14369 + SHIFT))
P_MEMCACHE=$((11211 + SHIFT))

CONF=$STATE/conf LOG=$STATE/log RUN=$STATE/run LIB=$STATE/lib PYX=$STATE/pyext
SOCK=$RUN/mysqld.sock

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packages.sh
. "$HERE/packages.sh"
mkdir -p "$STATE" "$CONF" "$LOG" "$RUN" "$LIB" "$PYX" "$OUT"
echo "KEPT_SHIFT=$SHIFT KEPT_COMPUTES=$COMPUTES KEPT_CINDER=$CINDER" > "$STATE/knobs"
install_packages
if [ "${OSIT_INSTALL:-0}" = 1 ]; then exit 0; fi

# Keep whatever these tools write under "home" inside the state directory.
export HOME=$STATE/home XDG_CACHE_HOME=$STATE/home/.cache
mkdir -p "$HOME"

# shellcheck source=processes.sh
. "$HERE/processes.sh"

for pair in keystone:$P_KEYSTONE glance-api:$P_GLANCE placement:$P_PLACEMENT nova-api:$P_NOVA \
            neutron-server:$P_NEUTRON rabbitmq:$P_AMQP rabbitmq:$P_ERLDIST epmd:$P_EPMD memcached:$P_MEMCACHE; do
    is_up "${pair%%:*}" || port_free "${pair##*:}" || die "port ${pair##*:} (${pair%%:*}) is taken; set OSIT_PORT_SHIFT"
done

# ----------------------------------------------------------------- secrets --
[ -s "$STATE/secret" ] || od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$STATE/secret"
SECRET=$(cat "$STATE/secret")

# ----------------------------------------------------------------- mariadb --
# Socket only, no TCP. Durability is switched off: the data is disposable.
ME=$(id -un)
MYSQLD=(mariadbd --no-defaults --user="$ME" --datadir="$LIB/mysql" --socket="$SOCK"
        --pid-file="$RUN/mariadbd.own-pid" --skip-networking --skip-log-bin
        --max-connections=1000 --innodb-buffer-pool-size=256M
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --sync-binlog=0
        --innodb-flush-method=nosync --performance-schema=OFF
        --character-set-server=utf8mb3 --collation-server=utf8mb3_general_ci
        --log-error="$LOG/mariadb.log")
sql() { mariadb --no-defaults --socket="$SOCK" -u"$ME" -N -B -e "$1"; }
if [ ! -d "$LIB/mysql/mysql" ]; then
    mkdir -p "$LIB/mysql"
    mariadb-install-db --no-defaults --user="$ME" --datadir="$LIB/mysql" --skip-test-db \
        --auth-root-authentication-method=socket --auth-root-socket-user="$ME" \
        > "$LOG/mariadb-install.out" 2>&1 || { tail "$LOG/mariadb-install.out"; die mariadb-install-db; }
fi
start mariadb "${MYSQLD[@]}"

# --------------------------------------------------------------- memcached --
# Caches Keystone's reads and the services' token validations. As root it
# insists on being told a user.
start memcached memcached -u "$ME" -l 127.0.0.1 -p $P_MEMCACHE -U 0 -m 64 -t 2

# ---------------------------------------------------------------- rabbitmq --
# epmd is started here, bound to loopback on a port of its own, so that the
# broker does not leave a stray epmd on 0.0.0.0:4369 behind.
mkdir -p "$LIB/rabbit" "$HOME"
RABBIT_ENV=(env HOME="$HOME" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$P_EPMD
    RABBITMQ_NODENAME=osit$SHIFT@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
    RABBITMQ_NODE_PORT=$P_AMQP RABBITMQ_DIST_PORT=$P_ERLDIST
    RABBITMQ_MNESIA_BASE="$LIB/rabbit" RABBITMQ_LOG_BASE="$LOG"
    RABBITMQ_CONFIG_FILE="$CONF/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$CONF/rabbitmq-env.conf"
    RABBITMQ_ADVANCED_CONFIG_FILE="$CONF/advanced.config"
    RABBITMQ_ENABLED_PLUGINS_FILE="$CONF/rabbitmq-plugins"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none")
echo '[].' > "$CONF/rabbitmq-plugins"
: > "$CONF/rabbitmq-env.conf"
cat > "$CONF/rabbitmq.conf" <<EOF
listeners.tcp.default = 127.0.0.1:$P_AMQP
log.file.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
EOF
echo '[].' > "$CONF/advanced.config"
start epmd "${RABBIT_ENV[@]}" epmd -port $P_EPMD -address 127.0.0.1
wait_for epmd epmd bash -c "exec 3<>/dev/tcp/127.0.0.1/$P_EPMD"
# /usr/sbin/rabbitmq-server would switch users; this one runs as the caller.
start rabbitmq "${RABBIT_ENV[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server

# ------------------------------------------------------------ python parts --
# Neutron finds its mechanism driver through a hand-made dist-info folder.
cp "$HERE/osit_ml2.py" "$HERE/osit_compute.py" "$HERE/osit_volume.py" "$PYX/"
mkdir -p "$PYX/osit-1.0.dist-info"
printf 'Metadata-Version: 2.1\nName: osit\nVersion: 1.0\n' > "$PYX/osit-1.0.dist-info/METADATA"
printf '[neutron.ml2.mechanism_drivers]\nosit = osit_ml2:InstantBind\n' > "$PYX/osit-1.0.dist-info/entry_points.txt"

# shellcheck source=configure.sh
. "$HERE/configure.sh"

PY=(/usr/bin/python3)
run_main() {                    # run_main MODULE FUNCTION NAME ARGS...
    # Same thing a Debian /usr/bin script does; NAME becomes argv[0].
    local module=$1 func=$2 name=$3; shift 3
    env PYTHONPATH="$PYX" "${PY[@]}" -c \
        "import sys; from $module import $func; sys.argv[0] = '$name'; sys.exit($func())" "$@"
}
start_main() {                  # the same, as a service called NAME
    local module=$1 func=$2 name=$3; shift 3
    start "$name" env PYTHONPATH="$PYX" "${PY[@]}" -c \
        "import sys; from $module import $func; sys.argv[0] = '$name'; sys.exit($func())" "$@"
}
start_uwsgi() {                 # start_uwsgi NAME PORT WSGI_FILE ENV=VALUE
    start "$1" env "$4" uwsgi --plugin python3 --http-socket "127.0.0.1:$2" --wsgi-file "$3" \
        --master --processes 2 --threads 4 --enable-threads --lazy-apps --need-app \
        --buffer-size 65535 --rem-header Content-Length --add-header 'Connection: close' --die-on-term --no-orphans \
        --thunder-lock --disable-logging --procname-prefix-spaced "osit-$1"
}

# --------------------------------------------------------------- databases --
wait_for mariadb mariadb sql 'select 1'
DBS=(keystone glance placement nova_api nova_cell0 nova neutron)
[ "$CINDER" = 1 ] && DBS+=(cinder)
for d in "${DBS[@]}"; do sql "create database if not exists $d"; done

step() {                        # step NAME COMMAND...: run once, remember it
    local name=$1; shift
    [ -e "$STATE/done.$name" ] && return 0
    "$@" >> "$LOG/setup-$name.out" 2>&1 || { tail -20 "$LOG/setup-$name.out"; return 1; }
    touch "$STATE/done.$name"; say "$name done"
}
NM=(nova-manage --config-file "$CONF/nova.conf" --config-file "$CONF/nova-db.conf" --log-file "$LOG/nova-manage.log")
KM=(keystone-manage --config-dir "$CONF/keystone" --config-file "$CONF/keystone/keystone.conf")
# (&& throughout: bash ignores "set -e" inside a function called before "||".)
setup_keystone() {
    local own=(--keystone-user "$ME" --keystone-group "$(id -gn)")
    "${KM[@]}" db_sync &&
    "${KM[@]}" fernet_setup "${own[@]}" &&
    "${KM[@]}" credential_setup "${own[@]}" &&
    "${KM[@]}" bootstrap --bootstrap-password "$SECRET" --bootstrap-region-id RegionOne \
        --bootstrap-public-url "$AUTH_URL/" --bootstrap-internal-url "$AUTH_URL/" --bootstrap-admin-url "$AUTH_URL/"
}
setup_nova() {
    "${NM[@]}" api_db sync &&
    # Cell 0 (where servers end up that no host would take) and cell 1.
    "${NM[@]}" cell_v2 map_cell0 --database_connection "$(db nova_cell0)" &&
    { "${NM[@]}" cell_v2 list_cells | grep -q cell1 || "${NM[@]}" cell_v2 create_cell --name cell1; } &&
    "${NM[@]}" db sync
}
setup_cinder() { cinder-manage --config-file "$CONF/cinder.conf" db sync; }
JOBS=()
bg() { "$@" & JOBS+=($!); }
# Two lanes for two cores; Keystone first since everybody asks it for tokens.
lane1() { step db-nova setup_nova; }
lane2() {
    step db-glance glance-manage --config-file "$CONF/glance.conf" db_sync &&
    step db-placement placement-manage --config-file "$CONF/placement/placement.conf" db sync &&
    step db-neutron env PYTHONPATH="$PYX" neutron-db-manage --config-file "$CONF/neutron.conf" upgrade heads &&
    if [ "$CINDER" = 1 ]; then step db-cinder setup_cinder; fi
}
bg lane1
bg lane2
step db-keystone setup_keystone || die keystone
start_uwsgi keystone $P_KEYSTONE /usr/bin/keystone-wsgi-public OS_KEYSTONE_CONFIG_DIR="$CONF/keystone"
wait_for keystone keystone http_ok "$AUTH_URL"

# ---------------------------------------------------- provisioning (python) --
provision() {
    "${PY[@]}" -W ignore "$HERE/provision.py" "$1" "$SECRET" \
        "$P_KEYSTONE,$P_GLANCE,$P_PLACEMENT,$P_NOVA,$P_NEUTRON,$P_CINDER" "$CINDER"
}
step "identity-$CINDER" provision identity || die "provisioning identity"

# ---------------------------------------------------------- start the rest --
for j in "${JOBS[@]}"; do wait "$j" || die "database setup"; done
start_uwsgi placement $P_PLACEMENT /usr/bin/placement-api OS_PLACEMENT_CONFIG_DIR="$CONF/placement"
wait_for rabbitmq rabbitmq bash -c "exec 3<>/dev/tcp/127.0.0.1/$P_AMQP"
start_main neutron.cmd.eventlet.server main neutron-server --config-file "$CONF/neutron.conf"
start_main nova.cmd.conductor main nova-conductor --config-file "$CONF/nova.conf" --config-file "$CONF/nova-db.conf" --log-file "$LOG/nova-conductor.log"
start_main nova.cmd.api main nova-api --config-file "$CONF/nova.conf" --config-file "$CONF/nova-db.conf" --log-file "$LOG/nova-api.log"
start_main nova.cmd.scheduler main nova-scheduler --config-file "$CONF/nova.conf" --config-file "$CONF/nova-db.conf" --log-file "$LOG/nova-scheduler.log"
start_main glance.cmd.api main glance-api --config-file "$CONF/glance.conf"
wait_for placement placement http_ok "http://127.0.0.1:$P_PLACEMENT/"
for i in $(seq 1 "$COMPUTES"); do
    printf '[DEFAULT]\nhost = fake%d\nstate_path = %s\n' "$i" "$LIB/nova/fake$i" > "$CONF/compute$i.conf"
    mkdir -p "$LIB/nova/fake$i/instances"
    start "nova-compute$i" env PYTHONPATH="$PYX" "${PY[@]}" "$PYX/osit_compute.py" \
        --config-file "$CONF/nova.conf" --config-file "$CONF/compute$i.conf" --log-file "$LOG/nova-compute$i.log"
done
if [ "$CINDER" = 1 ]; then
    start_main cinder.cmd.api main cinder-api --config-file "$CONF/cinder.conf"
    start_main cinder.cmd.scheduler main cinder-scheduler --config-file "$CONF/cinder.conf"
    start_main cinder.cmd.volume main cinder-volume --config-file "$CONF/cinder.conf"
fi
wait_for glance glance-api http_ok "http://127.0.0.1:$P_GLANCE/"
wait_for neutron neutron-server http_ok "http://127.0.0.1:$P_NEUTRON/"
wait_for nova nova-api http_ok "http://127.0.0.1:$P_NOVA/"

# A compute host registers itself; it can be scheduled to once it is mapped
# into its cell, is "up", and Placement holds its inventory.
all_mapped() {
    "${NM[@]}" cell_v2 discover_hosts
    [ "$("${NM[@]}" cell_v2 list_hosts | grep -c ' fake[0-9]')" -ge "$COMPUTES" ]
}
[ -e "$STATE/done.hosts-$COMPUTES" ] || { wait_for "hosts in cell1" nova-compute1 all_mapped; touch "$STATE/done.hosts-$COMPUTES"; }
entry() {
    cat <<EOF
  $1:
    auth:
      auth_url: $AUTH_URL
      username: $2
      password: $SECRET
      project_name: $3
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    interface: public
    identity_api_version: 3
EOF
}
{ echo "clouds:"; entry devstack-like admin admin; entry nodepool nodepool nodepool; entry tiny tiny tiny; } > "$OUT/clouds.yaml"
export OS_CLIENT_CONFIG_FILE=$OUT/clouds.yaml
wait_for "compute host" nova-compute1 "${PY[@]}" -W ignore "$HERE/ready.py" "$COMPUTES" "$CINDER"
step "resources-$CINDER" provision resources || die "provisioning resources"
say "healthy; started: ${STARTED[*]:-nothing, all was running}"
say "export OS_CLIENT_CONFIG_FILE=$(readlink -f "$OUT")/clouds.yaml OS_CLOUD=nodepool"
