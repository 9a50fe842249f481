"""Loads whose transactions contend for the same rows, over HTTP and by the naive sequential way.

- `hot-pair`: every transaction adds 1 to the same row in each of two databases.
- `bank`: transfers between 1,000 accounts in two databases, with popular ones (Zipf, 0.99).
- `hot-row`: transactions on rows of their own, alone and while other clients all update one row.

Every client repeats its transaction until it commits. `limit` counts the updates of the rows in the
end, so an update that is lost or made twice is noticed.
"""

import json
import subprocess
import sys
from collections import defaultdict
from statistics import median
from typing import NamedTuple

import plots
import report
from measurement import query

# `in-order` asks the coordinator to work in the order of the request.
MODES = ("http", "in-order", "seq")
HOT_CLIENTS = 256
SAME, RANDOM = "same", "random"
# Each client of `seq` has its own session in each server, and each server a slot for each.
SETTINGS = ["--setting", "max_connections=700", "--setting", "max_prepared_transactions=400"]
HOT_PAIR_RATIO_MIN, BANK_RATIO_MIN = 0.75, 1.2
RATE_MIN, P99_MAX = 50, 1000
COLD_RATE_MIN, COLD_P99_MAX = 0.8, 2
FIGURES = (
    "transactionsPerSecond", "p50Milliseconds", "p95Milliseconds", "p99Milliseconds",
    "hotTransactionsPerSecond", "committed", "aborts", "refusals", "abortsWithRetriesLeft",
    "victims", "coordinatorCPUMicroseconds", "postgresCPUMicroseconds",
)
# A request runs again so often unless it says otherwise.
RETRIES = 10
# Transactions that lost to others and ran again; and those that did not, and could have.
VICTIMS = f"""
SELECT count(*) FILTER (WHERE retried_as IS NOT NULL),
    count(*) FILTER (WHERE retried_as IS NULL AND attempt <= {RETRIES} AND decided_at < deadline
        AND problem ~ '"/problems/deadlock"|"40P01"|"40001"')
FROM tandem.transactions WHERE decision = 'abort'
"""


class Contended(NamedTuple):
    """What is measured: the load, the order of a transaction's updates, and by whom."""

    load: str
    order: str
    clients: int
    mode: str
    hot_clients: int = 0


def loads(is_quick=False):
    """The measurements of one round, in order: every mode at one load, then the next load."""
    chosen = []
    for clients in (4, 32) if is_quick else (1, 4, 32, 256):
        # One client alone has no order to keep.
        for order in (SAME, RANDOM) if clients > 1 else (SAME,):
            chosen += [Contended("hot-pair", order, clients, mode) for mode in MODES]
    for clients in (32,) if is_quick else (1, 32, 64):
        for order in (SAME, RANDOM) if clients > 1 else (SAME,):
            chosen += [Contended("bank", order, clients, mode) for mode in ("http", "seq")]
    chosen += [Contended("hot-row", SAME, 8, mode, hot_clients)
               for mode in ("http", "seq") for hot_clients in (0, HOT_CLIENTS)]
    return chosen


def run(limit, stack, options):
    """Runs all rounds, in turns; returns the figures of each load, round by round."""
    taken = defaultdict(list)
    round_loads = loads(options.quick)
    for number in range(options.rounds):
        for index, load in enumerate(round_loads):
            progress = (f"{number * len(round_loads) + index + 1}/"
                        f"{options.rounds * len(round_loads)} {load.load} {load.order} {load.mode} "
                        f"with {load.clients}")
            print(f"\r{progress:50}", end="", file=sys.stderr, flush=True)
            taken[load].append(measure(limit, stack, options, load))
    print(file=sys.stderr)
    return taken


def measure(limit, stack, options, load):
    """The figures of one run."""
    before = victims(stack)
    command = [
        str(limit), "-m", "seq" if load.mode == "seq" else "http", "--load", load.load,
        "--order", load.order, "-c", str(load.clients), "--hot-clients", str(load.hot_clients),
        "-t", str(options.seconds), "-w", str(options.warmup),
        "--postmasters", ",".join(str(pid) for pid in stack.postmasters),
    ]
    for name, at in stack.addresses.items():
        command += [f"--{name}", at]
    if load.mode != "seq":
        command += ["--url", stack.url, "--coordinator-pid", str(stack.coordinator)]
    if load.mode == "in-order":
        command.append("--in-order")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    # Status 1 comes with figures that say why they are not reliable.
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}")
    figures = json.loads(done.stdout)
    if load.mode == "seq":
        figures["coordinatorCPUMicroseconds"] = figures.get("clientCPUMicroseconds")
    else:
        ran_again, gave_up = (new - old for new, old in zip(victims(stack), before))
        figures |= {"victims": ran_again, "abortsWithRetriesLeft": gave_up}
    return figures


def victims(stack):
    """How many transactions lost to others and ran again, and how many could have and did not."""
    return [int(count) for count in query(stack, "state", VICTIMS)[0]]


class Summary(NamedTuple):
    """One load over all rounds."""

    figures: dict
    # The spread of the rounds, as a share of the median.
    spread: float
    # Throughput as a ratio to `seq` in the same round.
    to_seq: float | None


def summarize(taken):
    """A summary of each load."""
    summaries = {}
    for load, rounds in taken.items():
        figures = {}
        for key in FIGURES:
            found = [one[key] for one in rounds if one.get(key) is not None]
            figures[key] = median(found) if found else None
        figures["abortsWithRetriesLeft"] = sum(
            one.get("abortsWithRetriesLeft", 0) for one in rounds)
        rates = [one["transactionsPerSecond"] for one in rounds]
        naive = [one["transactionsPerSecond"] for one in taken.get(load._replace(mode="seq"), [])]
        paired = [mine / other for mine, other in zip(rates, naive) if other]
        middle = median(rates)
        summaries[load] = Summary(
            figures, (max(rates) - min(rates)) / middle if middle else 0,
            median(paired) if paired else None)
    return summaries


def table(summaries):
    """Throughput, latency in ms, and per thousand commits how many were aborted and repeated."""
    header = [
        "load", "order", "clients", "mode", "commits/s", "spread", "x seq", "p50", "p99", "hot/s",
        "aborts", "refusals", "victims", "coord µs", "pg µs",
    ]
    rows = []
    for load, one in summaries.items():
        figures = one.figures

        def per_thousand(key):
            count = figures[key]
            return None if count is None else count / max(figures["committed"], 1) * 1000

        clients = f"{load.clients}+{load.hot_clients}" if load.hot_clients else str(load.clients)
        rows.append([
            load.load, load.order, clients, load.mode,
            report.shown(figures["transactionsPerSecond"], 0), f"{one.spread:.0%}",
            report.shown(one.to_seq, 2), report.shown(figures["p50Milliseconds"], 1),
            report.shown(figures["p99Milliseconds"], 1),
            report.shown(figures["hotTransactionsPerSecond"] if load.hot_clients else None, 0),
            report.shown(per_thousand("aborts"), 1), report.shown(per_thousand("refusals"), 1),
            report.shown(per_thousand("victims"), 1),
            report.shown(figures["coordinatorCPUMicroseconds"], 0),
            report.shown(figures["postgresCPUMicroseconds"], 0),
        ])
    return report.render(header, rows)


def targets(summaries):
    """The targets that this run can judge, one per line; `in-order` is printed without one."""
    lines = []

    def judge(what, value, bound, mode="http", **how):
        lines.append(report.judged(what, value, bound, **how) if mode == "http"
                     else f"       {what}: {value:.2f}")

    def judge_ratio(at, one, bound, mode="http"):
        what = f"throughput to seq {at}"
        if one.to_seq is None:
            lines.append(f"       {what}: no `seq` commits")
        else:
            judge(what, one.to_seq, bound, mode, at_least=True)

    for load, one in summaries.items():
        if load.mode == "seq":
            continue
        rate, p99 = one.figures["transactionsPerSecond"], tail(one.figures)
        at = f"of {load.mode}, {load.load}, {load.clients} clients, {load.order} order"
        if load.load == "hot-pair":
            if load.order == SAME and load.clients in (4, 32):
                judge_ratio(at, one, HOT_PAIR_RATIO_MIN, load.mode)
            if load.order == RANDOM:
                judge(f"commits/s {at}", rate, RATE_MIN, load.mode, at_least=True)
            if load.clients == 32:
                judge(f"p99 in ms {at}", p99, P99_MAX, load.mode)
        if load.load == "bank" and load.clients == 32:
            judge_ratio(at, one, BANK_RATIO_MIN)
        alone = summaries.get(load._replace(hot_clients=0))
        if load.hot_clients and alone:
            judge(f"throughput with a hot row to that without, {at}",
                  rate / max(alone.figures["transactionsPerSecond"], 1), COLD_RATE_MIN,
                  at_least=True)
            judge(f"p99 with a hot row to that without, {at}",
                  p99 / tail(alone.figures), COLD_P99_MAX)
    left = sum(one.figures["abortsWithRetriesLeft"] for load, one in summaries.items()
               if load.mode != "seq")
    judge("transactions aborted that had retries left", left, 0)
    return "\n".join(lines)


def tail(figures):
    """p99 in ms; without any commit it is infinite."""
    return figures["p99Milliseconds"] or float("inf")


def doubts(taken):
    """The reasons why measurements are not reliable, as sentences."""
    found = []
    for load, rounds in taken.items():
        for number, figures in enumerate(rounds, 1):
            where = (f"{load.load} of {load.mode}, {load.clients} clients, {load.order} order, "
                     f"round {number}")
            if figures.get("verify") != "ok":
                found.append(f"{where}: {figures.get('verify')}")
            if figures.get("otherAnswers"):
                other = figures.get("firstOtherAnswer", "")
                found.append(f"{where}: {figures['otherAnswers']} unexpected answers, first: {other}")
    return found


def write(summaries, path):
    """An array with one object for each load."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [load._asdict() | {key: report.rounded(value) for key, value in one.figures.items()}
            | {"ratioToSeq": report.rounded(one.to_seq), "spread": report.rounded(one.spread)}
            for load, one in summaries.items()]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def draw(summaries, folder):
    """Writes throughput and tail latency against clients; returns the paths."""
    written = []
    names = {"hot-pair": "One row in each database", "bank": "Transfers"}
    for load, order in ((load, order) for load in names for order in (SAME, RANDOM)):
        for key, up, what in (
                ("transactionsPerSecond", "commits/s", "throughput"),
                ("p99Milliseconds", "p99, ms", "p99")):
            plot = plots.Plot(f"{names[load]}, {order} order: {what}", "clients", up, True)
            for mode in MODES:
                plot.line(mode, [
                    (one.clients, summary.figures[key]) for one, summary in summaries.items()
                    # One client alone stands for both orders.
                    if (one.load, one.mode) == (load, mode) and (
                        one.order == order or one.clients == 1)])
            if plot.lines and len({x for _, points in plot.lines for x, _ in points}) > 1:
                path = folder / f"{load}-{order}-{what}.svg"
                plot.write(path)
                written.append(path)
    return written
