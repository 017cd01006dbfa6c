"""Data clean-up, ONNX to ONNX, one clean-up per file, in the order of :func:`clean`."""

from __future__ import annotations

from onnx_proto import Model

from codegen_torch.clean.constants import constants_to_initializers
from codegen_torch.clean.identities import eliminate_identities
from codegen_torch.clean.unused import eliminate_unused
from codegen_torch.clean.versions import state_the_first_version


def clean(model: Model) -> Model:
    """The same model with less in it."""
    model = state_the_first_version(model)
    model = constants_to_initializers(model)
    model = eliminate_identities(model)
    return eliminate_unused(model)  # last: the others leave things without users
