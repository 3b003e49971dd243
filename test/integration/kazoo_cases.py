"""What Nodepool's and Zuul's client library does with a server.   kazoo_cases.py HOST:PORT CASE

Each case exits with 0 when the server did what kazoo expects. Lines on stdout talk to the test that runs this.
"""
import collections
import struct
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoNodeError, NodeExistsError, NotEmptyError, RolledBackError
from kazoo.protocol import serialization
from kazoo.protocol.states import KazooState
from kazoo.recipe.cache import TreeCache

HOSTS = sys.argv[1]


def connect(timeout=10.0):
    client = KazooClient(hosts=HOSTS, timeout=timeout)
    client.start(timeout=30)
    return client


def wait_for(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain for ' + what
        time.sleep(0.01)


def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError('%s was not raised' % error.__name__)


def case_nodes():
    zk = connect()
    zk.ensure_path('/nodes/a/b')
    assert zk.create('/nodes/a/c', b'1') == '/nodes/a/c'
    refused(NodeExistsError, zk.create, '/nodes/a/c')
    refused(NoNodeError, zk.create, '/nodes/x/y')
    assert zk.create('/nodes/x/y/z', b'2', makepath=True) == '/nodes/x/y/z'
    data, stat = zk.get('/nodes/a/c')
    assert (data, stat.version, stat.numChildren) == (b'1', 0, 0), (data, stat)
    assert zk.set('/nodes/a/c', b'3', version=0).version == 1
    refused(BadVersionError, zk.set, '/nodes/a/c', b'4', version=0)
    assert sorted(zk.get_children('/nodes/a')) == ['b', 'c']
    children, stat = zk.get_children('/nodes', include_data=True)
    assert sorted(children) == ['a', 'x'] and stat.numChildren == 2
    refused(NotEmptyError, zk.delete, '/nodes/a')
    path, stat = zk.create('/nodes/a/s-', b'', ephemeral=True, sequence=True, include_data=True)
    assert path == '/nodes/a/s-0000000002', path
    assert stat.ephemeralOwner == zk.client_id[0]
    zk.delete('/nodes', recursive=True)
    assert zk.exists('/nodes') is None
    assert zk.sync('/') == '/'
    assert zk.server_version() == (3, 8, 0)
    zk.add_auth('digest', 'user:password')
    zk.stop()


def case_transactions():
    zk = connect()
    zk.create('/t', b'0')
    good = zk.transaction()
    good.create('/t/a', b'1')
    good.set_data('/t', b'1')
    good.check('/t', 1)
    good.delete('/t/a')
    created, stat, checked, deleted = good.commit()
    assert (created, stat.version, checked, deleted) == ('/t/a', 1, True, True)
    bad = zk.transaction()
    bad.create('/t/b', b'')
    bad.check('/t', 7)
    bad.set_data('/t', b'')
    kinds = [type(result) for result in bad.commit()]
    assert kinds[0] is RolledBackError and kinds[1] is BadVersionError, kinds
    assert zk.exists('/t/b') is None
    zk.stop()


def case_locks():
    """Two clients take turns; the second gets the lock when the first one's process dies."""
    first, second, third = connect(), connect(4.0), connect()
    lock = first.Lock('/lock', 'first')
    assert lock.acquire(timeout=30)
    waiting = second.Lock('/lock', 'second')
    assert not waiting.acquire(blocking=False)
    thread = threading.Thread(target=waiting.acquire)
    thread.start()
    wait_for(lambda: len(third.get_children('/lock')) == 2, 'two contenders')
    assert third.Lock('/lock').contenders() == ['first', 'second']
    lock.release()
    thread.join(30)
    assert waiting.is_acquired
    last = third.Lock('/lock', 'third')
    thread = threading.Thread(target=last.acquire)
    thread.start()
    wait_for(lambda: len(first.get_children('/lock')) == 2, 'two contenders again')
    # Its socket goes and it never comes back: the session ends by timeout.
    second._stopped.set()
    second._connection._socket.close()
    thread.join(30)
    assert last.is_acquired
    last.release()
    third.stop()
    first.stop()


def case_watches():
    zk, other = connect(), connect()
    zk.ensure_path('/w')
    seen, children = [], []
    zk.DataWatch('/w/node', lambda data, stat: seen.append(data))
    zk.ChildrenWatch('/w', lambda names: children.append(sorted(names)))
    wait_for(lambda: seen == [None] and children == [[]], 'the first call')
    other.create('/w/node', b'1')
    wait_for(lambda: seen == [None, b'1'] and children[-1] == ['node'], 'the creation')
    other.set('/w/node', b'2')
    wait_for(lambda: seen[-1] == b'2', 'the change')
    other.delete('/w/node')
    wait_for(lambda: seen[-1] is None and children[-1] == [], 'the deletion')
    # Watches are set again after the connection was lost, and tell what was missed.
    zk._connection._socket.shutdown(2)
    other.create('/w/node', b'3')
    wait_for(lambda: seen[-1] == b'3' and children[-1] == ['node'], 'what was missed')
    cache = TreeCache(zk, '/w')
    cache.start()
    wait_for(lambda: cache.get_data('/w/node') is not None, 'the cache')
    other.set('/w/node', b'4')
    wait_for(lambda: cache.get_data('/w/node').data == b'4', 'the cached change')
    cache.close()
    zk.stop()
    other.stop()


class AddWatch(collections.namedtuple('AddWatch', 'path mode')):
    """The request that this kazoo lacks and Nodepool's caches send."""
    type = 106

    def serialize(self):
        return serialization.write_string(self.path) + struct.pack('!i', self.mode)

    @classmethod
    def deserialize(cls, data, offset):
        return struct.unpack_from('!i', data, offset)[0]


def case_recursive_watch():
    zk, other = connect(), connect()
    zk.ensure_path('/r')
    events = []

    def record(data, offset):
        event, _ = serialization.Watch.deserialize(data, offset)
        events.append((event.type, event.path))

    zk._connection._read_watch_event = record
    result = zk.handler.async_result()
    zk._call(AddWatch('/r', 1), result)
    assert result.get(timeout=30) == 0
    other.create('/r/a/b', b'', makepath=True)
    other.set('/r/a/b', b'1')
    other.create('/elsewhere', b'')
    other.delete('/r', recursive=True)
    expected = [(1, '/r/a'), (1, '/r/a/b'), (3, '/r/a/b'), (2, '/r/a/b'), (2, '/r/a'), (2, '/r')]
    wait_for(lambda: len(events) >= len(expected), 'six events')
    assert events == expected, events
    zk.stop()
    other.stop()


def case_expiry():
    """The test ends our session when it reads its id; a new one begins, the ephemerals are gone."""
    zk = connect()
    zk.create('/mine', b'', ephemeral=True)
    states = []
    zk.add_listener(states.append)
    first = zk.client_id[0]
    print('SESSION %d' % first, flush=True)
    wait_for(lambda: states[-2:] == [KazooState.LOST, KazooState.CONNECTED], 'a new session')
    assert zk.client_id[0] != first
    assert zk.exists('/mine') is None
    zk.stop()


def case_wait_for_lock():
    """The test holds the lock with our own client, and gives it back when somebody waits."""
    zk = connect()
    lock = zk.Lock('/shared/lock', 'kazoo')
    assert not lock.acquire(blocking=False)
    print('WAITING', flush=True)
    assert lock.acquire(timeout=30)
    print('HELD', flush=True)
    wait_for(lambda: len(zk.get_children('/shared/lock')) == 2, 'the test to wait for the lock')
    lock.release()
    zk.stop()


globals()['case_' + sys.argv[2]]()
