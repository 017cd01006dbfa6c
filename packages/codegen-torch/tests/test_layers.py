"""What holds for every rule of the layers stage, and where what it makes comes from."""

from __future__ import annotations

import numpy as np
from dataflow_ir import nodes
from layer_texts import X, stored

from codegen_torch.expr import Origin, array, originating
from codegen_torch.layers import PASSES, recover_layers
from codegen_torch.layers.refs import tensor_ref
from codegen_torch.scope import Step
from codegen_torch.symbols.namespaces import F, torch

W, B = stored("w", 8, 6), stored("b", 6)


def test_every_rule_says_in_a_sentence_what_it_does() -> None:
    sentences = [rule.result.__doc__ or "" for rules in PASSES for rule in rules]
    assert all(text.endswith(".") and (" is " in text or " needs " in text) for text in sentences)


def test_a_layer_comes_from_all_that_it_stands_for_and_lies_in_the_module_around() -> None:
    inner, outer = (Step("mlp"), Step("mlp.fc")), (Step("mlp"), Step("mlp.add"))
    with originating(Origin(3, inner, "p", (3,))):
        product = X @ W
    with originating(Origin(4, outer, "y", (4,))):
        total = product + B
    assert recover_layers({"y": total})["y"].origin == Origin(4, (Step("mlp"),), "y", (3, 4))


def test_origins_stop_at_the_operands() -> None:
    with originating(Origin(1, (), "h", (1,))):
        hidden = F.relu(X)
    with originating(Origin(2, (), "g", (2,))):
        gate = torch.sigmoid(hidden)
    with originating(Origin(3, (), "y", (3,))):
        result = recover_layers({"y": hidden * gate})["y"]
    assert (result.op, result.origin.nodes) == ("F.silu", (2, 3))


def test_a_stored_tensor_is_found_behind_what_rearranges_it() -> None:
    ref = tensor_ref(stored("w", 2, 3, 4).permute(2, 0, 1).flatten(1).unsqueeze(0))
    assert ref is not None
    expected = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1).reshape(1, 4, 6)
    np.testing.assert_array_equal(ref.numpy(), expected)


def test_a_computed_tensor_is_not_stored() -> None:
    assert tensor_ref(F.relu(W)) is None
    assert tensor_ref(X) is None
    assert tensor_ref(array(np.arange(3))) is None


def test_a_deep_graph_is_rewritten_without_recursion() -> None:
    x = X
    for _ in range(3000):
        x = x * torch.sigmoid(x)
    assert sum(node.op == "F.silu" for node in nodes(recover_layers({"y": x})["y"])) == 3000
