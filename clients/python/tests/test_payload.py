"""set, overwrite, delete and clear payload, by ids and by filter."""

from __future__ import annotations

import random
from typing import Any

import pytest
from qdrant_client import models

from harness import generate
from harness.compare import Pair

CHANGES: dict[str, Any] = {
    "set": lambda client, name, points, rng: client.set_payload(
        name, payload=generate.payload(rng), points=points
    ),
    "set_key": lambda client, name, points, rng: client.set_payload(
        name, payload={"rank": rng.randint(0, 5)}, points=points, key="meta.inner"
    ),
    "overwrite": lambda client, name, points, rng: client.overwrite_payload(
        name, payload=generate.payload(rng), points=points
    ),
    "delete": lambda client, name, points, rng: client.delete_payload(
        name, keys=rng.sample(["city", "tags", "count", "meta", "never"], 3), points=points
    ),
    "clear": lambda client, name, points, rng: client.clear_payload(
        name, points_selector=points
    ),
}


def selection(pair: Pair, rng: random.Random, by: str) -> Any:
    known = [record.id for record in pair.dump(pair.reference)]
    if by == "filter":
        return generate.random_filter(rng, known)
    return rng.sample(known, 15)


@pytest.mark.parametrize("by", ["ids", "filter"])
@pytest.mark.parametrize("change", CHANGES)
def test_change(pair: Pair, rng: random.Random, change: str, by: str) -> None:
    for _ in range(5):
        points, seed = selection(pair, rng, by), rng.random()
        pair.write(
            lambda c: CHANGES[change](c, pair.name, points, random.Random(seed))
        )
        pair.assert_same_state()


@pytest.mark.parametrize("key", ["meta", "meta.inner", "fresh", "fresh.deep"])
def test_set_at_key(pair: Pair, key: str) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    pair.write(
        lambda c: c.set_payload(pair.name, payload={"a": 1, "b": [True]}, points=known, key=key)
    )
    pair.assert_same_state()


def test_filters_see_the_change(pair: Pair, shape: generate.Shape) -> None:
    known = [record.id for record in pair.dump(pair.reference)][:40]
    pair.write(lambda c: c.set_payload(pair.name, payload={"city": "Oslo"}, points=known))
    oslo = models.Filter(
        must=models.FieldCondition(key="city", match=models.MatchValue(value="Oslo"))
    )
    found = pair.query(shape.vector(), query_filter=oslo, limit=100)
    assert len(found) == 40


@pytest.mark.parametrize(
    "value",
    [0, -1, 2**53, 1.5, -0.25, 1e300, "", "\u00e9\u4e2d\U0001f600", 'q"\\\n', None, True, [], {}]
    + [[1, "a", None, [2]], {"a": {"b": []}}],
)
def test_values_survive(pair: Pair, value: Any) -> None:
    known = [record.id for record in pair.dump(pair.reference)][:2]
    pair.write(lambda c: c.overwrite_payload(pair.name, payload={"value": value}, points=known))
    pair.assert_same_state()
