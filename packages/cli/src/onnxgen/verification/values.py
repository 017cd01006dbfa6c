"""Values as they are compared: plain numbers, whatever type the elements have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from codegen_torch.dtypes import DType
from codegen_torch.minifloats import decoded

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The elements of a tensor.

    Attributes:
        array: Their values; float32 where numpy lacks the type.
        dtype: The type they have.
    """

    array: Array
    dtype: DType

    @classmethod
    def of(cls, array: Array, dtype: DType) -> Numbers:
        """The elements of an array that holds bits where numpy lacks the type."""
        return cls(
            array if dtype.in_numpy or dtype is DType.STRING else decoded(np.asarray(array, order="C"), dtype), dtype
        )


Value: TypeAlias = "Numbers | list[Value] | dict[Any, Any] | None"
"""A tensor, a sequence, a map, or an absent optional."""
