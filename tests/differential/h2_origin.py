# SPDX-License-Identifier: Apache-2.0
"""The recorder origin over HTTP/2."""

import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

import cases
import check_service


def serve(sock, origin):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(
        client_side=False, header_encoding="latin1", validate_inbound_headers=False))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    messages = {}
    sock.settimeout(20)
    while True:
        data = sock.recv(65536)
        if not data:
            return
        for event in connection.receive_data(data):
            if not handle(connection, event, messages, origin, sock):
                return
        sock.sendall(connection.data_to_send())


def handle(connection, event, messages, origin, sock):
    if isinstance(event, h2.events.RequestReceived):
        messages[event.stream_id] = {
            "line": "HTTP/2", "headers": [list(field) for field in event.headers], "body": ""}
    elif isinstance(event, h2.events.DataReceived):
        messages[event.stream_id]["body"] += event.data.decode("latin1")
        if event.flow_controlled_length:
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, h2.events.TrailersReceived):
        messages[event.stream_id]["trailers"] = [list(field) for field in event.headers]
    elif isinstance(event, h2.events.StreamReset):
        message = messages.pop(event.stream_id, None)
        if message is not None:
            message["reset"] = int(event.error_code)
            origin.record(message)
    elif isinstance(event, h2.events.StreamEnded):
        message = messages.pop(event.stream_id)
        check_service.explain(message)
        origin.record(message)
        return answer(connection, event.stream_id, origin.take_answer(), sock)
    return True


def answer(connection, stream_id, script, sock):
    """False if the connection is over."""
    sock.sendall(connection.data_to_send())
    time.sleep(script.get("delay", 0))
    act = script.get("act")
    if act == "close":
        return False
    if act == "hang":
        return True
    if act == "reset":
        connection.reset_stream(stream_id, script.get("code", 0))
        return True
    if act == "goaway":
        # The connection stays: the proxy is to act on the frame, not on a close behind it.
        connection.close_connection(script.get("code", 0), last_stream_id=script.get("last", 0))
        return True
    if "raw" in script:
        sock.sendall(cases.expand(script["raw"]).encode("latin1"))
        return True
    script = check_service.as_grpc(script)
    body = cases.expand(script.get("body", "ok")).encode("latin1")
    trailers = cases.fields_of(script.get("trailers"))
    connection.send_headers(
        stream_id, [(":status", str(script.get("status", 200)))] +
        cases.fields_of(script.get("headers")), end_stream=not body and not trailers)
    if body:
        connection.send_data(stream_id, body, end_stream=not trailers and act != "then_reset")
    if act == "then_reset":
        connection.reset_stream(stream_id, script.get("code", 2))
    elif trailers:
        connection.send_headers(stream_id, trailers, end_stream=True)
    return True
