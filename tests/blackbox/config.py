# SPDX-License-Identifier: Apache-2.0
"""Envoy configuration as Python dictionaries: the pieces that the tests put together."""

ROUTER = {"name": "envoy.filters.http.router", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
TYPE = "type.googleapis.com/"
LISTENER = TYPE + "envoy.config.listener.v3.Listener"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
ROUTES = TYPE + "envoy.config.route.v3.RouteConfiguration"
SECRET = TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret"
ADS = {"ads": {}, "resource_api_version": "V3"}


def typed(type_url, resource):
    return {"@type": type_url, **resource}


def address(port, host="127.0.0.1"):
    return {"socket_address": {"address": host, "port_value": port}}


def assignment(name, *ports):
    return {"cluster_name": name, "endpoints": [
        {"lb_endpoints": [{"endpoint": {"address": address(port)}} for port in ports]}]}


def http_protocol(kind, **common):
    """kind: http1 or http2."""
    explicit = {"http_protocol_options" if kind == "http1" else "http2_protocol_options": {}}
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": explicit, **({"common_http_protocol_options": common}
                                             if common else {})}}


def cluster(name, *ports, kind="http1", tls=None, **more):
    result = {"name": name, "type": "STATIC", "connect_timeout": "5s",
              "load_assignment": assignment(name, *ports),
              "typed_extension_protocol_options": http_protocol(kind)}
    if tls is not None:
        result["transport_socket"] = upstream_tls(tls)
    result.update(more)
    return result


def eds_cluster(name, kind="http1", source=None, **more):
    result = cluster(name, kind=kind, **more)
    del result["load_assignment"]
    result.update(type="EDS", eds_cluster_config={"eds_config": source or ADS})
    return result


def upstream_tls(context):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        **context}}


def downstream_tls(context):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        **context}}


def files(cert, key):
    return {"certificate_chain": {"filename": cert}, "private_key": {"filename": key}}


def inline(cert, key):
    return {"certificate_chain": {"inline_string": open(cert, encoding="ascii").read()},
            "private_key": {"inline_string": open(key, encoding="ascii").read()}}


def san(kind, exact):
    return {"san_type": kind, "matcher": {"exact": exact}}


def to(name, prefix="/", **action):
    return {"match": {"prefix": prefix}, "route": {"cluster": name, **action}}


def virtual_host(*routes, domains=("*",), name="all", **more):
    return {"name": name, "domains": list(domains), "routes": list(routes), **more}


def routes(name, *hosts, **more):
    return {"name": name, "virtual_hosts": list(hosts), **more}


def manager(*hosts, rds=None, **more):
    """The HTTP connection manager as a network filter: inline routes, or those of `rds`."""
    config = {"@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3."
                              "HttpConnectionManager",
              "stat_prefix": "ingress", "http_filters": [ROUTER]}
    if rds:
        config["rds"] = {"route_config_name": rds, "config_source": ADS}
    else:
        config["route_config"] = routes("local", *hosts)
    config.update(more)
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def listener(*filters, name="main", port=0, tls=None, **more):
    chain = {"filters": list(filters)}
    if tls:
        chain["transport_socket"] = downstream_tls(tls)
    return {"name": name, "address": address(port), "filter_chains": [chain], **more}


def static(listeners=(), clusters=(), **more):
    return {"static_resources": {"listeners": list(listeners), "clusters": list(clusters)}, **more}


def simple(port, *listener_filters, kind="http1", **more):
    """One listener, one cluster, everything forwarded."""
    del listener_filters
    return static([listener(manager(virtual_host(to("up"))))], [cluster("up", port, kind=kind)],
                  **more)


def with_ads(xds_port, delta=False, tls=None, node="edge", clusters=()):
    """A bootstrap that has everything else from the management server."""
    return {
        "node": {"id": node, "cluster": "edge"},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC" if delta else "GRPC",
                           "transport_api_version": "V3",
                           "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
            "cds_config": ADS, "lds_config": ADS},
        "static_resources": {"clusters": [
            cluster("xds", xds_port, kind="http2", tls=tls), *clusters]},
    }
