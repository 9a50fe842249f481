"""Counts the commands of a transaction in the servers' logs.

Logging every command costs time, so it has servers of its own, and nothing else is measured there.
(`pg_stat_statements` would not do: it misses utility commands such as BEGIN that run from a cached
statement.)
"""

import argparse
import re
import tempfile
from pathlib import Path

import measurement
from stack import Stack

SECONDS = 1
IN_FLIGHT = (1, 32)
COMMAND = re.compile(rb" LOG:  (?:execute|statement)")


def add(binaries, options, loads, summaries):
    """Adds the counts to the summaries of transactions at 1 and 32 in flight."""
    short = argparse.Namespace(**vars(options) | {
        "seconds": SECONDS, "warmup": 0, "flushes": False})
    wanted = {load: None for load in loads if load.in_flight in IN_FLIGHT}
    for is_journal in (False, True):
        chosen = [load for load in wanted if (load.mode == "http-journal") == is_journal]
        if not chosen:
            continue
        with tempfile.TemporaryDirectory(prefix="tandem-commands-") as folder:
            # The servers' user needs access.
            Path(folder).chmod(0o755)
            arguments = ["--directory", folder, "--setting", "log_statement=all"]
            if is_journal:
                arguments.append("--journal")
            with Stack(binaries / "tandem", None, arguments) as stack:
                for load in chosen:
                    counts = _count(binaries / "limit", stack, short, load, Path(folder))
                    for one in summaries:
                        if (one.mode, one.load) == (load.mode, load.key):
                            one.figures.update(counts)


def _count(limit, stack, options, load, folder):
    before = _logged(stack, folder)
    transactions = measurement.measure(limit, stack, options, 0, load).figures["transactions"]
    after = _logged(stack, folder)
    if not transactions:
        return {}
    counts = {name: after[name] - before[name] for name in stack.addresses}
    return {
        "commandsPerTransaction": sum(counts.values()) / transactions,
        "stateCommandsPerTransaction": counts["state"] / transactions,
    }


def _logged(stack, folder):
    """The number of commands that each server has logged."""
    return {name: len(COMMAND.findall((folder / name / "server.log").read_bytes()))
            for name in stack.addresses}
