# SPDX-License-Identifier: Apache-2.0
"""tools/xds_server, message by message."""

import subprocess

import grpc
import pytest
from envoy.config.cluster.v3 import cluster_pb2

import config
import programs
import xds_client
from xds_client import CLUSTER, ENDPOINTS, LISTENER, ROUTES


def names(response):
    if hasattr(response, "removed_resources"):
        return [resource.name for resource in response.resources]
    found = []
    for resource in response.resources:
        message = cluster_pb2.Cluster()
        resource.Unpack(message)
        found.append(message.name)
    return found


def clusters(*wanted):
    return [config.typed(CLUSTER, config.cluster(name, 1)) for name in wanted]


def endpoints(**wanted):
    return [config.typed(ENDPOINTS, config.assignment(name, port))
            for name, port in wanted.items()]


@pytest.fixture
def server(xds):
    started = xds()
    started.write("clusters.json", clusters("a", "b"))
    started.write("endpoints.json", endpoints(one=1, two=2))
    started.wait_for_log("LOAD resources=4")
    return started


@pytest.fixture
def channel(server):
    with xds_client.connect(server) as made:
        yield made


def test_sotw_wildcard_gets_all_and_changes(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    first = stream.take()
    assert names(first) == ["a", "b"] and first.nonce and first.version_info
    stream.ack(first)
    server.wait_for_log(f"ACK cds node=tester")
    server.write("clusters.json", clusters("a", "b", "c"))
    second = stream.take()
    assert names(second) == ["a", "b", "c"]
    assert second.version_info != first.version_info and second.nonce != first.nonce
    stream.close()


def test_sotw_version_is_by_content(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    first = stream.take()
    stream.ack(first)
    server.write("clusters.json", clusters("a"))
    second = stream.take()
    stream.ack(second)
    server.write("clusters.json", clusters("a", "b"))
    third = stream.take()
    assert third.version_info == first.version_info
    stream.close()
    again = xds_client.sotw(channel)
    again.ask(CLUSTER, version_info=first.version_info)  # has it all: no response
    again.ask(ENDPOINTS, resource_names=["one"])
    assert again.take().type_url == ENDPOINTS
    again.close()


def test_sotw_names_only_what_is_asked(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(ENDPOINTS, resource_names=["one"])
    first = stream.take()
    assert len(first.resources) == 1
    stream.ack(first, resource_names=["one"])
    stream.ask(ENDPOINTS, resource_names=["one", "two"], response_nonce=first.nonce,
               version_info=first.version_info)
    second = stream.take()
    assert len(second.resources) == 2
    stream.ack(second, resource_names=["one"])  # fewer: nothing comes
    server.write("endpoints.json", endpoints(one=1, two=3))  # not of interest: nothing comes
    server.write("endpoints.json", endpoints(one=4, two=3))
    third = stream.take()
    assert len(third.resources) == 1
    stream.close()


def test_sotw_asking_again_after_the_answer_is_answered(channel):
    stream = xds_client.sotw(channel)
    stream.ask(ENDPOINTS, resource_names=["one"])
    first = stream.take()
    stream.ack(first, resource_names=["one"])
    stream.ack(first, resource_names=["one"])
    assert stream.take().version_info == first.version_info
    stream.close()


def test_sotw_stale_nonce_is_ignored(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    first = stream.take()
    server.write("clusters.json", clusters("a"))
    second = stream.take()
    stream.ack(first)
    stream.ack(second)
    server.wait_for_log("ACK cds")
    assert server.log.count("ACK cds") == 1
    assert f"ACK cds node=tester peer=" in server.log
    stream.close()


def test_nack_is_logged_with_its_reason_and_not_repeated(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    first = stream.take()
    stream.nack(first, "no good:\nsecond line")
    server.wait_for_log("NACK cds node=tester")
    line = next(line for line in server.log.splitlines() if line.startswith("NACK"))
    assert f"version={first.version_info}: no good: second line" in line
    server.write("clusters.json", clusters("z"))
    assert names(stream.take()) == ["z"]
    stream.close()


def test_sotw_absent_endpoints_are_waited_for(server, channel):
    stream = xds_client.sotw(channel)
    stream.ask(ENDPOINTS, resource_names=["later"])
    stream.ask(LISTENER)  # an empty world is an answer
    response = stream.take()
    assert response.type_url == LISTENER and not response.resources
    server.write("more.json", endpoints(later=9))
    assert stream.take().type_url == ENDPOINTS
    stream.close()


def test_change_is_sent_clusters_first_and_removed_last(server, channel):
    server.write("routes.json", [config.typed(ROUTES, config.routes(
        "main", config.virtual_host(config.to("a"))))])
    server.wait_for_log("LOAD resources=5")
    stream = xds_client.sotw(channel)
    for type_url, wanted in ((CLUSTER, []), (ROUTES, ["main"])):
        stream.ask(type_url, resource_names=wanted)
        stream.ack(stream.take(), resource_names=wanted)
    both = {"clusters.json": clusters("b", "new"),
            "routes.json": [config.typed(ROUTES, config.routes(
                "main", config.virtual_host(config.to("new"))))]}
    for name, resources in both.items():
        server.write(name, resources)
    made = stream.take()
    assert names(made) == ["a", "b", "new"]
    stream.ack(made)
    switched = stream.take()
    assert switched.type_url == ROUTES
    stream.ack(switched, resource_names=["main"])
    broken = stream.take()
    assert names(broken) == ["b", "new"]
    stream.close()


def test_delta_wildcard_sends_changes_only(server, channel):
    stream = xds_client.delta(channel)
    stream.ask(CLUSTER)
    first = stream.take()
    assert names(first) == ["a", "b"] and all(r.version for r in first.resources)
    stream.ack(first)
    server.write("clusters.json", clusters("b", "c"))
    second = stream.take()
    assert names(second) == ["c"] and list(second.removed_resources) == ["a"]
    stream.close()


def test_delta_initial_versions_are_honoured(server, channel):
    stream = xds_client.delta(channel)
    stream.ask(CLUSTER)
    known = {r.name: r.version for r in stream.take().resources}
    stream.close()
    server.write("clusters.json", clusters("b", "c"))
    server.wait_for_log("LOAD resources=4", count=2)
    again = xds_client.delta(channel)
    again.ask(CLUSTER, initial_resource_versions=known)
    response = again.take()
    assert names(response) == ["c"] and list(response.removed_resources) == ["a"]
    again.close()


def test_delta_nothing_new_still_answers_a_first_wildcard(channel):
    stream = xds_client.delta(channel)
    stream.ask(CLUSTER)
    known = {r.name: r.version for r in stream.take().resources}
    stream.close()
    again = xds_client.delta(channel)
    again.ask(CLUSTER, initial_resource_versions=known)
    response = again.take()
    assert not response.resources and not response.removed_resources
    again.close()


def test_delta_names_come_and_go(server, channel):
    stream = xds_client.delta(channel)
    stream.ask(ENDPOINTS, resource_names_subscribe=["one", "nowhere"])
    first = stream.take()
    assert names(first) == ["one"] and list(first.removed_resources) == ["nowhere"]
    stream.ack(first)
    stream.ask(ENDPOINTS, resource_names_subscribe=["two"], resource_names_unsubscribe=["one"])
    assert names(stream.take()) == ["two"]
    stream.ask(ENDPOINTS, resource_names_subscribe=["two"])  # forgotten there: sent again
    assert names(stream.take()) == ["two"]
    server.write("endpoints.json", endpoints(one=7, two=7, nowhere=7))
    assert sorted(names(stream.take())) == ["nowhere", "two"]
    stream.close()


def test_service_of_one_type_needs_no_type_url(channel):
    stream = xds_client.sotw(
        channel, "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters")
    stream.ask("")
    assert names(stream.take()) == ["a", "b"]
    stream.close()
    wrong = xds_client.sotw(
        channel, "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters")
    wrong.ask(ENDPOINTS)
    with pytest.raises(grpc.RpcError) as error:
        wrong.take()
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_ads_without_type_and_unknown_methods_are_refused(channel):
    stream = xds_client.sotw(channel)
    stream.ask("")
    with pytest.raises(grpc.RpcError) as error:
        stream.take()
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    stream = xds_client.sotw(channel, "/envoy.service.none.v3.None/Stream")
    stream.ask(CLUSTER)
    with pytest.raises(grpc.RpcError) as error:
        stream.take()
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_health_check_service(channel):
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"", timeout=10) == b"\x08\x01"


@pytest.mark.parametrize("name,text,reasons", [
    ("bad.yaml", "resources:\n- '@type': " + CLUSTER + "\n  name: x\n  tpye: EDS\n",
     ["bad.yaml", "resources[0]", "tpye"]),
    ("bad.yaml", "resources:\n- '@type': " + CLUSTER + "\n  connect_timeout: soon\n",
     ["bad.yaml", "connect_timeout"]),
    ("bad.yaml", "resources: [\n", ["bad.yaml", "line"]),
    ("bad.json", "{\"resources\": [{\"@type\": \"x/unknown.Type\"}]}", ["bad.json", "unknown.Type"]),
    ("bad.yaml", "resources:\n- '@type': " + CLUSTER + "\n  type: STATIC\n", ["bad.yaml"]),
    ("bad.yaml", "", ["bad.yaml", "empty"]),
])
def test_bad_file_is_named_and_the_rest_served(server, channel, name, text, reasons):
    (server.folder / name).write_text(text)
    server.wait_for_log("ERROR")
    line = next(line for line in server.log.splitlines() if line.startswith("ERROR"))
    for reason in reasons:
        assert reason in line, line
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    assert names(stream.take()) == ["a", "b"]
    stream.close()


def test_bad_change_keeps_the_last_good(server, channel):
    (server.folder / "clusters.json").write_text("{")
    server.wait_for_log("ERROR")
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    response = stream.take()
    assert names(response) == ["a", "b"]
    stream.ack(response)
    server.write("clusters.json", clusters("healed"))
    assert names(stream.take()) == ["healed"]
    stream.close()


def test_forms_of_a_file(server, channel):
    server.remove("clusters.json")
    yaml = "'@type': " + CLUSTER + "\nname: "
    (server.folder / "single.yaml").write_text(yaml + "single\n")
    (server.folder / "list.yml").write_text("\n".join(
        "- " + (yaml + name).replace("\n", "\n  ") for name in ("l1", "l2")))
    (server.folder / "several.yaml").write_text(f"---\n{yaml}d1\n---\n{yaml}d2\n")
    (server.folder / "wrapped.json").write_text(
        '[{"@type": "type.googleapis.com/envoy.service.discovery.v3.Resource", "name": "w", '
        f'"resource": {{"@type": "{CLUSTER}", "name": "w"}}}}]')
    (server.folder / ".hidden.yaml").write_text("{")
    (server.folder / "notes.txt").write_text("{")
    server.wait_for_log("LOAD resources=8")
    assert "ERROR" not in server.log
    stream = xds_client.sotw(channel)
    stream.ask(CLUSTER)
    assert names(stream.take()) == ["d1", "d2", "l1", "l2", "single", "w"]
    stream.close()


def test_mutual_tls(xds, certs):
    server = xds("--tls-cert", certs.cert("xds"), "--tls-key", certs.key("xds"),
                 "--client-ca", certs.ca)
    ca = open(certs.ca, "rb").read()
    with xds_client.connect(server, grpc.ssl_channel_credentials(
            ca, open(certs.key("edge-client"), "rb").read(),
            open(certs.cert("edge-client"), "rb").read())) as channel:
        stream = xds_client.sotw(channel)
        stream.ask(CLUSTER)
        assert not stream.take().resources
        stream.close()
    with xds_client.connect(server, grpc.ssl_channel_credentials(ca)) as channel:
        stream = xds_client.sotw(channel)
        stream.ask(CLUSTER)
        with pytest.raises(grpc.RpcError) as error:
            stream.take()
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE


def test_unix_socket_and_sigterm_with_open_streams(xds, tmp_path):
    server = xds("--listen", f"unix:{tmp_path}/xds.sock")
    assert server.address == f"unix:{tmp_path}/xds.sock"
    with xds_client.connect(server) as channel:
        stream = xds_client.sotw(channel)
        stream.ask(CLUSTER)
        stream.take()
        server.signal(15)
        assert server.wait() == 0
        stream.close()


@pytest.mark.parametrize("arguments,reason", [
    (["--bogus"], "unknown option --bogus"),
    ([], "expected one folder"),
    (["--tls-cert", "x", "."], "go together"),
    (["/nonexistent"], "/nonexistent"),
    (["--listen", "127.0.0.1:0", "--tls-cert", "/no.pem", "--tls-key", "/no.key", "."], "/no.pem"),
    (["--listen", "192.0.2.1:1", "."], "192.0.2.1:1"),
])
def test_wrong_command_lines_say_why(arguments, reason):
    result = subprocess.run([programs.xds_server_binary(), *arguments], capture_output=True,
                            timeout=20, check=False, cwd="/tmp")
    assert result.returncode == 1 and reason in result.stderr.decode()


def test_port_in_use_is_refused(xds):
    first = xds()
    result = subprocess.run(
        [programs.xds_server_binary(), "--listen", first.address, first.folder],
        capture_output=True, timeout=20, check=False)
    assert result.returncode == 1 and "in use" in result.stderr.decode()


def test_key_that_does_not_match_is_refused(certs, tmp_path):
    result = subprocess.run(
        [programs.xds_server_binary(), "--listen", "127.0.0.1:0", "--tls-cert", certs.cert("xds"),
         "--tls-key", certs.key("edge"), tmp_path], capture_output=True, timeout=20, check=False)
    assert result.returncode == 1 and "do not match" in result.stderr.decode()
