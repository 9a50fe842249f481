"""A proxy that reads PostgreSQL's messages, and cuts, swallows or holds them by rules.

One proxy stands between one replica and one database. It runs on an event loop of its own thread;
its methods may be called from any.
"""

import asyncio
import re
import socket
import struct
import threading

from .wire import CANCEL_REQUEST, PROTOCOL_3


READY = b"Z\0\0\0\5"


class Rule:
    """An action at the first message whose SQL matches.

    - `cut`: the message is not forwarded, and the connection is reset on both sides.
    - `forward`: it is forwarded up to the next Sync, and then both sides are reset.
    - `swallow`: it is forwarded, the server's answers up to the end are thrown away, and then both
      sides are reset: executed, but not answered.
    - `stall`: it is not forwarded, and the proxy delays every message from then on; nothing is
      lost.
    - `hold`: the same for this connection only.
    """

    def __init__(self, pattern, action, hit=1):
        self.pattern = re.compile(pattern, re.IGNORECASE)
        self.action = action
        self.hits_left = hit
        self.fired = threading.Event()

    def takes(self, sql):
        if self.fired.is_set() or not self.pattern.search(sql):
            return False
        self.hits_left -= 1
        if self.hits_left == 0:
            self.fired.set()
        return self.hits_left == 0


class Proxy:
    """Listens on `port` and forwards to `target`."""

    def __init__(self, name, target, loop):
        self.name = name
        self.target = target
        self._loop = loop
        self._links = set()
        self._rules = []
        self.delay_seconds = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._healed = asyncio.Event()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def arm(self, pattern, action, hit=1):
        """Adds a rule; `rule.fired` is an event."""
        rule = Rule(pattern, action, hit)
        self._rules = [*self._rules, rule]
        return rule

    def disarm(self):
        self._rules = []

    def stall(self):
        """Delays every message from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self):
        """Ends stalls, delays and rules; delayed messages are forwarded."""
        self._rules = []
        self.delay_seconds = 0.0

        def release():
            self._open.set()
            self._healed.set()
            self._healed = asyncio.Event()

        self._loop.call_soon_threadsafe(release)

    def reset_all(self):
        """Resets every open connection."""

        async def reset():
            for link in list(self._links):
                link.reset()

        self._call(reset())

    async def healed(self):
        """Returns at the next `heal`."""
        await self._healed.wait()

    async def passes(self):
        """Returns when a message may be forwarded."""
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        await self._open.wait()

    def rule_for(self, sql):
        return next((rule for rule in self._rules if rule.takes(sql)), None)

    def stall_now(self):
        self._open.clear()

    async def _accept(self, reader, writer):
        link = Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class Link:
    """A client's connection and the matching server connection."""

    def __init__(self, proxy, reader, writer):
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_writer = None
        self._statements = {}
        self._swallows = False

    async def run(self):
        try:
            await self._proxy.passes()
            server_reader, self._server_writer = await asyncio.open_connection(
                "127.0.0.1", self._proxy.target)
            pumps = [asyncio.create_task(self._to_server()),
                     asyncio.create_task(self._to_client(server_reader))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass
        finally:
            for writer in (self._writer, self._server_writer):
                if writer:
                    writer.close()

    def reset(self):
        """Sends RST to both sides; undelivered data is lost."""
        for writer in (self._writer, self._server_writer):
            if not writer:
                continue
            end = writer.transport.get_extra_info("socket")
            if end is not None and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _to_server(self):
        """Forwards message by message and applies the rules."""
        await self._startup()
        while True:
            head = await self._reader.readexactly(5)
            payload = await self._reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
            sql = self._sql(head[:1], payload)
            rule = self._proxy.rule_for(sql) if sql else None
            if rule and rule.action == "cut":
                return self.reset()
            if rule and rule.action == "stall":
                self._proxy.stall_now()
            if rule and rule.action == "hold":
                await self._proxy.healed()
            await self._proxy.passes()
            if rule and rule.action == "swallow":
                self._swallows = True
            if self._server_writer.transport.is_closing():
                return None
            self._server_writer.write(head + payload)
            if rule and rule.action == "forward":
                await self._through_sync(head[:1])
                return self.reset()
            if head[:1] in b"SQX":
                await self._server_writer.drain()

    async def _startup(self):
        while True:
            head = await self._reader.readexactly(4)
            payload = await self._reader.readexactly(struct.unpack("!i", head)[0] - 4)
            await self._proxy.passes()
            self._server_writer.write(head + payload)
            if struct.unpack("!i", payload[:4])[0] in (PROTOCOL_3, CANCEL_REQUEST):
                return

    async def _through_sync(self, kind):
        while kind not in b"SQ":
            head = await self._reader.readexactly(5)
            payload = await self._reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
            self._server_writer.write(head + payload)
            kind = head[:1]
        await self._server_writer.drain()

    def _sql(self, kind, payload):
        """The SQL that a message runs, if any."""
        if kind == b"Q":
            return payload[:-1].decode(errors="replace")
        if kind == b"P":
            name, sql, _ = payload.split(b"\0", 2)
            self._statements[name] = sql.decode(errors="replace")
        elif kind == b"B":
            return self._statements.get(payload.split(b"\0", 2)[1])
        return None

    async def _to_client(self, reader):
        tail = b""
        while chunk := await reader.read(65536):
            await self._proxy.passes()
            if self._swallows:
                # ReadyForQuery ends the server's answers to a batch.
                if READY in tail + chunk:
                    return self.reset()
                tail = chunk[-len(READY):]
                continue
            if self._writer.transport.is_closing():
                return None
            self._writer.write(chunk)
            await self._writer.drain()


def start_loop():
    """An event loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="proxies").start()
    return loop
