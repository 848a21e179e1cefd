"""Runs the same call on server and local mode and compares what comes back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

RELATIVE = 1e-4
ABSOLUTE = 1e-6
EVERYTHING = 10_000
EXACT = models.SearchParams(exact=True)

Call = Callable[[QdrantClient], Any]


@dataclass
class Pair:
    """A collection that exists on both sides under one name."""

    subject: QdrantClient
    reference: QdrantClient
    name: str
    params: models.VectorParams

    def both(self, call: Call) -> tuple[Any, Any]:
        return call(self.subject), call(self.reference)

    def write(self, call: Call) -> None:
        """Applies a write to both sides; it must be complete on its return."""
        for answer in self.both(call):
            assert answer.status == models.UpdateStatus.COMPLETED, answer

    def fails(self, call: Call) -> Exception:
        """Both sides refuse, the server with a 4xx, and nothing changes."""
        before = self.dump(self.subject)
        errors = [_failure(call, client) for client in (self.subject, self.reference)]
        if isinstance(errors[0], UnexpectedResponse):
            assert 400 <= (errors[0].status_code or 0) < 500, errors[0]
        assert before == self.dump(self.subject), "a refused call changed something"
        return errors[0]

    def dump(self, client: QdrantClient) -> list[models.Record]:
        records, offset = client.scroll(
            self.name, limit=EVERYTHING, with_payload=True, with_vectors=True
        )
        assert offset is None
        return records

    def assert_same_state(self) -> None:
        assert_records(*self.both(self.dump), self.raw_directions)
        counts = self.both(lambda c: c.count(self.name, exact=True).count)
        assert counts[0] == counts[1]

    @property
    def raw_directions(self) -> bool:
        """uint8 storage keeps what was sent, local mode its unit form."""
        uint8 = self.params.datatype == models.Datatype.UINT8
        return uint8 and self.params.distance == models.Distance.COSINE

    def query(self, query: Any, **options: Any) -> list[models.ScoredPoint]:
        """Queries both sides and compares; returns the server's points."""
        found = self.subject.query_points(
            self.name, query=query, search_params=EXACT, **options
        ).points
        self.assert_answer(found, query, **options)
        return found

    def assert_answer(
        self, found: list[models.ScoredPoint], query: Any, **options: Any
    ) -> None:
        """`found` must be right for the query, ties in any order."""
        limit, offset = options.pop("limit", 10), options.pop("offset", None) or 0
        ranking = self.reference.query_points(
            self.name, query=query, limit=EVERYTHING, **options
        ).points
        assert_ranking(found, ranking, offset, limit, self.raw_directions)


def _failure(call: Call, client: QdrantClient) -> Exception:
    try:
        answer = call(client)
    except Exception as error:  # noqa: BLE001 - local mode raises what it likes
        return error
    raise AssertionError(f"was not refused, answered {answer!r}")


def close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def assert_ranking(
    found: list[models.ScoredPoint],
    ranking: list[models.ScoredPoint],
    offset: int,
    limit: int,
    raw_directions: bool = False,
) -> None:
    """Rank by rank the right score, each id with its own score and content."""
    wanted = ranking[offset : offset + limit]
    assert len(found) == len(wanted), f"{len(found)} points, want {len(wanted)}"
    assert len({point.id for point in found}) == len(found), "an id came twice"
    by_id = {point.id: point for point in ranking}
    for rank, (got, want) in enumerate(zip(found, wanted)):
        assert close(got.score, want.score), f"rank {rank}: {got.score}, want {want.score}"
        assert got.id in by_id, f"rank {rank}: {got.id} is no answer"
        twin = by_id[got.id]
        assert close(got.score, twin.score), f"{got.id}: {got.score}, want {twin.score}"
        assert_content(got, twin, raw_directions)


def assert_records(
    found: list[models.Record], wanted: list[models.Record], raw_directions: bool = False
) -> None:
    assert [r.id for r in found] == [r.id for r in wanted]
    for got, want in zip(found, wanted):
        assert_content(got, want, raw_directions)


def assert_content(got: Any, want: Any, raw_directions: bool) -> None:
    # Without a payload the server may answer null, {} or nothing at all.
    assert (got.payload or {}) == (want.payload or {}), f"payload of {got.id}"
    assert (got.vector is None) == (want.vector is None), f"vector of {got.id}"
    if got.vector is not None:
        assert_vector(got, want, raw_directions)


def assert_vector(got: Any, want: Any, raw_directions: bool) -> None:
    left, right = np.asarray(got.vector, float), np.asarray(want.vector, float)
    assert left.shape == right.shape, f"vector of {got.id}"
    if raw_directions:
        left, right = left / np.linalg.norm(left), right / np.linalg.norm(right)
    assert np.allclose(left, right, rtol=RELATIVE, atol=ABSOLUTE), f"vector of {got.id}"
