"""Sends schemathesis's random requests to a server; any 5xx fails, and so does an answer
that is not what the server's own /openapi.json says.

Requests name a filled collection or one that is not there; creating and deleting keep to a
collection of their own, so that the filled one lives to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from harness.server import running

FILLED, MADE, ABSENT = "fuzz-filled", "fuzz-made", "fuzz-absent"
DIMENSION = 4
COLLECTION = "/collections/{collection_name}"
DESTRUCTIVE = {"put", "delete"}
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"

# Vectors of another dimension than the collection's are refused before anything else is tried, and
# filters within filters take the generator minutes.
REF = "#/components/schemas/"
ANY_DENSE = {"type": "array", "items": {"type": "number", "format": "float"}}
NUMBER = {"type": "number", "minimum": -1000, "maximum": 1000}
DENSE = {"type": "array", "items": NUMBER, "minItems": DIMENSION, "maxItems": DIMENSION}
NARROWED = {
    "Condition": {
        "anyOf": [
            {"$ref": REF + name}
            for name in ("FieldCondition", "IsEmptyCondition", "HasIdCondition")
        ]
    },
}


def main() -> int:
    args = parse()
    if args.url:
        return fuzz(args.url, args)
    binary = str(Path(os.environ["VECTORIZER_BIN"]).resolve())
    with tempfile.TemporaryDirectory() as folder, running(binary, Path(folder)) as url:
        return fuzz(url, args)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("VECTORIZER_URL"))
    parser.add_argument("--seconds", type=int, default=60, help="rounds begin within this time")
    parser.add_argument("--examples", type=int, default=10, help="per operation and round")
    parser.add_argument("--seed", type=int, help="of the first round; random when left out")
    args = parser.parse_args()
    if not args.url and "VECTORIZER_BIN" not in os.environ:
        parser.error("give --url, or set VECTORIZER_URL or VECTORIZER_BIN")
    return args


def fuzz(url: str, args: argparse.Namespace) -> int:
    """Rounds with seeds that count up, until one fails or the time is over."""
    fill(url)
    seed = random.randrange(2**31) if args.seed is None else args.seed
    end = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "openapi.json"
        document = requests.get(f"{url}/openapi.json", timeout=10).json()
        schema.write_text(json.dumps(reduce(document)))
        code = 0
        while code == 0 and time.monotonic() < end:
            print(f"fuzz.py: --seed {seed} --examples {args.examples}", flush=True)
            code = subprocess.run(command(url, args, seed, schema), check=False).returncode
            seed += 1
    alive = requests.get(f"{url}/readyz", timeout=10).status_code == 200
    return code if alive else 1


def command(url: str, args: argparse.Namespace, seed: int, schema: Path) -> list[str]:
    words = [str(Path(sys.executable).with_name("schemathesis")), "run", str(schema)]
    words += ["--base-url", url, "--checks", CHECKS]
    words += ["--data-generation-method", "all", "--request-timeout", "30000"]
    words += ["--hypothesis-max-examples", str(args.examples)]
    words += ["--hypothesis-suppress-health-check", "all"]
    return words + ["--hypothesis-seed", str(seed)]


def fill(url: str) -> None:
    """A small collection for random requests to hit."""
    requests.delete(f"{url}/collections/{FILLED}", timeout=30).raise_for_status()
    vectors = {"size": DIMENSION, "distance": "Cosine"}
    answer = requests.put(f"{url}/collections/{FILLED}", json={"vectors": vectors}, timeout=30)
    answer.raise_for_status()
    points = [
        {"id": n, "vector": [1.0, n / 10, -n / 7, 0.5], "payload": {"city": "Rome", "count": n}}
        for n in range(50)
    ]
    path = f"{url}/collections/{FILLED}/points?wait=true"
    requests.put(path, json={"points": points}, timeout=30).raise_for_status()


def reduce(document: dict[str, Any]) -> dict[str, Any]:
    """The server's document, narrowed, with names of collections that are there."""
    paths = {
        path: {method: with_names(path, method, operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    schemas = document["components"]["schemas"]
    missing = NARROWED.keys() - schemas.keys()
    if missing:
        raise ValueError(f"schemas to narrow are not in the document: {missing}")
    components = document["components"] | {"schemas": fitting(schemas | NARROWED)}
    return document | {"paths": paths, "components": components}


def fitting(schema: Any) -> Any:
    """The schema with vectors of the collection's dimension."""
    if schema == ANY_DENSE:
        return DENSE
    if isinstance(schema, dict):
        return {key: fitting(value) for key, value in schema.items()}
    return [fitting(value) for value in schema] if isinstance(schema, list) else schema


def with_names(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    own = path == COLLECTION and method in DESTRUCTIVE
    names = {"type": "string", "enum": [MADE] if own else [FILLED, ABSENT]}
    parameters = [
        parameter | {"schema": names} if parameter["name"] == "collection_name" else parameter
        for parameter in operation.get("parameters", [])
    ]
    return operation | {"parameters": parameters}


if __name__ == "__main__":
    sys.exit(main())
