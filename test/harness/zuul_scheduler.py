"""A scheduler that uses Nodepool's znodes as Zuul does: many requests at once, of one and of several nodes.

  zuul_scheduler.py HOSTS LABEL

Does what it reads from its standard input, one JSON document a line:

  {"do": "ask", "job": 1, "nodes": 2}         asks for nodes; the job takes them as soon as it has them
  {"do": "revise", "job": 1, "priority": 3}   gives the job's request, which waits, another relative priority
  {"do": "return", "job": 1}                  gives its nodes back; with "hold" they are kept for somebody to look at
  {"do": "release", "job": 1}                 ends such a hold
  {"do": "end"}                               waits until all nodes are deleted

and writes what has happened, in the same form: {"event": "asked"|"revised"|"taken"|"returned"|"held"|"released"|"done",
...}. Exits with 1 and a message when a promise to Zuul is broken.
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

writing = threading.Lock()


def say(event, **fields):
    with writing:
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
        say('asked', job=number, request=self.id)
        self.fulfilled, self.taken = threading.Event(), threading.Event()
        zk.DataWatch(self.path)(self.changed)
        threading.Thread(target=self.take, daemon=True).start()

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
        self.taken.set()

    def put_back(self, state='used', **fields):
        for node, lock in zip(self.nodes, self.locks):
            self.write(node, dict(self.read(node), **fields), state)
            lock.release()
        say('held' if state == 'hold' else 'returned', job=self.number, nodes=self.nodes)

    def release_hold(self):
        """As Zuul does when an autohold is deleted."""
        for node in self.nodes:
            lock = Lock(self.zk, '%s/%s/lock' % (NODES, node))
            if not lock.acquire(blocking=False):
                fail('the held node %s is locked' % node)
            document = self.read(node)
            if document['state'] != 'hold':
                fail('the held node %s is %s' % (node, document['state']))
            self.write(node, document, 'used')
            lock.release()
        say('released', job=self.number, nodes=self.nodes)

    def read(self, node):
        return json.loads(self.zk.retry(self.zk.get, '%s/%s' % (NODES, node))[0].decode())

    def write(self, node, document, state):
        document.update(state=state, state_time=time.time())
        self.zk.retry(self.zk.set, '%s/%s' % (NODES, node), json.dumps(document).encode())


def fail(message):
    print(message, file=sys.stderr, flush=True)
    os._exit(1)


def end(zk, jobs):
    for job in jobs:
        if not job.taken.is_set():
            fail('job %d has no nodes' % job.number)
    nodes = [node for job in jobs for node in job.nodes]
    if len(nodes) != len(set(nodes)):
        fail('a node was given twice: %s' % sorted(nodes))
    limit = time.time() + PATIENCE
    left = nodes
    while left and time.time() < limit:
        left = [node for node in left if zk.retry(zk.exists, '%s/%s' % (NODES, node))]
        time.sleep(0.05)
    if left:
        fail('nodes are not deleted: %s' % left)
    say('done', jobs=len(jobs), nodes=len(nodes))


def main(hosts, label):
    zk = KazooClient(hosts=hosts, timeout=SESSION_TIMEOUT)
    zk.start(timeout=SESSION_TIMEOUT)
    jobs = {}
    for line in sys.stdin:
        command = json.loads(line)
        what, number = command['do'], command.get('job')
        if what == 'ask':
            jobs[number] = Job(zk, number, [label] * command['nodes'])
        elif what == 'revise':
            say('revised', job=number, done=jobs[number].revise(command['priority']))
        elif what == 'return' and command.get('hold'):
            jobs[number].put_back('hold', hold_job='tenant project job ref', comment='a failure to look at')
        elif what == 'return':
            jobs[number].put_back()
        elif what == 'release':
            jobs[number].release_hold()
        elif what == 'end':
            end(zk, list(jobs.values()))
            break
        else:
            fail('unknown: %s' % line)
    zk.stop()


main(sys.argv[1], sys.argv[2])
