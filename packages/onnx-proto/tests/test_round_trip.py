"""Model → bytes → Model is the identity, and bytes are stable."""

from hypothesis import HealthCheck, given, settings

import onnx_proto
from onnx_proto.compare import difference
from onnx_proto.testing import models


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(models())
def test_writing_and_reading_gives_the_same_model(model: onnx_proto.Model) -> None:
    data = onnx_proto.dumps(model)

    again = onnx_proto.loads(data)

    assert difference(model, again) is None
    assert onnx_proto.dumps(again) == data
