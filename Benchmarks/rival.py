"""External programs that do the same work, measured in the same rounds as the project's modes.

What a rival is given and what it prints is in docs/PERFORMANCE.md.
"""

import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path

NEEDED = (
    "transactions", "transactionsPerSecond", "p50Milliseconds", "p95Milliseconds",
    "p99Milliseconds",
)
# By rival and mode of the coordinator: times the rival's throughput, by transactions in flight.
TARGETS = {
    "gosql2pc": {"http": {8: 1.2, 32: 1.5}, "http-journal": {32: 2.2}},
    "dtm": {"http": {8: 20, 32: 30}},
}
SETTLING_SECONDS = 0.1
SETTLING_READINGS_MAX = 30
NAME = re.compile(r"(?!http)[A-Za-z0-9][A-Za-z0-9.-]*")


def named(text):
    """An argument type: NAME=PROGRAM."""
    name, _, program = text.partition("=")
    if not NAME.fullmatch(name) or not program:
        raise argparse.ArgumentTypeError(f"not NAME=PROGRAM, or a mode's name: {text}")
    if not os.access(program, os.X_OK):
        raise argparse.ArgumentTypeError(f"no program: {program}")
    return name, Path(program).resolve()


def measure(program, stack, options, load):
    """Runs the program once at a load; returns its figures and the CPU seconds of each server."""
    command = [
        str(program), "--in-flight", str(load.in_flight), "--seconds", str(options.seconds),
        "--warmup", str(options.warmup), "--user", "postgres", "--database", stack.names["users"],
    ]
    for name, at in stack.addresses.items():
        command += [f"--{name}", at]
    before = settled_seconds(stack.postmasters)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    spent = [after - old for after, old in zip(settled_seconds(stack.postmasters), before)]
    if done.returncode:
        raise RuntimeError(f"rival {load.mode} ended with status {done.returncode}")
    return read(load.mode, done.stdout), spent


def read(name, text):
    """The figures in the one line that a rival prints."""
    try:
        figures = json.loads(text)
        missing = [key for key in NEEDED if not isinstance(figures.get(key), (int, float))]
    except (ValueError, AttributeError):
        raise RuntimeError(f"rival {name} did not print one line of JSON: {text[:200]!r}") from None
    if missing:
        raise RuntimeError(f"rival {name} printed no number for {', '.join(missing)}")
    return figures


def verify(figures, rows, prepared):
    """`ok`, or what the rival's figures do not explain in the databases."""
    if prepared:
        return f"{prepared} prepared transactions left"
    # Its transactions of the warm-up and at the end are committed as well.
    if rows["users"] != rows["orders"] or rows["users"] < figures["transactions"]:
        return (f"{rows['users']} users and {rows['orders']} orders "
                f"for {figures['transactions']} transactions")
    return "ok"


def settled_seconds(postmasters):
    """`processor_seconds`, once two readings agree.

    The rival's sessions end with it, and each passes from its own clock to its server's: a reading
    meanwhile may miss it in both.
    """
    seconds = processor_seconds(postmasters)
    for _ in range(SETTLING_READINGS_MAX):
        time.sleep(SETTLING_SECONDS)
        before, seconds = seconds, processor_seconds(postmasters)
        if seconds == before:
            break
    return seconds


def processor_seconds(postmasters):
    """CPU time of each server with its children, those that have ended among them."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = dict.fromkeys(postmasters, 0)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        # The command's name is in parentheses and may hold any character.
        fields = text.rpartition(")")[2].split()
        parent, own, reaped = int(fields[1]), fields[11:13], fields[13:15]
        if int(entry) in seconds:
            seconds[int(entry)] += sum(map(int, own + reaped)) / ticks
        elif parent in seconds:
            seconds[parent] += sum(map(int, own)) / ticks
    return [seconds[pid] for pid in postmasters]
