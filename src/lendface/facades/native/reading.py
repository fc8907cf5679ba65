"""The OpenAPI document as one page to read: no scripts, nothing from other servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from .documented import METHODS

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font-size: .95em } h3 { margin: 1.5rem 0 0 } p { margin: .3rem 0 }
table { border-collapse: collapse } td { padding: 0 1rem 0 0; vertical-align: top }
"""


def as_page(document: Mapping[str, Any]) -> str:
    body = "\n".join(_sections(document))
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>'
        f"<style>{STYLE}</style><h1>{title} API {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info']['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{body}</html>'
    )


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                yield from _operation(f"{method.upper()} /v1{path}", operation)
    yield "<h2>What goes over the wire</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operation(heading: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h3><code>{escape(heading)}</code></h3>"
    yield f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
    for parameter in operation.get("parameters", ()):
        told = f"{parameter['name']} ({parameter['in']})"
        yield f"<p><code>{escape(told)}</code> {escape(parameter.get('description', ''))}</p>"
    if body := operation.get("requestBody"):
        (content,) = body["content"].values()
        yield f"<p>takes {_type(content['schema'])}</p>"
    good = [
        f"{status} {_answer(a)}" for status, a in operation["responses"].items() if status < "4"
    ]
    bad = [status for status in operation["responses"] if status >= "4"]
    yield f"<p>answers {', '.join(good)}; problems: {', '.join(bad)}</p>"


def _answer(response: Mapping[str, Any]) -> str:
    schemas = [content.get("schema", {}) for content in response.get("content", {}).values()]
    return _type(schemas[0]) if schemas else ""


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}"><code>{escape(name)}</code></h3>'
    yield f"<p>{escape(schema.get('description', ''))}</p><table>"
    for field, facts in schema.get("properties", {}).items():
        mark = "" if field in schema.get("required", ()) else "?"
        told = f"<td><code>{escape(field)}{mark}</code></td><td>{_type(facts)}</td>"
        yield f"<tr>{told}<td>{escape(facts.get('description', ''))}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A few words of HTML for what a value may be."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for kinds in ("anyOf", "oneOf", "allOf"):
        if kinds in schema:
            return " or ".join(_type(kind) for kind in schema[kinds])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "anything"))
