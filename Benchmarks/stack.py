"""The coordinator and its databases, started by `tandem dev` for the run, or existing ones."""

import json
import selectors
import signal
import subprocess
import time
from urllib.parse import urlsplit

READY_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
DATABASES = ("state", "users", "orders")


class Stack:
    """A context in which the stack runs; at its end it stops only what it started."""

    def __init__(self, tandem, attach=None, dev_arguments=()):
        self._tandem = tandem
        self._attach = attach
        self._dev_arguments = list(dev_arguments)
        self._process = None

    def __enter__(self):
        try:
            line = self._attach.read_text() if self._attach else self._start()
            self._read(line)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def _start(self):
        # Its own session, so that an interrupt from the terminal reaches only this program, which
        # then stops the stack.
        self._process = subprocess.Popen(
            [
                str(self._tandem), "dev", "--json", "--port", "0", "--no-control-points",
                *self._dev_arguments,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
        )
        received = b""
        deadline = time.monotonic() + READY_SECONDS_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in received:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise RuntimeError(f"tandem dev was not ready in {READY_SECONDS_MAX} s")
                more = self._process.stdout.read1(65536)
                if not more:
                    raise RuntimeError("tandem dev ended before it was ready")
                received += more
        return received.split(b"\n", 1)[0].decode()

    def _read(self, line):
        try:
            ready = json.loads(line)
            self.url = ready.get("url")
            names = {"state": ready["state"], **ready["participants"]}
            self.addresses = {name: address(names[name]) for name in DATABASES}
            # The database's name in each.
            self.names = {name: urlsplit(names[name]).path.strip("/") for name in DATABASES}
            pids = ready.get("pids", {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeError(f"this is not a line of `tandem dev --json`: {line}") from error
        self.postmasters = [first(pids[name]) for name in DATABASES if pids.get(name)]
        if len(self.postmasters) != len(DATABASES):
            raise RuntimeError(f"the pids of {', '.join(DATABASES)} are not among {pids}")
        self.coordinator = coordinator(pids)

    def _stop(self):
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()


def address(dsn):
    """`host:port` of a DSN such as postgresql://postgres@127.0.0.1:5432/postgres."""
    parts = urlsplit(dsn)
    return f"{parts.hostname}:{parts.port or 5432}"


def first(value):
    """A pid, or the first of several."""
    return value[0] if isinstance(value, list) else value


def coordinator(pids):
    """The serving process's pid, by its name, or as the only one that is not a database's."""
    for name in ("coordinator", "coordinators", "replicas", "server", "serve", "tandem"):
        if pids.get(name):
            return first(pids[name])
    others = [pid for name, pid in pids.items() if name not in DATABASES and name != "dev"]
    return first(others[0]) if len(others) == 1 else None
