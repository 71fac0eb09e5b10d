# SPDX-License-Identifier: Apache-2.0
"""The bootstrap of many cases: each has a listener, route configuration and clusters of its own."""

import cases

EXTENSIONS = "type.googleapis.com/envoy.extensions."
HCM = EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager"
PROTOCOL_OPTIONS = EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions"

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
        "delayed_close_timeout": "0.05s", "route_config": route_config(case),
        "http_filters": case.data.get("http_filters", []) + [router],
    }
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


def cluster(case, name):
    given = dict(case.data.get("clusters", {}).get(name, {}))
    endpoints = given.pop("endpoints", [name] if name in case.origins else [])
    origin = case.origins.get(name, {})
    result = {
        "name": case.cluster(name), "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": case.cluster(name), "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {
                "address": "127.0.0.1", "port_value": f"${{port:{one}}}"}}}}
            for one in endpoints]}] if endpoints else []}}
    if origin.get("protocol") == "h2":
        result["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": PROTOCOL_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {}}}}
    return cases.merge(result, given)


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
