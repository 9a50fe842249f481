"""Medians over rounds, ratios within them, the table, the targets and the file."""

import json
from collections import defaultdict
from statistics import median
from typing import NamedTuple

import rival

FILE_KEYS = (
    "mode", "inFlight", "branches", "transactionsPerSecond", "p50Milliseconds",
    "p95Milliseconds", "p99Milliseconds", "coordinatorCPUMicroseconds", "postgresCPUMicroseconds",
    "residentMegabytes",
    # In addition to the keys that every reader may rely on.
    "statements", "peakResidentMegabytes", "statePostgresCPUMicroseconds",
    "flushesPerTransaction", "stateFlushesPerTransaction", "walBytesPerTransaction",
    "stateWALBytesPerTransaction", "commandsPerTransaction", "stateCommandsPerTransaction",
)
REFERENCES = ("full", "par", "llrfull", *rival.TARGETS)


class Summary(NamedTuple):
    """One mode at one load over all rounds."""

    mode: str
    load: tuple
    figures: dict
    # The spread of the rounds, as a share of the median.
    spread: float
    # Throughput by reference mode, as a ratio to it in the same round.
    ratios: dict


def summarize(taken):
    """Summaries in the order in which modes and loads were first measured."""
    groups = defaultdict(list)
    throughput = {}
    for one in taken:
        groups[one.load, one.mode].append(one)
        throughput[one.round, one.load, one.mode] = one.figures["transactionsPerSecond"]

    summaries = []
    for (load, mode), group in groups.items():
        figures = medians([one.figures for one in group])
        # A bare client is its own coordinator.
        figures.setdefault("coordinatorCPUMicroseconds", figures.get("clientCPUMicroseconds"))
        rates = [one.figures["transactionsPerSecond"] for one in group]
        middle = median(rates)
        ratios = {}
        for reference in REFERENCES:
            paired = [
                throughput[one.round, load, mode] / throughput[one.round, load, reference]
                for one in group
                if throughput.get((one.round, load, reference))
            ]
            if paired:
                ratios[reference] = median(paired)
        spread = (max(rates) - min(rates)) / middle if middle else 0
        summaries.append(Summary(mode, load, figures, spread, ratios))
    return summaries


def medians(rounds):
    """The median of every number; other values come from the first round."""
    result = dict(rounds[0])
    for key, value in result.items():
        if isinstance(value, (int, float)) and key not in ("inFlight", "branches", "statements"):
            found = [figures[key] for figures in rounds if figures.get(key) is not None]
            result[key] = median(found)
    if all("coordinatorCPUMicroseconds" not in figures for figures in rounds):
        # Over HTTP the client is not the coordinator, so its CPU time does not count.
        if result["mode"].startswith("http"):
            result["coordinatorCPUMicroseconds"] = None
    return result


def render(header, rows):
    """Columns of text, the first flush left, the others flush right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        rest = [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
    return "\n".join(lines)


def shown(value, decimals):
    return "-" if value is None else f"{value:,.{decimals}f}"


def table(summaries):
    """Throughput, latency in ms, CPU in µs per transaction and memory in MB, one line per mode."""
    header = [
        "mode", "in flight", "br x st", "tx/s", "spread", "x full", "x llrfull", "p50", "p95", "p99",
        "coord µs", "pg µs", "(state)", "flushes", "(state)", "cmds", "(state)", "WAL B", "MB", "peak MB",
    ]
    rows = []
    for one in summaries:
        branches, statements, in_flight = one.load
        figures = one.figures
        rows.append([
            one.mode, str(in_flight), f"{branches} x {statements}",
            shown(figures["transactionsPerSecond"], 0), f"{one.spread:.0%}",
            shown(one.ratios.get("full"), 2), shown(one.ratios.get("llrfull"), 2),
            shown(figures["p50Milliseconds"], 2), shown(figures["p95Milliseconds"], 2),
            shown(figures["p99Milliseconds"], 2),
            shown(figures["coordinatorCPUMicroseconds"], 0),
            shown(figures.get("postgresCPUMicroseconds"), 0),
            shown(figures.get("statePostgresCPUMicroseconds"), 0),
            shown(figures.get("flushesPerTransaction"), 2),
            shown(figures.get("stateFlushesPerTransaction"), 2),
            shown(figures.get("commandsPerTransaction"), 1),
            shown(figures.get("stateCommandsPerTransaction"), 1),
            shown(figures.get("walBytesPerTransaction"), 0),
            shown(figures.get("residentMegabytes"), 1),
            shown(figures.get("peakResidentMegabytes"), 1),
        ])
    return render(header, rows)


def judged(what, value, bound, at_least=False):
    """A line that says whether a target is met."""
    met = value >= bound if at_least else value <= bound
    sign = ">=" if at_least else "<="
    return f"{'met   ' if met else 'MISSED'} {what}: {value:.2f} ({sign} {bound})"


def targets(summaries):
    """The targets that this run can judge, one per line."""
    by_load = {(one.mode, one.load): one for one in summaries}
    lines = []

    def judge(*what, **how):
        lines.append(judged(*what, **how))

    for one in summaries:
        branches, statements, in_flight = one.load
        if not one.mode.startswith("http") or (branches, statements) != (2, 1):
            continue
        limit = "llrfull" if one.mode == "http-journal" else "full"
        reference = by_load.get((limit, one.load))
        at = f"of {one.mode} at {in_flight} in flight"
        if in_flight in (32, 64) and limit in one.ratios and one.mode != "http-ack":
            judge(f"throughput to {limit} {at}", one.ratios[limit], 0.75, at_least=True)
        if in_flight == 1 and reference and reference.figures["p50Milliseconds"]:
            ratio = one.figures["p50Milliseconds"] / reference.figures["p50Milliseconds"]
            judge(f"p50 to {limit} {at}", ratio, 1.25)
        cpu = one.figures["coordinatorCPUMicroseconds"]
        if in_flight in (32, 64) and cpu is not None:
            judge(f"coordinator's CPU, µs a transaction, {at}", cpu, 120)
        memory = one.figures.get("residentMegabytes")
        if in_flight == 64 and memory is not None:
            judge(f"resident megabytes {at}", memory, 40)
        for name, bounds in rival.TARGETS.items():
            bound = bounds.get(one.mode, {}).get(in_flight)
            if bound and name in one.ratios:
                judge(f"throughput to {name} {at}", one.ratios[name], bound, at_least=True)
    flatness(by_load, judge)
    return "\n".join(lines)


def flatness(by_load, judge):
    """Throughput must not drop above 32 in flight."""
    rates = {load[2]: one.figures["transactionsPerSecond"]
             for (mode, load), one in by_load.items()
             if mode == "http" and load[:2] == (2, 1) and load[2] >= 32}
    for in_flight in (256, 1024):
        if rates.get(32) and in_flight in rates:
            judge(f"throughput at {in_flight} to that at 32 in flight",
                  rates[in_flight] / rates[32], 0.85, at_least=True)


def doubts(taken):
    """The reasons why measurements are not reliable, as sentences."""
    found = []
    for one in taken:
        figures = one.figures
        where = f"{one.mode} at {figures['inFlight']} in flight, round {one.round + 1}"
        if figures.get("verify", "ok") != "ok":
            found.append(f"{where}: {figures['verify']}")
        if figures.get("otherAnswers"):
            other = figures.get("firstOtherAnswer", "")
            found.append(f"{where}: {figures['otherAnswers']} did not commit, first: {other}")
    return found


def rounded(value):
    return round(value, 3) if isinstance(value, float) else value


def write(summaries, path):
    """An array with one object for each mode and load."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{key: rounded(one.figures.get(key)) for key in FILE_KEYS} for one in summaries]
    path.write_text(json.dumps(rows, indent=2) + "\n")
