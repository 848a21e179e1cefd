"""Sends schemathesis's random requests to a running server; any 5xx fails.

Only operations the server answers are sent. They name a filled collection or
one that is not there; creating and deleting keep to a collection of their own,
so that the filled one lives to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT.parent / "shared" / "reference" / "qdrant-openapi-1.19.0.json"
FILLED, MADE, ABSENT = "fuzz-filled", "fuzz-made", "fuzz-absent"
DIMENSION = 4
COLLECTION = "/collections/{collection_name}"
SUPPORTED = {
    "/": ["get"],
    "/healthz": ["get"],
    "/livez": ["get"],
    "/readyz": ["get"],
    "/collections": ["get"],
    COLLECTION: ["get", "put", "patch", "delete"],
    COLLECTION + "/exists": ["get"],
    COLLECTION + "/index": ["put"],
    COLLECTION + "/index/{field_name}": ["delete"],
    COLLECTION + "/points": ["post", "put"],
    COLLECTION + "/points/{id}": ["get"],
    COLLECTION + "/points/delete": ["post"],
    COLLECTION + "/points/payload": ["post", "put"],
    COLLECTION + "/points/payload/delete": ["post"],
    COLLECTION + "/points/payload/clear": ["post"],
    COLLECTION + "/points/scroll": ["post"],
    COLLECTION + "/points/count": ["post"],
    COLLECTION + "/points/query": ["post"],
    COLLECTION + "/points/query/batch": ["post"],
}
DESTRUCTIVE = {"put", "delete"}

# The full unions (inference objects, recursive prefetches and filters) take the
# generator minutes per example; these keep to what the server answers.
REF = "#/components/schemas/"
NUMBER = {"type": "number", "minimum": -1000, "maximum": 1000}
DENSE = {"type": "array", "items": NUMBER, "minItems": DIMENSION, "maxItems": DIMENSION}
NARROWED = {
    "VectorStruct": {"anyOf": [DENSE, {"type": "object", "additionalProperties": DENSE}]},
    "BatchVectorStruct": {"type": "array", "items": DENSE},
    "VectorInput": {"anyOf": [DENSE, {"$ref": REF + "ExtendedPointId"}]},
    "Query": {"$ref": REF + "NearestQuery"},
    "Condition": {
        "anyOf": [
            {"$ref": REF + name}
            for name in ("FieldCondition", "IsEmptyCondition", "HasIdCondition")
        ]
    },
    "Prefetch": {"type": "null"},
}


def main() -> int:
    args = parse()
    fill(args.url)
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder) / "openapi.json"
        schema.write_text(json.dumps(reduce(json.loads(args.openapi.read_text()))))
        code = subprocess.run(command(args, schema), check=False).returncode
    alive = requests.get(f"{args.url}/readyz", timeout=10).status_code == 200
    return code if alive else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("VECTORIZER_URL"))
    openapi = Path(os.environ.get("VECTORIZER_OPENAPI", OPENAPI))
    parser.add_argument("--openapi", type=Path, default=openapi)
    parser.add_argument("--examples", type=int, default=100, help="per operation")
    parser.add_argument("--seed", type=int, help="random when left out, printed")
    args = parser.parse_args()
    if not args.url:
        parser.error("give --url or set VECTORIZER_URL")
    return args


def command(args: argparse.Namespace, schema: Path) -> list[str]:
    words = [str(Path(sys.executable).with_name("schemathesis")), "run", str(schema)]
    words += ["--base-url", args.url, "--checks", "not_a_server_error"]
    words += ["--data-generation-method", "all", "--request-timeout", "30000"]
    words += ["--hypothesis-max-examples", str(args.examples)]
    words += ["--hypothesis-suppress-health-check", "all"]
    if args.seed is not None:
        words += ["--hypothesis-seed", str(args.seed)]
    return words


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
    """The contract with the supported operations, narrowed, and real names."""
    paths = {
        path: {
            method: with_names(path, method, document["paths"][path][method])
            for method in methods
        }
        for path, methods in SUPPORTED.items()
    }
    components = document["components"]
    components = components | {"schemas": components["schemas"] | NARROWED}
    return document | {"paths": paths, "components": components}


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
