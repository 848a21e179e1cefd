"""Nearest neighbours by vector and by id, exact, with every option."""

from __future__ import annotations

import math
import random

import pytest
from qdrant_client import models

from harness import generate
from harness.compare import EXACT, Pair
from harness.generate import DATATYPES, DISTANCES, Shape


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("datatype", DATATYPES)
def test_nearest(make_pair, rng: random.Random, distance, datatype) -> None:
    shape = Shape(rng, distance, datatype, 16)
    pair: Pair = make_pair(shape, points=150)
    for _ in range(10):
        pair.query(shape.vector(), limit=rng.randint(1, 200), with_vectors=True)


@pytest.mark.parametrize("distance", DISTANCES)
def test_nearest_to_a_stored_point_leaves_it_out(make_pair, rng, distance) -> None:
    shape = Shape(rng, distance, models.Datatype.FLOAT32, 16)
    pair: Pair = make_pair(shape, points=80)
    for record in rng.sample(pair.dump(pair.reference), 10):
        found = pair.query(record.id, limit=80)
        assert record.id not in [point.id for point in found]


def test_limit_and_offset(pair: Pair, shape: Shape) -> None:
    vector = shape.vector()
    for offset in (0, 1, 10, 119, 120, 500):
        for limit in (1, 10, 500):
            pair.query(vector, limit=limit, offset=offset)


def scored(make_pair, rng: random.Random, distance) -> tuple[Pair, list[float], list[float]]:
    """A pair of 100 points, a vector, and the scores of all points for it."""
    shape = Shape(rng, distance, models.Datatype.FLOAT32, 16)
    pair: Pair = make_pair(shape, points=100)
    vector = shape.vector()
    return pair, vector, [point.score for point in pair.query(vector, limit=100)]


@pytest.mark.parametrize("distance", DISTANCES)
def test_score_threshold(make_pair, rng: random.Random, distance) -> None:
    pair, vector, scores = scored(make_pair, rng, distance)
    for rank in (0, 1, 20, 98):
        between = (scores[rank] + scores[rank + 1]) / 2
        # Equal but for rounding: which of them are better, the two sides may see differently.
        if not math.isclose(scores[rank], scores[rank + 1], rel_tol=1e-4):
            pair.query(vector, limit=100, score_threshold=between)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_score_is_better_than_its_threshold(make_pair, rng: random.Random, distance) -> None:
    pair, vector, scores = scored(make_pair, rng, distance)
    for rank in (0, 1, 20, 99):
        found = pair.subject.query_points(
            pair.name, query=vector, limit=100, score_threshold=scores[rank], search_params=EXACT
        )
        assert [point.score for point in found.points] == scores[: scores.index(scores[rank])]


def test_filters(pair: Pair, shape: Shape, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    for _ in range(60):
        chosen = generate.random_filter(rng, known)
        print(chosen.model_dump_json(exclude_none=True))
        pair.query(shape.vector(), query_filter=chosen, limit=rng.choice([1, 10, 200]))


def test_with_payload(pair: Pair, shape: Shape, rng: random.Random) -> None:
    nested = [["meta.city"], models.PayloadSelectorExclude(exclude=["meta.inner"])]
    for shown in [generate.selector(rng) for _ in range(15)] + nested:
        pair.query(shape.vector(), with_payload=shown)


def test_batch(pair: Pair, shape: Shape, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    options = [
        {"limit": rng.randint(1, 50), "filter": rng.choice([None, chosen]), "offset": offset}
        for offset in (0, 3)
        for chosen in (generate.random_filter(rng, known) for _ in range(5))
    ]
    queries = [rng.choice([shape.vector(), rng.choice(known)]) for _ in options]
    answers = pair.subject.query_batch_points(
        pair.name,
        requests=[
            models.QueryRequest(query=query, params=EXACT, with_payload=True, **option)
            for query, option in zip(queries, options)
        ],
    )
    assert len(answers) == len(queries)
    for answer, query, option in zip(answers, queries, options):
        query_filter = option.pop("filter")
        pair.assert_answer(answer.points, query, query_filter=query_filter, **option)


def test_without_a_payload_unless_asked_over_batch(pair: Pair, shape: Shape) -> None:
    request = models.QueryRequest(query=shape.vector(), limit=3, with_payload=False)
    for point in pair.subject.query_batch_points(pair.name, requests=[request])[0].points:
        assert not point.payload and point.vector is None


def test_default_search_finds_the_point_itself(pair: Pair) -> None:
    """No `exact`: the default settings on a small collection miss nothing."""
    for record in pair.dump(pair.reference):
        found = pair.subject.query_points(pair.name, query=record.vector, limit=1).points
        assert found[0].score == pytest.approx(1.0, abs=1e-5)
