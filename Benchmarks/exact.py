"""A client over HTTP that makes an exact number of transactions, always with the same bytes.

`limit` runs for a time instead, so that a slower coordinator would get fewer transactions.
"""

import selectors
import socket

BODY = (
    '{{"branches":['
    '{{"participant":"users","statements":[{{'
    '"sql":"INSERT INTO users (id, name) VALUES ($1, $2)",'
    '"parameters":["{user}","Ada Lovelace"]}}]}},'
    '{{"participant":"orders","statements":[{{'
    '"sql":"INSERT INTO orders (id, user_id, amount) VALUES ($1, $2, $3)",'
    '"parameters":["{order}","{user}",99.50]}}]}}]}}')
# A coordinator that does not answer is broken, however slow it is.
ANSWER_SECONDS_MAX = 300


class Client:
    """Keep-alive connections with one request in flight on each."""

    def __init__(self, port):
        self._port = port
        self._connections = []
        self._number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self._connections:
            connection.socket.close()

    def commit(self, count, in_flight, with_keys):
        """Makes so many transactions; the next begins when one is answered."""
        while len(self._connections) < in_flight:
            self._connections.append(Connection(self._port))
        begun = answered = 0
        with selectors.DefaultSelector() as selector:
            for connection in self._connections[:min(in_flight, count)]:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send(self._request(with_keys))
                begun += 1
            while answered < count:
                ready = selector.select(ANSWER_SECONDS_MAX)
                if not ready:
                    raise RuntimeError(f"no answer came in {ANSWER_SECONDS_MAX} s")
                for key, _ in ready:
                    if not key.data.receive():
                        continue
                    answered += 1
                    if begun < count:
                        key.data.send(self._request(with_keys))
                        begun += 1

    def _request(self, with_key):
        self._number += 1
        body = BODY.format(user=f"u-000000000-{self._number:010}-0-000",
                           order=f"o-000000000-{self._number:010}-1-000")
        key = f'Idempotency-Key: "k-000000000-{self._number:010}-0-000"\r\n' if with_key else ""
        return (f"POST /v1/transactions HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{key}\r\n"
                f"{body}").encode()


class Connection:
    """One connection, and what came of an answer so far."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, request):
        self.socket.sendall(request)

    def receive(self):
        """Reads what is there; says whether the answer is complete. Expects 201."""
        received = self.socket.recv(65536)
        self._received += received
        head, separator, body = self._received.partition(b"\r\n\r\n")
        is_whole = separator and len(body) >= length(head)
        if not received or (is_whole and not head.startswith(b"HTTP/1.1 201 ")):
            raise RuntimeError(f"expected an answer with 201, got {self._received.decode()!r}")
        if is_whole:
            self._received = b""
        return is_whole


def length(head):
    """What an answer's head says of its body's length."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError(f"expected a Content-Length, got {head.decode()!r}")
