# Sourced by up.sh: writes the configuration files of all services.
# shellcheck shell=bash disable=SC2154
# ----------------------------------------------------------- configuration --
db() { echo "mysql+pymysql://$ME@localhost/$1?unix_socket=$SOCK&charset=utf8"; }
AUTH_URL=http://127.0.0.1:$P_KEYSTONE/v3
AMQP=rabbit://guest:guest@127.0.0.1:$P_AMQP/
keystone_user() {               # the [section] body to act as a service user
    cat <<EOF
auth_type = password
auth_url = $AUTH_URL
username = $1
password = $SECRET
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
EOF
}
authtoken() {
    cat <<EOF
[keystone_authtoken]
www_authenticate_uri = $AUTH_URL
service_token_roles_required = true
memcached_servers = 127.0.0.1:$P_MEMCACHE
$(keystone_user "$1")
EOF
}
# Policies: the code's defaults; Debian's /etc/*/policy.d only repeats those.
# Databases: few connections per worker, there are many workers.
common() {
    cat <<EOF
[oslo_policy]
policy_dirs = $CONF/no-policy.d
[oslo_messaging_notifications]
driver = noop
[oslo_messaging_rabbit]
rabbit_quorum_queue = false
[oslo_concurrency]
lock_path = $STATE/lock
EOF
}
mkdir -p "$CONF/no-policy.d" "$STATE/lock" "$CONF/keystone" "$CONF/placement" \
         "$LIB/glance/images" "$LIB/glance/stage" "$LIB/glance/tasks" "$LIB/nova" "$LIB/neutron"

cat > "$CONF/keystone/keystone.conf" <<EOF
[DEFAULT]
log_file = $LOG/keystone.log
public_endpoint = http://127.0.0.1:$P_KEYSTONE/
[database]
connection = $(db keystone)
[token]
provider = fernet
expiration = $TOKEN_TTL
[fernet_tokens]
key_repository = $LIB/keystone-fernet
[credential]
key_repository = $LIB/keystone-credential
[identity]
# Cheapest bcrypt: passwords here protect nothing.
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memcached
memcache_servers = 127.0.0.1:$P_MEMCACHE
$(common)
EOF

cat > "$CONF/glance.conf" <<EOF
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $P_GLANCE
workers = 2
log_file = $LOG/glance-api.log
enabled_backends = disk:file
public_endpoint = http://127.0.0.1:$P_GLANCE
[glance_store]
default_backend = disk
[disk]
filesystem_store_datadir = $LIB/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $LIB/glance/stage
[os_glance_tasks_store]
filesystem_store_datadir = $LIB/glance/tasks
[database]
connection = $(db glance)
[paste_deploy]
flavor = keystone
config_file = /usr/share/glance-common/glance-api-paste.ini
$(authtoken glance)
$(common)
EOF

cat > "$CONF/placement/placement.conf" <<EOF
[DEFAULT]
log_file = $LOG/placement.log
[placement_database]
connection = $(db placement)
[api]
auth_strategy = keystone
$(authtoken placement)
$(common)
EOF

cat > "$CONF/nova.conf" <<EOF
[DEFAULT]
host = fake1
my_ip = 127.0.0.1
transport_url = $AMQP
state_path = $LIB/nova
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $P_NOVA
osapi_compute_workers = 2
compute_driver = osit.ScriptedDriver
# Nova's default. More at once only queue for the same rows in Neutron's tables.
max_concurrent_builds = 10
default_schedule_zone = nova
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
report_interval = 10
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = /usr/share/nova-common/api-paste.ini
[conductor]
workers = 2
[scheduler]
workers = 1
[glance]
api_servers = http://127.0.0.1:$P_GLANCE
[neutron]
$(keystone_user nova)
[placement]
$(keystone_user placement)
[service_user]
send_service_user_token = true
$(keystone_user nova)
[cinder]
catalog_info = volumev3::publicURL
os_region_name = RegionOne
$(keystone_user nova)
[vnc]
enabled = false
$(authtoken nova)
$(common)
EOF

# Apart, because nova-compute is not allowed to know the databases.
cat > "$CONF/nova-db.conf" <<EOF
[api_database]
connection = $(db nova_api)
[database]
connection = $(db nova)
EOF

cat > "$CONF/neutron.conf" <<EOF
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $P_NEUTRON
log_file = $LOG/neutron-server.log
state_path = $LIB/neutron
api_paste_config = /usr/share/neutron-common/api-paste.ini
transport_url = $AMQP
core_plugin = ml2
service_plugins = router
api_workers = 2
rpc_workers = 1
rpc_state_report_workers = 0
# No agents: nobody to tell about ports.
dhcp_agent_notification = false
# Floating IPs show in Nova through the second of these; the first only costs.
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = true
[database]
connection = $(db neutron)
[nova]
$(keystone_user nova)
[placement]
$(keystone_user placement)
[quotas]
default_quota = -1
quota_network = 100
quota_subnet = 100
quota_port = 1000
quota_router = 10
quota_floatingip = 500
quota_security_group = 100
quota_security_group_rule = 1000
[ml2]
type_drivers = local,flat,vlan
tenant_network_types = local
mechanism_drivers = osit
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[securitygroup]
enable_security_group = true
$(authtoken neutron)
$(common)
EOF

cat > "$CONF/cinder.conf" <<EOF
[DEFAULT]
host = fake1
my_ip = 127.0.0.1
log_dir = $LOG
state_path = $LIB/cinder
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = $P_CINDER
osapi_volume_workers = 1
api_paste_config = /etc/cinder/api-paste.ini
transport_url = $AMQP
auth_strategy = keystone
enabled_backends = fake
default_volume_type = fake
glance_api_servers = http://127.0.0.1:$P_GLANCE
[fake]
volume_driver = osit_volume.StoresNothing
volume_backend_name = fake
[database]
connection = $(db cinder)
[nova]
$(keystone_user nova)
$(authtoken cinder)
$(common)
EOF

