"""Measures several stacks in turns, so that what else the machine does falls on all of them."""

import statistics
import sys

from measurement import Load, measure

SHOWN = (
    ("transactionsPerSecond", "tx/s"), ("p50Milliseconds", "p50"), ("p99Milliseconds", "p99"),
    ("coordinatorCPUMicroseconds", "coord µs"), ("postgresCPUMicroseconds", "pg µs"),
)


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--in-flight", type=lambda text: [int(part) for part in text.split(",")],
                        default=[1, 32], help="loads (1,32)")


def parse(parser):
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("at least two rounds are needed")
    options.flushes, options.idempotency_keys, options.connections = False, False, None
    return options


def take(limit, stacks, options):
    """The figures of each round by load and stack; every other round is in the other order."""
    taken = {}
    for number in range(options.rounds):
        order = list(stacks.items())
        for in_flight in options.in_flight:
            for name, stack in order if number % 2 else reversed(order):
                one = measure(limit, stack, options, number, Load("http", in_flight))
                taken.setdefault((in_flight, name), []).append(one.figures)
        print(f"\rround {number + 1} of {options.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return taken


def show(taken, in_flight, new, old):
    """Prints the ratios of one stack to another within the rounds: the median, and the quartiles."""
    pairs = list(zip(taken[in_flight, old], taken[in_flight, new]))
    for key, name in SHOWN:
        ratios = [figures[key] / before[key] for before, figures in pairs if before.get(key)]
        if len(ratios) > 1:
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"{name} at {in_flight} in flight, {new} to {old}: {middle:.3f} "
                  f"({low:.3f} to {high:.3f})")
