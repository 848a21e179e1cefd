"""Random operation sequences; a failing case runs alone with SEED and its number."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from qdrant_client import models

from harness import generate
from harness.compare import Pair
from harness.generate import Shape

CASES = int(os.environ.get("CASES", "200"))
STEPS = 12
INDEXABLE = {
    "city": models.PayloadSchemaType.KEYWORD,
    "tags": models.PayloadSchemaType.KEYWORD,
    "count": models.PayloadSchemaType.INTEGER,
    "price": models.PayloadSchemaType.FLOAT,
    "open": models.PayloadSchemaType.BOOL,
}


class Sequence:
    """One collection under random writes and reads, compared at each read."""

    def __init__(self, pair: Pair, shape: Shape, rng: random.Random) -> None:
        self.pair, self.shape, self.rng = pair, shape, rng
        self.known: list[models.ExtendedPointId] = []

    def step(self) -> None:
        operation: Callable[[], None] = self.rng.choice(
            [self.upsert] * 4
            + [self.delete, self.set_payload, self.set_at_key, self.overwrite_payload]
            + [self.delete_payload, self.clear_payload, self.create_index, self.drop_index]
            + [self.query] * 4
            + [self.scroll, self.count]
        )
        print(operation.__name__)
        operation()
        self.known = [record.id for record in self.pair.dump(self.pair.reference)]

    def upsert(self) -> None:
        old = self.rng.sample(self.known, min(len(self.known), self.rng.randint(0, 5)))
        new = generate.ids(self.rng, self.rng.randint(1, 25))
        points = [self.shape.point(point_id) for point_id in old + new]
        batch: Any = points
        if self.rng.random() < 0.4:
            batch = models.Batch(
                ids=[p.id for p in points],
                vectors=[p.vector for p in points],
                payloads=[p.payload for p in points],
            )
        self.write(lambda c: c.upsert(self.pair.name, points=batch))

    def delete(self) -> None:
        points = self.some()
        self.write(lambda c: c.delete(self.pair.name, points_selector=points))

    def set_payload(self) -> None:
        points, values = self.some(), generate.payload(self.rng)
        self.write(lambda c: c.set_payload(self.pair.name, payload=values, points=points))

    def set_at_key(self) -> None:
        points, key = self.some(), self.rng.choice(["meta", "meta.inner", "fresh"])
        values = {"rank": self.rng.randint(0, 5)}
        self.write(lambda c: c.set_payload(self.pair.name, payload=values, points=points, key=key))

    def overwrite_payload(self) -> None:
        points, values = self.some(), generate.payload(self.rng)
        self.write(lambda c: c.overwrite_payload(self.pair.name, payload=values, points=points))

    def delete_payload(self) -> None:
        points, keys = self.some(), self.rng.sample(["city", "tags", "count", "meta"], 2)
        self.write(lambda c: c.delete_payload(self.pair.name, keys=keys, points=points))

    def clear_payload(self) -> None:
        points = self.some()
        self.write(lambda c: c.clear_payload(self.pair.name, points_selector=points))

    def create_index(self) -> None:
        key = self.rng.choice(sorted(INDEXABLE))
        kind = INDEXABLE[key]
        self.write(lambda c: c.create_payload_index(self.pair.name, key, field_schema=kind))

    def drop_index(self) -> None:
        key = self.rng.choice(sorted(INDEXABLE))
        self.write(lambda c: c.delete_payload_index(self.pair.name, key))

    def query(self) -> None:
        target: Any = self.shape.vector()
        if self.known and self.rng.random() < 0.25:
            target = self.rng.choice(self.known)
        self.pair.query(
            target,
            query_filter=self.maybe_filter(),
            limit=self.rng.choice([1, 5, 10, 100]),
            offset=self.rng.choice([None, 0, 2, 30]),
            with_payload=generate.selector(self.rng),
            with_vectors=self.rng.random() < 0.3,
        )

    def scroll(self) -> None:
        self.pair.assert_same_state()

    def count(self) -> None:
        chosen = self.maybe_filter()
        found, wanted = self.pair.both(
            lambda c: c.count(self.pair.name, count_filter=chosen, exact=True)
        )
        assert found.count == wanted.count

    def write(self, call: Callable[[Any], Any]) -> None:
        self.pair.write(call)

    def some(self) -> Any:
        """Points by their ids, or by a filter."""
        if self.known and self.rng.random() < 0.5:
            return self.rng.sample(self.known, min(len(self.known), self.rng.randint(1, 8)))
        return generate.random_filter(self.rng, self.known)

    def maybe_filter(self) -> models.Filter | None:
        if self.rng.random() < 0.4:
            return None
        return generate.random_filter(self.rng, self.known)


@pytest.mark.parametrize("case", range(CASES))
def test_sequence(make_pair, rng: random.Random, case: int) -> None:
    shape = Shape.random(rng)
    print(shape.distance, shape.datatype, shape.dimension)
    sequence = Sequence(make_pair(shape), shape, rng)
    sequence.upsert()
    for _ in range(STEPS):
        sequence.step()
    sequence.pair.assert_same_state()
