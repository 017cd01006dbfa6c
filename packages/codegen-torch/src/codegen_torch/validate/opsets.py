"""Rules of what a model states of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx_proto import Model, OperatorSet, TensorType

from codegen_torch.validate.places import quoted


def check_opsets(model: Model) -> Iterator[str]:
    """A domain has one version, from 1 up, in the model and in every function."""
    yield from _contradictions("opset_import", model.opset_imports)
    for each in model.functions:
        yield from _contradictions(f"function {quoted(each.name)}.opset_import", each.opset_imports)


def _contradictions(place: str, imports: Sequence[OperatorSet]) -> Iterator[str]:
    versions: dict[str, int] = {}
    for domain, version in ((each.domain, each.version) for each in imports):
        if version < 1:
            yield f"{place}: domain {quoted(domain)} has version {version}"
        if versions.setdefault(domain, version) != version:
            yield f"{place}: domain {quoted(domain)} has two versions, {versions[domain]} and {version}"


def check_functions(model: Model) -> Iterator[str]:
    """Domain, name and overload tell functions apart, as names do parameters."""
    seen: set[tuple[str, str, str]] = set()
    for each in model.functions:
        place = f"function {quoted(each.name)}"
        key = (each.domain, each.name, each.overload)
        if key in seen:
            yield f"{place}: domain {quoted(each.domain)} has two of this name"
        seen.add(key)
        for what, names in (("inputs", each.inputs), ("outputs", each.outputs)):
            if len(set(names)) < len(names):
                yield f"{place}: two {what} have one name"


def check_initialized_inputs(model: Model) -> Iterator[str]:
    """An input that an initializer gives a value is of the initializer's element type."""
    types = {each.name: each.type.elem_type for each in model.graph.inputs if isinstance(each.type, TensorType)}
    for tensor in model.graph.initializers:
        stated = types.get(tensor.name, tensor.dtype)
        if stated is not tensor.dtype:
            yield f"graph.initializer {quoted(tensor.name)} is {tensor.dtype.name}, as an input it is {stated.name}"
