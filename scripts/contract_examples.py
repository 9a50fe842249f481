"""Every example in openapi.yaml follows the schema that it stands beside."""

import sys

import yaml
from openapi_schema_validator import OAS31Validator


class Loader(yaml.SafeLoader):
    """Reads dates as the text that they are in JSON."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def resolved(document, node):
    """The node itself, or what it refers to."""
    while isinstance(node, dict) and "$ref" in node:
        reference = node["$ref"]
        node = document
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]
    return node


def examples(document, node, path=""):
    """All (path, schema, value) in the tree."""
    if isinstance(node, dict):
        if "schema" in node:
            if "example" in node:
                yield path, node["schema"], node["example"]
            for name, example in node.get("examples", {}).items():
                yield f"{path} {name}", node["schema"], resolved(document, example)["value"]
        for name, child in node.items():
            if name not in ("example", "examples"):
                yield from examples(document, child, f"{path}/{name}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from examples(document, child, f"{path}/{index}")


def main():
    with open("openapi.yaml", encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    count = faults = 0
    for path, schema, value in examples(document, {k: document[k] for k in ("paths", "components")}):
        count += 1
        whole = {**schema, "components": document["components"]}
        for error in OAS31Validator(whole).iter_errors(value):
            faults += 1
            print(f"{path}: {error.json_path}: {error.message}", file=sys.stderr)
    print(f"contract: {count} examples, {faults} faults")
    return 1 if faults or not count else 0


sys.exit(main())
