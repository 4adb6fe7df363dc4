"""Stands between MLflow's client and its server, and is slow, away, or loses answers."""

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Proxy:
    """Passes requests on to a server on this machine; what it does to them may be changed at any time."""

    def __init__(self, port: int) -> None:
        self.down = False
        """Every connection ends without an answer."""
        self.delay_seconds = 0.0
        """Before each answer."""
        self.loses: Callable[[int, str], bool] = lambda number, path: False
        """Whether the answer to a request (counted from 1, with its path) is lost: the server does its work."""
        self.late_seconds = 0.0
        """So long after its answer was lost a request reaches the server."""
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(port))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(proxy, port: int) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.close_connection = True
                if proxy.down:
                    return
                proxy.requests.append(f"{self.command} {self.path}")
                lost = proxy.loses(len(proxy.requests), self.path)
                if lost and proxy.late_seconds:
                    threading.Timer(proxy.late_seconds, self.ask, [body]).start()
                    return
                status, kind, content = self.ask(body)
                time.sleep(proxy.delay_seconds)
                if not lost:
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

            def ask(self, body: bytes) -> tuple[int, str, bytes]:
                server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
                server.request(self.command, self.path, body, headers)
                reply = server.getresponse()
                found = reply.status, reply.getheader("Content-Type", ""), reply.read()
                server.close()
                return found

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing."""

        return Handler
