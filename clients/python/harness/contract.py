"""Checks each response against the OpenAPI file of the contract."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import requests
from jsonschema import Draft202012Validator

JSON = "application/json"
ANNOTATIONS = {"description", "default", "example", "title"}
ENVELOPE = ("result", "status", "time")


@dataclass(repr=False)
class Contract:
    """The contract's operations, and what responses broke it so far."""

    document: dict[str, Any]
    violations: list[str] = field(default_factory=list)
    _validators: dict[tuple[str, str, str], Draft202012Validator] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Contract:
        return cls(_to_json_schema(json.loads(path.read_text())))

    def hook_httpx(self, response: httpx.Response) -> None:
        """An httpx response hook; the body is read before the client has it."""
        response.read()
        request = response.request
        kind = response.headers.get("content-type", "")
        self.check(request.method, request.url.path, response.status_code, kind, response.text)

    def hook_requests(self, response: requests.Response, **_: Any) -> None:
        request = response.request
        path = request.path_url.split("?")[0]
        kind = response.headers.get("content-type", "")
        self.check(request.method or "", path, response.status_code, kind, response.text)

    def check(self, method: str, path: str, status: int, kind: str, body: str) -> None:
        place = f"{method} {path} -> {status}"
        if status >= 500:
            self.violations.append(f"{place}: server error: {body[:300]}")
            return
        template = self._template(method, path)
        schema_key = template and self._response_key(template, method, status)
        if template is None or schema_key is None:
            self.violations.append(f"{place}: the contract has no such response")
            return
        validator = self._validator(template, method, schema_key)
        if validator is None:
            return
        self._check_body(place, validator, kind, body)

    def _check_body(
        self, place: str, validator: Draft202012Validator, kind: str, body: str
    ) -> None:
        if not kind.startswith(JSON):
            self.violations.append(f"{place}: content type {kind!r} is not JSON")
            return
        try:
            value = json.loads(body)
        except ValueError as error:
            self.violations.append(f"{place}: no JSON: {error}")
            return
        for error in validator.iter_errors(value):
            where = "/".join(map(str, error.absolute_path))
            self.violations.append(f"{place}: at {where!r}: {error.message[:300]}")

    def _template(self, method: str, path: str) -> str | None:
        """The most literal path of the contract that fits and has the method."""
        fitting = [
            template
            for template, item in self.document["paths"].items()
            if method.lower() in item and _fits(template, path)
        ]
        return min(fitting, key=lambda t: t.count("{"), default=None)

    def _response_key(self, template: str, method: str, status: int) -> str | None:
        responses = self.document["paths"][template][method.lower()]["responses"]
        wanted = [str(status), f"{status // 100}XX"]
        wanted += ["default"] if status >= 400 else []
        return next((key for key in wanted if key in responses), None)

    def _validator(self, template: str, method: str, key: str) -> Draft202012Validator | None:
        place = (template, method, key)
        if place not in self._validators:
            responses = self.document["paths"][template][method.lower()]["responses"]
            content = responses[key].get("content", {})
            if JSON not in content:
                return None
            schema = content[JSON]["schema"] | {"components": self.document["components"]}
            if "result" in schema.get("properties", {}):
                schema["required"] = list(ENVELOPE)
            self._validators[place] = Draft202012Validator(schema)
        return self._validators[place]


def _fits(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path.rstrip("/") or "/") is not None


def _to_json_schema(value: Any, in_union: bool = False) -> Any:
    """OpenAPI 3.0 says `nullable`; JSON Schema says that null is a type."""
    if isinstance(value, list):
        return [_to_json_schema(item, in_union) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {
        key: _to_json_schema(item, key in ("anyOf", "oneOf"))
        for key, item in value.items()
        if not (key == "nullable" and isinstance(item, bool))
    }
    if value.get("nullable") is not True:
        return inner
    return _nullable(inner, in_union)


def _nullable(schema: dict[str, Any], in_union: bool) -> dict[str, Any]:
    if not set(schema) - ANNOTATIONS:
        return {"type": "null"} if in_union else schema
    if "enum" not in schema and isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
