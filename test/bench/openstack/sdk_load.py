"""Servers to ACTIVE and to gone through openstacksdk, as Nodepool uses it: sdk_load.py CLOUDS_YAML COUNT.

Eight workers create without waiting, and one list of all servers, no older than five seconds, is looked at for all of
them; deletes go the same way. Prints one JSON object.
"""
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

os.environ['OS_CLIENT_CONFIG_FILE'] = sys.argv[1]
import openstack  # noqa: E402
from keystoneauth1.session import Session  # noqa: E402

urls = []
send = Session._send_request


def counted(self, url, *args, **kwargs):
    urls.append(url)
    return send(self, url, *args, **kwargs)


Session._send_request = counted
count = int(sys.argv[2])
cloud = openstack.connect(cloud='real')
flavor = cloud.compute.find_flavor('small')
image = cloud.image.find_image('public-image')
network = cloud.network.find_network('shared')


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def create(index):
    name = 'sdk%010d' % index
    cloud.create_server(name=name, image=image, flavor=flavor, network=network.id, wait=False,
                        auto_ip=False, meta=dict(nodepool_provider_name='bench', nodepool_node_id='%010d' % index))


def ours():
    return [s for s in cloud.compute.servers() if s.name.startswith('sdk') and s.status != 'DELETED']


def until(done):
    while True:
        servers = ours()
        failed = [s for s in servers if s.status == 'ERROR']
        assert not failed, failed
        if done(servers):
            return servers
        time.sleep(5)


started, used = time.time(), cpu()
with ThreadPoolExecutor(8) as workers:
    list(workers.map(create, range(count)))
servers = until(lambda all: len([s for s in all if s.status == 'ACTIVE']) == count)
active = time.time()
with ThreadPoolExecutor(8) as workers:
    list(workers.map(lambda s: cloud.delete_server(s.id, wait=False), servers))
until(lambda all: not all)
calls = len([url for url in urls if '/auth/tokens' not in url])
print(json.dumps(dict(active=active - started, gone=time.time() - active, cpu=cpu() - used, calls=calls)))
