"""One measurement: the raw client `limit`, run once, and what it printed."""

import json
import subprocess
from typing import NamedTuple

MODES = ("http", "seq", "par", "group", "full", "llr", "llrfull")


class Measurement(NamedTuple):
    """The round in which it was taken, and the client's figures under the client's own names."""

    round: int
    figures: dict

    @property
    def load(self):
        """What was asked of the mode; measurements of one load are comparable."""
        names = ("branches", "statements", "inFlight")
        return tuple(self.figures[name] for name in names)

    @property
    def mode(self):
        return self.figures["mode"]


def measure(limit, stack, options, number, mode, in_flight, branches, statements):
    """Empties the tables, writes checkpoints, then runs a mode at one load."""
    databases = [part for name, at in stack.addresses.items() for part in (f"--{name}", at)]
    subprocess.run([str(limit), "-m", "reset", *databases], check=True)
    command = [
        str(limit), "-m", mode, "-c", str(in_flight), "-t", str(options.seconds),
        "-w", str(options.warmup), "-b", str(branches), "-s", str(statements),
        "--postmasters", ",".join(str(pid) for pid in stack.postmasters), *databases,
    ]
    if mode == "http":
        if not stack.url:
            raise RuntimeError("there is no coordinator to send requests to")
        command += ["--url", stack.url]
        if stack.coordinator:
            command += ["--coordinator-pid", str(stack.coordinator)]
        if options.idempotency_keys:
            command.append("--idempotency-keys")
    elif options.connections:
        command += ["-p", str(options.connections)]
    # Status 1 still comes with figures, and says in them why they cannot be trusted.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"limit -m {mode} ended with status {done.returncode}")
    return Measurement(number, json.loads(done.stdout))
