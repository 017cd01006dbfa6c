"""Writes `validate/signatures.txt`: what the onnx package says of the inputs, outputs and attributes of operators.

With --check, says whether the file is what would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import onnx.defs
from onnx.defs import OpSchema

TARGET = Path(__file__).parents[1] / "src/codegen_torch/validate/signatures.txt"
KINDS = {"bool": "b", "string": "t", "float": "f", "double": "f", "float16": "f", "bfloat16": "f"}
CONTAINERS = {"seq": "S", "optional": "O", "map": "M", "sparse_tensor": "P"}
OPTION = {OpSchema.FormalParameterOption.Optional: "?", OpSchema.FormalParameterOption.Variadic: "*"}
ATTRIBUTE = {
    each: each.name.replace("SPARSE_TENSOR", "SPARSE").lower() for each in OpSchema.AttrType.__members__.values()
}


def kind(text: str) -> str:
    """The letter for a type: ``tensor(uint8)`` is u, ``seq(tensor(float))`` is S."""
    container, _, inner = text.partition("(")
    if container in CONTAINERS:
        return CONTAINERS[container]
    inner = inner.rstrip(")")
    if inner in KINDS:
        return KINDS[inner]
    return {"int": "i", "uint": "u", "complex": "c", "float": "n"}[inner.rstrip("0123456789emfnuz")]


def parameters(schema: OpSchema, formal: list[OpSchema.FormalParameter], fewest: int) -> str:
    """The inputs or outputs of an operator: the name of a type, or the letter of one, and how often it may come."""
    words = []
    names = {each.type_param_str for each in schema.type_constraints}
    for each in formal:
        word = each.type_str if each.type_str in names else f"={kind(each.type_str)}"
        word += OPTION.get(each.option, "")
        if each.option == OpSchema.FormalParameterOption.Variadic:
            word += str(max(fewest - len(formal) + 1, 0)) + ("" if each.is_homogeneous else "~")
        words.append(word)
    return " ".join(words)


def line(schema: OpSchema) -> str:
    """Everything of one version of an operator."""
    attributes = " ".join(
        f"{name}:{ATTRIBUTE[each.type]}{'!' if each.required else ''}"
        for name, each in sorted(schema.attributes.items())
    )
    types = " ".join(
        f"{each.type_param_str}={''.join(sorted({kind(text) for text in each.allowed_type_strs}))}"
        for each in sorted(schema.type_constraints, key=lambda each: each.type_param_str)
    )
    inputs = parameters(schema, list(schema.inputs), schema.min_input)
    outputs = parameters(schema, list(schema.outputs), schema.min_output)
    name = f"{schema.domain}.{schema.name}" if schema.domain else schema.name
    return "|".join((name, str(schema.since_version), inputs, outputs, attributes, types))


def text() -> str:
    """The whole file."""
    schemas = [each for each in onnx.defs.get_all_schemas_with_history() if not each.deprecated]
    return "".join(sorted(line(each) + "\n" for each in schemas))


def main() -> None:
    """Writes or compares the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        TARGET.write_text(text(), "utf-8", newline="\n")
    elif TARGET.read_text("utf-8") != text():
        sys.exit(f"{TARGET} is not what onnx {onnx.__version__} says")


if __name__ == "__main__":
    main()
