# SPDX-License-Identifier: Apache-2.0
"""The proxy as the edge of a mesh whose sidecar is the real Envoy: HTTP/2 and mutual TLS only."""

import grpc
import pytest

import config
import programs
from test_xds import Load

GATEWAY = "spiffe://mesh.test/ns/edge/sa/gateway"
CATALOG = "spiffe://mesh.test/ns/shop/sa/catalog"


def server_context(certs, pair="sidecar", accepts=GATEWAY):
    return {"require_client_certificate": True, "common_tls_context": {
        "alpn_protocols": ["h2"],
        "tls_certificates": [config.files(certs.cert(pair), certs.key(pair))],
        "validation_context": {"trusted_ca": {"filename": certs.ca},
                               "match_typed_subject_alt_names": [config.san("URI", accepts)]}}}


def client_context(certs, pair="edge-client", expects=CATALOG):
    return {"sni": "catalog.shop", "common_tls_context": {
        "alpn_protocols": ["h2"],
        "tls_certificates": [config.files(certs.cert(pair), certs.key(pair))],
        "validation_context": {"trusted_ca": {"filename": certs.ca},
                               "match_typed_subject_alt_names": [config.san("URI", expects)]}}}


def sidecar(envoy, certs, port, kind="http1", **context):
    return envoy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("app", timeout="0s")),
                                        codec_type="HTTP2",
                                        forward_client_cert_details="SANITIZE_SET",
                                        set_current_client_cert_details={"uri": True}),
                         tls=server_context(certs, **context))],
        [config.cluster("app", port, kind=kind)]))


def edge(proxy, tls, *ports, **more):
    return proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("mesh", timeout="0s"))))],
        [config.cluster("mesh", *ports, kind="http2", tls=tls, **more)]))


def test_requests_pass_with_both_identities_checked(envoy, proxy, echo, curl, certs):
    started = edge(proxy, client_context(certs), sidecar(envoy, certs, echo().port).port())
    answer = curl(f"http://127.0.0.1:{started.port()}/x", "--data-binary", "@-",
                  data=b"b" * 300_000)
    assert answer.status == 200 and answer.json()["body_bytes"] == 300_000
    assert f"URI={GATEWAY}" in answer.json()["headers"]["x-forwarded-client-cert"]
    assert started.stat("cluster.mesh.ssl.handshake") >= 1
    assert started.stat("cluster.mesh.upstream_cx_http2_total") >= 1


def test_sidecar_of_another_identity_is_not_spoken_to(envoy, proxy, echo, curl, certs):
    upstream = echo()
    mesh = sidecar(envoy, certs, upstream.port, pair="stranger")
    started = edge(proxy, client_context(certs), mesh.port())
    answer = curl(f"http://127.0.0.1:{started.port()}/")
    assert answer.status == 503 and upstream.requests == 0
    assert answer.body.startswith("upstream connect error or disconnect/reset before headers")
    assert started.stat("cluster.mesh.ssl.fail_verify_san") >= 1


def test_sidecar_refuses_an_edge_of_another_identity(envoy, proxy, echo, curl, certs):
    upstream = echo()
    mesh = sidecar(envoy, certs, upstream.port)
    started = edge(proxy, client_context(certs, pair="stranger"), mesh.port())
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 503
    assert upstream.requests == 0


def test_edge_without_certificate_is_refused(envoy, proxy, echo, curl, certs):
    context = client_context(certs)
    del context["common_tls_context"]["tls_certificates"]
    upstream = echo()
    started = edge(proxy, context, sidecar(envoy, certs, upstream.port).port())
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 503
    assert upstream.requests == 0


def test_grpc_through_edge_and_sidecar(envoy, proxy, grpc_echo, certs):
    mesh = sidecar(envoy, certs, grpc_echo().port, kind="http2")
    started = edge(proxy, client_context(certs), mesh.port())
    with grpc.insecure_channel(f"127.0.0.1:{started.port()}",
                               [("grpc.enable_http_proxy", 0)]) as channel:
        answer, call = channel.unary_unary("/test.Echo/Unary").with_call(b"abc", timeout=30)
        assert answer == b"cba" and call.code() == grpc.StatusCode.OK
        assert ("x-trailer", "unary") in [tuple(item) for item in call.trailing_metadata()]
        answers = list(channel.stream_stream("/test.Echo/Chat")(
            iter([b"a", b"b", b"c"]), timeout=30))
        assert answers == [b"A", b"B", b"C"]


def test_client_certificate_rotates_through_sds(envoy, proxy, run, echo, certs, tmp_path):
    """Two sidecars, one for each identity: after the rotation only the other is let in."""
    upstream = echo()
    mesh = sidecar(envoy, certs, upstream.port, accepts=CATALOG)
    server = run.xds_server(tmp_path / "xds")

    def put(pair):
        server.write("secrets.json", [
            config.typed(config.SECRET, {"name": "client", "tls_certificate": config.inline(
                certs.cert(pair), certs.key(pair))}),
            config.typed(config.SECRET, {"name": "roots", "validation_context": {
                "trusted_ca": {"filename": certs.ca}}})])

    sds = {"api_config_source": {"api_type": "GRPC", "transport_api_version": "V3",
                                 "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
           "resource_api_version": "V3"}
    tls = {"sni": "catalog.shop", "common_tls_context": {
        "alpn_protocols": ["h2"],
        "tls_certificate_sds_secret_configs": [{"name": "client", "sds_config": sds}],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [config.san("URI", CATALOG)]},
            "validation_context_sds_secret_config": {"name": "roots", "sds_config": sds}}}}
    put("sidecar")
    started = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("mesh"))))],
        [config.cluster("xds", server.port, kind="http2"),
         config.cluster("mesh", mesh.port(), kind="http2", tls=tls)],
        node={"id": "edge", "cluster": "edge"}))
    load = Load(started.port())
    load.more()
    certs.add("sidecar-renewed", f"URI:{CATALOG}", "DNS:catalog.shop")
    for pair in ("sidecar-renewed", "sidecar", "sidecar-renewed"):
        before = server.log.count("ACK sds")
        put(pair)
        server.wait_for_log("ACK sds", count=before + 1)
        load.more()
    load.stop()
    put("stranger")  # and it is the certificate that decides: this one is not let in
    name = "cluster.mesh.client_ssl_socket_factory.ssl_context_update_by_sds"
    programs.wait_until(lambda: started.stat(name) >= 4 or server.log.count("ACK sds") >= 5,
                        "rotated")
