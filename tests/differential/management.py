# SPDX-License-Identifier: Apache-2.0
"""The management server of a case over xDS: ADS, state of the world and delta.

It sends what a step says, right or wrong, waits for the answer, and keeps what was asked for.
"""

import importlib
import pkgutil
import queue
import threading
from concurrent import futures

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
PREFIX = "type.googleapis.com/"
# In the order in which a change is sent.
TYPES = {
    "runtimes": PREFIX + "envoy.service.runtime.v3.Runtime",
    "secrets": PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret",
    "clusters": PREFIX + "envoy.config.cluster.v3.Cluster",
    "endpoints": PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": PREFIX + "envoy.config.listener.v3.Listener",
    "routes": PREFIX + "envoy.config.route.v3.RouteConfiguration",
}
KINDS = {url: kind for kind, url in TYPES.items()}
WILDCARD = ("clusters", "listeners")
ANSWER_SECONDS = 8


def import_types(value):
    """JSON is read only where the messages are known: those of each "@type" are imported."""
    if isinstance(value, dict):
        if "@type" in value:
            package = value["@type"].rpartition("/")[2].rpartition(".")[0]
            try:
                folder = importlib.import_module(package)
            except ImportError:
                return
            for module in pkgutil.iter_modules(folder.__path__):
                if module.name.endswith("_pb2"):
                    importlib.import_module(f"{package}.{module.name}")
        for item in value.values():
            import_types(item)
    elif isinstance(value, list):
        for item in value:
            import_types(item)


def packed(kind, resource):
    resource = {"@type": TYPES[kind], **resource}
    import_types(resource)
    return json_format.ParseDict(resource, any_pb2.Any())


class Stream:
    def __init__(self, is_delta):
        self.is_delta = is_delta
        self.outgoing = queue.Queue()
        self.names = {}  # kind: names asked for; a kind is there once it was asked for
        self.wildcards = set()


class Server(grpc.GenericRpcHandler):
    def __init__(self):
        self.changed = threading.Condition()
        self.world = {kind: {} for kind in TYPES}
        self.streams, self.answers, self.number = [], {}, 0
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[
            ("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def close(self):
        self.drop_streams()
        self.server.stop(0).wait()

    def reconnect(self):
        """Breaks the streams; waits until a new one has asked for all that they had."""
        with self.changed:
            before = list(self.streams)
            kinds = set().union(*(stream.names for stream in before))
            for stream in before:
                stream.outgoing.put(None)
            return self.changed.wait_for(lambda: any(
                kinds <= set(stream.names) for stream in self.streams if stream not in before),
                                         ANSWER_SECONDS)

    def drop_streams(self):
        with self.changed:
            for stream in self.streams:
                stream.outgoing.put(None)

    def service(self, details):
        methods = {SERVICE + "StreamAggregatedResources": discovery_pb2.DiscoveryRequest,
                   SERVICE + "DeltaAggregatedResources": discovery_pb2.DeltaDiscoveryRequest}
        kind = methods.get(details.method)
        if kind is None:
            return None
        is_delta = kind is discovery_pb2.DeltaDiscoveryRequest
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self.talk(requests, context, Stream(is_delta)),
            request_deserializer=kind.FromString,
            response_serializer=lambda message: message.SerializeToString())

    def talk(self, requests, context, stream):
        with self.changed:
            self.streams.append(stream)

        def listen():
            try:
                for request in requests:
                    self.take(stream, request)
            except grpc.RpcError:
                pass
            stream.outgoing.put(None)

        threading.Thread(target=listen, daemon=True).start()
        context.add_callback(lambda: stream.outgoing.put(None))
        while (response := stream.outgoing.get()) is not None:
            yield response
        with self.changed:
            self.streams.remove(stream)

    def take(self, stream, request):
        kind = KINDS.get(request.type_url)
        if kind is None:
            return
        with self.changed:
            if request.response_nonce:
                self.answers[request.response_nonce] = self.describe(kind, request.error_detail)
                self.changed.notify_all()
            before = stream.names.get(kind)
            new = self.subscribe(stream, kind, request) - (before or set())
            if stream.is_delta:
                given = sorted(new)
                if before is None and kind in stream.wildcards:
                    given = sorted(self.world[kind])
                if before is None and kind in stream.wildcards or self.known(kind, given):
                    self.send(stream, kind, self.known(kind, given), ())
            elif before is None or new:
                self.send(stream, kind, (), ())
            self.changed.notify_all()

    def subscribe(self, stream, kind, request):
        """The names that are asked for now."""
        if not stream.is_delta:
            stream.names[kind] = set(request.resource_names)
            return stream.names[kind]
        names = stream.names.get(kind)
        if names is None and kind in WILDCARD and not request.resource_names_subscribe or \
                "*" in request.resource_names_subscribe:
            stream.wildcards.add(kind)
        names = (names or set()) | set(request.resource_names_subscribe)
        stream.names[kind] = names - set(request.resource_names_unsubscribe) - {"*"}
        return stream.names[kind]

    def describe(self, kind, error):
        """Accepted, or refused; of listeners and clusters with those that the reason names."""
        if not error.message:
            return "ACK"
        if kind not in WILDCARD:
            return "NACK"
        return {"NACK": sorted(name for name in self.world[kind] if name in error.message)}

    def known(self, kind, names):
        return [name for name in names if name in self.world[kind]]

    def send(self, stream, kind, changed, removed):
        self.number += 1
        version = nonce = str(self.number)
        world = self.world[kind]
        if stream.is_delta:
            response = discovery_pb2.DeltaDiscoveryResponse(
                type_url=TYPES[kind], system_version_info=version, nonce=nonce,
                removed_resources=list(removed))
            for name in changed:
                response.resources.add(name=name, version=version).resource.CopyFrom(world[name])
        else:
            names = self.known(kind, stream.names[kind]) if stream.names[kind] else list(world)
            if not names and kind not in WILDCARD:
                return None
            response = discovery_pb2.DiscoveryResponse(
                type_url=TYPES[kind], version_info=version, nonce=nonce,
                resources=[world[name] for name in names])
        stream.outgoing.put(response)
        return nonce

    def fill(self, world):
        """What is there when the proxy comes: {kind: {name: resource}}."""
        for kind, resources in world.items():
            self.world[kind] = {name: packed(kind, one) for name, one in resources.items()}

    def push(self, changes):
        """{kind: {name: resource or None}}, a kind at a time; {kind: what the proxy answered}."""
        found = {}
        for kind in TYPES:
            if kind not in changes:
                continue
            with self.changed:
                for name, resource in changes[kind].items():
                    if resource is None:
                        self.world[kind].pop(name, None)
                    else:
                        self.world[kind][name] = packed(kind, resource)
                found[kind] = self.push_kind(kind, changes[kind])
        return found

    def push_kind(self, kind, changes):
        stream = next((one for one in reversed(self.streams) if kind in one.names), None)
        if stream is None:
            return "not asked for"
        names = list(changes)
        if stream.is_delta and kind not in stream.wildcards:
            names = [name for name in names if name in stream.names[kind]]
        changed = [name for name in names if changes[name] is not None]
        removed = [name for name in names if changes[name] is None]
        if stream.is_delta and not names:
            return "not asked for"
        nonce = self.send(stream, kind, changed, removed)
        if nonce is None:
            return "not asked for"
        self.changed.wait_for(lambda: nonce in self.answers, ANSWER_SECONDS)
        return self.answers.get(nonce, "no answer")

    def subscriptions(self):
        """What is asked for by name on the newest stream."""
        with self.changed:
            if not self.streams:
                return {}
            return {kind: sorted(names) for kind, names in self.streams[-1].names.items()
                    if kind not in WILDCARD}
