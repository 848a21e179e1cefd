"""Field indexes change speed, never answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from qdrant_client import models

from harness import generate
from harness.compare import Pair
from harness.generate import Shape

INDEXES: dict[str, Any] = {
    "city": models.PayloadSchemaType.KEYWORD,
    "tags": models.PayloadSchemaType.KEYWORD,
    "meta.city": models.PayloadSchemaType.KEYWORD,
    "count": models.PayloadSchemaType.INTEGER,
    "sizes": models.IntegerIndexParams(type="integer", lookup=True, range=True),
    "price": models.PayloadSchemaType.FLOAT,
    "open": models.PayloadSchemaType.BOOL,
}


def create(pair: Pair, key: str) -> None:
    pair.write(lambda c: c.create_payload_index(pair.name, key, field_schema=INDEXES[key]))


def drop(pair: Pair, key: str) -> None:
    pair.write(lambda c: c.delete_payload_index(pair.name, key))


def check(pair: Pair, shape: Shape, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    for _ in range(15):
        chosen = generate.random_filter(rng, known)
        pair.query(shape.vector(), query_filter=chosen, limit=20)
        found, wanted = pair.both(lambda c: c.count(pair.name, count_filter=chosen, exact=True))
        assert found.count == wanted.count, chosen


@pytest.mark.parametrize("key", INDEXES)
def test_answers_stay(pair: Pair, shape: Shape, rng: random.Random, key: str) -> None:
    create(pair, key)
    check(pair, shape, rng)
    more = shape.points(30)
    pair.write(lambda c: c.upsert(pair.name, points=more))
    check(pair, shape, rng)
    drop(pair, key)
    check(pair, shape, rng)


def test_all_indexes_from_the_start(make_pair, shape: Shape, rng: random.Random) -> None:
    pair: Pair = make_pair(shape)
    for key in INDEXES:
        create(pair, key)
    points = shape.points(150)
    pair.write(lambda c: c.upsert(pair.name, points=points))
    check(pair, shape, rng)


@pytest.mark.server
def test_info_shows_indexes(pair: Pair) -> None:
    for key in INDEXES:
        create(pair, key)
    shown = pair.subject.get_collection(pair.name).payload_schema
    assert {key: info.data_type for key, info in shown.items()} == {
        key: models.PayloadSchemaType(getattr(schema, "type", schema))
        for key, schema in INDEXES.items()
    }
    for key in INDEXES:
        drop(pair, key)
    assert not pair.subject.get_collection(pair.name).payload_schema


def test_dropping_what_is_not_there(pair: Pair) -> None:
    drop(pair, "never")
