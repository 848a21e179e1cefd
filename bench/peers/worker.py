"""One run of one engine in a process of its own; prints one JSON line.

A process per run keeps the peak of memory and the thread pools of one engine
out of the figures of another.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from dataset import METRICS, Dataset, load
from engines import ENGINES, Engine

SWEEP = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
ENOUGH_RECALL = 0.997
MIN_CALLS = 3
MIN_SECONDS = 0.5
JIFFIES_PER_SECOND = os.sysconf("SC_CLK_TCK")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=sorted(ENGINES))
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--metric", choices=METRICS)
    parser.add_argument("--k", required=True, type=int)
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--folder", required=True, type=Path, help="where the index is kept")
    parser.add_argument("--reuse", action="store_true", help="load the index, do not build")
    return parser.parse_args()


def main() -> None:
    args = parse()
    data = load(args.data, args.metric)
    engine = ENGINES[args.peer](data, args.threads, args.folder)
    result: dict[str, Any] = {"peer": args.peer, "data": data.name, "load1": os.getloadavg()[0]}
    meter = Meter()
    if args.reuse:
        engine.load()
    else:
        result |= build(engine, data)
    result["points"] = sweep(engine, data, args.k)
    result |= meter.read()
    result["config"] = engine.config()
    print(json.dumps(result), flush=True)


def build(engine: Engine, data: Dataset) -> dict[str, Any]:
    for old in engine.folder.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    rows = engine.prepare(data.base)
    resident = status_bytes("VmRSS")
    ingest_s = timed(lambda: engine.ingest(rows))
    build_s = timed(lambda: engine.build(rows))
    engine.save()
    return {
        "ingest_s": round(ingest_s, 3),
        "build_s": round(build_s, 3),
        "rss_bytes": status_bytes("VmHWM"),
        "rss_data_bytes": resident,
        "disk_bytes": folder_bytes(engine.folder),
    }


def sweep(engine: Engine, data: Dataset, k: int) -> list[dict[str, float]]:
    points = []
    for ef in SWEEP:
        if ef < k:
            continue
        points.append(measure(engine, data, k, ef))
        if points[-1]["recall"] >= ENOUGH_RECALL:
            break
    return points


def measure(engine: Engine, data: Dataset, k: int, ef: int) -> dict[str, float]:
    """One warm-up call, then the median of whole-batch calls."""
    queries = engine.prepare_queries(data.queries, k, ef)
    found = engine.ids(engine.search(queries, k), k)
    seconds: list[float] = []
    cpu = time.process_time()
    while len(seconds) < MIN_CALLS or sum(seconds) < MIN_SECONDS:
        seconds.append(timed(lambda: engine.search(queries, k)))
    cpu = time.process_time() - cpu
    return {
        "ef": ef,
        "recall": round(data.recall(found, k), 5),
        "qps": round(len(data.queries) / statistics.median(seconds), 1),
        "calls": len(seconds),
        "cpu_per_wall": round(cpu / sum(seconds), 2),
    }


def timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Meter:
    """What share of the machine other processes and the host take from now on."""

    def __init__(self) -> None:
        self.jiffies = machine_jiffies()
        self.own = time.process_time()
        self.started = time.perf_counter()

    def read(self) -> dict[str, float]:
        busy, stolen = (now - then for now, then in zip(machine_jiffies(), self.jiffies))
        others = busy / JIFFIES_PER_SECOND - (time.process_time() - self.own)
        capacity = (time.perf_counter() - self.started) * (os.cpu_count() or 1)
        return {
            "others_cpu": round(max(0.0, others) / capacity, 3),
            "stolen_cpu": round(stolen / JIFFIES_PER_SECOND / capacity, 3),
        }


def machine_jiffies() -> tuple[int, int]:
    """Busy and stolen jiffies of all processors since boot."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return user + nice + system + irq + softirq, steal


def status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def folder_bytes(folder: Path) -> int:
    """Blocks in use, so that preallocated holes do not count."""
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file())


if __name__ == "__main__":
    main()
