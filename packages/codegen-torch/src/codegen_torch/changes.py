"""What a converted model shall do otherwise than its file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from onnx_proto import Model

from codegen_torch.clean import clean
from codegen_torch.clean.constants import constants_to_initializers
from codegen_torch.clean.cut import add_outputs, extract
from codegen_torch.clean.dropout import check_share, insert_dropout
from codegen_torch.clean.unfold import unfold_batchnorm
from codegen_torch.dynamic.free import free, parse
from codegen_torch.errors import UnsupportedError
from codegen_torch.facts import Facts
from codegen_torch.lower.graph import lower


@dataclass(frozen=True, slots=True)
class Changes:
    """What a converted model shall do otherwise than its file.

    Values are called by their names, or by the modules that return them: ``"encoder.layer.3"``.

    Attributes:
        inputs: The values that the model takes, in the place of its own inputs; none to keep these.
        outputs: The values that it returns, in the place of its own outputs; none to keep these.
        intermediate: Values that it returns as well.
        dynamic: Sizes that the file fixes and that shall be free: ``"batch"`` for the first axis of all inputs, or
            ``"image:0=batch"``.
        unfold_batchnorm: Whether batch normalizations that were folded into convolutions come back, as the identity.
        dropout: The share of elements that dropouts drop in training, which come back where the file tells that there
            were any; ``"file"`` for the share that each has there, None to leave them as they are.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    intermediate: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    unfold_batchnorm: bool = False
    dropout: float | str | None = None

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        check_share(self.dropout)

    def apply(self, model: Model, source: str, notes: list[str] | None = None) -> Model:
        """The model with these changes.

        Args:
            model: A model without functions of its own.
            source: How errors call it.
            notes: Where to add what the user should know.

        Raises:
            UnknownNameError: A name stands for nothing.
            CutError: The model cannot be cut at these values.
            DynamicError: The inputs have no such size that is fixed.
            UnsupportedError: A size cannot be freed.
        """
        if self.inputs or self.outputs:
            facts = _facts(model, source) if self.inputs else {}
            model = extract(model, self.inputs, self.outputs, facts)
        if self.intermediate:
            model = add_outputs(model, self.intermediate)
        if self.unfold_batchnorm:
            model, found = unfold_batchnorm(constants_to_initializers(model))
            (notes if notes is not None else []).extend(found)
        for size in parse(self.dynamic):
            model = free(model, size, source)
        if self.dropout is not None:  # last: what it makes is no operator of ONNX's
            model, found = insert_dropout(constants_to_initializers(model), self.dropout)
            (notes if notes is not None else []).extend(found)
        return model


UNCHANGED = Changes()


def _facts(model: Model, source: str) -> Mapping[str, Facts]:
    """What can be known of the values; nothing where anything in the model cannot be converted."""
    values = dataclasses.replace(model, graph=dataclasses.replace(model.graph, value_infos=()))
    try:
        lowered = lower(clean(values), source)
    except UnsupportedError:
        return {}
    return {name: value.fact for name, value in lowered.values.items() if value is not None}
