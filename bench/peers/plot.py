"""A recall-QPS plot as SVG: one line per peer, the scale of QPS logarithmic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 200, 48, 64
RECALL_FLOOR = 0.85
COLOURS = (
    "#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#7b4fa3",
    "#00798c", "#8d5524", "#555555", "#c2549d", "#6a994e",
)  # fmt: skip


@dataclass(frozen=True)
class Axes:
    recall_low: float
    recall_high: float
    qps_low: float
    qps_high: float

    def x(self, recall: float) -> float:
        share = (recall - self.recall_low) / (self.recall_high - self.recall_low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, qps: float) -> float:
        low, high = math.log10(self.qps_low), math.log10(self.qps_high)
        share = (math.log10(qps) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def render(summary: list[dict[str, Any]], title: str) -> str:
    """The whole document; peers without a point above the floor are left out."""
    curves = [(peer["peer"], _visible(peer["points"])) for peer in summary]
    curves = [(name, points) for name, points in curves if points]
    axes = _axes([point for _, points in curves for point in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 26, title, size=15),
        *_recall_grid(axes),
        *_qps_grid(axes),
    ]
    for order, (name, points) in enumerate(curves):
        parts.extend(_curve(axes, name, points, order))
    return "\n".join([*parts, "</svg>", ""])


def _visible(points: list[dict[str, float]]) -> list[dict[str, float]]:
    return [p for p in points if p["recall"] >= RECALL_FLOOR and p["qps"] > 0]


def _axes(points: list[dict[str, float]]) -> Axes:
    speeds = [p["qps"] for p in points] or [1.0, 10.0]
    return Axes(RECALL_FLOOR, 1.0, min(speeds) * 0.85, max(speeds) * 1.15)


def _recall_grid(axes: Axes) -> list[str]:
    parts = []
    ticks = [RECALL_FLOOR + 0.01 * step for step in range(16)]
    for order, recall in enumerate(ticks):
        x = axes.x(recall)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        if order % 2 == 0 or order == len(ticks) - 1:
            parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{recall:.2f}", anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 20, "recall@k", anchor="middle"))
    return parts


def _qps_grid(axes: Axes) -> list[str]:
    parts = []
    for power in range(0, 8):
        for digit in (1, 2, 5):
            qps = digit * 10**power
            if axes.qps_low <= qps <= axes.qps_high:
                y = axes.y(qps)
                parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
                parts.append(_text(LEFT - 8, y + 4, f"{qps:,}", anchor="end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    label = _text(0, 0, "queries per second, one thread", anchor="middle")
    parts.append(f'<g transform="translate(20 {middle:.0f}) rotate(-90)">{label}</g>')
    return parts


def _curve(axes: Axes, name: str, points: list[dict[str, float]], order: int) -> list[str]:
    colour = COLOURS[order % len(COLOURS)]
    places = [(axes.x(p["recall"]), axes.y(p["qps"])) for p in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    legend_y = TOP + 14 + order * 20
    legend_x = WIDTH - RIGHT + 20
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places),
        f'<line x1="{legend_x}" y1="{legend_y}" x2="{legend_x + 22}" y2="{legend_y}"'
        f' stroke="{colour}" stroke-width="3"/>',
        _text(legend_x + 30, legend_y + 4, name),
    ]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        ' stroke="#dddddd" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' fill="#222222">{escape(text)}</text>'
    )
