"""Processes: started to die with the harness, found by their parents, ended by their ids."""

import os
import signal
import socket
import time
from pathlib import Path

# The kernel sends the signal when the *thread* that forked ends: processes are started by the
# main thread alone.
DYING = ["setpriv", "--pdeathsig", "KILL"]


_held = []


def free_port():
    """A port of 127.0.0.1 that stays ours as long as this process lives.

    A socket stays bound to it and never listens: a server may bind beside it, since both say
    SO_REUSEADDR, over all its restarts; nobody else gets the port.
    """
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    # Not before: with it, two of us could bind to the same port.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(holder)
    return holder.getsockname()[1]


def children(pid):
    """The direct children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(after_name[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def state(pid):
    """The kernel's letter for what the process does: `T` is stopped, `Z` a zombie, None gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return None


def is_running(pid):
    """Whether the process is there and not a zombie."""
    return state(pid) not in (None, "Z")


def send(pid, number):
    """Sends a signal; that the process has gone is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_tree(process):
    """Ends a process and its children at once, as the loss of their machine would."""
    send(process.pid, signal.SIGSTOP)
    pids = children(process.pid)
    for pid in [process.pid, *pids]:
        send(pid, signal.SIGKILL)
    process.wait()
    until(10, "the children end", lambda: not any(is_running(pid) for pid in pids))


def until(seconds, what, is_so, every=0.02):
    """Polls what other processes do; answers the seconds that it took."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(every)
    return time.monotonic() - began
