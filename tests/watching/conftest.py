"""A receiver of events, and the hook that posts to it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reconciler import config
from reconciler.providers.http import Http
from reconciler.watching.hooks import PATIENT, Hook, hooks_of
from tests.watching.receiving import KEY, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(found.take(self.headers, body))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}/hooks/tell-no-one"
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def webhook(receiver: Receiver) -> Iterator[Hook]:
    """The hook that posts to it."""
    with Http(lambda _seconds, _stopping: None, PATIENT) as room:
        settings = config.settle(flags={"watch.post": receiver.url})
        secrets = {"RECONCILER_WEBHOOK_SECRET": KEY}
        (found,) = hooks_of(settings, secrets, lambda: room, lambda: 1.8e9)
        yield found
