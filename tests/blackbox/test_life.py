# SPDX-License-Identifier: Apache-2.0
"""The end of a proxy's life, and its log files."""

import http.client
import signal
import socket

import h2.config
import h2.connection
import hyperframe.frame
import pytest

import config
import programs

ACCESS_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"


@pytest.fixture
def started(proxy, echo, tmp_path):
    upstream = echo()
    log = {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": config.TYPE + ACCESS_LOG, "path": str(tmp_path / "access.log"),
        "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)%\n"}}}}
    made = proxy(config.static(
        [config.listener(config.manager(config.virtual_host(config.to("up", timeout="0s")),
                                        access_log=[log], drain_timeout="0.2s"))],
        [config.cluster("up", upstream.port)]),
        "--drain-time-s", "10", "--file-flush-interval-msec", "50", "--concurrency", "1")
    made.upstream = upstream
    made.main = made.port()
    return made


def needs_drain(is_envoy):
    if is_envoy:
        pytest.skip("Envoy ends at once on SIGTERM; draining there is the admin's affair")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_lets_requests_finish_and_exits_0(started, is_envoy, number):
    needs_drain(is_envoy)
    idle = socket.create_connection(("127.0.0.1", started.main), 20)
    connection = http.client.HTTPConnection("127.0.0.1", started.main, timeout=20)
    connection.request("GET", "/do/hold/x")
    programs.wait_until(lambda: started.upstream.held == 1, "held")
    started.signal(number)
    programs.wait_until(lambda: "DRAINING" in started.get_admin("/ready")[1], "draining")
    assert started.returncode is None
    # The one worker knows of it as well, once it has closed what does nothing.
    assert idle.recv(1) == b""
    started.upstream.release()
    response = connection.getresponse()
    assert response.status == 200 and response.read() == b"released x"
    assert response.getheader("connection") == "close"
    assert started.wait() == 0


def test_idle_proxy_ends_at_once_with_0(started):
    started.signal(signal.SIGTERM)
    assert started.wait(10) == 0


def test_second_signal_ends_at_once(started, is_envoy):
    needs_drain(is_envoy)
    connection = http.client.HTTPConnection("127.0.0.1", started.main, timeout=20)
    connection.request("GET", "/do/hold/x")
    programs.wait_until(lambda: started.upstream.held == 1, "held")
    started.signal(signal.SIGTERM)
    programs.wait_until(lambda: "DRAINING" in started.get_admin("/ready")[1], "draining")
    started.signal(signal.SIGTERM)
    started.wait(5)
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()


def test_quitquitquit(started):
    assert started.get_admin("/quitquitquit", "POST")[0] == 200
    assert started.wait(10) == 0


def read_frames(connection, wanted):
    """Frames until one that is `wanted`; h2 itself takes nothing after a GOAWAY."""
    seen, left = [], b""
    while not any(wanted(frame) for frame in seen):
        data = connection.recv(65536)
        if not data:
            break
        left += data
        while len(left) >= 9:
            frame, length = hyperframe.frame.Frame.parse_frame_header(memoryview(left[:9]))
            if len(left) < 9 + length:
                break
            frame.parse_body(memoryview(left[9:9 + length]))
            left = left[9 + length:]
            seen.append(frame)
    return seen


def test_http2_gets_goaway_and_its_streams_finish(started, is_envoy):
    needs_drain(is_envoy)
    with programs.connect(started.main) as connection:
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        client.send_headers(1, [(":method", "GET"), (":path", "/do/hold/y"), (":scheme", "http"),
                                (":authority", "a")], end_stream=True)
        connection.sendall(client.data_to_send())
        programs.wait_until(lambda: started.upstream.held == 1, "held")
        started.signal(signal.SIGTERM)
        frames = read_frames(connection, lambda frame: isinstance(
            frame, hyperframe.frame.GoAwayFrame))
        assert isinstance(frames[-1], hyperframe.frame.GoAwayFrame)
        assert frames[-1].error_code == 0
        started.upstream.release()
        frames = read_frames(connection, lambda frame: "END_STREAM" in frame.flags)
        body = b"".join(frame.data for frame in frames
                        if isinstance(frame, hyperframe.frame.DataFrame))
        assert body == b"released y"
    assert started.wait() == 0


def test_no_new_connections_while_draining_ends(started, is_envoy):
    needs_drain(is_envoy)
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", started.main), 1)


def test_sigusr1_reopens_the_access_log(started, tmp_path, curl):
    url = f"http://127.0.0.1:{started.main}"
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    curl(url + "/one")
    programs.wait_until(lambda: log.exists() and "/one" in log.read_text(), "the first line")
    log.rename(rotated)
    started.signal(signal.SIGUSR1)
    programs.wait_until(log.exists, "a new file")
    curl(url + "/two")
    programs.wait_until(lambda: "/two" in log.read_text(), "the second line")
    assert "/two" not in rotated.read_text() and "/one" not in log.read_text()
