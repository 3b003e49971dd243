"""Load as Zuul makes it, for any launcher that serves Nodepool's znodes: request, lock, use, return.

  zuul_load.py HOSTS one LABEL COUNT              one node's life after the other
  zuul_load.py HOSTS burst LABEL COUNT            so many requests at once; used and returned when all are fulfilled
  zuul_load.py HOSTS stream LABEL SECONDS LIVES   so many lives at once, for so long
  zuul_load.py HOSTS plain COUNT SECONDS LIVES    no lives: in place of each, so many transactions of three writes

Prints one JSON document: "wait" (from a request's creation until it has read that it is fulfilled) and "gone" (from a
node's unlocking until its znode is gone) as lists of milliseconds, and the seconds until all were fulfilled and gone;
of `plain`, "rate": in place of how many lives a second it has made transactions.
"""
import json
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.recipe.lock import Lock

REQUESTS = '/nodepool/requests'
NODES = '/nodepool/nodes'
PATIENCE = 120


class Life:
    """One request, and the life of its node after it."""

    def __init__(self, zk, label, on_fulfilled):
        self.zk, self.on_fulfilled = zk, on_fulfilled
        self.path, self.nodes, self.wait, self.problem = None, [], None, None
        now = time.time()
        document = {'node_types': [label], 'requestor': 'zuul', 'created_time': now, 'provider': None,
                    'state': 'requested', 'state_time': now, 'relative_priority': 0, 'event_id': 'event',
                    'requestor_data': {'build_set_uuid': 'set', 'job_name': 'job'}, 'tenant_name': None}
        self.begun = time.monotonic()
        zk.create_async(REQUESTS + '/200-', json.dumps(document).encode(), sequence=True).rawlink(self.created)

    def created(self, result):
        try:
            self.path = result.get()
        except Exception as error:
            self.end(repr(error))
        else:
            self.look()

    def look(self, event=None):
        self.zk.get_async(self.path, watch=self.look).rawlink(self.seen)

    def seen(self, result):
        try:
            document = json.loads(result.get()[0].decode())
        except NoNodeError:
            return self.end('gone')
        except Exception as error:
            return self.end(repr(error))
        if document['state'] == 'failed':
            self.end('failed')
        elif document['state'] == 'fulfilled':
            self.nodes = document['nodes']
            self.end(None)

    def end(self, problem):
        if self.wait is None:
            self.wait, self.problem = (time.monotonic() - self.begun) * 1000, problem
            self.on_fulfilled(self)

    def use(self):
        """Locks the nodes, takes them into use, returns them; gives the time of the last unlocking."""
        if self.problem:
            raise Exception('request %s: %s' % (self.path, self.problem))
        locks = []
        for node in self.nodes:
            lock = Lock(self.zk, '%s/%s/lock' % (NODES, node))
            if not lock.acquire(blocking=True, timeout=PATIENCE):
                raise Exception('no lock on %s' % node)
            document = json.loads(self.zk.get('%s/%s' % (NODES, node))[0].decode())
            if document['state'] != 'ready' or document['allocated_to'] != self.path.rsplit('/', 1)[1]:
                raise Exception('node %s is not ours: %s' % (node, document))
            locks.append((node, lock, document))
        self.zk.delete(self.path)
        for state in ('in-use', 'used'):
            for node, _, document in locks:
                document.update(state=state, state_time=time.time())
                self.zk.set('%s/%s' % (NODES, node), json.dumps(document).encode())
        for _, lock, _ in locks:
            lock.release()
        return time.monotonic()

    def until_gone(self):
        """Resolves when the nodes' znodes are gone; waits on watches."""
        for node in self.nodes:
            gone = threading.Event()
            path = '%s/%s' % (NODES, node)
            while self.zk.exists(path, watch=lambda event: gone.set()):
                if not gone.wait(PATIENCE):
                    raise Exception('%s is still there' % path)
                gone.clear()
        return time.monotonic()


DATA = b'x' * 1024


def plain(zk, transactions, seconds, at_once):
    """Makes transactions of 1 kB documents as fast as it can; gives a rate as that of lives."""
    begun = time.monotonic()

    def worker():
        path = zk.create('/plain-', DATA, sequence=True)
        made = 0
        while time.monotonic() < begun + seconds:
            for _ in range(transactions):
                steps = zk.transaction()
                steps.create(path + '/t-', DATA)
                steps.set_data(path, DATA)
                steps.delete(path + '/t-')
                steps.commit()
            made += 1
        return made

    with ThreadPoolExecutor(at_once) as workers:
        made = sum(job.result() for job in [workers.submit(worker) for _ in range(at_once)])
    return made / (time.monotonic() - begun)


def main(hosts, verb, label, count, at_once=1):
    zk = KazooClient(hosts=hosts, timeout=20)
    zk.start(timeout=30)
    fulfilled = queue.Queue()
    waits, gone = [], []
    begun = time.monotonic()
    report = {}

    def finish(life):
        returned = life.use()
        waits.append(life.wait)
        gone.append((life.until_gone() - returned) * 1000)

    if verb == 'plain':
        report['rate'] = plain(zk, int(label), count, at_once)
    elif verb == 'one':
        for _ in range(count):
            Life(zk, label, fulfilled.put)
            finish(fulfilled.get(timeout=PATIENCE))
    elif verb == 'burst':
        for _ in range(count):
            Life(zk, label, fulfilled.put)
        lives = [fulfilled.get(timeout=PATIENCE) for _ in range(count)]
        report['fulfilled_s'] = time.monotonic() - begun
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(finish, lives))
    else:
        end = begun + count

        def worker():
            mine = queue.Queue()
            while time.monotonic() < end:
                Life(zk, label, mine.put)
                finish(mine.get(timeout=PATIENCE))

        with ThreadPoolExecutor(at_once) as workers:
            for job in [workers.submit(worker) for _ in range(at_once)]:
                job.result()
    report.update(wait=waits, gone=gone, gone_s=time.monotonic() - begun)
    print(json.dumps(report))
    zk.stop()
    zk.close()


main(*sys.argv[1:4], *map(int, sys.argv[4:]))
