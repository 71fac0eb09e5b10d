# SPDX-License-Identifier: Apache-2.0
"""The client over HTTP/2; sends malformed field sections when asked to."""

import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

import cases
import wire


class H2Connection:
    def __init__(self, sock, tls):
        self.sock, self.tls = sock, tls
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="latin1", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=False))
        self.connection.initiate_connection()
        self.flush()
        self.reader = wire.Reader(sock, 6)
        self.ended = None

    def close(self):
        self.sock.close()

    def flush(self):
        self.sock.sendall(self.connection.data_to_send())

    def exchange(self, step, result):
        if self.tls:
            result["tls"] = self.tls
        response = {"headers": None, "body": ""}
        result["responses"] = [response]
        self.reader.allow(step.get("wait", 6))
        stream_id = self.send(step)
        if step.get("then") in ("close", "reset"):
            self.abort(step, stream_id, result)
            return
        if "raw" in step:
            self.sock.sendall(cases.expand(step["raw"]).encode("latin1"))
        try:
            while not self.receive(stream_id, response, result):
                pass
            self.reader.allow(step.get("check_closed", 0.4))
            while True:
                self.receive(stream_id, response, result)
        except wire.Ended as end:
            result["end"] = end.how

    def abort(self, step, stream_id, result):
        time.sleep(step.get("wait", 0.1))
        result["end"] = step["then"]
        if step["then"] == "reset":
            self.connection.reset_stream(stream_id, 8)
            self.flush()
        else:
            self.sock.close()

    def send(self, step):
        stream_id = self.connection.get_next_available_stream_id()
        fields = cases.fields_of(step["fields"]) if "fields" in step else [
            (":method", step.get("method", "GET")), (":scheme", step.get("scheme", "http")),
            (":authority", step.get("host", "a.test")),
            (":path", cases.expand(step.get("path", "/")))]
        fields += cases.fields_of(step.get("headers"))
        body = cases.expand(step.get("body")).encode("latin1")
        trailers = cases.fields_of(step.get("trailers"))
        ends = step.get("end_stream", True)
        self.connection.send_headers(stream_id, fields,
                                     end_stream=ends and not body and not trailers)
        while body:
            self.connection.send_data(stream_id, body[:16000],
                                      end_stream=ends and len(body) <= 16000 and not trailers)
            body = body[16000:]
        if trailers:
            self.connection.send_headers(stream_id, trailers, end_stream=True)
        self.flush()
        return stream_id

    def receive(self, stream_id, response, result):
        """True when the stream is over."""
        head = self.reader.exactly(9)
        data = head + self.reader.exactly(int.from_bytes(head[:3], "big"))
        over = False
        try:
            for event in self.connection.receive_data(data):
                over |= self.note(event, stream_id, response, result)
        except h2.exceptions.ProtocolError as error:
            result["error"] = type(error).__name__
        try:
            self.flush()
        except OSError:
            pass
        return over

    def note(self, event, stream_id, response, result):
        if isinstance(event, h2.events.ConnectionTerminated):
            result["goaway"] = int(event.error_code)
            # The library takes GOAWAY for the end; streams that were begun go on (RFC 9113 §6.8).
            self.connection.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
            return False
        if getattr(event, "stream_id", None) != stream_id:
            return False
        if isinstance(event, h2.events.InformationalResponseReceived):
            result.setdefault("interim", []).append([list(field) for field in event.headers])
        elif isinstance(event, h2.events.ResponseReceived):
            response["headers"] = [list(field) for field in event.headers]
        elif isinstance(event, h2.events.DataReceived):
            response["body"] += event.data.decode("latin1")
            if event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            response["trailers"] = [list(field) for field in event.headers]
        elif isinstance(event, h2.events.StreamReset):
            response["reset"] = int(event.error_code)
            return True
        elif isinstance(event, h2.events.StreamEnded):
            return True
        return False
