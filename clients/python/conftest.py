"""The server under test, the local mode beside it, and a pair of collections.

VECTORIZER_BIN  start this binary in a temporary folder
VECTORIZER_URL  or use a server that runs; "memory" puts local mode in its place
VECTORIZER_OPENAPI  the contract; a file beside the checkout when left out
SEED  seed of all random data; printed, random when left out
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from qdrant_client import QdrantClient, models

from harness.compare import Pair
from harness.contract import Contract
from harness.generate import Shape
from harness.server import running, wait_ready

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT.parent / "shared" / "reference" / "qdrant-openapi-1.19.0.json"
MEMORY = "memory"
TIMEOUT_SECONDS = 60

MakePair = Callable[..., Pair]


SEED = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEED] = int(os.environ.get("SEED", random.randrange(2**32)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"SEED={config.stash[SEED]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("VECTORIZER_URL") != MEMORY or os.environ.get("VECTORIZER_BIN"):
        return
    for item in items:
        if item.get_closest_marker("server"):
            item.add_marker(pytest.mark.skip(reason="local mode stands in for the server"))


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's URL, or "memory"."""
    binary, given = os.environ.get("VECTORIZER_BIN"), os.environ.get("VECTORIZER_URL")
    if binary:
        with running(str(Path(binary).resolve()), tmp_path_factory.mktemp("server")) as started:
            yield started
    elif given:
        if given != MEMORY:
            wait_ready(given)
        yield given
    else:
        raise pytest.UsageError("set VECTORIZER_BIN or VECTORIZER_URL, see README.md")


@pytest.fixture(scope="session")
def contract() -> Contract:
    path = Path(os.environ.get("VECTORIZER_OPENAPI", OPENAPI))
    if not path.is_file():
        raise pytest.UsageError(f"no contract at {path}: set VECTORIZER_OPENAPI")
    return Contract.read(path)


@pytest.fixture(autouse=True)
def contract_kept(contract: Contract) -> Iterator[None]:
    """A response that breaks the contract fails the test that asked for it."""
    contract.violations.clear()
    yield
    if contract.violations:
        pytest.fail("\n".join(contract.violations), pytrace=False)


@pytest.fixture(scope="session")
def subject(url: str, contract: Contract) -> Iterator[QdrantClient]:
    """The client under test, as users make it, with an ear on its responses."""
    if url == MEMORY:
        client = QdrantClient(":memory:")
    else:
        hooks = {"response": [contract.hook_httpx]}
        client = QdrantClient(url=url, timeout=TIMEOUT_SECONDS, event_hooks=hooks)
    yield client
    client.close()


@pytest.fixture
def http(url: str, contract: Contract) -> Iterator[Callable[..., requests.Response]]:
    """Plain HTTP for what the client would not send: http("PUT", path, json=...)."""
    with requests.Session() as session:
        session.hooks["response"].append(contract.hook_requests)

        def send(method: str, path: str, **options: object) -> requests.Response:
            options.setdefault("timeout", TIMEOUT_SECONDS)
            return session.request(method, url + path, **options)  # type: ignore[arg-type]

        yield send


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test alone: the seed and the test's own name."""
    return random.Random(f"{request.config.stash[SEED]} {request.node.nodeid}")


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_pair(subject: QdrantClient, name: str) -> Iterator[MakePair]:
    """Makes the same empty collection on both sides; gone after the test."""
    reference = QdrantClient(":memory:")

    def make(shape: Shape, points: int = 0) -> Pair:
        pair = Pair(subject, reference, name, shape.params())
        for client in (subject, reference):
            assert client.create_collection(name, vectors_config=shape.params())
        if points:
            rows = shape.points(points)
            pair.write(lambda c: c.upsert(name, points=rows))
        return pair

    yield make
    subject.delete_collection(name)
    reference.close()


@pytest.fixture
def shape(rng: random.Random) -> Shape:
    """The plain case: 16 f32 values, compared by cosine."""
    return Shape(rng, models.Distance.COSINE, models.Datatype.FLOAT32, 16)


@pytest.fixture
def pair(make_pair: MakePair, shape: Shape) -> Pair:
    """A filled plain collection."""
    return make_pair(shape, points=120)
