"""Bad input is refused with the right status, names its reason, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from qdrant_client.http.exceptions import UnexpectedResponse

from harness.compare import Pair
from harness.generate import Shape

Send = Callable[..., requests.Response]

VECTOR = [0.5] * 16
GOOD = {"id": 1, "vector": VECTOR}
HERE = "/collections/{name}"
GONE = "/collections/{name}-not"
BAD_JSON = "{"


def point(**changes: Any) -> dict[str, Any]:
    return {"points": [GOOD, {"id": 2, "vector": VECTOR} | changes]}


MALFORMED: dict[str, tuple[set[int], str, str, Any]] = {
    "dimension of one in a batch": ({400}, "PUT", HERE + "/points", point(vector=[1.0, 2.0])),
    "empty vector": ({400, 422}, "PUT", HERE + "/points", point(vector=[])),
    "null in a vector": ({400}, "PUT", HERE + "/points", point(vector=[None] * 16)),
    "text as vector": ({400}, "PUT", HERE + "/points", point(vector=["a"] * 16)),
    "unknown vector name": ({400}, "PUT", HERE + "/points", point(vector={"no": VECTOR})),
    "id is a word": ({400}, "PUT", HERE + "/points", point(id="abc")),
    "id is negative": ({400}, "PUT", HERE + "/points", point(id=-1)),
    "id is a fraction": ({400}, "PUT", HERE + "/points", point(id=1.5)),
    "id is missing": ({400}, "PUT", HERE + "/points", {"points": [{"vector": VECTOR}]}),
    "payload is a list": ({400}, "PUT", HERE + "/points", point(payload=[1])),
    "columns of unequal length": (
        {400, 422},
        "PUT",
        HERE + "/points",
        {"batch": {"ids": [1, 2], "vectors": [VECTOR]}},
    ),
    "no points": ({400, 422}, "PUT", HERE + "/points", {}),
    "not JSON": ({400}, "PUT", HERE + "/points", BAD_JSON),
    "query dimension": ({400}, "POST", HERE + "/points/query", {"query": [1.0]}),
    "query of a missing id": ({404}, "POST", HERE + "/points/query", {"query": 999_999}),
    "query by a bad id": ({400}, "POST", HERE + "/points/query", {"query": "abc"}),
    "negative limit": ({400, 422}, "POST", HERE + "/points/query", {"query": VECTOR, "limit": -1}),
    "limit nought": ({400, 422}, "POST", HERE + "/points/query", {"query": VECTOR, "limit": 0}),
    "limit is a word": ({400}, "POST", HERE + "/points/query", {"query": VECTOR, "limit": "ten"}),
    "negative offset": ({400}, "POST", HERE + "/points/query", {"query": VECTOR, "offset": -1}),
    "scroll limit nought": ({400, 422}, "POST", HERE + "/points/scroll", {"limit": 0}),
    "scroll offset": ({400}, "POST", HERE + "/points/scroll", {"offset": "abc"}),
    "unknown condition": (
        {400, 422},
        "POST",
        HERE + "/points/count",
        {"filter": {"must": [{"key": "city", "unheard_of": 1}]}},
    ),
    "range of words": (
        {400},
        "POST",
        HERE + "/points/count",
        {"filter": {"must": [{"key": "count", "range": {"gt": "many"}}]}},
    ),
    "batch with one bad query": (
        {400},
        "POST",
        HERE + "/points/query/batch",
        {"searches": [{"query": VECTOR}, {"query": [1.0]}]},
    ),
    "payload of a missing point": (
        {404},
        "POST",
        HERE + "/points/payload?wait=true",
        {"payload": {"a": 1}, "points": [999_999]},
    ),
    "payload is no object": (
        {400},
        "POST",
        HERE + "/points/payload",
        {"payload": 1, "points": [1]},
    ),
    "payload of no points": ({400, 422}, "POST", HERE + "/points/payload", {"payload": {"a": 1}}),
    "delete a bad id": ({400}, "POST", HERE + "/points/delete", {"points": ["abc"]}),
    "get a bad id": ({400}, "GET", HERE + "/points/abc", None),
    "get a missing id": ({404}, "GET", HERE + "/points/999999", None),
    "unknown index kind": (
        {400},
        "PUT",
        HERE + "/index",
        {"field_name": "city", "field_schema": "unheard_of"},
    ),
    "collection exists": (
        {409},
        "PUT",
        HERE,
        {"vectors": {"size": 16, "distance": "Cosine"}},
    ),
    "unknown distance": ({400}, "PUT", GONE, {"vectors": {"size": 4, "distance": "Guess"}}),
    "dimension nought": ({400, 422}, "PUT", GONE, {"vectors": {"size": 0, "distance": "Dot"}}),
    "dimension too large": (
        {400, 422},
        "PUT",
        GONE,
        {"vectors": {"size": 65_537, "distance": "Dot"}},
    ),
    "dimension negative": ({400}, "PUT", GONE, {"vectors": {"size": -4, "distance": "Dot"}}),
    "settings out of range": (
        {400, 422},
        "PUT",
        GONE,
        {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"ef_construct": 1}},
    ),
}

UNKNOWN: dict[str, tuple[str, str, Any]] = {
    "info": ("GET", "", None),
    "update": ("PATCH", "", {"optimizers_config": {"indexing_threshold": 1}}),
    "upsert": ("PUT", "/points", {"points": [GOOD]}),
    "get": ("GET", "/points/1", None),
    "retrieve": ("POST", "/points", {"ids": [1]}),
    "delete": ("POST", "/points/delete", {"points": [1]}),
    "scroll": ("POST", "/points/scroll", {}),
    "count": ("POST", "/points/count", {}),
    "query": ("POST", "/points/query", {"query": VECTOR}),
    "batch": ("POST", "/points/query/batch", {"searches": [{"query": VECTOR}]}),
    "set payload": ("POST", "/points/payload", {"payload": {"a": 1}, "points": [1]}),
    "overwrite payload": ("PUT", "/points/payload", {"payload": {"a": 1}, "points": [1]}),
    "delete payload": ("POST", "/points/payload/delete", {"keys": ["a"], "points": [1]}),
    "clear payload": ("POST", "/points/payload/clear", {"points": [1]}),
    "create index": ("PUT", "/index", {"field_name": "a", "field_schema": "keyword"}),
    "drop index": ("DELETE", "/index/a", None),
}


def send(http: Send, method: str, path: str, body: Any) -> requests.Response:
    if isinstance(body, str):
        return http(method, path, data=body, headers={"content-type": "application/json"})
    return http(method, path, json=body)


def reason(response: requests.Response) -> str:
    return response.json()["status"]["error"]


@pytest.mark.server
@pytest.mark.parametrize("case", MALFORMED)
def test_bad_input(http: Send, pair: Pair, case: str) -> None:
    codes, method, path, body = MALFORMED[case]
    before = pair.dump(pair.subject)
    response = send(http, method, path.format(name=pair.name), body)
    assert response.status_code in codes, response.text
    assert reason(response)
    assert pair.dump(pair.subject) == before, "a refused call changed something"
    assert not pair.subject.collection_exists(pair.name + "-not")
    pair.assert_same_state()


@pytest.mark.server
@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_collection(http: Send, name: str, case: str) -> None:
    method, path, body = UNKNOWN[case]
    response = send(http, method, f"/collections/{name}{path}", body)
    assert response.status_code == 404, response.text
    assert name in reason(response)


@pytest.mark.server
def test_the_client_sees_the_refusal(pair: Pair, shape: Shape) -> None:
    points = shape.points(20)
    points[-1].vector = [1.0, 2.0, 3.0]
    error = pair.fails(lambda c: c.upsert(pair.name, points=points))
    assert isinstance(error, UnexpectedResponse) and error.status_code == 400


def test_query_of_a_missing_id(pair: Pair) -> None:
    pair.fails(lambda c: c.query_points(pair.name, query=999_999))


@pytest.mark.server
def test_null_is_absence(http: Send, pair: Pair) -> None:
    body = {"query": VECTOR, "limit": 7, "params": {"exact": True}}
    nulls = dict.fromkeys(
        ["filter", "offset", "with_payload", "with_vector", "score_threshold", "using", "prefetch"]
    )
    path = f"/collections/{pair.name}/points/query"
    plain, filled = (send(http, "POST", path, b) for b in (body, body | nulls))
    assert plain.status_code == filled.status_code == 200, filled.text
    assert plain.json()["result"] == filled.json()["result"]
