"""The other party of the interop tests: kazoo, told by lines of JSON on stdin what to do; answers in lines on stdout."""

import json
import sys

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

client = KazooClient(hosts=sys.argv[1], timeout=4.0)
client.start(timeout=30)
locks = {}


def do(command):
    verb = command["do"]
    path = command.get("path", "")
    if verb == "acquire":
        lock = client.Lock(path, command.get("identifier"))
        timeout = command.get("timeout")
        try:
            ephemeral = command.get("ephemeral", True)
            taken = lock.acquire(blocking=timeout is not None, timeout=timeout, ephemeral=ephemeral)
        except Exception as error:
            return {"taken": False, "error": type(error).__name__}
        if taken:
            locks[path] = lock
        return {"taken": taken, "node": lock.node}
    if verb == "release":
        locks.pop(path).release()
        return {}
    if verb == "contenders":
        return {"contenders": client.Lock(path).contenders()}
    if verb == "get":
        data, stat = client.get(path)
        return {"data": data.decode("utf-8"), "version": stat.version}
    if verb == "create":
        data = command["data"].encode("utf-8")
        return {"path": client.create(path, data, sequence=command.get("sequence", False), makepath=True)}
    if verb == "guard":
        acl = make_digest_acl(command["user"], command["password"], all=True)
        return {"path": client.create(path, b"guarded", acl=[acl])}
    raise ValueError("unknown command: " + verb)


for line in sys.stdin:
    answer = do(json.loads(line))
    print(json.dumps(answer), flush=True)
client.stop()
