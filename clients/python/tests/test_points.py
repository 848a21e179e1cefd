"""upsert, retrieve, delete, scroll, count."""

from __future__ import annotations

import random

import pytest
from qdrant_client import models

from harness import generate
from harness.compare import Pair, assert_records
from harness.generate import DATATYPES, DISTANCES, Shape


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("datatype", DATATYPES)
def test_what_is_written_is_read(make_pair, rng, distance, datatype) -> None:
    pair: Pair = make_pair(Shape(rng, distance, datatype, 16), points=50)
    pair.assert_same_state()


def test_upsert_columnar(make_pair, shape: Shape) -> None:
    pair: Pair = make_pair(shape)
    points = shape.points(40)
    batch = models.Batch(
        ids=[p.id for p in points],
        vectors=[p.vector for p in points],
        payloads=[p.payload for p in points],
    )
    pair.write(lambda c: c.upsert(pair.name, points=batch))
    pair.assert_same_state()


def test_upsert_columnar_without_payloads(make_pair, shape: Shape) -> None:
    pair: Pair = make_pair(shape)
    points = shape.points(10)
    batch = models.Batch(ids=[p.id for p in points], vectors=[p.vector for p in points])
    pair.write(lambda c: c.upsert(pair.name, points=batch))
    pair.assert_same_state()


def test_upsert_replaces_the_whole_point(pair: Pair, shape: Shape) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    again = [shape.point(point_id) for point_id in known[:30]]
    again[0].payload = None
    pair.write(lambda c: c.upsert(pair.name, points=again))
    pair.assert_same_state()


def test_same_id_twice_in_a_batch_keeps_the_last(make_pair, shape: Shape) -> None:
    pair: Pair = make_pair(shape)
    twice = [shape.point(7), shape.point(8), shape.point(7)]
    pair.write(lambda c: c.upsert(pair.name, points=twice))
    pair.assert_same_state()


def test_retrieve(pair: Pair, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    wanted = rng.sample(known, 12) + [999_999, generate.random_uuid(rng)]
    for vectors in (False, True):
        for _ in range(5):
            chosen = generate.selector(rng)
            found = pair.both(
                lambda c: c.retrieve(pair.name, wanted, with_payload=chosen, with_vectors=vectors)
            )
            in_order = [sorted(records, key=lambda r: str(r.id)) for records in found]
            assert_records(*in_order)


@pytest.mark.server
def test_uuid_forms_are_one_id(make_pair, shape: Shape, rng: random.Random) -> None:
    pair: Pair = make_pair(shape)
    plain = generate.random_uuid(rng)
    point = shape.point(plain)
    pair.write(lambda c: c.upsert(pair.name, points=[point]))
    pair.subject.upsert(
        pair.name, points=[point.model_copy(update={"id": plain.replace("-", "").upper()})]
    )
    assert [record.id for record in pair.dump(pair.subject)] == [plain]


def test_delete_by_ids(pair: Pair, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    gone = rng.sample(known, 25) + [999_999]
    pair.write(lambda c: c.delete(pair.name, points_selector=models.PointIdsList(points=gone)))
    pair.assert_same_state()
    pair.write(lambda c: c.delete(pair.name, points_selector=gone))
    pair.assert_same_state()


def test_delete_by_filter(pair: Pair, rng: random.Random) -> None:
    for _ in range(4):
        known = [record.id for record in pair.dump(pair.reference)]
        chosen = models.FilterSelector(filter=generate.random_filter(rng, known))
        pair.write(lambda c: c.delete(pair.name, points_selector=chosen))
        pair.assert_same_state()


def test_deleted_points_can_come_back(pair: Pair, shape: Shape) -> None:
    known = [record.id for record in pair.dump(pair.reference)][:20]
    pair.write(lambda c: c.delete(pair.name, points_selector=known))
    again = [shape.point(point_id) for point_id in known]
    pair.write(lambda c: c.upsert(pair.name, points=again))
    pair.assert_same_state()


@pytest.mark.parametrize("page", [1, 7, 50, 120, 1000])
def test_scroll_to_the_end(pair: Pair, page: int) -> None:
    offsets: list = [None, None]
    pages = 0
    while pages == 0 or offsets[1] is not None:
        (found, left), (wanted, right) = (
            client.scroll(pair.name, limit=page, offset=offset, with_vectors=True)
            for client, offset in zip((pair.subject, pair.reference), offsets)
        )
        assert_records(found, wanted)
        assert left == right
        offsets, pages = [left, right], pages + 1
    assert pages == -(-120 // page)


def test_scroll_with_filter(pair: Pair, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    for _ in range(30):
        chosen, shown = generate.random_filter(rng, known), generate.selector(rng)
        offset = rng.choice([None, *known])
        (found, left), (wanted, right) = pair.both(
            lambda c: c.scroll(
                pair.name, scroll_filter=chosen, limit=9, offset=offset, with_payload=shown
            )
        )
        assert_records(found, wanted)
        assert left == right


def test_count(pair: Pair, rng: random.Random) -> None:
    known = [record.id for record in pair.dump(pair.reference)]
    for _ in range(30):
        chosen = generate.random_filter(rng, known)
        found, wanted = pair.both(lambda c: c.count(pair.name, count_filter=chosen, exact=True))
        assert found.count == wanted.count, chosen


def test_empty_collection(make_pair, shape: Shape) -> None:
    pair: Pair = make_pair(shape)
    pair.assert_same_state()
    assert pair.query(shape.vector()) == []
