"""What a running farm offers to other users of the machine: only loopback, and nothing without a token."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest

from tests.support.services import Service

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

RAY_CALLS = (
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.JobInfoGcsService/AddJob",
    "/ray.rpc.InternalKVGcsService/InternalKVGet",
    "/ray.rpc.NodeManagerService/RequestWorkerLease",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.CoreWorkerService/PushTask",
    "/ray.rpc.CoreWorkerService/GetObjectStatus",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.RuntimeEnvService/GetOrCreateRuntimeEnv",
    "/ray.rpc.LogService/ListLogs",
    "/ray.rpc.ReporterService/GetTraceback",
    "/ray.serve.ASGIService/HandleRequest",
)
"""One or two of each service of Ray's."""
PATHS = ("/", "/metrics", "/api/v1/jobs", "/api/v1/nodes", "/-/routes", "/_stcore/host-config", "/login")


def listeners(service: Service) -> Iterator[tuple[psutil.Process, str, int]]:
    service.steady()
    for process in service.family():
        with suppress(psutil.Error):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM:
                    yield process, connection.laddr.ip, connection.laddr.port


def test_only_loopback_is_listened_on(service: Service):
    found = {(" ".join(process.cmdline())[:60], ip, port) for process, ip, port in listeners(service)}
    assert {service.options.port, service.options.dashboard_port} <= {port for _, _, port in found}
    assert not [entry for entry in found if entry[1].removeprefix("::ffff:") not in ("127.0.0.1", "::1")]


def test_no_server_of_ray_runs_that_nobody_asks(service: Service):
    service.steady()
    assert service.processes("raylet/raylet") and not service.processes(
        "dashboard/dashboard.py", "monitor.py", "log_monitor.py", "client.server"
    )


def test_no_port_answers_without_the_token(service: Service):
    refused = 0
    for port in sorted({port for _, _, port in listeners(service)}):
        if speaks_http(port):
            for path in (
                "/",
                "/metrics",
                "/api/v1/jobs",
                "/api/v1/nodes",
                "/-/routes",
                "/_stcore/host-config",
                "/login",
            ):
                assert status(port, path) in (401, 403, 404), (port, path)
            continue
        for call in RAY_CALLS:
            code = ray_answer(port, call)
            assert code in (
                grpc.StatusCode.UNAUTHENTICATED,
                grpc.StatusCode.UNIMPLEMENTED,
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
            ), (port, call, code)
            refused += code is grpc.StatusCode.UNAUTHENTICATED
    assert refused > len(RAY_CALLS)


def speaks_http(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        status(port, "/")
        return True
    return False


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def ray_answer(port: int, call: str) -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(call)(b"", timeout=2)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return, attr-defined]
    return grpc.StatusCode.OK


def test_a_stranger_can_not_join_ray(service: Service, tmp_path: Path):
    code = "import ray, sys; ray.init(sys.argv[1], namespace='x', log_to_driver=False); print(ray.nodes())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY", "FARM"))}
    stranger = subprocess.run(
        [sys.executable, "-c", code, service.state.ray_address],
        env={**environment, "HOME": str(tmp_path), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert stranger.returncode != 0 and "NodeID" not in stranger.stdout, stranger.stdout


def test_secrets_are_readable_by_their_owner_only(service: Service, outside: Path):
    home = service.settings.home
    assert home.stat().st_mode & 0o077 == 0
    for name in ("token", "ray-token"):
        assert (home / name).stat().st_mode & 0o077 == 0, name
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in (outside / "tmp").iterdir())
    secrets = [(home / name).read_text().strip() for name in ("token", "ray-token")]
    for process in service.family():
        with suppress(psutil.Error):
            assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]


def test_nothing_lies_in_the_users_home(service: Service, outside: Path):
    assert not [str(path) for path in (outside / "user").rglob("*")]
