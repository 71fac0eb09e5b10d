# SPDX-License-Identifier: Apache-2.0
"""The messages of an ext_authz service over gRPC: answers as YAML, requests as JSON."""

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format, message

PATH = "/envoy.service.auth.v3.Authorization/Check"


def as_grpc(answer):
    """The HTTP/2 answer of one that has `check`: a CheckResponse, `grpc_status` (0) at its end."""
    if "check" not in answer:
        return answer
    response = json_format.ParseDict(answer["check"] or {}, external_auth_pb2.CheckResponse())
    data = response.SerializeToString()
    frame = b"\0" + len(data).to_bytes(4, "big") + data
    return dict(answer, headers={"content-type": "application/grpc"}, body=frame.decode("latin1"),
                trailers={"grpc-status": answer.get("grpc_status", 0)})


def explain(recorded):
    """Puts the CheckRequest of a recorded request in the place of its bytes."""
    fields = dict(tuple(field) for field in recorded["headers"])
    if fields.get(":path") != PATH:
        return
    body = recorded["body"].encode("latin1")
    try:
        request = external_auth_pb2.CheckRequest.FromString(body[5:])
    except message.DecodeError:
        return
    check = json_format.MessageToDict(request, preserving_proto_field_name=True)
    attributes = check.get("attributes", {})
    attributes.get("request", {}).pop("time", None)
    http = attributes.get("request", {}).get("http", {})
    http.pop("id", None)
    http["headers"] = [[name, value] for name, value in http.get("headers", {}).items()]
    address = attributes.get("source", {}).get("address", {}).get("socket_address", {})
    address.pop("port_value", None)
    recorded["check"] = check
    recorded["body"] = body[:1].decode("latin1")
