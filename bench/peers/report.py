"""From raw runs to medians, spreads, interpolated speeds and a table."""

from __future__ import annotations

import math
import statistics
from typing import Any, Iterable

TARGETS = (0.95, 0.99)
REFERENCE = "hnswlib"
MIB = 1024 * 1024

Run = dict[str, Any]
Points = list[dict[str, float]]


def frontier(points: Points) -> Points:
    """The points no other point beats in both recall and speed, by recall."""
    kept: Points = []
    for point in sorted(points, key=lambda p: (-p["recall"], -p["qps"])):
        if not kept or point["qps"] > kept[-1]["qps"]:
            kept.append(point)
    return kept[::-1]


def qps_at(points: Points, target: float) -> float | None:
    """Log-linear between the neighbouring points of the frontier.

    A curve that begins above the target answers with its fastest point, which
    is too low; one that ends below it has no answer.
    """
    curve = frontier(points)
    above = [p for p in curve if p["recall"] >= target]
    below = [p for p in curve if p["recall"] < target]
    if not above:
        return None
    if not below:
        return above[0]["qps"]
    left, right = below[-1], above[0]
    share = (target - left["recall"]) / (right["recall"] - left["recall"])
    low, high = math.log(left["qps"]), math.log(right["qps"])
    return math.exp(low + share * (high - low))


def spread(values: Iterable[float | None]) -> dict[str, float] | None:
    """Median, extremes and half-width in percent of the median."""
    known = [v for v in values if v is not None]
    if not known:
        return None
    middle = statistics.median(known)
    noise = (max(known) - min(known)) / 2 / middle * 100 if middle else 0.0
    return {
        "median": round(middle, 4),
        "min": min(known),
        "max": max(known),
        "noise_percent": round(noise, 1),
        "runs": len(known),
    }


def summarise(runs: list[Run]) -> list[dict[str, Any]]:
    """One entry per peer, in the order of their first run."""
    peers = dict.fromkeys(run["peer"] for run in runs)
    return [_peer(name, [r for r in runs if r["peer"] == name]) for name in peers]


def _undisturbed(runs: list[Run]) -> list[Run]:
    """Disturbed runs count only where there are no others."""
    return [run for run in runs if not run.get("disturbed")] or runs


def _peer(name: str, runs: list[Run]) -> dict[str, Any]:
    measured = _undisturbed([run for run in runs if run["points"]])
    fields = ("build_s", "ingest_s", "rss_bytes", "rss_data_bytes", "disk_bytes")
    return {
        "peer": name,
        **{field: _field_spread(field, runs) for field in fields},
        "qps_at": {
            str(target): spread(qps_at(run["points"], target) for run in measured)
            for target in TARGETS
        },
        "points": _points(measured),
        "config": next((run["config"] for run in runs if run.get("config")), {}),
        "runs_disturbed": sum(bool(run.get("disturbed")) for run in runs),
        "errors": [run["error"] for run in runs if run.get("error")],
    }


def _field_spread(field: str, runs: list[Run]) -> dict[str, float] | None:
    holding = [run for run in runs if run.get(field) is not None]
    return spread(run[field] for run in _undisturbed(holding))


def _points(runs: list[Run]) -> Points:
    by_ef: dict[float, Points] = {}
    for run in runs:
        for point in run["points"]:
            by_ef.setdefault(point["ef"], []).append(point)
    return [
        {
            "ef": ef,
            "recall": statistics.median(p["recall"] for p in points),
            "qps": statistics.median(p["qps"] for p in points),
            "qps_min": min(p["qps"] for p in points),
            "qps_max": max(p["qps"] for p in points),
        }
        for ef, points in sorted(by_ef.items())
    ]


def markdown(summary: list[dict[str, Any]]) -> str:
    """The table; ratios are to hnswlib, noise is half the range of all runs."""
    reference = next((p for p in summary if p["peer"] == REFERENCE), None)
    header = "| peer | build s | " + " | ".join(
        f"QPS @ {target} | x {REFERENCE}" for target in TARGETS
    )
    lines = [header + " | best recall | peak RSS MiB | disk MiB |"]
    lines.append("|" + "---|" * (lines[0].count("|") - 1))
    lines.extend(_row(peer, reference) for peer in summary)
    return "\n".join(lines)


def _row(peer: dict[str, Any], reference: dict[str, Any] | None) -> str:
    cells = [peer["peer"], _with_noise(peer["build_s"], "{:.1f}")]
    for target in map(str, TARGETS):
        speed = peer["qps_at"][target]
        base = reference["qps_at"][target] if reference else None
        cells.append(_with_noise(speed, "{:.0f}"))
        cells.append(f"{speed['median'] / base['median']:.2f}" if speed and base else "-")
    best = max((p["recall"] for p in peer["points"]), default=None)
    cells.append("-" if best is None else f"{best:.4f}")
    cells.extend(_mib(peer[field]) for field in ("rss_bytes", "disk_bytes"))
    return "| " + " | ".join(cells) + " |"


def _with_noise(value: dict[str, float] | None, form: str) -> str:
    if value is None:
        return "-"
    text = form.format(value["median"])
    return f"{text} +-{value['noise_percent']:.0f}%" if value["runs"] > 1 else text


def _mib(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['median'] / MIB:.0f}"
