"""The files one measurement reads: base, queries and exact neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

L2 = "l2"
COSINE = "cosine"
METRICS = (L2, COSINE)

# Two distances this close are a tie: float rounding, not a wrong answer.
TIE_RELATIVE = 1e-5


@dataclass(frozen=True)
class Dataset:
    """base: n * d, queries: q * d, truth: q * t row numbers, nearest first."""

    name: str
    metric: str
    base: np.ndarray
    queries: np.ndarray
    truth: np.ndarray

    @property
    def dimension(self) -> int:
        return int(self.base.shape[1])

    def describe(self) -> dict[str, object]:
        return {
            "name": self.name,
            "metric": self.metric,
            "rows": int(self.base.shape[0]),
            "dimension": self.dimension,
            "queries": int(self.queries.shape[0]),
            "dtype": str(self.base.dtype),
        }

    def recall(self, ids: np.ndarray, k: int) -> float:
        """Share of answers no farther than the k-th true neighbour."""
        limits = self._distances(self.truth[:, k - 1 : k])[:, 0]
        tolerance = np.abs(limits) * TIE_RELATIVE
        hits = 0
        for row, found in enumerate(ids):
            distinct = np.unique(found[(found >= 0) & (found < len(self.base))])
            near = self._row_distances(row, distinct)
            hits += min(k, int(np.sum(near <= limits[row] + tolerance[row])))
        return hits / (k * len(ids))

    def _distances(self, ids: np.ndarray) -> np.ndarray:
        rows = [self._row_distances(row, found) for row, found in enumerate(ids)]
        return np.stack(rows)

    def _row_distances(self, row: int, ids: np.ndarray) -> np.ndarray:
        query = self.queries[row].astype(np.float64)
        points = self.base[ids].astype(np.float64)
        if self.metric == L2:
            return np.sum((points - query) ** 2, axis=1)
        norms = np.linalg.norm(points, axis=1) * np.linalg.norm(query)
        return 1.0 - (points @ query) / np.maximum(norms, 1e-30)


def load(folder: Path, metric: str | None = None) -> Dataset:
    """Reads a folder of base.*.npy, query.*.npy and groundtruth.*.npy."""
    base = _read(folder, "base")
    return Dataset(
        name=folder.resolve().name,
        metric=metric or _guess_metric(base),
        base=base,
        queries=_read(folder, "query"),
        truth=_read(folder, "groundtruth"),
    )


def _read(folder: Path, stem: str) -> np.ndarray:
    found = sorted(folder.glob(f"{stem}.*.npy"))
    if len(found) != 1:
        raise FileNotFoundError(f"{folder}: want one {stem}.*.npy, found {len(found)}")
    return np.load(found[0])


def _guess_metric(base: np.ndarray) -> str:
    """Vectors of unit length are compared by cosine, all others by L2."""
    sample = base[:1000].astype(np.float64)
    unit = np.allclose(np.linalg.norm(sample, axis=1), 1.0, atol=1e-2)
    return COSINE if unit else L2
