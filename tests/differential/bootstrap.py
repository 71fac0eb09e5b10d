# SPDX-License-Identifier: Apache-2.0
"""The bootstrap of many cases: each has a listener, route configuration and clusters of its own."""

import cases

EXTENSIONS = "type.googleapis.com/envoy.extensions."
HCM = EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager"
PROTOCOL_OPTIONS = EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions"

ADS = {"ads": {}, "resource_api_version": "V3"}

# What each access log line says, unless a case adds more with `log`.
LOG_FIELDS = {
    "code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
    "method": "%REQ(:METHOD)%", "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "authority": "%REQ(:AUTHORITY)%", "protocol": "%PROTOCOL%", "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER%", "host": "%UPSTREAM_HOST%", "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%", "termination": "%CONNECTION_TERMINATION_DETAILS%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "grpc": "%GRPC_STATUS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
}


def access_log(case, log_path):
    fields = dict(LOG_FIELDS, **case.data.get("log", {}))
    log_format = {"json_format": fields}
    if "text_log" in case.data:
        log_format = {"text_format_source": {"inline_string": case.data["text_log"]}}
    return [{"name": "envoy.access_loggers.file", "typed_config": {
        "@type": EXTENSIONS + "access_loggers.file.v3.FileAccessLog", "path": str(log_path),
        "log_format": log_format}}]


def route_config(case):
    hosts = case.data.get("virtual_hosts") or [{
        "name": "all", "domains": ["*"], "routes": case.data.get("routes") or [
            {"match": {"prefix": "/"}, "route": {"cluster": "@origin"}}]}]
    return cases.merge({"name": case.slug, "virtual_hosts": hosts},
                       case.data.get("route_config", {}))


def connection_manager(case, log_path):
    router = {"name": "envoy.filters.http.router", "typed_config": {
        "@type": EXTENSIONS + "filters.http.router.v3.Router"}}
    config = {
        "@type": HCM, "stat_prefix": case.slug, "access_log": access_log(case, log_path),
        "delayed_close_timeout": "0.05s",
        "http_filters": case.data.get("http_filters", []) + [router],
    }
    if case.over_xds and case.data["xds"].get("rds"):
        config["rds"] = {"route_config_name": case.slug, "config_source": ADS}
    else:
        config["route_config"] = route_config(case)
    return {"name": "envoy.filters.network.http_connection_manager",
            "typed_config": cases.merge(config, case.data.get("hcm", {}))}


def network_filter(case, entry, log_path):
    """A filter of `filters`: "hcm" is the connection manager, others get the access log."""
    if entry == "hcm":
        return connection_manager(case, log_path)
    return cases.merge(entry, {"typed_config": {
        "stat_prefix": case.slug, "access_log": access_log(case, log_path)}})


def downstream_tls(tls):
    return {"name": "envoy.transport_sockets.tls", "typed_config": cases.merge({
        "@type": EXTENSIONS + "transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [certificate("edge")]}}, tls)}


def certificate(name):
    return {"certificate_chain": {"filename": f"${{certs}}/{name}.pem"},
            "private_key": {"filename": f"${{certs}}/{name}.key"}}


def listener(case, log_path):
    default_chain = {"filters": case.data.get("filters", ["hcm"])}
    if "tls" in case.data:
        default_chain["transport_socket"] = downstream_tls(case.data["tls"])
    chains = []
    for chain in case.data.get("filter_chains", [default_chain]):
        chain = dict(chain)
        chain["filters"] = [network_filter(case, entry, log_path)
                            for entry in chain.get("filters", ["hcm"])]
        if "tls" in chain:
            chain["transport_socket"] = downstream_tls(chain.pop("tls"))
        chains.append(chain)
    return cases.merge({
        "name": case.slug, "stat_prefix": case.slug, "filter_chains": chains,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        case.data.get("listener", {}))


def assignment(case, name, endpoints):
    return {"cluster_name": case.cluster(name), "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": {"socket_address": {
            "address": "127.0.0.1", "port_value": f"${{port:{one}}}"}}}}
        for one in endpoints]}] if endpoints else []}


def cluster(case, name, changes=None):
    given = cases.merge(case.data.get("clusters", {}).get(name, {}), changes or {})
    endpoints = given.pop("endpoints", [name] if name in case.origins else [])
    origin = case.origins.get(name, {})
    result = {"name": case.cluster(name), "type": "STATIC", "connect_timeout": "2s",
              "load_assignment": assignment(case, name, endpoints)}
    if case.over_xds and case.data["xds"].get("eds"):
        result.update({"type": "EDS", "eds_cluster_config": {"eds_config": ADS}})
        del result["load_assignment"]
    if origin.get("protocol") == "h2":
        result["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": PROTOCOL_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {}}}}
    return cases.merge(result, given)


def xds_name(case, kind, name):
    if kind in ("clusters", "endpoints"):
        return case.cluster(name)
    if kind == "runtimes":
        return name
    return case.slug if name == "main" else f"{case.slug}-{name}"


def xds_resource(case, kind, name, spec, log_path):
    """A resource of a case over xDS, as it is without the changes of `spec`, with them."""
    if kind == "clusters":
        return cluster(case, name, spec)
    if kind == "endpoints":
        return assignment(case, name, spec) if isinstance(spec, list) else \
            cases.merge(assignment(case, name, []), spec)
    if kind in ("secrets", "runtimes"):
        return cases.merge({"name": xds_name(case, kind, name)}, spec)
    base = route_config(case) if kind == "routes" else listener(case, log_path)
    base["name"] = xds_name(case, kind, name)
    return cases.merge(base, spec or {})


def xds_world(case, changes, log_path):
    """{kind: {name: resource or None}} of `changes`, where names are the case's own."""
    return {kind: {xds_name(case, kind, name): None if spec is None else
                   xds_resource(case, kind, name, spec, log_path)
                   for name, spec in resources.items()} for kind, resources in changes.items()}


def first_world(case):
    """The changes that put all of the case in place, or what its `xds` says in `first`."""
    over = case.data["xds"]
    world = {"listeners": {"main": {}}, "clusters": {name: {} for name in case.cluster_names}}
    if over.get("rds"):
        world["routes"] = {"main": {}}
    if over.get("eds"):
        world["endpoints"] = {
            name: case.data.get("clusters", {}).get(name, {}).get("endpoints", [name])
            for name in case.cluster_names}
    return over["first"] if "first" in over else world


def xds_bootstrap(case, port):
    api = "DELTA_GRPC" if case.data["xds"].get("delta") else "GRPC"
    return {
        "node": {"id": "differential", "cluster": "edge"},
        "dynamic_resources": {
            "ads_config": {"api_type": api, "transport_api_version": "V3", "grpc_services": [
                {"envoy_grpc": {"cluster_name": "xds"}}]},
            "lds_config": ADS, "cds_config": ADS},
        "static_resources": {"clusters": [{
            "name": "xds", "type": "STATIC", "connect_timeout": "2s",
            "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {
                    "address": "127.0.0.1", "port_value": port}}}}]}]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": PROTOCOL_OPTIONS,
                    "explicit_http_config": {"http2_protocol_options": {}}}}}]}}


def build(group, variables_of, log_path_of):
    """The bootstrap of the cases; variables_of(case) has the ports of its origins."""
    static = {"listeners": [], "clusters": []}
    more = {}
    for case in group:
        variables = variables_of(case)
        static["listeners"].append(case.substitute(listener(case, log_path_of(case)), variables))
        for name in case.cluster_names:
            static["clusters"].append(case.substitute(cluster(case, name), variables))
        more = cases.merge(more, case.substitute(case.data.get("bootstrap", {}), variables))
    return cases.merge({"node": {"id": "differential", "cluster": "edge"},
                        "static_resources": static}, more)
