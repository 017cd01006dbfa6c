"""The arguments with which a layer is built, from its attributes and the shapes of its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codegen_torch.expr import Expr
from codegen_torch.modules.region import layer_weights, tensor_of
from codegen_torch.symbols.base import is_default

_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a constructor: positional if it has no default."""

    name: str
    value: Any
    default: Any = _REQUIRED

    @property
    def keyword(self) -> bool:
        """Whether it is written with its name."""
        return self.default is not _REQUIRED

    @property
    def is_default(self) -> bool:
        """Whether it need not be written."""
        return self.keyword and is_default(self.value, self.default)


def constructor(layer: Expr) -> list[Argument]:
    """The arguments of ``nn.X(...)`` for a layer, defaults included."""
    shapes = {role: tensor_of(leaf).shape for role, leaf in layer_weights(layer).items()}
    return _CONSTRUCTORS[layer.op.rstrip("d").rstrip("123")](layer, shapes)


_Shapes = dict[str, tuple[int, ...]]


def _linear(layer: Expr, shapes: _Shapes) -> list[Argument]:
    outputs, inputs = shapes["weight"]
    return [Argument("in_features", inputs), Argument("out_features", outputs), _bias(shapes)]


def _bias(shapes: _Shapes) -> Argument:
    return Argument("bias", "bias" in shapes, True)


def _conv(layer: Expr, shapes: _Shapes) -> list[Argument]:
    outputs, inputs, *kernel = shapes["weight"]
    groups = layer.attrs.get("groups", 1)
    return [
        Argument("in_channels", inputs * groups),
        Argument("out_channels", outputs),
        Argument("kernel_size", _single(kernel)),
        *_settings(layer, stride=1, padding=0, dilation=1, groups=1),
        _bias(shapes),
    ]


def _conv_transpose(layer: Expr, shapes: _Shapes) -> list[Argument]:
    inputs, outputs, *kernel = shapes["weight"]
    groups = layer.attrs.get("groups", 1)
    return [
        Argument("in_channels", inputs),
        Argument("out_channels", outputs * groups),
        Argument("kernel_size", _single(kernel)),
        *_settings(layer, stride=1, padding=0, output_padding=0, groups=1),
        _bias(shapes),
        *_settings(layer, dilation=1),
    ]


def _batch_norm(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [
        Argument("num_features", shapes["running_mean"][0]),
        *_settings(layer, eps=1e-5),
        Argument("affine", "weight" in shapes, True),
    ]


def _group_norm(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [
        Argument("num_groups", layer.attrs["num_groups"]),
        Argument("num_channels", shapes["weight"][0]),
        *_settings(layer, eps=1e-5),
    ]


def _instance_norm(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [
        Argument("num_features", shapes["weight"][0]),
        *_settings(layer, eps=1e-5),
        Argument("affine", "weight" in shapes, False),
    ]


def _layer_norm(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [
        Argument("normalized_shape", _single(shapes["weight"])),
        *_settings(layer, eps=1e-5),
        _bias(shapes),
    ]


def _rms_norm(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [Argument("normalized_shape", _single(shapes["weight"])), *_settings(layer, eps=None)]


def _embedding(layer: Expr, shapes: _Shapes) -> list[Argument]:
    count, size = shapes["weight"]
    return [Argument("num_embeddings", count), Argument("embedding_dim", size)]


def _prelu(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [Argument("num_parameters", shapes["weight"][0], 1)]


def _recurrent(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [
        Argument("input_size", shapes["weight_ih_l0"][1]),
        Argument("hidden_size", layer.attrs["hidden_size"]),
        *_settings(layer, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False),
        *_settings(layer, dropout=0.0, bidirectional=False),
    ]


def _dropout(layer: Expr, shapes: _Shapes) -> list[Argument]:
    return [Argument("p", layer.attrs["p"])]


def _settings(layer: Expr, **defaults: Any) -> list[Argument]:
    return [Argument(name, layer.attrs.get(name, default), default) for name, default in defaults.items()]


def _single(values: list[int] | tuple[int, ...]) -> Any:
    """One number where all are equal, as torch's constructors take it; a tuple of several otherwise."""
    return values[0] if len(set(values)) == 1 and (len(values) == 1 or isinstance(values, list)) else tuple(values)


_CONSTRUCTORS: dict[str, Callable[[Expr, _Shapes], list[Argument]]] = {
    "nn.AlphaDropout": _dropout,
    "nn.BatchNorm": _batch_norm,
    "nn.Conv": _conv,
    "nn.ConvTranspose": _conv_transpose,
    "nn.Dropout": _dropout,
    "nn.Embedding": _embedding,
    "nn.FeatureAlphaDropout": _dropout,
    "nn.GRU": _recurrent,
    "nn.GroupNorm": _group_norm,
    "nn.InstanceNorm": _instance_norm,
    "nn.LSTM": _recurrent,
    "nn.LayerNorm": _layer_norm,
    "nn.Linear": _linear,
    "nn.PReLU": _prelu,
    "nn.RMSNorm": _rms_norm,
    "nn.RNN": _recurrent,
}
