"""The reference of the API as a page, drawn from its OpenAPI description; it asks nothing of the network."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emovoz.page import templates_of
from emovoz.serve.schemas import EXAMPLES, Model

_CURL = {
    "/v1/predict": 'curl -F audio=@clip.wav -F "text=what is said" {url}',
    "/v1/predict/batch": "curl -F audio=@one.wav -F audio=@two.wav {url}",
}


@dataclass(frozen=True)
class Route:
    """One route, as the page shows it."""

    method: str
    path: str
    summary: str
    description: str
    fields: tuple[tuple[str, str], ...]
    statuses: tuple[tuple[str, str], ...]
    command: str
    example: str


def reference_page(schema: Mapping[str, Any], card: Model, base: str) -> str:
    """The page as HTML.

    Args:
        schema: of OpenAPI.
        card: of the model.
        base: address of the service, with a slash at its end.
    """
    template = templates_of("serve").get_template("reference.html.j2")
    return template.render(about=schema["info"], routes=list(_routes(schema, base)), card=card)


def _routes(schema: Mapping[str, Any], base: str) -> Iterator[Route]:
    for path, by_method in schema["paths"].items():
        for method, route in by_method.items():
            url = base.rstrip("/") + path
            yield Route(
                method=method.upper(),
                path=path,
                summary=route["summary"],
                description=route["description"],
                fields=tuple(_fields(route)),
                statuses=tuple((status, told["description"]) for status, told in route["responses"].items()),
                command=_CURL.get(path, "curl {url}").format(url=url),
                example=_example(route),
            )


def _fields(route: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    content = route.get("requestBody", {}).get("content", {})
    properties = content.get("multipart/form-data", {}).get("schema", {}).get("properties", {})
    for name, field in properties.items():
        yield name, field.get("description") or field["items"]["description"]


def _example(route: Mapping[str, Any]) -> str:
    content = route["responses"]["200"].get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return json.dumps(EXAMPLES[name], ensure_ascii=False) if name in EXAMPLES else ""
