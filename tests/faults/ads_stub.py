# SPDX-License-Identifier: Apache-2.0
"""A management server in the test's hands: it sends what the test says, right or wrong.

State of the world and delta. It keeps what it was asked and what was accepted or refused; each push
is numbered, and its number is version and nonce.
"""

import collections
import queue
import socket
import threading
from concurrent import futures

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format
# Those that the messages of the tests name: JSON can be read only where the types are known.
from envoy.config.cluster.v3 import cluster_pb2  # noqa: F401
from envoy.config.endpoint.v3 import endpoint_pb2  # noqa: F401
from envoy.config.listener.v3 import listener_pb2  # noqa: F401
from envoy.config.route.v3 import route_pb2  # noqa: F401
from envoy.extensions.access_loggers.file.v3 import file_pb2  # noqa: F401
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401
    http_connection_manager_pb2)
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2  # noqa: F401
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401

import config
import programs

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
KEY = {config.LISTENER: "name", config.CLUSTER: "name", config.ROUTES: "name",
       config.SECRET: "name", config.ENDPOINTS: "cluster_name"}
Answer = collections.namedtuple("Answer", "type_url nonce error")


def packed(resource):
    """An Any of a dictionary with "@type"; Any messages pass as they are."""
    if isinstance(resource, any_pb2.Any):
        return resource
    return json_format.ParseDict(resource, any_pb2.Any())


class Stream:
    def __init__(self):
        self.outgoing = queue.Queue()
        self.asked = set()  # type URLs


class AdsStub(grpc.GenericRpcHandler):
    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.resources = {}  # type URL: {name: Any}
        self.streams = []
        self.answers, self.requests = [], 0
        self.number, self.is_silent, self.nonce_of = 0, False, str
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=[
            ("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def close(self):
        with self.lock:
            for stream in self.streams:
                stream.outgoing.put(None)
        self.server.stop(0).wait()

    def service(self, details):
        kinds = {SERVICE + "StreamAggregatedResources": (
            self.talk, discovery_pb2.DiscoveryRequest, self.state_of_the_world),
                 SERVICE + "DeltaAggregatedResources": (
            self.talk, discovery_pb2.DeltaDiscoveryRequest, self.delta)}
        if details.method not in kinds:
            return None
        talk, request_type, respond = kinds[details.method]
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: talk(requests, context, respond),
            request_deserializer=request_type.FromString,
            response_serializer=lambda message: message.SerializeToString())

    def talk(self, requests, context, respond):
        stream = Stream()
        stream.respond = respond
        with self.lock:
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
        try:
            while (response := stream.outgoing.get()) is not None:
                yield response
        finally:
            with self.lock:
                self.streams.remove(stream)

    def take(self, stream, request):
        with self.lock:
            self.requests += 1
            type_url = request.type_url
            if request.response_nonce:
                self.answers.append(Answer(type_url, request.response_nonce,
                                           request.error_detail.message))
            names = (getattr(request, "resource_names", None) or
                     getattr(request, "resource_names_subscribe", None))
            is_first = type_url not in stream.asked
            stream.asked.add(type_url)
            # New names of a type want an answer; a bare ACK or NACK wants none.
            if not self.is_silent and (is_first or (names and not request.response_nonce)):
                stream.outgoing.put(stream.respond(type_url, None, ()))

    def state_of_the_world(self, type_url, _, __):
        self.number += 1
        return discovery_pb2.DiscoveryResponse(
            type_url=type_url, version_info=str(self.number), nonce=self.nonce_of(self.number),
            resources=list(self.resources.get(type_url, {}).values()))

    def delta(self, type_url, changed, removed):
        self.number += 1
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=type_url, system_version_info=str(self.number),
            nonce=self.nonce_of(self.number), removed_resources=list(removed))
        held = self.resources.get(type_url, {})
        for name in held if changed is None else changed:
            response.resources.add(name=name, version=str(self.number)).resource.CopyFrom(
                held[name])
        return response

    def set(self, *resources, remove=()):
        """Puts resources in place (dictionaries with "@type"), takes (type URL, name) away; pushes
        what changed, a type at a time in the order given. Returns {type URL: nonce}."""
        with self.lock:
            changed, removed = {}, {}
            for resource in resources:
                url = resource["@type"]
                changed.setdefault(url, []).append(resource[KEY[url]])
                self.resources.setdefault(url, {})[resource[KEY[url]]] = packed(resource)
            for url, name in remove:
                changed.setdefault(url, [])
                removed.setdefault(url, []).append(name)
                self.resources[url].pop(name, None)
            return {url: self.push(url, changed[url], removed.get(url, ())) for url in changed}

    def set_raw(self, url, name, message):
        """The same with an Any that the test made, of a type URL of its choice."""
        with self.lock:
            self.resources.setdefault(url, {})[name] = message
            return self.push(url, [name], ())

    def push(self, url, changed, removed):
        nonce = None
        for stream in self.streams:
            if url in stream.asked:
                stream.outgoing.put(stream.respond(url, changed, removed))
                nonce = self.nonce_of(self.number)
        return nonce

    def send(self, response):
        """The same response on each stream."""
        with self.lock:
            for stream in self.streams:
                stream.outgoing.put(response)

    def answer(self, nonce, seconds=20):
        """The ACK (error empty) or NACK of a push."""
        return programs.wait_until(lambda: next(
            (answer for answer in list(self.answers) if answer.nonce == nonce), None),
                                   lambda: f"answer to {nonce}: {self.answers[-5:]}", seconds)


class Listening:
    """A socket in the management server's place that talks no gRPC: `talk(connection)`."""

    def __init__(self, talk):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.accepted = 0
        self.talk, self.is_closed = talk, False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.talk(connection)
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
