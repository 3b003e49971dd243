"""A client that does what Zuul does with Nodepool's znodes: request, wait, lock, use, return.

  zuul_client.py HOSTS request LABEL...      prints the request as it ended
  zuul_client.py HOSTS cycle LABEL...        takes the nodes, uses them and returns them; prints what it was given
  zuul_client.py HOSTS hold-in-use LABEL     stays in use until somebody has written to the node, then returns it
  zuul_client.py HOSTS revise ID PRIORITY    gives a request that waits another relative priority
"""
import json
import sys
import time

from kazoo.client import KazooClient
from kazoo.recipe.lock import Lock

REQUESTS = '/nodepool/requests'
REQUEST_LOCKS = '/nodepool/requests-lock'
NODES = '/nodepool/nodes'


def submit(zk, labels):
    now = time.time()
    document = {'node_types': labels, 'requestor': 'zuul', 'created_time': now, 'provider': None,
                'state': 'requested', 'state_time': now, 'relative_priority': 0, 'event_id': 'e1',
                'requestor_data': {'build_set_uuid': 'abc'}, 'tenant_name': None}
    path = zk.create(REQUESTS + '/200-', json.dumps(document).encode(), sequence=True, makepath=True)
    end = time.time() + 20
    while time.time() < end:
        found = json.loads(zk.get(path)[0].decode())
        for key in ('state', 'state_time', 'event_id', 'requestor', 'requestor_data', 'node_types', 'provider'):
            assert key in found, key
        if found['state'] in ('fulfilled', 'failed'):
            return path, found
        time.sleep(0.01)
    sys.exit('the request was not answered in 20 s')


def read(zk, node):
    return json.loads(zk.get('%s/%s' % (NODES, node))[0].decode())


def write(zk, node, document, state):
    document.update(state=state, state_time=time.time())
    return zk.set('%s/%s' % (NODES, node), json.dumps(document).encode()).version


def take(zk, path, request):
    taken = []
    for node in request['nodes']:
        lock = Lock(zk, '%s/%s/lock' % (NODES, node))
        assert lock.acquire(blocking=True, timeout=10), 'no lock on ' + node
        document = read(zk, node)
        assert document['allocated_to'] == path.rsplit('/', 1)[1], document
        taken.append((node, lock, document))
    zk.delete(path)
    return taken


def revise(zk, request, priority):
    """Under the request's lock and with its version, as Zuul does it."""
    path = '%s/%s' % (REQUESTS, request)
    with Lock(zk, '%s/%s' % (REQUEST_LOCKS, request)):
        data, stat = zk.get(path)
        document = json.loads(data.decode())
        document['relative_priority'] = priority
        zk.set(path, json.dumps(document).encode(), version=stat.version)


def main(hosts, command, labels):
    zk = KazooClient(hosts=hosts, timeout=10)
    zk.start(timeout=10)
    if command == 'revise':
        revise(zk, labels[0], int(labels[1]))
        zk.stop()
        return
    path, request = submit(zk, labels)
    if command == 'request':
        zk.delete(path)
        print(json.dumps(request))
        return
    taken = take(zk, path, request)
    report = {'types': [d['type'] for _, _, d in taken], 'states': [d['state'] for _, _, d in taken]}
    versions = [write(zk, node, document, 'in-use') for node, _, document in taken]
    if command == 'hold-in-use':
        end = time.time() + 20
        while zk.get('%s/%s' % (NODES, taken[0][0]))[1].version == versions[0] and time.time() < end:
            time.sleep(0.01)
    for node, lock, document in taken:
        write(zk, node, document, 'used')
        lock.release()
    print(json.dumps(report))
    zk.stop()


main(sys.argv[1], sys.argv[2], sys.argv[3:])
