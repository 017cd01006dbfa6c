"""For each operator, where the samples are in its results, and what it must not do with them.

What has no rule here resists: nothing is known to keep samples independent of each other unless it is said.
"""

from __future__ import annotations

from collections.abc import Callable

from codegen_torch.dynamic import shapes
from codegen_torch.dynamic.states import Batched, Resists, Sized, State
from codegen_torch.dynamic.step import Step

Rule = Callable[[Step], "State | tuple[State, ...]"]


def elementwise(step: Step) -> State:
    """All operands have the samples on the axis where the result has them, or are the same for all samples."""
    states = [step.state(index) for index in range(len(step.node.inputs))]
    if any(isinstance(state, Sized) for state in states):
        if step.node.op_type in _OF_SIZES:
            return shapes.of_sizes(step)
        raise Resists("it computes with the size of the batch")
    out = step.out_dims()
    found: Batched | None = None
    for index, state in enumerate(states):
        if not isinstance(state, Batched):
            continue
        place = state.moved(state.axis + len(out) - len(step.dims(index)))
        if found is not None and place != found:
            raise Resists("its operands have the samples on different axes")
        if out[place.axis] != step.dims(index)[state.axis]:
            raise Resists("it repeats the samples")
        found = place
    assert found is not None
    for index, state in enumerate(states):
        if state is None and step.name(index):
            _spread(step, index, found, len(out))
    return found


def _spread(step: Step, index: int, place: Batched, rank: int) -> None:
    """Let an operand that is the same for all samples broadcast along their axis."""
    dims = step.dims(index)
    axis = place.axis - rank + len(dims)
    if axis < 0 or dims[axis] == 1:
        return
    if not place.is_plain:
        raise Resists("an operand has another value for every position of the samples' axis")
    step.inputs[index] = step.repeated(index, axis)


def unary(step: Step) -> State:
    """Element by element of the first operand; the others are the same for all samples."""
    return shapes.of_sizes(step) if isinstance(step.state(0), Sized) else step.only()


def images(step: Step) -> State:
    """The first axis goes over images, each of which is treated alike."""
    state = step.only()
    if state.axis != 0:
        raise Resists("it expects the samples on the first axis")
    if step.node.op_type == "MaxPool" and len(step.node.outputs) > 1:
        raise Resists("its indices count through all samples")
    return state


def resize(step: Step) -> State:
    """Of images, or of any tensor, along other axes than the samples'."""
    state, rank = step.only(), len(step.dims())
    if step.attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise Resists("it crops a region that may be one of the batch")
    axes = [axis % rank for axis in step.attributes.get("axes", range(rank))]
    if state.axis not in axes:
        return state
    position = axes.index(state.axis)
    if step.name(3):
        sizes = step.entries(3)
        if sizes[position] != step.samples or not state.is_plain:
            raise Resists("it resizes the batch")
        pieces = [step.around.integers(size) if isinstance(size, int) else "" for size in sizes]
        if not all(pieces):
            raise Resists("its sizes are computed")
        pieces[position] = step.around.size_name
        step.inputs[3] = step.around.add("Concat", *pieces, axis=0)
        return state
    scales = step.attributes.get("scales") or step.entries(2 if step.name(2) else 1)
    if scales[position] != 1:
        raise Resists("it resizes the batch")
    return state


def dropout(step: Step) -> State:
    """Nothing is dropped where no model is trained."""
    if step.name(2) and any(step.entries(2)):
        raise Resists("it draws as many numbers as the file says")
    return step.only()


def quantized(step: Step) -> State:
    """By one scale, or by scales along another axis."""
    state = step.only()
    if step.dims(1) and step.attributes.get("axis", 1) % len(step.dims()) == state.axis:
        raise Resists("its scales go over the samples")
    if step.attributes.get("block_size"):
        raise Resists("it has a scale for every block")
    return state


def triangle(step: Step) -> State:
    """Of every matrix alike."""
    state = step.only()
    if state.axis >= len(step.dims()) - 2:
        raise Resists("it computes across samples")
    return state


def batch_norm(step: Step) -> State | tuple[State, ...]:
    """By stored statistics, not by those of the batch."""
    if step.attributes.get("training_mode"):
        raise Resists("it computes statistics of the batch")
    return images(step)


def normalized(default: int, *, flattens: bool = False) -> Rule:
    """Over one axis, or if it flattens over that and all after it."""

    def rule(step: Step) -> State:
        state, rank = step.only(), len(step.dims())
        axis = step.attributes.get("axis", default) % rank
        if state.axis >= axis if flattens else state.axis == axis:
            raise Resists("it computes across samples")
        return state

    return rule


def along(default: int = 0) -> Rule:
    """Along one axis, which stays, with all results of the same shape."""

    def rule(step: Step) -> tuple[State, ...]:
        state = step.only()
        axis = step.attributes.get("axis", default)
        if step.node.op_type == "CumSum":
            (axis,) = step.entries(1)
        if state.axis == axis % len(step.dims()):
            raise Resists("it computes across samples")
        return (state,) * len(step.node.outputs)

    return rule


def reduction(step: Step) -> State:
    """Over axes that are not the samples'."""
    if isinstance(step.state(0), Sized):
        raise Resists("it computes with the size of the batch")
    state, rank = step.only(), len(step.dims())
    axes = step.axes()
    if not axes:
        if axes is not None and step.attributes.get("noop_with_empty_axes"):
            return state
        raise Resists("it computes across samples")
    return _without(step, state, {axis % rank for axis in axes})


def chosen(step: Step) -> State:
    """The place of an extreme along one axis."""
    return _without(step, step.only(), {step.attributes.get("axis", 0) % len(step.dims())})


def _without(step: Step, state: Batched, axes: set[int]) -> State:
    if state.axis in axes:
        raise Resists("it computes across samples")
    kept = step.attributes.get("keepdims", 1)
    return state if kept else state.moved(state.axis - sum(axis < state.axis for axis in axes))


def matmul(step: Step) -> State:
    """The samples are among the stacked matrices, or the rows of the left, or the columns of the right one."""
    left, right = step.state(0), step.state(1)
    if isinstance(left, Sized) or isinstance(right, Sized):
        raise Resists("it computes with the size of the batch")
    rank = len(step.out_dims())
    ranks = [len(step.dims(index)) for index in (0, 1)]
    if min(ranks) < 2:
        raise Resists("it multiplies a vector with samples")
    places = [
        None if state is None else state.moved(state.axis + rank - own)
        for state, own in zip((left, right), ranks, strict=True)
    ]
    first, second = places
    summed = (first is not None and first.axis == rank - 1) or (second is not None and second.axis == rank - 2)
    if summed:
        raise Resists("it sums over samples")
    if first is not None and second is not None:
        if first != second or first.axis >= rank - 2:
            raise Resists("it multiplies samples with each other")
        return first
    index, place = (1, first) if first is not None else (0, second)
    assert place is not None
    if place.axis < rank - 2:
        if step.out_dims()[place.axis] != step.dims(1 - index)[place.axis - rank + ranks[1 - index]]:
            raise Resists("it repeats the samples")
        _spread(step, index, place, rank)
    return place


def gemm(step: Step) -> State:
    """The samples are rows of the first matrix."""
    state = step.batched()
    if step.state(1) is not None or step.state(2) is not None:
        raise Resists("an operand that should be the same for all samples is not")
    if state.axis != (1 if step.attributes.get("transA") else 0):
        raise Resists("it sums over samples")
    if step.name(2):
        _spread(step, 2, state.moved(0), 2)
    return state.moved(0)


def einsum(step: Step) -> State:
    """The samples have a letter of their own, which is not summed over."""
    equation = step.attributes["equation"]
    terms, arrow, result = (
        (equation.decode() if isinstance(equation, bytes) else equation).replace(" ", "").partition("->")
    )
    operands = terms.split(",")
    if not arrow or "." in equation:
        raise Resists("its equation has an ellipsis, or no result")
    letters = set()
    for index, term in enumerate(operands):
        state = step.state(index)
        if isinstance(state, Batched):
            letters.add((term[state.axis], state.outer, state.inner))
        elif state is not None:
            raise Resists("it computes with the size of the batch")
    if len(letters) != 1:
        raise Resists("its operands have the samples on different axes")
    ((letter, outer, inner),) = letters
    if result.count(letter) != 1 or any(term.count(letter) > 1 for term in operands):
        raise Resists("it computes across samples")
    for index, term in enumerate(operands):
        if step.state(index) is None and letter in term:
            raise Resists("an operand has another value for every sample")
    return Batched(result.index(letter), outer, inner)


def recurrent(step: Step) -> tuple[State, ...]:
    """The samples are on the second axis, or with ``layout`` on the first; so are those of the initial states."""
    first = bool(step.attributes.get("layout", 0))
    place = Batched(0 if first else 1)
    if step.state(0) != place:
        raise Resists("it expects the samples on another axis")
    for index in range(1, len(step.node.inputs)):
        if not step.name(index):
            continue
        if index == 4:
            if step.state(4) is None:
                step.inputs[4] = step.repeated(4, 0)
            elif step.state(4) != Batched(0):
                raise Resists("it expects the samples on another axis")
        elif index in (5, 6):
            if step.state(index) is None:
                step.inputs[index] = step.repeated(index, place.axis)
            elif step.state(index) != place:
                raise Resists("it expects the samples on another axis")
        elif step.state(index) is not None:
            raise Resists("an operand that should be the same for all samples is not")
    return (Batched(0 if first else 2), place, place)[: len(step.node.outputs)]


def gather_elements(step: Step) -> State:
    """For every sample along another axis of it."""
    axis = step.attributes.get("axis", 0) % len(step.dims())
    states = {step.state(0), step.state(1)}
    if len(states) != 1 or step.batched().axis == axis or not step.batched().is_plain:
        raise Resists("it picks samples")
    if step.dims(0)[step.batched().axis] != step.dims(1)[step.batched().axis]:
        raise Resists("it picks samples")
    return step.batched()


_OF_SIZES = frozenset(
    {"Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Equal", "Less", "Greater", "Where", "And", "Or"}
)
_ELEMENTWISE = (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min "
    "Mod Mul Or PRelu Pow Sub Sum Where Xor"
)
_UNARY = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Cast Ceil Celu Clip Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid "
    "HardSwish Identity IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh "
    "Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu"
)
_IMAGES = (
    "AveragePool Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization "
    "InstanceNormalization LRN LpPool MaxPool SpaceToDepth"
)
_REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"

RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE.split(), elementwise),
    **dict.fromkeys(_UNARY.split(), unary),
    **dict.fromkeys(_IMAGES.split(), images),
    **{f"Reduce{name}": reduction for name in _REDUCTIONS.split()},
    **dict.fromkeys(("ArgMax", "ArgMin"), chosen),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), recurrent),
    "BatchNormalization": batch_norm,
    "Concat": shapes.concat,
    "ConstantOfShape": shapes.filled,
    "CumSum": along(),
    "DequantizeLinear": quantized,
    "Dropout": dropout,
    "Einsum": einsum,
    "Expand": shapes.expand,
    "Flatten": shapes.flatten,
    "Gather": shapes.gather,
    "GatherElements": gather_elements,
    "GatherND": shapes.gather_nd,
    "Gemm": gemm,
    "LayerNormalization": normalized(-1, flattens=True),
    "LpNormalization": normalized(-1),
    "MatMul": matmul,
    "Pad": shapes.pad,
    "QuantizeLinear": quantized,
    "RMSNormalization": normalized(-1, flattens=True),
    "Reshape": shapes.reshape,
    "Resize": resize,
    "Shape": shapes.shape,
    "Slice": shapes.slice_,
    "Split": along(),
    "Squeeze": shapes.squeeze,
    "Tile": shapes.tile,
    "TopK": along(-1),
    "Transpose": shapes.transpose,
    "Trilu": triangle,
    "Upsample": resize,
    "Unsqueeze": shapes.unsqueeze,
}


def softmax(version: int) -> Rule:
    """Before opset 13 the input was read as a matrix, split at ``axis``."""
    return normalized(-1) if version >= 13 else normalized(1, flattens=True)


def rule_of(op_type: str, version: int) -> Rule | None:
    """The rule of an operator of ONNX's own domain."""
    if op_type in ("Softmax", "LogSoftmax", "Hardmax"):
        return softmax(version)
    return RULES.get(op_type)
