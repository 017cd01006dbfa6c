"""From the messages about devices to the objects of `onnx_proto.devices`."""

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.devices import (
    DeviceConfiguration,
    NodeDeviceConfiguration,
    ShardedDim,
    ShardingSpec,
    SimpleShardedDim,
)


def device_configuration(proto: pb.DeviceConfigurationProto) -> DeviceConfiguration:
    """Reads a set of devices."""
    return DeviceConfiguration(proto.name, proto.num_devices, tuple(proto.device))


def node_device_configuration(proto: pb.NodeDeviceConfigurationProto) -> NodeDeviceConfiguration:
    """Reads how a node is distributed."""
    return NodeDeviceConfiguration(
        configuration_id=proto.configuration_id,
        sharding_specs=tuple(map(_sharding_spec, proto.sharding_spec)),
        pipeline_stage=proto.pipeline_stage if proto.HasField("pipeline_stage") else None,
    )


def _sharding_spec(proto: pb.ShardingSpecProto) -> ShardingSpec:
    return ShardingSpec(
        tensor_name=proto.tensor_name,
        devices=tuple(proto.device),
        index_to_device_group_map={entry.key: tuple(entry.value) for entry in proto.index_to_device_group_map},
        sharded_dims=tuple(map(_sharded_dim, proto.sharded_dim)),
    )


def _sharded_dim(proto: pb.ShardedDimProto) -> ShardedDim:
    return ShardedDim(proto.axis, tuple(map(_simple_sharded_dim, proto.simple_sharding)))


def _simple_sharded_dim(proto: pb.SimpleShardedDimProto) -> SimpleShardedDim:
    match proto.WhichOneof("dim"):
        case "dim_value":
            return SimpleShardedDim(proto.dim_value, proto.num_shards)
        case "dim_param":
            return SimpleShardedDim(proto.dim_param, proto.num_shards)
    return SimpleShardedDim(None, proto.num_shards)
