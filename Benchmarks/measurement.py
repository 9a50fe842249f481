"""One measurement: a run of the raw client `limit`, and its figures."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import rival

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from Reliability.stack.wire import ServerError, Session  # noqa: E402, F401

# `http-ack` requests the reply at the durable decision.
HTTP_MODES = ("http", "http-ack", "http-journal")
MODES = (*HTTP_MODES, "seq", "par", "group", "full", "guarded", "llr", "llrfull")
# Servers report statistics of a session within a second after it becomes idle.
STATISTICS_SECONDS = 1.2


class Measurement(NamedTuple):
    """The round, and the client's figures under the client's names."""

    round: int
    figures: dict

    @property
    def load(self):
        """The load; measurements of the same load are comparable."""
        names = ("branches", "statements", "inFlight")
        return tuple(self.figures[name] for name in names)

    @property
    def mode(self):
        return self.figures["mode"]


class Load(NamedTuple):
    """The load of a measurement."""

    mode: str
    in_flight: int
    branches: int = 2
    statements: int = 1

    @property
    def key(self):
        """The same as a measurement's `load`."""
        return (self.branches, self.statements, self.in_flight)


def measure(limit, stack, options, number, load):
    """Empties the tables, writes checkpoints, then runs a mode or a rival at one load."""
    databases = [part for name, at in stack.addresses.items() for part in (f"--{name}", at)]
    subprocess.run([str(limit), "-m", "reset", *databases], check=True)
    before = written(stack) if options.flushes else None
    if load.mode in MODES:
        figures = run_limit(limit, stack, options, load, databases)
    else:
        figures = run_rival(stack, options, load)
    if before is not None:
        figures |= flushes(before, stack, figures, options)
    return Measurement(number, figures)


def run_limit(limit, stack, options, load, databases):
    is_http = load.mode in HTTP_MODES
    command = [
        str(limit), "-m", "http" if is_http else load.mode, "-c", str(load.in_flight),
        "-t", str(options.seconds), "-w", str(options.warmup), "-b", str(load.branches),
        "-s", str(load.statements),
        "--postmasters", ",".join(str(pid) for pid in stack.postmasters), *databases,
    ]
    if is_http:
        command += http_arguments(stack, options, load.mode)
    elif options.connections:
        command += ["-p", str(options.connections)]
    # Status 1 comes with figures that say why they are not reliable.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"limit -m {load.mode} ended with status {done.returncode}")
    return json.loads(done.stdout) | {"mode": load.mode}


def run_rival(stack, options, load):
    figures, spent = rival.measure(dict(options.rivals)[load.mode], stack, options, load)
    rows = {name: int(query(stack, name, f"SELECT count(*) FROM {name}")[0][0])
            for name in ("users", "orders")}
    prepared = sum(
        int(query(stack, name, "SELECT count(*) FROM pg_prepared_xacts")[0][0]) for name in rows)
    # Its rows, and the servers' time, include the warm-up and the end.
    each = 1e6 / max(rows["users"], 1)
    return figures | {
        "mode": load.mode, "inFlight": load.in_flight, "branches": load.branches,
        "statements": load.statements, "postgresCPUMicroseconds": sum(spent) * each,
        "statePostgresCPUMicroseconds": spent[0] * each,
        "verify": rival.verify(figures, rows, prepared),
    }


def http_arguments(stack, options, mode):
    if not stack.url:
        raise RuntimeError("there is no coordinator to send requests to")
    arguments = ["--url", stack.url]
    if stack.coordinator:
        arguments += ["--coordinator-pid", str(stack.coordinator)]
    if options.idempotency_keys:
        arguments.append("--idempotency-keys")
    if mode == "http-ack":
        arguments.append("--return-at-decision")
    return arguments


def query(stack, name, sql):
    """The rows of a statement, as texts."""
    host, port = stack.addresses[name].rsplit(":", 1)
    with Session(int(port), timeout=600, database=stack.names[name]) as session:
        return session.query(sql)


def written(stack):
    """Flushes and bytes of the write-ahead log since each server's start."""
    return {
        name: [int(part) for part in query(
            stack, name, f"SELECT ({flushed(stack, name)}), wal_bytes FROM pg_stat_wal")[0]]
        for name in stack.addresses
    }


def flushed(stack, name):
    """The query of flushes: PostgreSQL 18 counts them in another view."""
    version = int(query(stack, name, "SHOW server_version_num")[0][0])
    if version < 180000:
        return "SELECT wal_sync FROM pg_stat_wal"
    return "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'"


def flushes(before, stack, figures, options):
    """Per transaction, over warm-up and measured time alike."""
    time.sleep(STATISTICS_SECONDS)
    after = written(stack)
    share = options.seconds / (options.seconds + options.warmup)
    transactions = figures["transactions"] / share
    if not transactions:
        return {}
    spent = {name: [new - old for new, old in zip(after[name], before[name])] for name in after}
    return {
        "flushesPerTransaction": sum(part[0] for part in spent.values()) / transactions,
        "stateFlushesPerTransaction": spent["state"][0] / transactions,
        "walBytesPerTransaction": sum(part[1] for part in spent.values()) / transactions,
        "stateWALBytesPerTransaction": spent["state"][1] / transactions,
    }
