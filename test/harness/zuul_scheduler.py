"""A scheduler that uses Nodepool's znodes as Zuul does: many requests at once, of one and of several nodes.

  zuul_scheduler.py HOSTS LABEL JOBS

Writes one JSON document a line: {"event": "taken"|"returned"|"held"|"revised"|"done", ...}. A line on its standard
input lets the first half of the jobs return their nodes; before that nothing comes back, so the other requests wait.
Exits with 1 and a message when a promise to Zuul is broken.
"""
import json
import os
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.recipe.lock import Lock

REQUESTS = '/nodepool/requests'
REQUEST_LOCKS = '/nodepool/requests-lock'
NODES = '/nodepool/nodes'
REQUIRED = ('state', 'state_time', 'event_id', 'requestor', 'requestor_data', 'node_types', 'provider')
PATIENCE = 240
# In seconds. With its session a scheduler loses the locks of its nodes, and so the nodes: a busy machine must not do that.
SESSION_TIMEOUT = 40


def say(event, **fields):
    print(json.dumps(dict(event=event, **fields)), flush=True)


class Job:
    """One request, from its creation to the return of its nodes."""

    def __init__(self, zk, number, labels):
        self.zk, self.number, self.labels = zk, number, labels
        self.locks, self.nodes = [], []
        now = time.time()
        document = {'requestor_data': {'build_set_uuid': 'set', 'job_name': 'job%d' % number, 'span_info': None},
                    'node_types': labels, 'requestor': 'zuul', 'created_time': now, 'provider': None,
                    'state': 'requested', 'state_time': now, 'relative_priority': number, 'event_id': 'event',
                    'tenant_name': 'tenant'}
        self.path = zk.create(REQUESTS + '/200-', json.dumps(document).encode(), sequence=True, makepath=True)
        self.id = self.path.rsplit('/', 1)[1]
        self.fulfilled = threading.Event()
        zk.DataWatch(self.path)(self.changed)

    def changed(self, data, stat):
        if data is None:
            return False
        document = json.loads(data.decode())
        missing = [key for key in REQUIRED if key not in document]
        if missing:
            fail('request %s lacks %s' % (self.id, missing))
        if document['state'] == 'failed':
            fail('request %s failed: %s' % (self.id, document))
        if document['state'] != 'fulfilled':
            return True
        self.nodes = document['nodes']
        self.fulfilled.set()
        return False

    def revise(self, priority):
        """Under the request's lock and with its version, as Zuul does it."""
        lock = Lock(self.zk, '%s/%s' % (REQUEST_LOCKS, self.id))
        if not lock.acquire(blocking=False):
            return False
        try:
            data, stat = self.zk.get(self.path)
            document = json.loads(data.decode())
            document['relative_priority'] = priority
            self.zk.set(self.path, json.dumps(document).encode(), version=stat.version)
            return True
        finally:
            lock.release()

    def take(self):
        if not self.fulfilled.wait(PATIENCE):
            fail('request %s was not fulfilled in %d s' % (self.id, PATIENCE))
        types = []
        for node in self.nodes:
            if self.read(node)['allocated_to'] != self.id:
                fail('node %s is not for request %s' % (node, self.id))
            lock = Lock(self.zk, '%s/%s/lock' % (NODES, node))
            if not lock.acquire(blocking=True, timeout=PATIENCE):
                fail('node %s stays locked' % node)
            document = self.read(node)
            if document['allocated_to'] != self.id or document['state'] != 'ready':
                fail('node %s was given twice: %s' % (node, document))
            if not document['host_keys'] or not document['interface_ip']:
                fail('node %s lacks its host keys or address: %s' % (node, document))
            self.locks.append(lock)
            types.append(document['type'][0])
            self.write(node, document, 'in-use')
        if types != self.labels:
            fail('request %s asked for %s and got %s' % (self.id, self.labels, types))
        self.zk.retry(self.zk.delete, self.path)
        say('taken', job=self.number, nodes=self.nodes)

    def put_back(self, state='used', **fields):
        for node, lock in zip(self.nodes, self.locks):
            self.write(node, dict(self.read(node), **fields), state)
            lock.release()
        say('held' if state == 'hold' else 'returned', job=self.number, nodes=self.nodes)

    def read(self, node):
        return json.loads(self.zk.retry(self.zk.get, '%s/%s' % (NODES, node))[0].decode())

    def write(self, node, document, state):
        document.update(state=state, state_time=time.time())
        self.zk.retry(self.zk.set, '%s/%s' % (NODES, node), json.dumps(document).encode())


def fail(message):
    print(message, file=sys.stderr, flush=True)
    os._exit(1)


def run(jobs, held):
    """Takes and returns the nodes of jobs as they come; one job's nodes are held for somebody to look at."""
    def work(job):
        job.take()
        if job.number == held:
            job.put_back('hold', hold_job='tenant project job ref', comment='a failure to look at')
        else:
            job.put_back()
    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def release_hold(zk, node):
    """As Zuul does when an autohold is deleted."""
    lock = Lock(zk, '%s/%s/lock' % (NODES, node))
    if not lock.acquire(blocking=False):
        fail('the held node %s is locked' % node)
    document = json.loads(zk.get('%s/%s' % (NODES, node))[0].decode())
    if document['state'] != 'hold':
        fail('the held node %s is %s' % (node, document['state']))
    document.update(state='used', state_time=time.time())
    zk.set('%s/%s' % (NODES, node), json.dumps(document).encode())
    lock.release()


def main(hosts, label, count):
    zk = KazooClient(hosts=hosts, timeout=SESSION_TIMEOUT)
    zk.start(timeout=SESSION_TIMEOUT)
    # Every third job wants two nodes.
    first = [Job(zk, number, [label] * (2 if number % 3 == 0 else 1)) for number in range(count // 2)]
    for job in first:
        job.take()
    rest = [Job(zk, number, [label] * (2 if number % 3 == 0 else 1)) for number in range(count // 2, count)]
    revised = sum(1 for job in rest if job.revise(count - job.number))
    say('revised', requests=revised)
    sys.stdin.readline()
    for job in first:
        job.put_back()
    run(rest, held=count - 1)
    release_hold(zk, rest[-1].nodes[0])
    nodes = [node for job in first + rest for node in job.nodes]
    if len(nodes) != len(set(nodes)):
        fail('a node was given twice: %s' % sorted(nodes))
    end = time.time() + PATIENCE
    left = nodes
    while left and time.time() < end:
        left = [node for node in left if zk.retry(zk.exists, '%s/%s' % (NODES, node))]
        time.sleep(0.05)
    if left:
        fail('nodes are not deleted: %s' % left)
    say('done', jobs=count, nodes=len(nodes))
    zk.stop()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
