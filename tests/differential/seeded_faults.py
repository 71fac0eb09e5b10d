# SPDX-License-Identifier: Apache-2.0
"""Shows that the cases can fail: builds a copy of the tree with known faults in it, runs the cases
that are to catch them, and says which did. The same copy without the faults is the control: built and
asked in the same way, it must be equal. The product's tree is never touched.

    tools/test_python tests/differential/seeded_faults.py            builds in a temporary folder
    tools/test_python tests/differential/seeded_faults.py --check    only that each fault can be sown

Each fault is a piece of source that must be there exactly once, what takes its place, and the cases
that must turn red. Exit status 1 where a fault cannot be sown or is not caught, or the control is not
equal.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

Fault = collections.namedtuple("Fault", "what file before after cases")
FAULTS = (
    Fault("a header that is to be overwritten is appended", "src/route/header_mutation.c",
          "    return op->action == HEADER_OP_OVERWRITE_IF_EXISTS ||\n",
          "    return false && op->action == HEADER_OP_OVERWRITE_IF_EXISTS &&\n",
          ["header_mutation/append_actions"]),
    Fault("a limited request is logged with another flag",
          "filters/http/local_ratelimit/local_ratelimit.c",
          ".flag = RESPONSE_FLAG_RATE_LIMITED,", ".flag = RESPONSE_FLAG_NO_ROUTE_FOUND,",
          ["local_ratelimit/burst"]),
    Fault("the frame of trailers has another mark", "filters/http/grpc_web/grpc_web.c",
          "TRAILER_FRAME = 0x80,", "TRAILER_FRAME = 0x81,", ["grpc_web/trailers"]),
    Fault("tokens live a second longer than the skew allows, and more",
          "filters/http/jwt_authn/jwt_token.c",
          "now_s > token->expiration_s + skew_s", "now_s > token->expiration_s + 2 * skew_s",
          ["jwt_authn/times"]),
    Fault("a header of an authorisation is taken for another kind",
          "filters/http/ext_authz/ext_authz_message_config.c",
          "        return AUTHZ_HEADER_ADD_IF_ABSENT;", "        return AUTHZ_HEADER_SET;",
          ["ext_authz/grpc_allow_headers"]),
    Fault("any peer over TLS counts as the one that is asked for",
          "filters/http/rbac/rbac_engine.c",
          "    if (!rule->has_string) {\n        return true;", "    if (true) {\n        return true;",
          ["rbac/authenticated_tls"]),
    Fault("no route is answered with another status", "filters/http/router/router_reply.c",
          'make_reply(404, SLICE(""), SLICE("route_not_found")',
          'make_reply(400, SLICE(""), SLICE("route_not_found")', ["routing/no_route"]),
    Fault("a policy's retries are one fewer than it says", "src/route/retry_state.c",
          "    if (state->remaining == 0) {", "    if (state->remaining <= 1) {",
          ["upstream/retry_5xx_limit"]),
    Fault("the time that is left is not told to the origin of a retry",
          "filters/http/router/router_retry.c", "    router_timeouts_tell(router);\n", "",
          ["upstream/retry_time_left"]),
    Fault("the admin interface refuses a method with another status",
          "src/admin/admin_router.c", 'admin_answer(request, 405, "Method ");',
          'admin_answer(request, 400, "Method ");', ["admin/methods"]),
    Fault("the first layer of the runtime wins", "src/runtime/runtime.c",
          "        const struct runtime_layer *layer = runtime->layers[i - 1];",
          "        const struct runtime_layer *layer = runtime->layers[runtime->layer_count - i];",
          ["runtime/values"]),
)


def sow(tree):
    """The faults that could not be sown."""
    failed = []
    for fault in FAULTS:
        path = tree / fault.file
        text = path.read_text()
        if text.count(fault.before) != 1:
            failed.append(f"{fault.what}: {fault.file} has its source {text.count(fault.before)}x")
        path.write_text(text.replace(fault.before, fault.after))
    return failed


def copy_tree(tree):
    """What git knows of, as it is in the folder now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, names.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)


def build(tree):
    subprocess.run(["cmake", "--preset", "release"], cwd=tree, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "sallyport"], cwd=tree,
                   check=True, stdout=subprocess.DEVNULL)
    return tree / "build" / "release" / "sallyport"


def results_of(binary, folder):
    """{case: result} of the cases that the faults name."""
    report = folder / "report.json"
    wanted = [f"tests/differential/test_differential.py::test_differential[{case}]"
              for fault in FAULTS for case in fault.cases]
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no",
                    *wanted], cwd=ROOT, check=False, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, PROXY_BIN=str(binary), DIFFERENTIAL_REPORT=str(report)))
    return {case: verdict["result"] for case, verdict in json.loads(report.read_text()).items()}


def check_control(tree, folder):
    results = results_of(build(tree), folder)
    wanted = [case for fault in FAULTS for case in fault.cases]
    unequal = [f"without a fault: {case} is {results.get(case)}" for case in wanted
               if results.get(case) not in ("equal", "deviating")]
    print(f"control  {len(wanted) - len(unequal)} of {len(wanted)} cases are as they should be")
    return unequal


def check_faults(tree, folder):
    problems = []
    results = results_of(build(tree), folder)
    for fault in FAULTS:
        missed = [case for case in fault.cases if results.get(case) != "different"]
        print(f"{'MISSED' if missed else 'caught'}   {fault.what} ({', '.join(fault.cases)})")
        problems += [f"{fault.what}: {case} stayed as it was" for case in missed]
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        tree = folder / "tree"
        copy_tree(tree)
        problems = [] if options.check else check_control(tree, folder)
        problems += sow(tree)
        if not problems and not options.check:
            problems = check_faults(tree, folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
