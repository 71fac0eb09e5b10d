# SPDX-License-Identifier: Apache-2.0
"""A discovery client made of messages, for tests of the management server's protocol."""

import queue

import grpc
from envoy.service.discovery.v3 import discovery_pb2

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"


class Stream:
    """One stream; ask() sends, take() waits for the next response."""

    def __init__(self, channel, method, request_type, response_type):
        self.outgoing = queue.Queue()
        self.call = channel.stream_stream(
            method, request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString)(iter(self.outgoing.get, None),
                                                            timeout=30)
        self.request_type = request_type
        self.is_first = True

    def ask(self, type_url, **fields):
        request = self.request_type(type_url=type_url)
        if self.is_first:
            request.node.id = "tester"
            self.is_first = False
        for name, value in fields.items():
            field = getattr(request, name)
            if isinstance(value, str):
                setattr(request, name, value)
            elif isinstance(value, dict):
                field.update(value)
            else:
                field.extend(value)
        self.outgoing.put(request)

    def take(self):
        return next(self.call)

    def ack(self, response, **fields):
        if hasattr(response, "version_info"):
            fields["version_info"] = response.version_info
        self.ask(response.type_url, response_nonce=response.nonce, **fields)

    def nack(self, response, text, **fields):
        request = self.request_type(type_url=response.type_url, response_nonce=response.nonce)
        request.error_detail.code = 13
        request.error_detail.message = text
        for name, value in fields.items():
            getattr(request, name).extend(value)
        self.outgoing.put(request)

    def close(self):
        self.outgoing.put(None)
        self.call.cancel()


def sotw(channel, method=SERVICE + "StreamAggregatedResources"):
    return Stream(channel, method, discovery_pb2.DiscoveryRequest, discovery_pb2.DiscoveryResponse)


def delta(channel, method=SERVICE + "DeltaAggregatedResources"):
    return Stream(channel, method, discovery_pb2.DeltaDiscoveryRequest,
                  discovery_pb2.DeltaDiscoveryResponse)


def connect(server, credentials=None):
    target = server.address if server.address.startswith("unix:") else server.address
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if credentials:
        return grpc.secure_channel(target, credentials,
                                   options + [("grpc.ssl_target_name_override", "xds.test")])
    return grpc.insecure_channel(target, options)
