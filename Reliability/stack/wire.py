"""As much of PostgreSQL's protocol as the harness needs: messages, and a plain client.

A client of our own keeps the checker independent of the library that the coordinator uses.
"""

import socket
import struct

PROTOCOL_3 = 196608
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


class ServerError(Exception):
    """An ErrorResponse."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.sqlstate = fields.get("C")


def message(kind, payload=b""):
    """A typed message; `kind` is one byte."""
    return kind + struct.pack("!i", len(payload) + 4) + payload


def startup(**parameters):
    """The startup packet."""
    text = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items())
    payload = struct.pack("!i", PROTOCOL_3) + text + b"\0"
    return struct.pack("!i", len(payload) + 4) + payload


def fields(payload):
    """The fields of an error or notice, by their letter."""
    return {part[:1].decode(): part[1:].decode() for part in payload.split(b"\0") if part}


class Session:
    """One connection of user postgres, without a password, for simple queries."""

    def __init__(self, port, timeout=10, database="postgres"):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._received = b""
        self._socket.sendall(startup(user="postgres", database=database,
                                     application_name="reliability"))
        self._until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def query(self, sql):
        """The rows of the last statement, as texts and None."""
        self._socket.sendall(message(b"Q", sql.encode() + b"\0"))
        return self._until_ready()

    def value(self, sql):
        """The first field of the first row."""
        return self.query(sql)[0][0]

    def _until_ready(self):
        rows, error = [], None
        while True:
            kind, payload = self._message()
            if kind == b"D":
                rows.append(self._row(payload))
            elif kind == b"T":
                rows = []
            elif kind == b"E":
                error = ServerError(fields(payload))
            elif kind == b"R" and struct.unpack("!i", payload[:4])[0] != 0:
                raise ServerError({"M": "the server wants a password"})
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    @staticmethod
    def _row(payload):
        row, at = [], 2
        for _ in range(struct.unpack("!h", payload[:2])[0]):
            length = struct.unpack("!i", payload[at:at + 4])[0]
            at += 4
            row.append(None if length < 0 else payload[at:at + length].decode())
            at += max(length, 0)
        return row

    def _message(self):
        head = self._exactly(5)
        return head[:1], self._exactly(struct.unpack("!i", head[1:])[0] - 4)

    def _exactly(self, count):
        while len(self._received) < count:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self._received += more
        head, self._received = self._received[:count], self._received[count:]
        return head
