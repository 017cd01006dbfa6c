"""How a model is distributed over devices (IR version 11 and later)."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeviceConfiguration:
    """A named set of devices; without names, devices are ``0 … num_devices - 1``."""

    name: str
    num_devices: int
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SimpleShardedDim:
    """A number of equal shards of a dimension, whose size may be a number, a symbol, or unknown."""

    dim: int | str | None
    num_shards: int


@dataclass(frozen=True, slots=True)
class ShardedDim:
    """How one axis is split; negative axes count from the end."""

    axis: int
    simple_shardings: tuple[SimpleShardedDim, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ShardingSpec:
    """How one tensor is split.

    Attributes:
        tensor_name: An input or output of the node.
        devices: Devices, in the order of shards; negative numbers are keys of `index_to_device_group_map`.
        index_to_device_group_map: Groups of devices that each hold a copy.
        sharded_dims: The split axes; replicated if empty.
    """

    tensor_name: str
    devices: tuple[int, ...] = ()
    index_to_device_group_map: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sharded_dims: tuple[ShardedDim, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class NodeDeviceConfiguration:
    """How one node is distributed, under the device configuration of that name."""

    configuration_id: str
    sharding_specs: tuple[ShardingSpec, ...] = ()
    pipeline_stage: int | None = None
