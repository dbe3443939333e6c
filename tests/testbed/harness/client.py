"""Requests in flight: non-blocking TCP connections, one per request, on one epoll.

Written on sockets and not on an HTTP library, because a client that shares a core with the server
it measures must cost next to nothing, and because each way of failing has to be told apart.
"""

import errno
import select
import socket
import time
from collections.abc import Callable

CONNECT_FAILED = 1
WRITE_FAILED = 2
RESET = 3
CLOSED_WITHOUT_ANSWER = 4
PATIENCE_OVER = 6
"""Statuses of a request that got no HTTP status; the numbers are those of the recordings."""

_HEAD_END = b"\r\n\r\n"
_UNDER_WAY = (0, errno.EINPROGRESS)


class Exchange:
    """One request and its answer."""

    __slots__ = ("answer", "due", "key", "payload", "sent", "socket")

    def __init__(self, key: int, payload: bytes, due: float) -> None:
        self.key = key
        self.payload = payload
        self.due = due
        """The instant latency counts from, on the monotonic clock."""
        self.answer = b""
        self.sent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def status(self) -> int:
        """The HTTP status of a complete answer."""
        return int(self.answer[9:12])

    def body(self) -> bytes:
        """The body of a complete answer."""
        return self.answer.partition(_HEAD_END)[2]

    def is_complete(self) -> bool:
        """Whether the last byte is here, as far as the bytes themselves can say."""
        head, found, body = self.answer.partition(_HEAD_END)
        if not found:
            return False
        lowered = head.lower()
        _, found, rest = lowered.partition(b"content-length:")
        if found:
            return len(body) >= int(rest.split(b"\r\n", 1)[0])
        return b"chunked" in lowered and body.endswith(b"0" + _HEAD_END)


Finish = Callable[[Exchange, int, float], None]
"""Called once for each exchange: with its status and the monotonic instant it ended at."""


class Exchanges:
    """All exchanges in flight with one address."""

    def __init__(self, address: tuple[str, int], finish: Finish) -> None:
        self._address = address
        self._finish = finish
        self._epoll = select.epoll()
        self._open: dict[int, Exchange] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, key: int, payload: bytes, due: float) -> None:
        """Connects and sends as far as that goes without waiting; never blocks."""
        exchange = Exchange(key, payload, due)
        descriptor = exchange.socket.fileno()
        self._open[descriptor] = exchange
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLOUT)
        if exchange.socket.connect_ex(self._address) not in _UNDER_WAY:
            self._end(exchange, CONNECT_FAILED)
            return
        # On the loopback the handshake is over by now unless the server's queue is full, which
        # saves the wake-up that would say so.
        self._send(exchange)

    def wait(self, seconds: float) -> None:
        """Handles what has happened, or waits up to `seconds` for something to happen.

        `select` on the epoll descriptor waits to the microsecond, where `epoll_wait` rounds up to
        a millisecond.
        """
        if seconds > 0.0:
            select.select([self._epoll.fileno()], [], [], seconds)
        for descriptor, events in self._epoll.poll(0):
            exchange = self._open.get(descriptor)
            if exchange is not None:
                self._step(exchange, events)

    def give_up(self, exchange: Exchange) -> None:
        """Ends an exchange whose client is out of patience; the server is not told more."""
        self._end(exchange, PATIENCE_OVER)

    def oldest(self) -> Exchange | None:
        """The exchange begun longest ago of those in flight."""
        return next(iter(self._open.values()), None)

    def close(self) -> None:
        """Drops whatever is still in flight."""
        for exchange in self._open.values():
            exchange.socket.close()
        self._open.clear()
        self._epoll.close()

    def _step(self, exchange: Exchange, events: int) -> None:
        if not exchange.sent:
            failure = exchange.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                self._end(exchange, CONNECT_FAILED)
                return
            self._send(exchange)
        elif events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._receive(exchange)

    def _send(self, exchange: Exchange) -> None:
        """A request fits any socket buffer, so it is sent whole or, so far, not at all."""
        try:
            exchange.socket.send(exchange.payload)
        except BlockingIOError:
            return
        except (ConnectionRefusedError, TimeoutError):
            self._end(exchange, CONNECT_FAILED)
            return
        except OSError:
            self._end(exchange, WRITE_FAILED)
            return
        exchange.sent = True
        self._epoll.modify(exchange.socket.fileno(), select.EPOLLIN)

    def _receive(self, exchange: Exchange) -> None:
        try:
            received = exchange.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._end(exchange, RESET)
            return
        exchange.answer += received
        if exchange.is_complete():
            self._end(exchange, exchange.status())
        elif not received:
            self._end(exchange, CLOSED_WITHOUT_ANSWER)

    def _end(self, exchange: Exchange, status: int) -> None:
        ended = time.monotonic()
        del self._open[exchange.socket.fileno()]
        exchange.socket.close()
        self._finish(exchange, status, ended)


def payload(segments: str, empty_queries: int = 0) -> bytes:
    """The bytes of a request; it asks the server to close, as its connection is its own."""
    more = f"&empty_queries={empty_queries}" if empty_queries else ""
    lines = (
        f"GET /work?segments={segments}{more} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")
