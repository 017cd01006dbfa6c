"""The part of a file of kernels that is the same in all of them."""

import contextlib
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
    from triton.language import constexpr
except ModuleNotFoundError:  # then torch computes everything
    triton = tl = constexpr = None

# The operators' namespace, so that several models' kernels can be loaded in one process.
NAMESPACE = f"onnxgen_{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}"

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
DTYPES = frozenset((*FLOATS, *INTEGERS, torch.bool))
TILE = 2048  # elements that one program computes at a time
MAX_RANK = 5  # dimensions that are left after merging
MAX_ROW = 32768  # a longer row does not fit into the registers of one program
MAX_GRADIENT_ROW = 8192  # likewise, for what a gradient needs of it


def fused(reference: Callable[..., Any]) -> Any:
    """Make an operator of a torch function, which is what it computes on every device without a kernel.

    Results are contiguous. The gradient is another operator's, or that of the function, computed anew.
    """

    @functools.wraps(reference)
    def compute(*arguments: Any) -> Any:
        results = reference(*arguments)
        if isinstance(results, Tensor):
            return results.contiguous()
        return tuple(result.contiguous() for result in results)

    def remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*(each for each in inputs if isinstance(each, Tensor)))
        ctx.numbers = [each for each in inputs if not isinstance(each, Tensor)]

    def differentiate(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        tensors = list(ctx.saved_tensors)
        if operator.gradient is not None:
            found = operator.gradient(gradients, tensors, ctx.numbers)
            if all(
                i in found for i, _ in enumerate(tensors) if ctx.needs_input_grad[i]
            ):
                return tuple(
                    found.get(i) for i in range(len(tensors) + len(ctx.numbers))
                )
        wanted = [i for i, _ in enumerate(tensors) if ctx.needs_input_grad[i]]
        given = [i for i, gradient in enumerate(gradients) if gradient is not None]

        def of_wanted(*values: Tensor) -> tuple[Tensor, ...]:
            everything = dict(enumerate(tensors)) | dict(
                zip(wanted, values, strict=True)
            )
            results = reference(*everything.values(), *ctx.numbers)
            results = (results,) if isinstance(results, Tensor) else results
            return tuple(results[i] for i in given)

        pullback = torch.func.vjp(of_wanted, *(tensors[i] for i in wanted))[1]
        found = dict(
            zip(wanted, pullback(tuple(gradients[i] for i in given)), strict=True)
        )
        return tuple(found.get(i) for i in range(len(tensors) + len(ctx.numbers)))

    name = f"{NAMESPACE}::{reference.__name__}"
    operator: Any = torch.library.custom_op(name, compute, mutates_args=())
    operator.register_fake(compute)
    operator.register_autograd(differentiate, setup_context=remember)
    operator.compute = compute
    operator.gradient = None
    operator.whole_rows = False
    return operator


def has_gradient(operator: Any, gradient: Any, **gives: str) -> None:
    """Let another operator compute the gradient of one.

    Args:
        operator: The operator.
        gradient: Takes gradients of the results, parameters and numbers, all of them by name.
        gives: For each parameter the name of its gradient: a result, or one of the gradients taken.
    """
    names = [name for name in operator.compute.__annotations__ if name != "return"]
    asked = [name for name in gradient.compute.__annotations__ if name != "return"]
    results = [
        name
        for name in dict.fromkeys(gives.values())
        if not name.startswith("gradient")
    ]

    def compute(
        gradients: Sequence[Tensor], tensors: Sequence[Tensor], numbers: Sequence[float]
    ) -> dict[int, Tensor]:
        if gradient.whole_rows and gradients[0].shape[-1] > MAX_GRADIENT_ROW:
            return {}
        values = dict(zip(names, (*tensors, *numbers), strict=True))
        one = len(gradients) == 1
        values |= {
            "gradient" if one else f"gradient{i}": each
            for i, each in enumerate(gradients, 1)
        }
        found = gradient(*(values[name] for name in asked))
        found = [found] if isinstance(found, Tensor) else found
        values |= dict(zip(results, found, strict=True))
        return {
            i: values[gives[name]].sum_to_size(each.shape).to(each.dtype)
            for i, (name, each) in enumerate(zip(names, tensors, strict=False))
            if name in gives
        }

    operator.gradient = compute


def kernel_of(operator: Any, how: Any = None, **settings: Any) -> Callable[..., Any]:
    """Let a Triton kernel compute an operator on CUDA.

    Args:
        operator: The operator.
        how: What launches the kernel.
        settings: What it is told beside the operator's arguments.
    """

    def register(kernel: Callable[..., Any]) -> Any:
        operator.whole_rows = settings.get("whole_rows", False)
        if triton is None:
            return None
        compiled = triton.jit(do_not_specialize=["rows", "sizes"])(kernel)
        launcher = functools.partial(
            how or launch, compiled, operator.compute, **settings
        )
        operator.register_kernel("cuda")(launcher)
        return launcher

    return register


def jit(function: Callable[..., Any]) -> Any:
    """Mark a function that kernels call."""
    return function if triton is None else triton.jit(function)


def launch(
    kernel: Any,
    reference: Callable[..., Any],
    *arguments: Any,
    whole_rows: bool = False,
) -> Any:
    """Compute what the reference does by a kernel, or by itself where the kernel cannot.

    Args:
        kernel: Takes pointers to the results, a pointer and strides for each tensor, the numbers, and the tiles.
        reference: The torch function.
        arguments: Tensors, which are broadcast against each other, and then numbers.
        whole_rows: Whether a program needs all of a row, which is the last dimension.
    """
    tensors = [each for each in arguments if isinstance(each, Tensor)]
    numbers = arguments[len(tensors) :]
    shape = torch.broadcast_shapes(*(each.shape for each in tensors))
    sizes, strides = merged(shape, tensors, whole_rows)
    *outer, columns = sizes
    rows = math.prod(outer)
    if (
        len(sizes) > MAX_RANK
        or (whole_rows and columns > MAX_ROW)
        or not can_run(shape, tensors)
    ):
        return reference(*arguments)
    results = results_of(reference, shape, tensors, numbers)
    height, width, warps = tile(rows, columns, strides, whole_rows)
    run(
        kernel,
        -(-rows // height) * -(-columns // width),
        [*results, *alternating(tensors, strides), *numbers],
        (tuple(outer) or (1,), rows, columns, height, width),
        warps,
    )
    return results[0] if len(results) == 1 else tuple(results)


def can_run(shape: Sequence[int], tensors: Sequence[Tensor]) -> bool:
    """Whether a kernel can compute results of this shape from these tensors."""
    device = tensors[0].device
    return (
        math.prod(shape) > 0
        and not torch.is_autocast_enabled(device.type)
        and all(each.dtype in DTYPES and each.device == device for each in tensors)
    )


def run(
    kernel: Any, programs: int, arguments: Sequence[Any], tiles: Any, warps: int
) -> None:
    """Start so many programs of a kernel on the device where its first argument is."""
    device = arguments[0].device
    on_cuda = device.type == "cuda"
    with torch.cuda.device(device) if on_cuda else contextlib.nullcontext():
        kernel[programs,](*arguments, *tiles, num_warps=warps)


def alternating(
    tensors: Sequence[Tensor], strides: Sequence[tuple[int, ...]]
) -> list[Any]:
    """Each tensor and its strides, as kernels take them."""
    return [part for pair in zip(tensors, strides, strict=True) for part in pair]


def results_of(
    reference: Callable[..., Any],
    shape: Sequence[int],
    tensors: Sequence[Tensor],
    numbers: Sequence[float],
) -> list[Tensor]:
    """What a kernel writes its results to."""
    kinds = tuple(
        (each.dtype, tuple(min(n, 2) for n in each.shape)) for each in tensors
    )
    found = sample_results(reference, kinds, tuple(numbers))
    device = tensors[0].device
    return [
        torch.empty(reduced(shape, each.shape), dtype=each.dtype, device=device)
        for each in found
    ]


@functools.cache
def sample_results(
    reference: Callable[..., Any],
    kinds: tuple[tuple[torch.dtype, tuple[int, ...]], ...],
    numbers: tuple[float, ...],
) -> list[Tensor]:
    """What a function returns for tensors of these dtypes and shapes, without data."""
    tensors = [torch.empty(shape, dtype=dtype, device="meta") for dtype, shape in kinds]
    results = reference(*tensors, *numbers)
    return [results] if isinstance(results, Tensor) else list(results)


def reduced(shape: Sequence[int], sample: Sequence[int]) -> Sequence[int]:
    """A shape without the last dimension, or with one of 1, if a sample of the result is so."""
    if len(sample) < len(shape):
        return shape[:-1]
    return (*shape[:-1], 1) if shape and sample[-1] == 1 else shape


def merged(
    shape: Sequence[int], tensors: Sequence[Tensor], whole_rows: bool
) -> tuple[list[int], list[tuple[int, ...]]]:
    """The sizes and the tensors' strides after broadcasting, in as few dimensions as will do.

    Neighbours through which every tensor steps evenly become one, but for the last one where rows stay whole.
    Strides have at least two entries: those of the rows, then that of the columns.
    """
    steps = [each.expand(shape).stride() for each in tensors]
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in tensors]
    for axis in range(len(shape) - 1, -1, -1):
        size = shape[axis]
        if size == 1 and not (whole_rows and axis == len(shape) - 1):
            continue
        if len(sizes) > whole_rows and all(
            step[axis] == done[0] * sizes[0]
            for step, done in zip(steps, kept, strict=True)
        ):
            sizes[0] *= size
            continue
        sizes.insert(0, size)
        for step, done in zip(steps, kept, strict=True):
            done.insert(0, step[axis])
    if not sizes:
        sizes, kept = [1], [[1] for _ in tensors]
    return sizes, [tuple(done if len(done) > 1 else [0, *done]) for done in kept]


def tile(
    rows: int, columns: int, strides: Sequence[Sequence[int]], whole_rows: bool
) -> tuple[int, int, int]:
    """How many rows and columns a program computes, and by how many warps."""
    if whole_rows:
        width = power_of_two(columns)
        height = min(max(1, TILE // 2 // width), power_of_two(rows))
    elif any(step[-2] == 1 and step[-1] > 1 for step in strides):
        # Somebody's neighbours are in a column: a square tile uses all of what it fetches.
        width = min(power_of_two(columns), 64)
        height = min(power_of_two(rows), TILE // width)
    else:
        width = min(power_of_two(columns), TILE)
        height = min(power_of_two(rows), TILE // width)
    return height, width, min(max(height * width // 256, 4), 16)


def power_of_two(size: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (size - 1).bit_length()


@jit
def places(rows, columns, ROWS: constexpr, COLUMNS: constexpr):
    """The rows and columns of a program's tile."""
    across = tl.cdiv(columns, COLUMNS)
    program = tl.program_id(0)
    row = (program // across).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = (program % across).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    return row, column


@jit
def read(pointer, strides, sizes, row, column, inside):
    """The elements of a tile; floats as float32, in which everything is computed."""
    elements = tl.load(pointer + offsets(row, column, sizes, strides), inside, 0)
    if elements.dtype.is_floating():
        elements = elements.to(tl.float32)
    return elements


@jit
def offsets(row, column, sizes, strides):
    """Where the elements of a tile lie in a tensor of these strides."""
    at = column * strides[len(sizes)]
    for axis in tl.static_range(len(sizes) - 1, 0, -1):
        at += row % sizes[axis] * strides[axis]
        row = row // sizes[axis]
    return at + row * strides[0]


@jit
def larger(x, y):
    """The maximum; NaN wins."""
    return tl.maximum(x, y, tl.PropagateNan.ALL)


@jit
def smaller(x, y):
    """The minimum; NaN wins."""
    return tl.minimum(x, y, tl.PropagateNan.ALL)


@jit
def tanh(x):
    """The hyperbolic tangent, as precise near zero as elsewhere."""
    fall = tl.exp(-2.0 * tl.abs(x))
    far = tl.where(x < 0, -1.0, 1.0) * ((1.0 - fall) / (1.0 + fall))
    square = x * x
    near = x * (1.0 + square * (-1 / 3 + square * (2 / 15 - square * (17 / 315))))
    return tl.where(tl.abs(x) < 0.1, near, far)


@jit
def expm1(x):
    """exp(x) - 1, as precise near zero as elsewhere."""
    near = x * (1.0 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120)))))
    return tl.where(tl.abs(x) < 0.1, near, tl.exp(x) - 1.0)


@jit
def log1p(x):
    """log(1 + x) of what is not negative, as precise near zero as elsewhere."""
    total = 1.0 + x
    return tl.where(total == 1.0, x, tl.log(total) * (x / (total - 1.0)))
