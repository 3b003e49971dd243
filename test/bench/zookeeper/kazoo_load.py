"""kazoo's side of the comparison: rate PATH CALL IN_FLIGHT SECONDS | cache PATH COUNT | delivery PATH.

Prints one number: calls per second, milliseconds until a TreeCache is complete, milliseconds from a write to its watch.
"""

import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.recipe.cache import TreeCache, TreeEvent

DATA = b"x" * 1024
CHANGES = 300

hosts, verb, path, *arguments = sys.argv[1:]
client = KazooClient(hosts=hosts, timeout=10.0)
client.start(timeout=30)


def transaction():
    """The same three steps as the other clients' transaction."""
    steps = client.transaction()
    steps.create(path + "/t-", DATA)
    steps.set_data(path, DATA)
    steps.delete(path + "/t-")
    return steps.commit_async()


CALLS = {
    "create": lambda: client.create_async(path + "/n-", DATA, sequence=True),
    "set": lambda: client.set_async(path, DATA),
    "get": lambda: client.get_async(path),
    "multi": transaction,
}


def rate(name, in_flight, seconds):
    """Keeps so many calls in flight for so long."""
    call = CALLS[name]
    done = 0
    pending = [call() for _ in range(in_flight)]
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        pending.pop(0).get()
        pending.append(call())
        done += 1
    for result in pending:
        result.get()
    return done / (time.monotonic() - begin)


def cache(_count):
    """Waits until a TreeCache has all below the path."""
    complete = threading.Event()
    tree = TreeCache(client, path)
    tree.listen(lambda event: complete.set() if event.event_type == TreeEvent.INITIALIZED else None)
    begin = time.monotonic()
    tree.start()
    complete.wait()
    return (time.monotonic() - begin) * 1000


def delivery():
    """The median time from a write to the data in a DataWatch."""
    seen = threading.Event()
    client.DataWatch(path)(lambda data, stat: seen.set())
    seen.wait()
    delays = []
    for _ in range(CHANGES):
        seen.clear()
        begin = time.monotonic()
        client.set_async(path, DATA)
        seen.wait()
        delays.append((time.monotonic() - begin) * 1000)
    return sorted(delays)[CHANGES // 2]


if verb == "rate":
    print(rate(arguments[0], int(arguments[1]), float(arguments[2])))
elif verb == "cache":
    print(cache(int(arguments[0])))
else:
    print(delivery())
client.stop()
client.close()
