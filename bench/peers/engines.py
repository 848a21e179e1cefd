"""One class per engine: build, search all queries in one call, save, load.

Every engine takes the settings its own documentation names for speed at this
recall: M 16 (32 links on the ground level), ef_construction 200, build on the
threads it is given, search on one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dataset import COSINE, L2, Dataset

M = 16
EF_CONSTRUCTION = 200
UPSERT_BATCH = 2000


class Engine(ABC):
    """A peer under measurement; `prepare` and `build` run before any search."""

    package: str

    def __init__(self, data: Dataset, threads: int, folder: Path) -> None:
        self.data = data
        self.threads = threads
        self.folder = folder

    def prepare(self, rows: np.ndarray) -> Any:
        """Turns base rows or queries into the engine's input, off the clock."""
        return np.ascontiguousarray(rows, dtype=np.float32)

    def prepare_queries(self, rows: np.ndarray, k: int, ef: int) -> Any:
        """Makes the single batch call's argument and sets ef, off the clock."""
        self.set_ef(ef)
        return self.prepare(rows)

    def ingest(self, prepared: Any) -> None:
        """Stores the rows, for engines that index them in a second step."""

    @abstractmethod
    def set_ef(self, ef: int) -> None: ...

    @abstractmethod
    def build(self, prepared: Any) -> None: ...

    @abstractmethod
    def search(self, queries: Any, k: int) -> Any: ...

    def ids(self, answer: Any, k: int) -> np.ndarray:
        """The row numbers in an answer of `search`, q * k."""
        return np.asarray(answer)

    @abstractmethod
    def save(self) -> None: ...

    @abstractmethod
    def load(self) -> None: ...

    def config(self) -> dict[str, object]:
        return {
            "package": self.package,
            "version": version(self.package),
            "m": M,
            "ef_construction": EF_CONSTRUCTION,
            "build_threads": self.threads,
            "search_threads": 1,
        }


class Hnswlib(Engine):
    package = "hnswlib"

    def __init__(self, data: Dataset, threads: int, folder: Path) -> None:
        import hnswlib

        super().__init__(data, threads, folder)
        self.space = "l2" if data.metric == L2 else "ip"
        self.index = hnswlib.Index(space=self.space, dim=data.dimension)

    def set_ef(self, ef: int) -> None:
        self.index.set_ef(ef)

    def build(self, prepared: np.ndarray) -> None:
        self.index.init_index(len(prepared), M, EF_CONSTRUCTION)
        self.index.add_items(prepared, num_threads=self.threads)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        return self.index.knn_query(queries, k=k, num_threads=1)[0]

    def save(self) -> None:
        self.index.save_index(str(self.folder / "index"))

    def load(self) -> None:
        self.index.load_index(str(self.folder / "index"))

    def config(self) -> dict[str, object]:
        return super().config() | {"space": self.space, "dtype": "f32"}


class Faiss(Engine):
    package = "faiss-cpu"

    def __init__(self, data: Dataset, threads: int, folder: Path) -> None:
        import faiss

        super().__init__(data, threads, folder)
        self.faiss = faiss
        self.index = self._new_index()
        self.index.hnsw.efConstruction = EF_CONSTRUCTION

    def _metric(self) -> int:
        l2 = self.data.metric == L2
        return self.faiss.METRIC_L2 if l2 else self.faiss.METRIC_INNER_PRODUCT

    def _new_index(self) -> Any:
        return self.faiss.IndexHNSWFlat(self.data.dimension, M, self._metric())

    def set_ef(self, ef: int) -> None:
        self.index.hnsw.efSearch = ef

    def build(self, prepared: np.ndarray) -> None:
        self.faiss.omp_set_num_threads(self.threads)
        self.index.train(prepared)
        self.index.add(prepared)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        self.faiss.omp_set_num_threads(1)
        return self.index.search(queries, k)[1]

    def save(self) -> None:
        self.faiss.write_index(self.index, str(self.folder / "index"))

    def load(self) -> None:
        self.index = self.faiss.read_index(str(self.folder / "index"))

    def config(self) -> dict[str, object]:
        return super().config() | {
            "index": type(self.index).__name__,
            "dtype": "f32",
            "compiled_for": self.faiss.get_compile_options().strip(),
        }


class FaissSq8(Faiss):
    """The same graph over 8-bit codes, without rescoring."""

    def _new_index(self) -> Any:
        kind = self.faiss.ScalarQuantizer.QT_8bit
        if self.data.base.dtype == np.uint8:
            kind = self.faiss.ScalarQuantizer.QT_8bit_direct
        return self.faiss.IndexHNSWSQ(self.data.dimension, kind, M, self._metric())

    def config(self) -> dict[str, object]:
        return super().config() | {"dtype": "sq8"}


class Usearch(Engine):
    package = "usearch"
    dtype = "f32"

    def __init__(self, data: Dataset, threads: int, folder: Path) -> None:
        from usearch.index import Index

        super().__init__(data, threads, folder)
        self.index = Index(
            ndim=data.dimension,
            metric=self.metric(),
            dtype=self.dtype,
            connectivity=M,
            expansion_add=EF_CONSTRUCTION,
        )

    def metric(self) -> str:
        return "l2sq" if self.data.metric == L2 else "ip"

    def set_ef(self, ef: int) -> None:
        self.index.expansion_search = ef

    def build(self, prepared: np.ndarray) -> None:
        keys = np.arange(len(prepared), dtype=np.uint64)
        self.index.add(keys, prepared, threads=self.threads)

    def search(self, queries: np.ndarray, k: int) -> Any:
        return self.index.search(queries, k, threads=1)

    def ids(self, answer: Any, k: int) -> np.ndarray:
        return answer.keys.astype(np.int64)

    def save(self) -> None:
        self.index.save(str(self.folder / "index"))

    def load(self) -> None:
        self.index.load(str(self.folder / "index"))

    def config(self) -> dict[str, object]:
        return super().config() | {
            "metric": self.metric(),
            "dtype": self.dtype,
            "hardware": self.index.hardware_acceleration,
        }


class UsearchI8(Usearch):
    """f32 in, cast to i8 by the library."""

    dtype = "i8"

    def metric(self) -> str:
        return "l2sq" if self.data.metric == L2 else "cos"


class UsearchI8Scaled(UsearchI8):
    """i8 in, cast by the caller so that nothing of the range is wasted.

    u8 values move down by 128, which leaves L2 as it was; other vectors are
    stretched until their largest value is 127, which leaves cosine as it was.
    """

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        if self.data.base.dtype == np.uint8:
            return (rows.astype(np.int16) - 128).astype(np.int8)
        if self.data.metric != COSINE:
            raise ValueError("usearch-i8-scaled takes u8 vectors or cosine")
        wide = rows.astype(np.float32)
        peak = np.abs(wide).max(axis=1, keepdims=True)
        return np.rint(wide * (127.0 / np.maximum(peak, 1e-30))).astype(np.int8)

    def config(self) -> dict[str, object]:
        return super().config() | {"cast": "by the caller, full range"}


class QdrantEdge(Engine):
    """One segment, all of it indexed, ids are row numbers."""

    package = "qdrant-edge-py"

    def __init__(self, data: Dataset, threads: int, folder: Path) -> None:
        import qdrant_edge

        super().__init__(data, threads, folder)
        self.edge = qdrant_edge
        self.path = folder / "shard"
        self.ef = 0
        self.shard: Any = None

    def quantization(self) -> Any:
        return None

    def quantized_search(self) -> Any:
        return None

    def _config(self) -> Any:
        edge = self.edge
        l2 = self.data.metric == L2
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.data.dimension,
                distance=edge.Distance.Euclid if l2 else edge.Distance.Cosine,
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=M,
                ef_construct=EF_CONSTRUCTION,
                full_scan_threshold=10,
                max_indexing_threads=self.threads,
            ),
            quantization_config=self.quantization(),
            optimizers=edge.EdgeOptimizersConfig(
                default_segment_number=1,
                max_segment_size=100_000_000,
                indexing_threshold=100,
            ),
            max_search_threads=1,
        )

    def set_ef(self, ef: int) -> None:
        self.ef = ef

    def prepare_queries(self, rows: np.ndarray, k: int, ef: int) -> Any:
        edge = self.edge
        self.set_ef(ef)
        params = edge.SearchParams(hnsw_ef=ef, quantization=self.quantized_search())
        requests = [
            edge.QueryRequest(limit=k, query=edge.Query.Nearest(row.tolist()), params=params)
            for row in self.prepare(rows)
        ]
        return edge.QueryBatchRequest(requests)

    def ingest(self, prepared: np.ndarray) -> None:
        edge = self.edge
        self.path.mkdir(parents=True)
        self.shard = edge.EdgeShard.create(str(self.path), self._config())
        for start in range(0, len(prepared), UPSERT_BATCH):
            rows = prepared[start : start + UPSERT_BATCH]
            points = [
                edge.Point(id=start + i, vector=row.tolist(), payload={})
                for i, row in enumerate(rows)
            ]
            self.shard.update(edge.UpdateOperation.upsert_points(points))

    def build(self, prepared: np.ndarray) -> None:
        self.shard.optimize()
        indexed = self.shard.info().indexed_vectors_count
        if indexed != len(prepared):
            raise RuntimeError(f"only {indexed} of {len(prepared)} vectors are indexed")

    def search(self, queries: Any, k: int) -> Any:
        return self.shard.query_batch(queries)

    def ids(self, answer: Any, k: int) -> np.ndarray:
        table = np.full((len(answer), k), -1, dtype=np.int64)
        for row, points in enumerate(answer):
            table[row, : len(points)] = [point.id for point in points]
        return table

    def save(self) -> None:
        self.shard.flush()

    def load(self) -> None:
        self.shard = self.edge.EdgeShard.load(str(self.path), self._config())

    def config(self) -> dict[str, object]:
        info = self.shard.info()
        return super().config() | {
            "segments": info.segments_count,
            "dtype": "f32",
            "max_search_threads": 1,
        }


class QdrantEdgeI8(QdrantEdge):
    """int8 scalar quantization held in RAM, twice k rescored from f32."""

    oversampling = 2.0

    def quantization(self) -> Any:
        edge = self.edge
        return edge.ScalarQuantizationConfig(
            type=edge.ScalarType.Int8, quantile=0.99, always_ram=True
        )

    def quantized_search(self) -> Any:
        return self.edge.QuantizationSearchParams(rescore=True, oversampling=self.oversampling)

    def config(self) -> dict[str, object]:
        return super().config() | {
            "dtype": "i8 traversal, f32 rescoring",
            "oversampling": self.oversampling,
        }


ENGINES: dict[str, type[Engine]] = {
    "hnswlib": Hnswlib,
    "faiss": Faiss,
    "faiss-sq8": FaissSq8,
    "usearch-f32": Usearch,
    "usearch-i8": UsearchI8,
    "usearch-i8-scaled": UsearchI8Scaled,
    "qdrant-edge": QdrantEdge,
    "qdrant-edge-i8": QdrantEdgeI8,
}
