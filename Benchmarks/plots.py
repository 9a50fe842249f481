"""Draws plots as SVG: axes, lines and a legend."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 64, 52
COLORS = (
    "#1b6ca8", "#c8553d", "#2a9d5c", "#8a5fbf", "#b8860b", "#5a6472", "#d1495b", "#00798c",
    "#111111", "#7fb800", "#e07be0", "#3f2b96")
TICKS_MAX = 6


class Plot:
    """Lines over a linear or logarithmic axis; the vertical axis begins at 0."""

    def __init__(self, title, across, up, logarithmic=False):
        self.title, self.across, self.up = title, across, up
        self.logarithmic = logarithmic
        self.lines = []

    def line(self, name, points):
        """Adds a line of (x, y) pairs, unless it is empty."""
        points = sorted((x, y) for x, y in points if y is not None)
        if points:
            self.lines.append((name, points))

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.svg())

    def svg(self):
        xs = sorted({x for _, points in self.lines for x, _ in points})
        top = nice(max((y for _, points in self.lines for _, y in points), default=1) or 1)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            text(LEFT, 24, self.title, size=15, weight="bold"),
            text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.across, anchor="middle"),
            text(12, TOP - 18, self.up),
        ]
        parts += self._grid(xs, top)
        for index, (name, points) in enumerate(self.lines):
            color = COLORS[index % len(COLORS)]
            at = [(self._x(x, xs), self._y(y, top)) for x, y in points]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in at]
            row = TOP + 8 + 20 * index
            parts.append(
                f'<rect x="{WIDTH - RIGHT + 16}" y="{row}" width="14" height="4" fill="{color}"/>')
            parts.append(text(WIDTH - RIGHT + 36, row + 6, name))
        return "\n".join([*parts, "</svg>", ""])

    def _grid(self, xs, top):
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for step in range(TICKS_MAX):
            value = top * step / (TICKS_MAX - 1)
            y = self._y(value, top)
            parts.append(
                f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(text(LEFT - 8, y + 4, label(value, top), anchor="end"))
        for x in xs:
            at = self._x(x, xs)
            parts.append(
                f'<line x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 5}" '
                'stroke="#555555"/>')
            parts.append(text(at, bottom + 19, label(x, xs[-1]), anchor="middle"))
        return parts

    def _x(self, value, xs):
        low, high, value = (self._scaled(one) for one in (xs[0], xs[-1], value))
        share = (value - low) / (high - low) if high > low else 0.5
        return LEFT + 12 + share * (WIDTH - RIGHT - LEFT - 24)

    def _scaled(self, value):
        return math.log2(max(value, 1)) if self.logarithmic else value

    @staticmethod
    def _y(value, top):
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)


def text(x, y, content, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="#222222">{escape(content)}</text>')


def nice(value):
    """The next number that divides well into five steps."""
    scale = 10 ** math.floor(math.log10(value))
    for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10):
        if step * scale >= value:
            return step * scale
    return 10 * scale


def label(value, greatest):
    """A number on an axis that ends at `greatest`; all of them have the same unit."""
    if value == 0:
        return "0"
    if greatest >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if greatest > 10_000:
        return f"{value / 1000:g} k"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def draw(summaries, folder):
    """Writes the plots that these measurements allow; returns their paths."""
    written = []

    def save(plot, name):
        if plot.lines and len({x for _, points in plot.lines for x, _ in points}) > 1:
            plot.write(folder / name)
            written.append(folder / name)

    modes = list(dict.fromkeys(one.mode for one in summaries))
    simple = [one for one in summaries if one.load[:2] == (2, 1)]
    rate = Plot("Throughput against load", "transactions in flight", "transactions/s", True)
    median = Plot("Median latency against load", "transactions in flight", "p50, ms", True)
    tail = Plot("Tail latency against load", "transactions in flight", "p99, ms", True)
    cost = Plot("Coordinator's CPU against load", "transactions in flight", "µs/transaction", True)
    for mode in modes:
        mine = [one for one in simple if one.mode == mode]
        for plot, key in ((rate, "transactionsPerSecond"), (median, "p50Milliseconds"),
                          (tail, "p99Milliseconds"), (cost, "coordinatorCPUMicroseconds")):
            plot.line(mode, [(one.load[2], one.figures.get(key)) for one in mine])
    save(rate, "throughput.svg")
    save(median, "latency-p50.svg")
    save(tail, "latency-p99.svg")
    save(cost, "coordinator-cpu.svg")

    wide = [one for one in summaries if one.load[1] == 1 and one.load[2] == 32]
    branches = Plot("Cost against branches, 32 in flight", "branches", "µs CPU/transaction")
    for mode in modes:
        mine = [one for one in wide if one.mode == mode]
        branches.line(mode, [(one.load[0], total_cpu(one.figures)) for one in mine])
    save(branches, "branches.svg")
    return written


def total_cpu(figures):
    parts = (figures.get("coordinatorCPUMicroseconds"), figures.get("postgresCPUMicroseconds"))
    return None if None in parts else sum(parts)
