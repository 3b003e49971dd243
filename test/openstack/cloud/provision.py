# Users, endpoints, flavors, networks, quotas and an image, in one process: each start of the openstack command costs a second.
import sys

import openstack

phase, secret, ports, with_cinder = sys.argv[1], sys.argv[2], sys.argv[3].split(','), sys.argv[4] == '1'
p_keystone, p_glance, p_placement, p_nova, p_neutron, p_cinder = ports
cloud = openstack.connect(
    auth=dict(auth_url=f'http://127.0.0.1:{p_keystone}/v3', username='admin', password=secret,
              project_name='admin', user_domain_name='Default', project_domain_name='Default'),
    region_name='RegionOne', identity_api_version='3', app_name='osit')


def project(name):
    return (cloud.identity.find_project(name)
            or cloud.identity.create_project(name=name, domain_id='default'))


def user(name, in_project, *roles):
    who = (cloud.identity.find_user(name)
           or cloud.identity.create_user(name=name, password=secret, domain_id='default'))
    for role in roles:
        cloud.identity.assign_project_role_to_user(
            in_project, who, cloud.identity.find_role(role))
    return who


def identity():
    if not cloud.identity.find_role('service'):
        cloud.identity.create_role(name='service')
    service = project('service')
    wanted = [('glance', 'image', f'http://127.0.0.1:{p_glance}'),
              ('placement', 'placement', f'http://127.0.0.1:{p_placement}'),
              ('nova', 'compute', f'http://127.0.0.1:{p_nova}/v2.1'),
              ('neutron', 'network', f'http://127.0.0.1:{p_neutron}')]
    if with_cinder:
        wanted.append(('cinder', 'volumev3', f'http://127.0.0.1:{p_cinder}/v3/%(project_id)s'))
    have = {s.name: s for s in cloud.identity.services()}
    served = {(e.service_id, e.interface) for e in cloud.identity.endpoints()}
    for name, kind, url in wanted:
        user(name, service, 'admin', 'service')
        entry = have.get(name) or cloud.identity.create_service(name=name, type=kind)
        for interface in ('public', 'internal', 'admin'):
            if (entry.id, interface) not in served:
                cloud.identity.create_endpoint(service_id=entry.id, interface=interface,
                                               url=url, region_id='RegionOne')
    user('nodepool', project('nodepool'), 'member')
    user('tiny', project('tiny'), 'member')


def resources():
    # Flavors. No disk is ever made. "toobig" fits on no host (the fake driver
    # claims 600000 GB) but in any quota, as disk has none: NoValidHost.
    flavors = {f.name for f in cloud.compute.flavors(is_public=None)}
    for name, ram, vcpus, disk in (('small', 64, 1, 1), ('medium', 256, 2, 5),
                                   ('toobig', 64, 1, 700000)):
        if name not in flavors:
            cloud.compute.create_flavor(name=name, ram=ram, vcpus=vcpus, disk=disk)
    # Networks, all in 127.0.0.0/8 (Neutron allows that when DHCP is off): the
    # address a server reports can be connected to, and whatever the test
    # listens with on this machine answers.
    net = cloud.network
    shared = net.find_network('shared') or net.create_network(name='shared', is_shared=True)
    inside = net.find_subnet('shared-v4') or net.create_subnet(
        name='shared-v4', network_id=shared.id, ip_version=4, cidr='127.77.0.0/20',
        gateway_ip='127.77.0.1', is_dhcp_enabled=False)
    public = net.find_network('public') or net.create_network(
        name='public', is_router_external=True, provider_network_type='flat',
        provider_physical_network='public')
    if not net.find_subnet('public-v4'):
        net.create_subnet(name='public-v4', network_id=public.id, ip_version=4,
                          cidr='127.78.0.0/22', gateway_ip='127.78.0.1', is_dhcp_enabled=False)
    # Floating IPs need a router between the two.
    if not net.find_router('edge'):
        edge = net.create_router(name='edge', external_gateway_info={'network_id': public.id})
        net.add_interface_to_router(edge, subnet_id=inside.id)
    for name, servers in (('nodepool', 500), ('tiny', 2)):
        cloud.set_compute_quotas(name, instances=servers, cores=servers * 4,
                                 ram=servers * 512, key_pairs=100)
    if with_cinder and not [t for t in cloud.block_storage.types() if t.name == 'fake']:
        cloud.block_storage.create_type(name='fake', extra_specs={'volume_backend_name': 'fake'})
    # One image that everybody may boot; a megabyte of zeros.
    if not cloud.image.find_image('public-image'):
        cloud.image.create_image(name='public-image', data=bytes(1 << 20), visibility='public',
                                 disk_format='raw', container_format='bare', wait=True)


{'identity': identity, 'resources': resources}[phase]()
