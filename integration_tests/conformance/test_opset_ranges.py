"""Every operator definition against the schemas of every version in its range."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import codegen_torch.ops  # noqa: F401  # registers the operators
import numpy as np
import onnx
import pytest
from codegen_torch.lower.registry import NEWEST, Definition, definitions, registered
from onnx.defs import OpSchema

# Attributes of opset 1 that only said where a result may be stored.
IGNORED = {"consumed_inputs"}

# Versions that changed what an operator computes without changing its signature: no range may reach across them.
MEANING_CHANGED = {
    ("Hardmax", 13): "before, the input was read as a matrix",
    ("LogSoftmax", 13): "before, the input was read as a matrix",
    ("Softmax", 13): "before, the input was read as a matrix",
    ("PRelu", 7): "before, the slope belonged to the channels and did not broadcast like numpy",
    ("Resize", 11): "before, coordinates were asymmetric",
    ("GroupNormalization", 21): "before, scale and bias belonged to groups, not to channels",
    ("Scan", 9): "before, there was a batch axis",
}

# Operators without any definition, and why.
NOT_COVERED: dict[tuple[str, str], str] = {}


def history() -> dict[tuple[str, str], dict[int, OpSchema]]:
    """The schemas of each operator by the version they came with."""
    schemas: dict[tuple[str, str], dict[int, OpSchema]] = defaultdict(dict)
    for schema in onnx.defs.get_all_schemas_with_history():
        schemas[schema.domain, schema.name][schema.since_version] = schema
    return schemas


HISTORY = history()
STANDARD = {key: defined for key, defined in registered().items() if key in HISTORY}


def spans(key: tuple[str, str]) -> Iterator[tuple[OpSchema, int]]:
    """Yields the schemas of an operator with the last version that each holds at."""
    schemas = [HISTORY[key][version] for version in sorted(HISTORY[key])]
    for schema, later in zip(schemas, [*schemas[1:], None], strict=True):
        yield schema, NEWEST if later is None else later.since_version - 1


def default(attribute: OpSchema.Attribute) -> Any:
    if not attribute.default_value.type:
        return None
    value = onnx.helper.get_attribute_value(attribute.default_value)
    if isinstance(value, list):
        return tuple(item.decode() if isinstance(item, bytes) else item for item in value)
    return value.decode() if isinstance(value, bytes) else value


def agrees(stated: Any, schema: OpSchema.Attribute) -> bool:
    """Tells whether a definition's default is the schema's; where that has none, its prose has the word."""
    wanted = default(schema)
    if wanted is None or schema.required:
        return True
    if isinstance(wanted, float) and isinstance(stated, float):
        return np.float32(stated) == np.float32(wanted)
    return stated == wanted


def differences(definition: Definition, schema: OpSchema) -> Iterator[str]:
    """Yields how a definition and a schema in its range contradict each other.

    One definition may leave inputs to another, which is for nodes that have them.
    """
    beside = definitions(schema.domain, schema.name, max(schema.since_version, definition.since))
    taken = max((len(each.inputs) for each in (definition, *beside)), default=0)
    variadic = any(parameter.variadic for each in (definition, *beside) for parameter in each.inputs)
    for parameter in schema.inputs[taken:] if not variadic else ():
        yield f"input {parameter.name!r} is not taken"
    for name, attribute in schema.attributes.items():
        if name in IGNORED:
            continue
        if name not in definition.attributes:
            yield f"attribute {name!r} is not taken"
        elif not agrees(stated := definition.attributes[name], attribute):
            yield f"attribute {name!r} is {default(attribute)!r} by default, not {stated!r}"


def test_the_newest_opset_is_the_newest() -> None:
    assert onnx.defs.onnx_opset_version() == NEWEST


def test_operators_are_registered() -> None:
    assert len(STANDARD) > 100


@pytest.mark.parametrize("key", STANDARD, ids=["".join(filter(None, key)) for key in STANDARD])
def test_ranges_span_one_signature(key: tuple[str, str]) -> None:
    found = {
        f"{definition.since} to {definition.until}, at {schema.since_version}: {difference}"
        for schema, last in spans(key)
        for definition in STANDARD[key]
        if definition.since <= last and schema.since_version <= definition.until
        for difference in differences(definition, schema)
    }
    assert found == set()


@pytest.mark.parametrize("key", STANDARD, ids=["".join(filter(None, key)) for key in STANDARD])
def test_ranges_do_not_reach_across_a_new_meaning(key: tuple[str, str]) -> None:
    for definition in STANDARD[key]:
        across = [v for (name, v) in MEANING_CHANGED if name == key[1] and definition.since < v <= definition.until]
        assert across == []


@pytest.mark.parametrize("key", STANDARD, ids=["".join(filter(None, key)) for key in STANDARD])
def test_ranges_begin_and_end_where_versions_do(key: tuple[str, str]) -> None:
    """A range may begin before the operator does, at 1, and ends with the last version before another."""
    begins = {1, *HISTORY[key]}
    ends = {NEWEST, *(version - 1 for version in HISTORY[key])}
    assert {definition.since for definition in STANDARD[key]} <= begins
    assert {definition.until for definition in STANDARD[key]} <= ends


def test_every_version_of_every_operator_is_covered() -> None:
    missing = {
        f"{domain or 'ai.onnx'}.{name}-{version}"
        for (domain, name), versions in HISTORY.items()
        for version, schema in versions.items()
        if not schema.deprecated  # Scatter 11 and Upsample 10 only say that there is none any more
        if not definitions(domain, name, version) and (domain, name) not in NOT_COVERED
    }
    assert missing == set()


def test_what_is_said_not_to_be_covered_is_not() -> None:
    assert [key for key in NOT_COVERED if registered().get(key)] == []
