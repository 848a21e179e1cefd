"""Random data whose right answers do not hang on rounding.

Values lie on a grid of 1/64, so f32 and f16 hold them and their products and
sums exactly, in any order of adding. Only cosine with f16 storage needs more:
there each vector has a power of four of equal entries, so its unit form is
exact too.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

GRID = 64
CITIES = ["Berlin", "London", "Moscow", "Paris", "Tokyo", "Lima", "Rome"]
TAGS = ["red", "green", "blue", "black", "white"]
DISTANCES = list(models.Distance)
DATATYPES = [models.Datatype.FLOAT32, models.Datatype.FLOAT16, models.Datatype.UINT8]


@dataclass
class Shape:
    """What a random collection holds."""

    rng: random.Random
    distance: models.Distance
    datatype: models.Datatype
    dimension: int

    @classmethod
    def random(cls, rng: random.Random) -> Shape:
        datatype, distance = rng.choice(DATATYPES), rng.choice(DISTANCES)
        return cls(rng, distance, datatype, rng.choice([4, 16, 33]))

    def params(self) -> models.VectorParams:
        return models.VectorParams(
            size=self.dimension, distance=self.distance, datatype=self.datatype
        )

    def vector(self) -> list[float]:
        if self.datatype == models.Datatype.UINT8:
            return [float(self.rng.randint(0, 255)) for _ in range(self.dimension)]
        if self.datatype == models.Datatype.FLOAT16 and self.distance == models.Distance.COSINE:
            return self._sign_vector()
        limit = 2 * GRID
        return [self.rng.randint(-limit, limit) / GRID for _ in range(self.dimension)]

    def _sign_vector(self) -> list[float]:
        filled = self.rng.choice([n for n in (1, 4, 16) if n <= self.dimension])
        places = set(self.rng.sample(range(self.dimension), filled))
        return [self.rng.choice([-1.0, 1.0]) * (i in places) for i in range(self.dimension)]

    def point(self, point_id: models.ExtendedPointId) -> models.PointStruct:
        return models.PointStruct(id=point_id, vector=self.vector(), payload=payload(self.rng))

    def points(self, count: int) -> list[models.PointStruct]:
        return [self.point(point_id) for point_id in ids(self.rng, count)]


def ids(rng: random.Random, count: int) -> list[models.ExtendedPointId]:
    """Distinct ids: about two in three small integers, the others UUIDs."""
    numbers = rng.sample(range(max(1000, 4 * count)), count)
    return [n if rng.random() < 0.66 else random_uuid(rng) for n in numbers]


def random_uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def payload(rng: random.Random) -> dict[str, Any]:
    """Each key is absent now and then; some hold lists, null or nothing."""
    everything = {
        "city": rng.choice(CITIES),
        "tags": rng.sample(TAGS, rng.randint(0, 3)),
        "count": rng.randint(-20, 20),
        "sizes": [rng.randint(0, 9) for _ in range(rng.randint(0, 3))],
        "price": rng.randint(-400, 400) / 8 + 1 / 16,
        "open": rng.random() < 0.5,
        "meta": {"city": rng.choice(CITIES), "inner": {"rank": rng.randint(0, 5)}},
        "nothing": None,
    }
    return {key: value for key, value in everything.items() if rng.random() < 0.75}


def condition(rng: random.Random, known: list[models.ExtendedPointId]) -> models.Condition:
    """One leaf of a filter."""
    leaves = [_match, _match, _range, _range, _is_empty]
    if known and rng.random() < 0.15:
        return models.HasIdCondition(has_id=rng.sample(known, min(len(known), 5)))
    return rng.choice(leaves)(rng)


def _match(rng: random.Random) -> models.FieldCondition:
    key, values = rng.choice(
        [
            ("city", CITIES),
            ("tags", TAGS),
            ("count", list(range(-20, 21))),
            ("sizes", list(range(10))),
            ("meta.city", CITIES),
            ("meta.inner.rank", list(range(6))),
        ]
    )
    some = rng.sample(values, rng.randint(1, max(1, len(values) // 2)))
    kind = rng.random()
    if rng.random() < 0.1:
        return models.FieldCondition(key="open", match=models.MatchValue(value=kind < 0.5))
    if kind < 0.4:
        match: models.Match = models.MatchValue(value=some[0])
    elif kind < 0.75:
        match = models.MatchAny(any=some)
    else:
        match = models.MatchExcept(**{"except": some})
    return models.FieldCondition(key=key, match=match)


def _range(rng: random.Random) -> models.FieldCondition:
    key, low, high = rng.choice(
        [("count", -20, 20), ("price", -50, 50), ("sizes", 0, 9), ("meta.inner.rank", 0, 5)]
    )
    bounds: dict[str, float] = {}
    if rng.random() < 0.7:
        bounds[rng.choice(["gt", "gte"])] = rng.randint(low, high)
    if rng.random() < 0.7 or not bounds:
        bounds[rng.choice(["lt", "lte"])] = rng.randint(low, high)
    return models.FieldCondition(key=key, range=models.Range(**bounds))


def _is_empty(rng: random.Random) -> models.IsEmptyCondition:
    key = rng.choice(["city", "tags", "count", "sizes", "nothing", "meta.inner", "never"])
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))


def random_filter(
    rng: random.Random, known: list[models.ExtendedPointId], depth: int = 2
) -> models.Filter:
    """must, should and must_not in any mix, filters within filters."""

    def clause() -> list[models.Condition]:
        return [part() for _ in range(rng.randint(1, 3))]

    def part() -> models.Condition:
        if depth > 0 and rng.random() < 0.2:
            return random_filter(rng, known, depth - 1)
        return condition(rng, known)

    names = rng.sample(["must", "should", "must_not"], rng.randint(1, 2))
    return models.Filter(**{name: clause() for name in names})


def selector(rng: random.Random) -> Any:
    """What `with_payload` may be."""
    keys = rng.sample(["city", "tags", "count", "meta", "never"], 2)
    return rng.choice(
        [
            True,
            False,
            keys,
            models.PayloadSelectorInclude(include=keys),
            models.PayloadSelectorExclude(exclude=keys),
        ]
    )
