# Sourced by up.sh: installs what is missing.
# shellcheck shell=bash disable=SC2154
# ---------------------------------------------------------------- packages --
# The *-common packages only add paste files and the *-manage scripts on top
# of the python3-* ones; the daemons' own packages (nova-compute would bring
# libvirt, qemu-system and open-iscsi) are not needed to run the daemons.
PKGS=(mariadb-server-core mariadb-client-core rabbitmq-server
      uwsgi-core uwsgi-plugin-python3 memcached python3-memcache
      python3-keystone glance-common placement-common nova-common neutron-common
      python3-pymysql python3-openstackclient python3-openstacksdk
      qemu-utils curl procps iproute2)
[ "$CINDER" = 1 ] && PKGS+=(cinder-common)

install_packages() {
    local missing=() p
    for p in "${PKGS[@]}"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local by_hand="apt-get update; apt-get install -y --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] || die "packages are missing, and only root can install them: $by_hand"
    say "installing ${#missing[@]} packages (and what they depend on)"
    # No service may start from a postinst: invoke-rc.d asks policy-rc.d, and
    # 101 means "forbidden by policy". Keep a file that is already there.
    local policy_mine=0
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d; policy_mine=1
        # Whichever way the script ends: Debian's own services must be startable again.
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    # dbconfig-common must not look for a database of its own. (These are the
    # noninteractive defaults in Debian 12; said out loud all the same.)
    debconf-set-selections <<'EOF'
dbconfig-common dbconfig-common/dbconfig-install boolean false
keystone keystone/configure_db boolean false
glance-common glance/configure_db boolean false
placement-common placement/configure_db boolean false
nova-common nova/configure_db boolean false
neutron-common neutron/configure_db boolean false
cinder-common cinder/configure_db boolean false
EOF
    export DEBIAN_FRONTEND=noninteractive
    (umask 022
     apt-get -o DPkg::Lock::Timeout=600 update -qq
     apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
         "${missing[@]}" > "$LOG/apt.log" 2>&1) || { tail -20 "$LOG/apt.log"; die "packages are missing, and apt-get cannot install them (it says why above): $by_hand"; }
    if [ $policy_mine = 1 ]; then rm -f /usr/sbin/policy-rc.d; trap - EXIT; fi
    say "packages installed"
}

