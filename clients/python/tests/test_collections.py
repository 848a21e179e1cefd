"""create, get, list, exists, update, delete."""

from __future__ import annotations

import pytest
from qdrant_client import QdrantClient, models

from harness.compare import Pair
from harness.generate import DATATYPES, DISTANCES, Shape


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("datatype", DATATYPES)
def test_info_shows_what_was_asked(make_pair, rng, distance, datatype) -> None:
    pair: Pair = make_pair(Shape(rng, distance, datatype, 8), points=7)
    infos = pair.both(lambda c: c.get_collection(pair.name))
    for info in infos:
        assert info.config.params.vectors == pair.params
        assert info.points_count == 7
        assert info.status in (models.CollectionStatus.GREEN, models.CollectionStatus.YELLOW)


def test_list_and_exists(pair: Pair) -> None:
    for client in (pair.subject, pair.reference):
        assert pair.name in [c.name for c in client.get_collections().collections]
        assert client.collection_exists(pair.name)
        assert not client.collection_exists(pair.name + "-not")


def test_delete_and_make_again(subject: QdrantClient, pair: Pair) -> None:
    assert subject.delete_collection(pair.name)
    assert not subject.collection_exists(pair.name)
    assert pair.name not in [c.name for c in subject.get_collections().collections]
    assert subject.create_collection(pair.name, vectors_config=pair.params)
    assert subject.count(pair.name, exact=True).count == 0


def test_create_twice_is_refused(pair: Pair) -> None:
    pair.fails(lambda c: c.create_collection(pair.name, vectors_config=pair.params))


def test_unknown_collection_is_refused(subject: QdrantClient, pair: Pair) -> None:
    pair.fails(lambda c: c.get_collection(pair.name + "-not"))


@pytest.mark.server
def test_delete_unknown_answers_false(subject: QdrantClient, name: str) -> None:
    assert subject.delete_collection(name) is False


@pytest.mark.server
def test_settings_are_stored_and_shown(subject: QdrantClient, make_pair, shape: Shape) -> None:
    pair: Pair = make_pair(shape, points=20)
    assert subject.update_collection(
        pair.name,
        hnsw_config=models.HnswConfigDiff(m=24, ef_construct=150),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=12345),
    )
    config = subject.get_collection(pair.name).config
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (24, 150)
    assert config.optimizer_config.indexing_threshold == 12345
    pair.assert_same_state()


@pytest.mark.server
def test_settings_at_creation_are_shown(subject: QdrantClient, name: str, shape: Shape) -> None:
    try:
        assert subject.create_collection(
            name,
            vectors_config=shape.params(),
            hnsw_config=models.HnswConfigDiff(m=8),
            optimizers_config=models.OptimizersConfigDiff(default_segment_number=1),
            on_disk_payload=True,
            shard_number=1,
            replication_factor=1,
            write_consistency_factor=1,
        )
        config = subject.get_collection(name).config
        assert config.hnsw_config.m == 8
        assert config.optimizer_config.default_segment_number == 1
        assert config.params.on_disk_payload is True
    finally:
        subject.delete_collection(name)
