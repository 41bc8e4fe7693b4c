"""What a service manager hears."""

import socket
from pathlib import Path

from reconciler.watching.systemd import Systemd


def test_it_hears_that_the_service_is_ready_lives_and_leaves(tmp_path: Path) -> None:
    """Ready, alive twice in the time that it grants and no oftener, reloading, stopping: to its socket."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(0.0)
    now = [100.0]
    told = Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}, lambda: now[0])
    told.ready("watching w")
    for _ in range(61):
        told.alive()
        now[0] += 1.0
    told.reloading()
    told.stopping()

    messages = []
    try:
        while True:
            messages.append(heard.recv(4096).decode())
    except BlockingIOError:
        heard.close()
    assert messages == [
        "READY=1\nSTATUS=watching w",
        *["WATCHDOG=1"] * 5,
        "RELOADING=1\nMONOTONIC_USEC=161000000",
        "STOPPING=1",
    ]


def test_without_a_manager_nothing_is_sent() -> None:
    """No socket, one that is gone, a number that is none: nothing happens, and nothing is raised."""
    for environment in (
        {},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "x"},
        {"NOTIFY_SOCKET": "vsock:2:1"},
    ):
        told = Systemd(environment, lambda: 0.0)
        told.ready("")
        told.alive()
        told.stopping()
