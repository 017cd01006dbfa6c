"""From the objects of `onnx_proto.devices` to messages."""

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.devices import (
    DeviceConfiguration,
    NodeDeviceConfiguration,
    ShardedDim,
    ShardingSpec,
    SimpleShardedDim,
)


def device_configuration(configuration: DeviceConfiguration) -> pb.DeviceConfigurationProto:
    """Writes a set of devices."""
    return pb.DeviceConfigurationProto(
        name=configuration.name, num_devices=configuration.num_devices, device=configuration.devices
    )


def node_device_configuration(configuration: NodeDeviceConfiguration) -> pb.NodeDeviceConfigurationProto:
    """Writes how a node is distributed."""
    return pb.NodeDeviceConfigurationProto(
        configuration_id=configuration.configuration_id,
        sharding_spec=map(_sharding_spec, configuration.sharding_specs),
        pipeline_stage=configuration.pipeline_stage,
    )


def _sharding_spec(spec: ShardingSpec) -> pb.ShardingSpecProto:
    return pb.ShardingSpecProto(
        tensor_name=spec.tensor_name,
        device=spec.devices,
        index_to_device_group_map=[
            pb.IntIntListEntryProto(key=key, value=value) for key, value in spec.index_to_device_group_map.items()
        ],
        sharded_dim=map(_sharded_dim, spec.sharded_dims),
    )


def _sharded_dim(dim: ShardedDim) -> pb.ShardedDimProto:
    return pb.ShardedDimProto(axis=dim.axis, simple_sharding=map(_simple_sharded_dim, dim.simple_shardings))


def _simple_sharded_dim(sharding: SimpleShardedDim) -> pb.SimpleShardedDimProto:
    if sharding.dim is None:
        return pb.SimpleShardedDimProto(num_shards=sharding.num_shards)
    if isinstance(sharding.dim, str):
        return pb.SimpleShardedDimProto(dim_param=sharding.dim, num_shards=sharding.num_shards)
    return pb.SimpleShardedDimProto(dim_value=sharding.dim, num_shards=sharding.num_shards)
