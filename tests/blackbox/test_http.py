# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 and HTTP/2 through the proxy, with curl and raw sockets."""

import base64
import hashlib
import os
import socket
import threading

import pytest

import config
import programs


@pytest.fixture
def site(proxy, echo):
    """A proxy in front of an echo, with the routes that the tests here need."""
    upstream = echo()
    dead = socket.socket()
    dead.bind(("127.0.0.1", 0))  # bound and not listening: refuses
    routes = [
        {"match": {"path": "/direct"}, "direct_response": {
            "status": 418, "body": {"inline_string": "short and stout"}}},
        {"match": {"path": "/old"}, "redirect": {"path_redirect": "/new"}},
        {"match": {"path": "/secure"}, "redirect": {"https_redirect": True,
                                                    "response_code": "PERMANENT_REDIRECT"}},
        {"match": {"prefix": "/rewrite/"}, "route": {
            "cluster": "up", "prefix_rewrite": "/", "host_rewrite_literal": "inner.test"}},
        {"match": {"prefix": "/do/hold"}, "route": {"cluster": "up", "timeout": "0.3s"}},
        {"match": {"prefix": "/do/flaky"}, "route": {"cluster": "up", "retry_policy": {
            "retry_on": "5xx", "num_retries": 3, "retry_back_off": {
                "base_interval": "0.005s", "max_interval": "0.01s"}}}},
        {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
        {"match": {"prefix": "/nowhere"}, "route": {"cluster": "nowhere"}},
        {"match": {"safe_regex": {"regex": "/r[0-9]+"}}, "direct_response": {"status": 200,
            "body": {"inline_string": "regex"}}},
        {"match": {"prefix": "/", "headers": [{"name": "x-pick", "string_match": {
            "exact": "me"}}]}, "direct_response": {"status": 202}},
        {"match": {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {
            "exact": "1"}}]}, "direct_response": {"status": 203}},
        config.to("up"),
    ]
    host = config.virtual_host(
        *routes,
        request_headers_to_add=[{"header": {"key": "x-added", "value": "yes"}}],
        request_headers_to_remove=["x-secret"],
        response_headers_to_add=[{"header": {"key": "x-by", "value": "edge"}}],
        response_headers_to_remove=["x-upstream"])
    manager = config.manager(
        host, config.virtual_host({"match": {"prefix": "/"}, "direct_response": {"status": 201}},
                                  domains=["exact.test", "*.suffix.test", "prefix.*"],
                                  name="special"),
        upgrade_configs=[{"upgrade_type": "websocket"}], use_remote_address=True)
    manager["typed_config"]["route_config"]["validate_clusters"] = False
    started = proxy(config.static(
        [config.listener(manager)],
        [config.cluster("up", upstream.port), config.cluster("dead", dead.getsockname()[1])]))
    started.upstream = upstream
    started.url = f"http://127.0.0.1:{started.port()}"
    yield started
    dead.close()


@pytest.fixture(params=["--http1.1", "--http2-prior-knowledge"])
def fetch(request, curl, site):
    return lambda path, *options, **more: curl(site.url + path, request.param, *options, **more)


def test_get_reaches_the_upstream_and_back(fetch):
    answer = fetch("/some/path?x=1", "-H", "x-secret: s", "-H", "x-mine: m")
    seen = answer.json()
    assert answer.status == 200 and seen["path"] == "/some/path?x=1" and seen["method"] == "GET"
    headers = seen["headers"]
    assert headers["x-added"] == "yes" and headers["x-mine"] == "m" and "x-secret" not in headers
    assert headers["x-forwarded-proto"] == "http" and headers["x-forwarded-for"]
    assert len(headers["x-request-id"]) == 36
    assert answer.headers["x-by"] == "edge" and "x-upstream" not in answer.headers
    assert "x-envoy-upstream-service-time" in answer.headers


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_post_bodies_of_any_size_pass_unchanged(fetch, size):
    body = os.urandom(size)
    answer = fetch("/upload", "--data-binary", "@-", "-H", "expect:", data=body)
    seen = answer.json()
    assert seen["body_bytes"] == size
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_head_has_no_body_and_the_length(fetch):
    answer = fetch("/x", "-I")
    assert answer.status == 200 and answer.body == "" and int(answer.headers["content-length"]) > 0


def test_chunked_both_ways(fetch):
    answer = fetch("/up", "-H", "transfer-encoding: chunked", "-H", "expect:", "--data-binary",
                   "@-", data=b"z" * 200_000)
    assert answer.json()["body_bytes"] == 200_000
    assert fetch("/do/chunked/1000").body == "chunk" * 1000


def test_expect_100_continue(curl, site):
    answer = curl(site.url + "/up", "-H", "expect: 100-continue", "--expect100-timeout", "15",
                  "--data-binary", "@-", data=b"q" * 100_000)
    assert b"HTTP/1.1 100 Continue" in answer.raw.stdout
    assert answer.json()["body_bytes"] == 100_000


@pytest.mark.parametrize("path,status,header,value", [
    ("/direct", 418, "content-length", "15"),
    ("/old", 301, "location", "{url}/new"),
    ("/secure", 308, "location", "{https}/secure"),
    ("/r12", 200, "x-by", "edge"),
    ("/x?q=1", 203, "x-by", "edge"),
])
def test_answers_of_the_edge(fetch, site, path, status, header, value):
    answer = fetch(path)
    assert answer.status == status
    expected = value.format(url=site.url, https=site.url.replace("http:", "https:"))
    assert answer.headers[header] == expected


def test_header_match(fetch):
    assert fetch("/any", "-H", "x-pick: me").status == 202


@pytest.mark.parametrize("host,status", [
    ("exact.test", 201), ("a.suffix.test", 201), ("prefix.anything", 201), ("other.test", 200)])
def test_virtual_hosts(fetch, host, status):
    assert fetch("/", "-H", f"host: {host}").status == status


def test_rewrites(fetch):
    seen = fetch("/rewrite/deep?y").json()
    assert seen["path"] == "/deep?y" and seen["headers"]["host"] == "inner.test"
    assert seen["headers"]["x-envoy-original-path"] == "/rewrite/deep?y"


def test_retries_until_it_works(fetch, site):
    answer = fetch("/do/flaky/3")
    assert answer.status == 200 and site.upstream.requests == 3


def test_route_timeout_is_504(fetch, site):
    answer = fetch("/do/hold/1")
    site.upstream.release()
    assert answer.status == 504 and answer.body == "upstream request timeout"


@pytest.mark.parametrize("path,status,text", [
    ("/dead", 503, "upstream connect error or disconnect/reset before headers"),
    ("/nowhere", 503, ""),
    ("/do/reset", 503, "upstream connect error or disconnect/reset before headers"),
    ("/do/garbage", 502, "upstream connect error or disconnect/reset before headers"),
])
def test_upstream_faults_are_answered(fetch, path, status, text):
    answer = fetch(path)
    assert (answer.status, answer.body[:len(text)]) == (status, text)


def test_upstream_that_ends_early_is_no_whole_answer(fetch):
    assert fetch("/do/cut", check=False).raw.returncode != 0


def test_many_requests_on_one_connection(site):
    with socket.create_connection(("127.0.0.1", site.port()), 20) as connection:
        file = connection.makefile("rb")
        for number in range(50):
            connection.sendall(f"GET /n/{number} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            assert file.readline().startswith(b"HTTP/1.1 200")
            length = 0
            while (line := file.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert f"/n/{number}".encode() in file.read(length)


def raw(port, data, limit=65536):
    """Sends, half-closes nothing, reads until the proxy closes or falls silent after an answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(data)
        received = b""
        while len(received) < limit:
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
        return received


@pytest.mark.parametrize("request_bytes", [
    b"CONNECT example.test:443 HTTP/1.1\r\nhost: example.test:443\r\nconnection: close\r\n\r\n",
])
def test_connect_is_refused(site, request_bytes):
    assert raw(site.port(), request_bytes).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("request_bytes", [
    b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nbad header: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"NONSENSE\r\n\r\n",
])
def test_malformed_requests_get_400_and_the_end(site, request_bytes):
    assert raw(site.port(), request_bytes).startswith(b"HTTP/1.1 400")
    assert site.upstream.requests == 0


def test_websocket_is_a_tunnel(site):
    key = base64.b64encode(os.urandom(16))
    accept = base64.b64encode(hashlib.sha1(
        key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    with socket.create_connection(("127.0.0.1", site.port()), 20) as connection:
        connection.sendall(b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: "
                           b"Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: " + key +
                           b"\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 101") and accept in head
        sent = os.urandom(500_000)
        writer = threading.Thread(target=connection.sendall, args=(sent,))
        writer.start()
        received = head.partition(b"\r\n\r\n")[2]
        while len(received) < len(sent):
            received += connection.recv(65536)
        writer.join()
        assert received == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_other_upgrades_are_refused(curl, site):
    answer = curl(site.url + "/ws", "-H", "upgrade: other", "-H", "connection: upgrade")
    assert answer.status == 403


def test_clients_that_vanish_do_no_harm(curl, site):
    for data in (b"", b"GET", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nhost: a\r\n"
                 b"content-length: 10\r\n\r\nabc", b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n"):
        for _ in range(5):
            connection = programs.connect(site.port())
            connection.sendall(data)
            connection.close()
    assert curl(site.url + "/after").status == 200
    programs.wait_until(lambda: site.stat("http.ingress.downstream_cx_active") == 0,
                        "all connections gone")


@pytest.mark.parametrize("upstream_kind", ["http1", "http2"])
@pytest.mark.parametrize("client", ["--http1.1", "--http2"])
def test_tls_by_alpn_in_all_pairings(proxy, echo, curl, certs, envoy, client, upstream_kind):
    upstream = echo()
    port = upstream.port
    if upstream_kind == "http2":  # the real Envoy turns HTTP/2 into what the echo understands
        bridge = envoy(config.static(
            [config.listener(config.manager(config.virtual_host(config.to("up")),
                                            codec_type="HTTP2"))],
            [config.cluster("up", upstream.port)]))
        port = bridge.port()
    tls = {"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [
        config.files(certs.cert("edge"), certs.key("edge"))]}}
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up"))), tls=tls)],
        [config.cluster("up", port, kind=upstream_kind)]))
    answer = curl(f"https://localhost:{started.port()}/x", client, "--cacert", certs.ca,
                  "--data-binary", "@-", data=b"d" * 100_000)
    assert answer.raw.stdout.startswith(b"HTTP/2" if client == "--http2" else b"HTTP/1.1")
    assert answer.status == 200 and answer.json()["body_bytes"] == 100_000
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"


def test_client_certificate_is_demanded(proxy, echo, curl, certs):
    tls = {"require_client_certificate": True, "common_tls_context": {
        "tls_certificates": [config.files(certs.cert("edge"), certs.key("edge"))],
        "validation_context": {"trusted_ca": {"filename": certs.ca},
                               "match_typed_subject_alt_names": [config.san(
                                   "URI", "spiffe://mesh.test/ns/edge/sa/gateway")]}}}
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up"))), tls=tls)],
        [config.cluster("up", echo().port)]))
    url = f"https://localhost:{started.port()}/"

    def ask(name):
        options = ["--cert", certs.cert(name), "--key", certs.key(name)] if name else []
        return curl(url, "--cacert", certs.ca, *options, check=False)

    assert ask("edge-client").status == 200
    assert ask("stranger").raw.returncode != 0
    assert ask(None).raw.returncode != 0
    assert started.stat("listener.127.0.0.1_0.ssl.fail_verify_no_cert") + \
        started.stat(f"listener.127.0.0.1_{started.port()}.ssl.fail_verify_no_cert") == 1
