#!/usr/bin/python3
"""Runs a command with a node of its own: asks Nodepool for the node, waits for it, and gives it back afterwards.

    examples/request_node.py tiny -- sh -c 'ssh -p $NODE_PORT $NODE_USER@$NODE_HOST uname -a'

The command finds the node in NODE_ID, NODE_HOST, NODE_PORT and NODE_USER. The exit code is the command's, or 1 when
there was no node. NODEPOOL_LAUNCHER_ADDRESS names the launcher if it is not 127.0.0.1:8990.

Needs grpcio and protobuf (Debian: python3-grpcio brings both) and no generated code: the messages are made from the
API's descriptors.
"""

import os
import pathlib
import subprocess
import sys
import threading
import time
import uuid

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# What a call ends with when its launcher goes away, or when a proxy loses it.
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED)
ATTEMPTS = 10
# Of a checkout, or of the installed package.
ROOT = pathlib.Path(__file__).resolve().parent.parent
DESCRIPTORS = next(path for path in (ROOT, ROOT / "dist") if (path / "lib").exists()) / "lib/rpc/gen/nodepool.binpb"
ADDRESS = os.environ.get("NODEPOOL_LAUNCHER_ADDRESS", "127.0.0.1:8990")


class Requests:
    """The methods of nodepool.v1.RequestService, by their names."""

    def __init__(self, channel):
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
            pool.Add(file)
        service = pool.FindServiceByName("nodepool.v1.RequestService")
        # Newer versions of protobuf have the former only, Debian 12's has the latter only.
        get_class = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
        for method in service.methods:
            kind = channel.unary_stream if method.name.startswith("Watch") else channel.unary_unary
            call = kind(
                f"/{service.full_name}/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=get_class(method.output_type).FromString,
            )
            setattr(self, method.name, self.with_fields(call, get_class(method.input_type)))

    @staticmethod
    def with_fields(call, message):
        return lambda timeout=None, **fields: call(message(**fields), timeout=timeout)


def until_answered(call):
    """What a call answers, made anew while the launcher is away."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in AWAY or attempt == ATTEMPTS:
                raise
            time.sleep(1)


def create(requests, wanted):
    """Makes the request. When the call is cut off the request_id finds what the first one has made."""
    request_id = str(uuid.uuid4())
    return until_answered(lambda: requests.CreateRequest(request=wanted, request_id=request_id, timeout=10)).request.name


def release(requests, name):
    """Gives the node back. What keeps it from that is told: the command has ended as it has."""
    try:
        until_answered(lambda: requests.ReleaseRequest(name=name, timeout=10))
    except grpc.RpcError as error:
        print(f"{name} was not given back: {error.code().name}: {error.details()}", file=sys.stderr)


def watch(requests, name, fulfilled, finished, outcome):
    """Reads what becomes of the request, which keeps the lease on the nodes alive. A stream that breaks is opened anew:
    the launcher comes back, or another one answers."""
    while not finished.is_set():
        try:
            for event in requests.WatchRequest(name=name):
                request = event.status.request
                state = request.State.Name(request.state)
                if state == "STATE_FAILED":
                    outcome["error"] = f"no node: {request.reason}"
                if state == "STATE_FULFILLED":
                    outcome["node"] = event.status.nodes[0]
                if outcome:
                    fulfilled.set()
            break
        except grpc.RpcError as error:
            if error.code() not in AWAY:
                outcome["error"] = error.details()
                break
            finished.wait(1)
    fulfilled.set()


def main():
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    label, command = sys.argv[1], sys.argv[3:]
    with grpc.insecure_channel(ADDRESS) as channel:
        requests = Requests(channel)
        name = create(requests, {"labels": [label], "requestor": "examples/request_node.py"})
        fulfilled, finished, outcome = threading.Event(), threading.Event(), {}
        threading.Thread(target=watch, args=(requests, name, fulfilled, finished, outcome), daemon=True).start()
        try:
            fulfilled.wait()
            if "node" not in outcome:
                sys.exit(outcome.get("error", "the request is gone"))
            node = outcome["node"]
            environment = {
                "NODE_ID": node.name.removeprefix("nodes/"),
                "NODE_HOST": node.interface_ip,
                "NODE_PORT": str(node.connection_port),
                "NODE_USER": node.username,
            }
            return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
        finally:
            finished.set()
            release(requests, name)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        sys.exit(130)
