# SPDX-License-Identifier: Apache-2.0
"""The proxy fed by a management server: tools/xds_server and go-control-plane, both variants."""

import threading

import pytest

import config
import peers
import programs


class Load:
    """Requests without a pause on kept connections, until stopped; counts what was not a 200."""

    def __init__(self, port, path="/", tls_context=None):
        self.port, self.path, self.tls_context = port, path, tls_context
        self.good, self.bad, self.is_over = 0, [], False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def connect(self):
        import http.client  # pylint: disable=import-outside-toplevel
        if self.tls_context:
            return http.client.HTTPSConnection("localhost", self.port, timeout=20,
                                               context=self.tls_context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def work(self):
        connection, on_this = self.connect(), 0
        while not self.is_over:
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                response.read()
                with self.lock:
                    if response.status == 200:
                        self.good += 1
                    else:
                        self.bad.append(response.status)
                on_this += 1
                if on_this == 20:  # new connections as well: they see rotated certificates
                    connection.close()
                    connection, on_this = self.connect(), 0
            except OSError as error:
                with self.lock:
                    self.bad.append(repr(error))
                connection.close()
                connection, on_this = self.connect(), 0

    def more(self, count=200):
        wanted = self.good + len(self.bad) + count
        programs.wait_until(lambda: self.good + len(self.bad) >= wanted, f"{count} more requests")

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(25)
        assert not self.bad, f"{len(self.bad)} of {self.good + len(self.bad)}: {self.bad[:5]}"


def world(port, route_cluster="up", name="up", **cluster_options):
    """One listener with RDS, one EDS cluster."""
    return [
        config.typed(config.LISTENER, config.listener(config.manager(rds="main"))),
        config.typed(config.ROUTES, config.routes("main", config.virtual_host(
            config.to(route_cluster)))),
        config.typed(config.CLUSTER, config.eds_cluster(name, **cluster_options)),
        config.typed(config.ENDPOINTS, config.assignment(name, port)),
    ]


class FileControl:
    """xds_server with one file."""

    def __init__(self, run, folder, certs):
        self.server = run.xds_server(folder, "--tls-cert", certs.cert("xds"), "--tls-key",
                                     certs.key("xds"), "--client-ca", certs.ca)
        self.port = self.server.port

    def set(self, resources):
        self.server.write("all.json", resources)

    def replace(self, started, old, new):
        """A cluster and the route to it at once: the server sees to the order."""
        del started, old
        self.set(new)

    def wait_for_nack(self, short):
        self.server.wait_for_log(f"NACK {short}")
        return next(line for line in self.server.log.splitlines() if line.startswith("NACK"))


class GoControl:
    """go-control-plane's snapshot cache."""

    def __init__(self, run, _, certs):
        self.server = peers.GoControlPlane(run, "-cert", certs.cert("xds"), "-key",
                                           certs.key("xds"), "-client-ca", certs.ca)
        self.port = self.server.port

    def set(self, resources):
        self.server.set(resources)

    def replace(self, started, old, new):
        """A snapshot has no order of removal: make, switch, break are three of them."""
        names = {(item["@type"], item.get("name")) for item in old}
        extra = [item for item in new if item["@type"] in (config.CLUSTER, config.ENDPOINTS)]
        kept = [item for item in old if item["@type"] in (config.CLUSTER, config.ENDPOINTS)]
        clusters = len([item for item in extra if (item["@type"], item.get("name")) not in names])
        assert clusters
        added = started.stat("cluster_manager.cluster_added")
        self.set(old + extra)
        programs.wait_until(lambda: started.stat("cluster_manager.cluster_added") > added and
                            started.stat("cluster_manager.warming_clusters") == 0, "made")
        updated = started.stat("http.ingress.rds.main.update_success")
        self.set(new + kept)
        programs.wait_until(
            lambda: started.stat("http.ingress.rds.main.update_success") > updated, "switched")
        self.set(new)

    def wait_for_nack(self, short):
        del short
        self.server.program.wait_for_log("NACK")
        return next(line for line in self.server.program.log.splitlines()
                    if line.startswith("NACK"))


@pytest.fixture(params=["file", "go"])
def control(request, run, tmp_path, certs):
    kind = FileControl if request.param == "file" else GoControl
    return kind(run, tmp_path / "xds", certs)


def xds_tls(certs):
    return {"sni": "xds.test", "common_tls_context": {
        "tls_certificates": [config.files(certs.cert("edge-client"), certs.key("edge-client"))],
        "validation_context": {"trusted_ca": {"filename": certs.ca},
                               "match_typed_subject_alt_names": [config.san("DNS", "xds.test")]}}}


@pytest.fixture(params=["sotw", "delta"])
def edge(request, proxy, control, certs):
    """edge() starts the proxy as a client of the management server, over mutual TLS."""
    return lambda *options: proxy(config.with_ads(control.port, request.param == "delta",
                                                  tls=xds_tls(certs)), *options)


def test_everything_comes_from_the_management_server(edge, control, echo, curl):
    upstream = echo()
    control.set(world(upstream.port))
    started = edge()
    answer = curl(f"http://127.0.0.1:{started.port()}/x")
    assert answer.status == 200 and answer.json()["name"] == "echo"
    for name in ("cluster_manager.cds.update_success", "listener_manager.lds.update_success",
                 "cluster.up.update_success", "http.ingress.rds.main.update_success"):
        assert started.stat(name) >= 1, name
    assert started.stat("control_plane.connected_state") == 1


def test_changes_of_each_type_lose_no_request(edge, control, echo):
    one, two = echo("one"), echo("two")
    control.set(world(one.port))
    started = edge()
    load = Load(started.port())
    load.more()
    control.set(world(two.port))  # endpoints
    programs.wait_until(lambda: two.requests > 0, "the new endpoint is used")
    load.more()
    before = one.requests
    control.replace(started, world(two.port), world(one.port, route_cluster="other", name="other"))
    programs.wait_until(lambda: one.requests > before, "the new cluster is used")
    load.more()
    changed = world(one.port, route_cluster="other", name="other", connect_timeout="3s")
    control.set(changed)  # the cluster anew
    programs.wait_until(lambda: started.stat("cluster_manager.cluster_modified") +
                        started.stat("cluster_manager.cluster_updated") >= 1, "cluster changed")
    load.more()
    load.stop()
    programs.wait_until(lambda: '"up"' not in started.get_admin("/clusters?format=json")[1],
                        "the old cluster is gone")


def test_listener_comes_and_goes(edge, control, echo, curl):
    upstream = echo()
    control.set(world(upstream.port))
    started = edge()
    second = config.typed(config.LISTENER, config.listener(config.manager(rds="main"),
                                                           name="second"))
    control.set(world(upstream.port) + [second])
    port = started.port("second")
    assert curl(f"http://127.0.0.1:{port}/").status == 200
    control.set(world(upstream.port))
    programs.wait_until(lambda: "second" not in started.listeners(), "the listener is gone")
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 200


UNKNOWN_FILTER = {"name": "none.such", "typed_config": {
    "@type": config.TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "path": "/dev/null"}}


@pytest.mark.parametrize("filters,reason", [
    ([config.ROUTER, config.ROUTER], "envoy.filters.http.router"),  # the terminal one is not last
    ([UNKNOWN_FILTER, config.ROUTER], "none.such"),
])
def test_bad_resource_is_refused_by_name_and_the_rest_lives(edge, control, echo, curl,
                                                            filters, reason):
    bad = config.typed(config.LISTENER, config.listener(
        config.manager(rds="main", http_filters=filters), name="bad"))
    upstream, other = echo(), echo("other")
    control.set(world(upstream.port))
    started = edge()
    port = started.port()
    good = config.typed(config.LISTENER, config.listener(config.manager(rds="main"), name="good"))
    control.set(world(other.port) + [bad, good])
    line = control.wait_for_nack("lds")
    assert "bad" in line and reason in line, line
    assert curl(f"http://127.0.0.1:{started.port('good')}/").status == 200
    programs.wait_until(lambda: curl(f"http://127.0.0.1:{port}/").json()["name"] == "other",
                        "other types are not held up")
    assert "bad" not in started.listeners()
    assert started.stat("listener_manager.lds.update_rejected") >= 1


def test_key_that_does_not_match_is_refused(edge, control, echo, certs, curl):
    upstream = echo()
    control.set(world(upstream.port))
    started = edge()
    tls = {"common_tls_context": {"tls_certificates": [
        config.inline(certs.cert("edge"), certs.key("sidecar"))]}}
    control.set(world(upstream.port) + [config.typed(config.LISTENER, config.listener(
        config.manager(rds="main"), name="bad", tls=tls))])
    assert "bad" in control.wait_for_nack("lds")
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 200


def secrets(certs, pair):
    return [
        config.typed(config.SECRET, {"name": "server", "tls_certificate": config.inline(
            certs.cert(pair), certs.key(pair))}),
    ]


def test_server_certificate_rotates_while_requests_flow(edge, control, echo, certs):
    import ssl  # pylint: disable=import-outside-toplevel
    upstream = echo()
    tls = {"common_tls_context": {"tls_certificate_sds_secret_configs": [
        {"name": "server", "sds_config": config.ADS}]}}

    def resources(pair):
        all_but_listener = world(upstream.port)[1:]
        return [config.typed(config.LISTENER, config.listener(
            config.manager(rds="main"), tls=tls)), *all_but_listener, *secrets(certs, pair)]

    control.set(resources("edge"))
    started = edge()
    context = ssl.create_default_context(cafile=certs.ca)

    def served():
        with programs.connect(started.port()) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                return dict(item[0] for item in connection.getpeercert()["subject"])["commonName"]

    assert served() == "edge"
    load = Load(started.port(), tls_context=context)
    load.more()
    for pair in ("edge-two", "edge", "edge-two"):
        control.set(resources(pair))
        programs.wait_until(lambda wanted=pair: served() == wanted, f"{pair} is served")
        load.more()
    load.stop()


def test_lost_management_server_changes_nothing_and_is_found_again(run, proxy, echo, tmp_path,
                                                                   curl):
    one, two = echo("one"), echo("two")
    server = run.xds_server(tmp_path / "xds")
    server.write("all.json", world(one.port))
    started = proxy(config.with_ads(server.port, delta=True))
    port = started.port()
    load = Load(port)
    load.more()
    server.signal(9)
    server.wait()
    programs.wait_until(lambda: started.stat("control_plane.connected_state") == 0, "noticed")
    load.more()
    again = run.xds_server(tmp_path / "xds", "--listen", f"127.0.0.1:{server.port}")
    programs.wait_until(lambda: started.stat("control_plane.connected_state") == 1,
                        "connected again", 60)
    again.write("all.json", world(two.port))
    programs.wait_until(lambda: curl(f"http://127.0.0.1:{port}/").json()["name"] == "two",
                        "the change is there")
    load.stop()


def test_unreachable_management_server_leaves_static_traffic_alone(proxy, echo, curl):
    bootstrap = config.with_ads(1)
    bootstrap["static_resources"]["clusters"].append(config.cluster("up", echo().port))
    bootstrap["static_resources"]["listeners"] = [
        config.listener(config.manager(config.virtual_host(config.to("up"))))]
    for source in ("cds_config", "lds_config"):
        bootstrap["dynamic_resources"][source] = {**config.ADS, "initial_fetch_timeout": "0.2s"}
    started = proxy(bootstrap)
    assert curl(f"http://127.0.0.1:{started.port()}/").status == 200


def test_files_as_source(proxy, echo, tmp_path, curl):
    import json  # pylint: disable=import-outside-toplevel
    one, two = echo("one"), echo("two")

    def put(name, *resources):
        (tmp_path / f"{name}.new").write_text(json.dumps({"resources": resources}))
        (tmp_path / f"{name}.new").rename(tmp_path / name)

    def source(name):
        return {"path_config_source": {"path": str(tmp_path / name)}, "resource_api_version": "V3"}

    put("eds.json", config.typed(config.ENDPOINTS, config.assignment("up", one.port)))
    put("cds.json", config.typed(config.CLUSTER, config.eds_cluster("up", source=source(
        "eds.json"))))
    put("lds.json", config.typed(config.LISTENER, config.listener(config.manager(
        config.virtual_host(config.to("up"))))))
    started = proxy({"node": {"id": "edge", "cluster": "edge"}, "dynamic_resources": {
        "cds_config": source("cds.json"), "lds_config": source("lds.json")}})
    url = f"http://127.0.0.1:{started.port()}/"
    assert curl(url).json()["name"] == "one"
    put("eds.json", config.typed(config.ENDPOINTS, config.assignment("up", two.port)))
    programs.wait_until(lambda: curl(url).json()["name"] == "two", "the file's change is there")
