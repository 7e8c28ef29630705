"""Programs that want to talk to anybody."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator

import pytest

from tests.hostile.conftest import Place, last_line


@pytest.fixture(scope="module")
def listeners() -> Generator[dict[str, str]]:
    """What listens on the host: where each is, as Python."""
    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(socket.socket())
        udp = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        six = opened.enter_context(socket.socket(socket.AF_INET6))
        abstract = opened.enter_context(socket.socket(socket.AF_UNIX))
        name = f"kernelci-{os.urandom(8).hex()}"
        for each, address in (
            (tcp, ("127.0.0.1", 0)),
            (udp, ("127.0.0.1", 0)),
            (six, ("::1", 0)),
            (abstract, f"\0{name}"),
        ):
            each.bind(address)
        for each in (tcp, six, abstract):
            each.listen()
        yield {
            "TCP": str(tcp.getsockname()[1]),
            "UDP": str(udp.getsockname()[1]),
            "SIX": str(six.getsockname()[1]),
            "ABSTRACT": repr(f"\0{name}"),
            "ADDRESS": repr(socket.gethostbyname(socket.gethostname())),
        }


REACHED = {
    "the host's loopback": ("tried(socket.create_connection, ('127.0.0.1', TCP), 1)", {"'ECONNREFUSED'"}),
    "the host's loopback by name": ("tried(socket.create_connection, ('localhost', TCP), 1)", {"'ECONNREFUSED'"}),
    "the host's loopback, version 6": ("tried(socket.create_connection, ('::1', SIX), 1)", {"'ECONNREFUSED'", "'EADDRNOTAVAIL'"}),
    "every address of loopback": ("tried(socket.create_connection, ('127.8.8.8', TCP), 1)", {"'ECONNREFUSED'"}),
    "the host's own address": ("tried(socket.create_connection, (ADDRESS, TCP), 1)", {"'ENETUNREACH'", "'ECONNREFUSED'"}),
    "an abstract socket of the host": ("tried(socket.socket(socket.AF_UNIX).connect, ABSTRACT)", {"'ECONNREFUSED'"}),
    "the world": ("tried(socket.create_connection, ('1.1.1.1', 443), 1)", {"'ENETUNREACH'"}),
    "the world by UDP": ("tried(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b'x', ('8.8.8.8', 53))", {"'ENETUNREACH'"}),
    "the world, version 6": ("tried(socket.create_connection, ('2606:4700:4700::1111', 443), 1)", {"'ENETUNREACH'", "'EADDRNOTAVAIL'"}),
    "a cloud's metadata": ("tried(socket.create_connection, ('169.254.169.254', 80), 1)", {"'ENETUNREACH'"}),
    "a name": ("tried(socket.getaddrinfo, 'secret.example.com', 80)", {"'gaierror'"}),
    "Docker": ("tried(socket.socket(socket.AF_UNIX).connect, '/var/run/docker.sock')", {"'ENOENT'"}),
    "D-Bus": ("tried(socket.socket(socket.AF_UNIX).connect, '/run/dbus/system_bus_socket')", {"'ENOENT'"}),
    "X11": ("tried(socket.socket(socket.AF_UNIX).connect, '\\0/tmp/.X11-unix/X0')", {"'ECONNREFUSED'"}),
    "a virtual machine's host": ("tried(socket.socket, 40, socket.SOCK_STREAM)", {"'EAFNOSUPPORT'"}),
    "packets": ("tried(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)", {"'EAFNOSUPPORT'"}),
    "raw internet": ("tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)", {"'EPERM'"}),
    "netlink of the audit": ("tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 9)", {"'EAFNOSUPPORT'"}),
    "netlink of netfilter": ("tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 12)", {"'EAFNOSUPPORT'"}),
    "crypto of the kernel": ("tried(socket.socket, 38, socket.SOCK_SEQPACKET)", {"'EAFNOSUPPORT'"}),
    "bluetooth": ("tried(socket.socket, 31, socket.SOCK_RAW)", {"'EAFNOSUPPORT'"}),
    "the CAN bus": ("tried(socket.socket, 29, socket.SOCK_RAW)", {"'EAFNOSUPPORT'"}),
    "other interfaces": ("[name for _, name in socket.if_nameindex()]", {"['lo']"}),
    "a program that fetches": ("subprocess.run(['curl', '-sm1', 'http://127.0.0.1:TCP']).returncode if os.path.exists('/usr/bin/curl') else 7", {"7"}),
}  # fmt: skip


@pytest.mark.parametrize("name", [*REACHED])
async def test_nobody_is_reached(place: Place, listeners: dict[str, str], name: str):
    code, expected = REACHED[name]
    for placeholder, value in listeners.items():
        code = code.replace(placeholder, value) if placeholder != "ADDRESS" or "ADDRESS" in code else code

    assert last_line(await place.attack(code, "network")) in expected


async def test_two_sessions_do_not_meet(place: Place):
    code = """
server = socket.create_server(("127.0.0.1", 5555))
abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0meeting"); abstract.listen()
"""
    assert (await place.attack(code, "first")).status == "ok"
    assert (
        last_line(await place.attack("tried(socket.create_connection, ('127.0.0.1', 5555), 1)", "second"))
        == "'ECONNREFUSED'"
    )
    assert (
        last_line(await place.attack("tried(socket.socket(socket.AF_UNIX).connect, '\\0meeting')", "second"))
        == "'ECONNREFUSED'"
    )
