"""From the messages about devices to the objects of `onnx_proto.devices`."""

from collections.abc import Sequence

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.devices import (
    DeviceConfiguration,
    NodeDeviceConfiguration,
    ShardedDim,
    ShardingSpec,
    SimpleShardedDim,
)
from onnx_proto.read_parts import Parts


def device_configuration(proto: pb.DeviceConfigurationProto) -> DeviceConfiguration:
    """Reads a set of devices."""
    return DeviceConfiguration(proto.name, proto.num_devices, tuple(proto.device))


def read_device_configurations(parts: Parts, serialized: Sequence[bytes]) -> tuple[NodeDeviceConfiguration, ...]:
    """Reads how a node is distributed.

    Raises:
        OnnxError: A message is malformed, or there are too many.
    """
    reader = _ShardingReader(parts)
    return parts.each("device_configurations", pb.NodeDeviceConfigurationProto, serialized, reader.configuration)


class _ShardingReader:
    """Counts lists within lists before it reads them."""

    def __init__(self, parts: Parts) -> None:
        self._count = parts.count

    def configuration(self, proto: pb.NodeDeviceConfigurationProto) -> NodeDeviceConfiguration:
        self._count(len(proto.sharding_spec))
        return NodeDeviceConfiguration(
            configuration_id=proto.configuration_id,
            sharding_specs=tuple(map(self._spec, proto.sharding_spec)),
            pipeline_stage=proto.pipeline_stage if proto.HasField("pipeline_stage") else None,
        )

    def _spec(self, proto: pb.ShardingSpecProto) -> ShardingSpec:
        self._count(len(proto.index_to_device_group_map) + len(proto.sharded_dim))
        return ShardingSpec(
            tensor_name=proto.tensor_name,
            devices=tuple(proto.device),
            index_to_device_group_map={entry.key: tuple(entry.value) for entry in proto.index_to_device_group_map},
            sharded_dims=tuple(map(self._dim, proto.sharded_dim)),
        )

    def _dim(self, proto: pb.ShardedDimProto) -> ShardedDim:
        self._count(len(proto.simple_sharding))
        return ShardedDim(proto.axis, tuple(map(_simple_sharded_dim, proto.simple_sharding)))


def _simple_sharded_dim(proto: pb.SimpleShardedDimProto) -> SimpleShardedDim:
    match proto.WhichOneof("dim"):
        case "dim_value":
            return SimpleShardedDim(proto.dim_value, proto.num_shards)
        case "dim_param":
            return SimpleShardedDim(proto.dim_param, proto.num_shards)
    return SimpleShardedDim(None, proto.num_shards)
