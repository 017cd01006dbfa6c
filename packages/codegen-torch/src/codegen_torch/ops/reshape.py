"""Other shapes for the same elements: reshapes, transposes, broadcasts."""

from __future__ import annotations

from codegen_torch.dims import product, same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.facts import FactError, shape_text
from codegen_torch.lower.registry import Const, Int, Ints, NotApplicable, op
from codegen_torch.ops.unsigned import through_int64
from codegen_torch.reshaped import reshaped
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.demands import demand_rank
from codegen_torch.symbols.namespaces import F, host, runtime
from codegen_torch.symbols.shape import normal


@op("Reshape", since=1, until=4)
def reshape_by_attribute(x: Expr, *, shape: tuple[int, ...]) -> Expr:
    return reshape(x, shape)  # type: ignore[no-any-return]


@op("Reshape", since=5)
def reshape(x: Expr, shape: Ints, *, allowzero: int = 0) -> Expr:
    """-1 stands for what is left, and 0, unless ``allowzero``, for the size that is there."""
    if not allowzero and any(_is_open(size) for size in shape):
        return runtime.reshape(x, shape)  # type: ignore[no-any-return]
    sizes: list[Int] = []
    for axis, size in enumerate(shape):
        if allowzero or not isinstance(size, int) or size != 0:
            sizes.append(size)
        elif x.rank is not None and axis >= x.rank:
            raise FactError(f"a reshape of {x.fact} that copies the size of axis {axis}")
        else:
            sizes.append(x.shape[axis])
    return reshaped(x, sizes)


@op("Reshape", since=5)
def reshape_to_any_rank(x: Expr, shape: Expr, *, allowzero: int = 0) -> Expr:
    if allowzero:
        return x.reshape(host.tolist(shape))  # type: ignore[no-any-return]
    return runtime.reshape(x, host.tolist(shape))  # type: ignore[no-any-return]


def _is_open(size: Int) -> bool:
    """Whether a host value might turn out to be 0 or -1 in its special meaning."""
    return isinstance(size, Expr) and size.fact.value is None


@op("Flatten", since=1)
def flatten(x: Expr, *, axis: int = 1) -> Expr:
    """A matrix: the dimensions before ``axis`` are its rows, the others its columns."""
    if x.dims is None:
        raise UnknownRank(x)
    axis = axis if axis == len(x.dims) else normal(axis, len(x.dims))
    if axis == 0:
        return reshaped(x, (1, -1))
    if axis == 1:
        return reshaped(x, (x.shape[0], -1))
    return reshaped(x, (product(x.shape[:axis]), product(x.shape[axis:])))  # type: ignore[arg-type]


@op("Squeeze", since=1, until=12)
def squeeze_by_attribute(x: Expr, *, axes: tuple[int, ...] | None = None) -> Expr:
    return squeeze(x, axes)  # type: ignore[no-any-return]


@op("Squeeze", since=13)
def squeeze(x: Expr, axes: Const[Ints] | None = None) -> Expr:
    if axes is None:
        if x.dims is not None and 1 not in x.dims and x.fact.is_static:
            return x
        if x.fact.is_static:
            axes = tuple(axis for axis, size in enumerate(x.dims or ()) if size == 1)
        else:
            return x.squeeze()  # type: ignore[no-any-return]
    if not axes:
        return x
    if x.rank is not None:  # torch takes no axis twice
        axes = list({normal(axis, x.rank): axis for axis in axes}.values())  # type: ignore[arg-type]
    return x.squeeze(axes[0] if len(axes) == 1 else tuple(axes))  # type: ignore[no-any-return]


@op("Unsqueeze", since=1, until=12)
def unsqueeze_by_attribute(x: Expr, *, axes: tuple[int, ...]) -> Expr:
    return unsqueeze(x, axes)  # type: ignore[no-any-return]


@op("Unsqueeze", since=13)
def unsqueeze(x: Expr, axes: Const[Ints]) -> Expr:
    """The axes count in the result, so that the smallest comes first."""
    if len(axes) == 1:
        return x.unsqueeze(axes[0])  # type: ignore[no-any-return]
    places = [axis for axis in axes if isinstance(axis, int)]
    if min(places, default=0) < 0:
        if x.rank is None:
            raise UnknownRank(x)
        places = [normal(axis, x.rank + len(places)) for axis in places]
    if len(set(places)) < len(places):
        raise FactError(f"a new dimension at axes {places}, which are not different")
    for axis in sorted(places):
        x = x.unsqueeze(axis)
    return x


@op("Squeeze", since=13)
def squeeze_computed_axes(x: Expr, axes: Expr) -> Expr:
    return x.squeeze(host.tolist(axes))  # type: ignore[no-any-return]


@op("Unsqueeze", since=13)
def unsqueeze_computed_axes(x: Expr, axes: Expr) -> Expr:
    return runtime.unsqueezed(x, host.tolist(axes))  # type: ignore[no-any-return]


@op("Transpose", since=1)
def transpose(x: Expr, *, perm: tuple[int, ...] | None = None) -> Expr:
    if perm is None:
        if x.rank is None:
            raise UnknownRank(x)
        perm = tuple(reversed(range(x.rank)))
    if x.rank not in (None, len(perm)) or sorted(perm) != list(range(len(perm))):
        raise FactError(f"a permutation {perm} of {x.fact}")
    moved = [axis for axis, source in enumerate(perm) if axis != source]
    if not moved:
        return x
    if len(moved) == 2:
        return x.transpose(*moved)  # type: ignore[no-any-return]
    return x.permute(*perm)  # type: ignore[no-any-return]


@op("Expand", since=8)
def expand(x: Expr, shape: Ints) -> Expr:
    """Broadcasting both ways: a size may be 1 on either side."""
    if x.dims is None:
        return runtime.expand(x, shape)  # type: ignore[no-any-return]
    rank = max(len(x.dims), len(shape))
    own = (*(1,) * (rank - len(x.dims)), *x.dims)
    wanted = (*(1,) * (rank - len(shape)), *shape)
    sizes: list[Int] = []
    for axis, (mine, size) in enumerate(zip(own, wanted, strict=True)):
        known = size_of(size)
        is_new = axis < rank - len(x.dims)
        if isinstance(mine, int) and isinstance(known, int) and 1 not in (mine, known) and mine != known:
            raise FactError(f"an expansion of {x.fact} to {shape_text(tuple(map(size_of, shape)))}")
        if known == 1 or same(mine, known) or (isinstance(mine, int) and mine != 1):
            sizes.append(1 if is_new else -1)
        elif mine == 1 or isinstance(known, int):
            sizes.append(size)
        else:
            return runtime.expand(x, shape)  # type: ignore[no-any-return]
    if all(isinstance(size, int) and size == -1 for size in sizes):
        return x
    return x.expand(*sizes)  # type: ignore[no-any-return]


@op("Expand", since=8)
def expand_to_any_rank(x: Expr, shape: Expr) -> Expr:
    return runtime.expand(x, host.tolist(shape))  # type: ignore[no-any-return]


@op("Tile", since=6)
def tile(x: Expr, repeats: Ints) -> Expr:
    if all(isinstance(count, int) and count == 1 for count in repeats):
        return x
    return x.repeat(*repeats)  # type: ignore[no-any-return]


@op("Tile", since=6)
def tile_to_any_size(x: Expr, repeats: Expr) -> Expr:
    return x.repeat(host.tolist(repeats))  # type: ignore[no-any-return]


@op("Tile", since=1, until=5)
def tile_along_axis(x: Expr, tiles: Expr, axis: Const[int]) -> Expr:
    """Before opset 6 one dimension was repeated; both numbers had the type of ``x``."""
    if x.rank is None:
        raise UnknownRank(x)
    known = tiles.fact.value
    count = host.item(tiles.to(DType.INT64)) if known is None else int(known.item())
    return tile(x, [count if position == normal(axis, x.rank) else 1 for position in range(x.rank)])  # type: ignore[no-any-return]


@op("DepthToSpace", since=1, until=10)
def depth_to_space_by_columns(x: Expr, *, blocksize: int) -> Expr:
    return depth_to_space(x, blocksize=blocksize)  # type: ignore[no-any-return]


@op("DepthToSpace", since=11)
def depth_to_space(x: Expr, *, blocksize: int, mode: str = "DCR") -> Expr:
    """Channels are ordered (row, column, channel), or in the mode of torch, CRD, (channel, row, column)."""
    _check_blocks(x, blocksize)
    if mode == "CRD":
        return _pixel_shuffle(x, blocksize)  # type: ignore[no-any-return]
    if mode != "DCR":
        raise NotApplicable(f"there is no mode {mode!r}")
    blocks = x.unflatten(1, (blocksize, blocksize, -1)).permute(0, 3, 4, 1, 5, 2)
    return blocks.flatten(4, 5).flatten(2, 3)  # type: ignore[no-any-return]


@op("SpaceToDepth", since=1, until=27)
def space_to_depth_by_columns(x: Expr, *, blocksize: int) -> Expr:
    return space_to_depth(x, blocksize=blocksize)  # type: ignore[no-any-return]


@op("SpaceToDepth", since=28)
def space_to_depth(x: Expr, *, blocksize: int, mode: str = "DCR") -> Expr:
    _check_blocks(x, blocksize)
    if mode == "CRD":
        return _pixel_unshuffle(x, blocksize)  # type: ignore[no-any-return]
    if mode != "DCR":
        raise NotApplicable(f"there is no mode {mode!r}")
    blocks = x.unflatten(3, (-1, blocksize)).unflatten(2, (-1, blocksize)).permute(0, 3, 5, 1, 2, 4)
    return blocks.flatten(1, 3)  # type: ignore[no-any-return]


def _check_blocks(x: Expr, blocksize: int) -> None:
    demand_rank("an image in blocks", x.fact, 4, 4)
    if blocksize < 1:
        raise FactError(f"an image in blocks of size {blocksize}")


@through_int64
def _pixel_shuffle(x: Expr, block: int) -> Expr:
    return F.pixel_shuffle(x, block)  # type: ignore[no-any-return]


@through_int64
def _pixel_unshuffle(x: Expr, block: int) -> Expr:
    return F.pixel_unshuffle(x, block)  # type: ignore[no-any-return]
