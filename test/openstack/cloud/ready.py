# Fails until compute hosts (and volume services) report themselves and are known to Placement.
import sys, openstack
cloud = openstack.connect(cloud='devstack-like')
want, cinder = int(sys.argv[1]), sys.argv[2] == '1'
up = [s for s in cloud.compute.services() if s.state == 'up' and s.binary == 'nova-compute']
assert len(up) >= want, up
assert {s.binary for s in cloud.compute.services() if s.state == 'up'} >= {'nova-scheduler', 'nova-conductor'}
for provider in list(cloud.placement.resource_providers())[:want] or [None]:
    assert cloud.placement.get(f'/resource_providers/{provider.id}/inventories').json()['inventories']
if cinder:
    up = {s['binary'] for s in cloud.block_storage.get('/os-services').json()['services'] if s['state'] == 'up'}
    assert up >= {'cinder-volume', 'cinder-scheduler'}, up
