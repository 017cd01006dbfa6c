"""What is found in networks, by structure alone, and what holds of everything found."""

import os
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from random import Random
from typing import Any

import networks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import Net, is_weight, stack

import dataflow_ir as df
from dataflow_ir import Node, Repeat, const, inp, node, out
from dataflow_ir.fuzz import grow, strategy

ANY = strategy(60, max_cycles=6, absent=0.05, functions=0.1)
PLAIN = strategy(60, max_cycles=4, absent=0.05)


def without_sizes(v: Any) -> Hashable:
    return frozenset([(name, value) for name, value in v.attrs.items() if name not in ("channels", "stride")])


def counts(found: list[Repeat], length: int) -> list[int]:
    return [len(repeat.instances) for repeat in found if len(repeat.nodes) == length]


def kinds(repeat: Repeat) -> list[str]:
    return [hole.kind for hole in repeat.holes if hole.kind != "param"]


# What is found


@pytest.mark.parametrize("layers", [2, 3, 12, 50])
def test_every_layer_of_a_gpt_with_shared_mask_and_rotary_tables(layers: int) -> None:
    layer = df.repeats(networks.gpt(layers), param=is_weight)[0]
    assert len(layer.instances) == layers
    assert layer.tandem
    assert kinds(layer) == ["carry", "shared", "shared", "shared"]
    assert len(layer.instances[0].outputs) == 1


@pytest.mark.parametrize("layers", [2, 3, 12])
def test_every_layer_of_an_encoder(layers: int) -> None:
    layer = df.repeats(networks.encoder(layers), param=is_weight)[0]
    assert len(layer.instances) == layers
    assert kinds(layer) == ["carry"]


def test_the_stages_of_a_resnet() -> None:
    found = df.repeats(networks.resnet(), param=is_weight, token=without_sizes)
    assert counts(found, 7) == [3, 4, 6, 3]
    for stage in found[-4:]:
        assert stage.tandem
        shortcut, stream = stage.holes[-1], stage.holes[0]
        assert (stream.kind, shortcut.kind) == ("carry", "carry")
        assert shortcut.values[1:] == stream.values[1:]
        assert shortcut.values[0] is not None
        assert shortcut.values[0].op == "conv"


@pytest.mark.parametrize("depths", [(2,), (2, 2, 2, 2), (2, 3, 2), (3, 2)])
def test_stages_of_two_blocks_are_found_although_the_second_block_is_no_run(depths: tuple[int, ...]) -> None:
    found = df.repeats(networks.resnet(depths), param=is_weight, token=without_sizes)
    assert counts(found, 7) == list(depths)


def test_attributes_that_vary_are_told() -> None:
    found = df.repeats(networks.resnet(), param=is_weight, token=without_sizes)
    third = found[-2]
    (conv,) = third.varying
    assert third.nodes[conv.at].op == "conv"
    assert [attrs["stride"] for attrs in conv.attrs] == [2, 1, 1, 1, 1, 1]


def test_with_strict_attributes_a_block_that_differs_is_left_out() -> None:
    found = df.repeats(networks.resnet(), param=is_weight)
    assert sorted(counts(found, 7)) == [2, 3, 3, 5]
    assert not any(repeat.varying for repeat in found)


def test_two_towers_of_layers_are_a_repeat_of_repeats() -> None:
    towers, *found = df.repeats(networks.towers(6), param=is_weight)
    assert counts(found, 40) == [6, 6]
    assert found[0].body is found[1].body
    assert len(towers.instances) == 2
    assert not towers.tandem
    for tower, layers in zip(towers.instances, found, strict=False):
        assert {v for layer in layers.instances for v in layer.nodes} < set(tower.nodes)


def test_towers_with_nothing_between_them_are_told_apart() -> None:
    net = Net()
    g = node("matmul", *[stack(net, inp(name), 6, net.encoder_layer) for name in "ab"])
    assert counts(df.repeats(g, param=is_weight), 40) == [6, 6]


def test_repeats_that_do_not_follow_each_other() -> None:
    net = Net()
    x = net.gpt_layer(inp("x"), inp("mask"), (inp("cos"), inp("sin")))
    x = node("pool", node("relu", x))
    x = net.gpt_layer(x, inp("mask"), (inp("cos"), inp("sin")))
    x = node("norm", node("tanh", node("exp", x)))
    x = net.gpt_layer(x, inp("mask"), (inp("cos"), inp("sin")))
    layer = df.repeats(x, param=is_weight)[0]
    assert len(layer.instances) == 3
    assert not layer.tandem
    assert len(layer.nodes) >= 60


def test_a_dense_net_repeats_nothing() -> None:
    assert df.repeats(networks.densenet(), param=is_weight) == []


def test_a_first_and_a_middle_layer_with_more_inside_are_found_by_following_the_chain() -> None:
    net = Net()
    mask, rotary = inp("mask"), (inp("cos"), inp("sin"))
    x = inp("x")
    for at in range(9):
        odd = node("bias", node("sum", node("arange", inp(f"s{at}")), inp("table")))
        x = net.gpt_layer(x, odd if at in (0, 5) else mask, rotary)
    layer = df.repeats(x, param=is_weight)[0]
    assert len(layer.instances) == 9
    assert kinds(layer) == ["carry", "shared", "shared", "input"]


def test_a_last_layer_with_more_inside_is_found_among_the_users() -> None:
    net = Net()
    mask, rotary = inp("mask"), (inp("cos"), inp("sin"))
    x = inp("x")
    for at in range(6):
        odd = node("bias", node("sum", node("arange", inp("s")), inp("table")))
        x = net.gpt_layer(x, odd if at == 5 else mask, rotary)
    layer = df.repeats(x, param=is_weight)[0]
    assert len(layer.instances) == 6


def test_a_chain_through_two_values() -> None:
    x, y = inp("x"), inp("y")
    for _ in range(5):
        a = node("norm", node("add", x, y))
        b = node("gelu", node("mul", a, y))
        x, y = node("tanh", node("sub", a, b)), node("exp", node("div", b, x))
    (step,) = df.repeats(node("pair", x, y))
    assert len(step.instances) == 5
    assert kinds(step) == ["carry", "carry"]
    assert len(step.instances[0].outputs) == 2


def test_outputs_of_layers_are_outputs_of_the_repeat() -> None:
    x, caches = inp("x"), []
    for at in range(4):
        key = node("key", node("norm", x), inp(f"w{at}"))
        caches.append(key)
        x = node("add", x, node("mlp", node("gelu", node("attend", key, inp("mask")))))
    (layer,) = df.repeats({"y": x, "caches": caches}, param=is_weight)
    assert len(layer.instances) == 4
    assert [instance.outputs[0] for instance in layer.instances] == caches


def test_hidden_states_in_any_order_of_the_outputs() -> None:
    net, x, states = Net(), inp("x"), []
    mask, rotary = networks.causal_mask(x), networks.rotary_tables(net, x)
    for _ in range(6):
        x = net.gpt_layer(x, mask, rotary)
        states.append(x)
    for g in (states, states[::-1], {"logits": net.linear(x), "states": states}):
        assert len(df.repeats(g, param=is_weight)[0].instances) == 6


def test_layers_that_share_their_parameters() -> None:
    x, weight, bias = inp("x"), inp("w0"), inp("w1")
    for _ in range(5):
        y = node("gelu", node("add", node("matmul", node("norm", x), weight), bias))
        x = node("add", x, node("tanh", node("matmul", y, weight)))
    (layer,) = df.repeats(x, param=is_weight)
    assert len(layer.instances) == 5
    assert [hole.kind for hole in layer.holes] == ["carry", "shared", "shared"]


def test_stacks_within_a_stack() -> None:
    net = Net()
    x = inp("x")
    for _ in range(4):
        x = stack(net, x, 3, net.encoder_layer)
        x = node("add", x, net.mlp(net.norm(x)))
    outer, *inner = df.repeats(x, param=is_weight)
    assert len(outer.instances) == 4
    assert counts(inner, 40) == [3, 3, 3, 3]
    for block, layers in zip(outer.instances, inner, strict=False):
        assert {v for layer in layers.instances for v in layer.nodes} < set(block.nodes)


def test_a_decoder_that_looks_at_an_encoder() -> None:
    net = Net()
    memory = stack(net, inp("source"), 5, net.encoder_layer)
    x = inp("target")
    for _ in range(6):
        keys, values = net.heads(memory), net.heads(memory)
        scores = node("softmax", node("matmul", net.heads(net.norm(x)), node("transpose", keys)))
        x = node("add", x, net.linear(node("matmul", scores, values)))
        x = node("add", x, net.mlp(net.norm(x)))
    decoder, encoder = [repeat for repeat in df.repeats(x, param=is_weight) if len(repeat.instances) > 2]
    assert (len(decoder.instances), kinds(decoder)) == (6, ["carry", "shared"])
    assert (len(encoder.instances), kinds(encoder)) == (5, ["carry"])


def test_equal_constants_belong_to_the_body_and_others_are_holes() -> None:
    x = inp("x")
    for at in range(4):
        x = node("add", x, node("mul", node("gelu", node("exp", node("norm", x, const(1e-5)))), const(0.5 + at)))
        x = node("relu", x)
    (layer,) = df.repeats(x)
    assert kinds(layer) == ["carry", "const"]
    assert [v and v.value for v in layer.holes[1].values] == [0.5, 1.5, 2.5, 3.5]
    assert any(v is not None and v.op == "const" and v.value == 1e-5 for v in df.nodes(layer.body.body))


def test_what_is_made_of_parameters_may_be_one_and_what_depends_on_values_is_none() -> None:
    def build(turned: bool) -> Node:
        x = inp("x")
        for at in range(4):
            weight = node("transpose", inp(f"w{at}")) if at % 2 else inp(f"w{at}")
            y = node("gelu", node("linear", node("norm", x), weight))
            x = node("add", x, node("exp", node("linear", y, node("transpose", node("norm", y) if turned else weight))))
        return x

    def is_parameter(v: Any) -> bool:
        return is_weight(v) or v.op == "transpose"

    (layer,) = round_trip(build(False), param=is_parameter)
    assert len(layer.instances) == 4
    assert "transpose" not in {v.op for v in layer.nodes}
    (layer,) = round_trip(build(True), param=is_parameter)
    assert len(layer.instances) == 4
    assert "transpose" in {v.op for v in layer.nodes}


def test_outputs_of_one_node_stay_with_it() -> None:
    x = inp("x")
    for _ in range(3):
        halves = node("split", x, parts=2)
        x = node("cat", node("gelu", node("norm", out(halves, 1))), node("exp", node("tanh", out(halves, 0))))
    (layer,) = df.repeats(x)
    assert layer.nodes[0].op == "split"
    assert len(layer.instances) == 3


def test_a_hint_decides_between_phases_that_are_equally_good() -> None:
    ops = ["a", "b", "c", "d", "e", "f", "g"]
    x = inp("x")
    for at in range(2, 33):
        x = Node(ops[at % 7], (x,), meta={"scope": at // 7})
    plain, hinted = df.repeats(x)[0], df.repeats(x, hint=lambda v: v.meta["scope"])[0]
    assert (plain.nodes[0].op, hinted.nodes[0].op) == ("c", "c")
    y = inp("x")
    for at in range(2, 35):
        y = Node(ops[at % 7], (y,), meta={"scope": at // 7})
    plain, hinted = df.repeats(y)[0], df.repeats(y, hint=lambda v: v.meta["scope"])[0]
    assert (plain.nodes[0].op, hinted.nodes[0].op) == ("c", "a")
    assert len(plain.instances) == len(hinted.instances) == 4


def test_what_is_too_small_or_too_rare_is_not_found() -> None:
    g = networks.encoder(3)
    assert not df.repeats(g, param=is_weight, min_count=4, min_len=20)
    assert not df.repeats(g, param=is_weight, min_len=41)
    with pytest.raises(ValueError, match="min_len must be at least 1 and min_count at least 2"):
        df.repeats(g, min_count=1)


def test_a_cycle_around_layers_does_not_hide_the_others() -> None:
    net = Net()
    loop = df.fix(lambda self: node("add", inp("x"), node("delay", self)))
    layer = df.repeats(stack(net, loop, 4, net.encoder_layer), param=is_weight)[0]
    assert len(layer.instances) == 4


# What holds of everything found


def consistent(g: Any, found: list[Repeat]) -> None:
    """Checks what the docstrings promise."""
    used_by = df.users(g)
    roots = set(df.leaves(g))
    for repeat in found:
        assert len(repeat.instances) >= 2
        assert len(repeat.holes) == len(repeat.body.params)
        assert [hole.param for hole in repeat.holes] == list(repeat.body.params)
        inside = [set(instance.nodes) for instance in repeat.instances]
        assert sum(map(len, inside)) == len(set().union(*inside)) == len(repeat.nodes) * len(inside)
        for at, (instance, members) in enumerate(zip(repeat.instances, inside, strict=True)):
            needed = {v for v in members if v in roots or any(u not in members for u in used_by[v])}
            assert needed <= set(instance.outputs) <= members
            assert instance.args == tuple([hole.values[at] for hole in repeat.holes])
            assert not members & set(instance.args)
        for hole in repeat.holes:
            if hole.kind == "carry":
                assert all(v in before for v, before in zip(hole.values[1:], inside, strict=False))
        assert repeat.tandem == any(hole.kind == "carry" for hole in repeat.holes)
    sets = [set(instance.nodes) for repeat in found for instance in repeat.instances]
    for at, a in enumerate(sets):
        assert all(a >= b or not a & b for b in sets[at + 1 :])


def round_trip(g: Any, **options: Any) -> list[Repeat]:
    found = df.repeats(g, **options)
    consistent(g, found)
    result = df.outline(g, found, name=lambda repeat: "repeat")
    assert df.iscyclic(result) == df.iscyclic(g)
    assert df.equal(df.inline(result, where=lambda v: v[0].meta.get("name") == "repeat"), g)
    return found


@given(ANY, st.integers(1, 6))
def test_inlining_what_was_outlined_gives_the_graph(g: Node, min_len: int) -> None:
    round_trip(g, min_len=min_len)


@given(PLAIN)
def test_inlining_everything_undoes_outlining(g: Node) -> None:
    assert df.equal(df.inline(df.outline(g, df.repeats(g, min_len=2))), g)


@given(strategy(80, attrs=0.5, functions=0.05), st.integers(2, 5))
def test_variants_of_attributes_are_functions_of_their_own(g: Node, min_len: int) -> None:
    round_trip(g, min_len=min_len, token=lambda v: v.attrs.get("index"))


def planted(random: Random, count: int, length: int, cycles: int) -> tuple[Node, int]:
    """Return a random graph with a random chain of equal layers on it, and the number of layers."""
    template: list[tuple[str, list[tuple[str, int]]]] = []
    for at in range(length):
        sources = [random.choice(["inside", "shared", "weight", "stream"]) for _ in range(2)]
        template.append(
            (f"op{random.randrange(3)}{at}", [(source, random.randrange(max(at, 1))) for source in sources])
        )
    shared = grow(random, 5)
    x = grow(random, 8, cycles=cycles)
    for _ in range(count):
        made: list[Node] = []
        for at, (op, operands) in enumerate(template):
            inputs = [made[-1] if made else x]
            for kind, where in operands:
                value = {"shared": shared, "stream": x, "weight": inp("w")}.get(kind)
                inputs.append(made[where] if value is None and at else value or x)
            made.append(node(op, *inputs))
        x = made[-1]
    return node("head", x, shared), count


@given(st.integers(), st.integers(3, 6), st.integers(6, 12), st.integers(0, 2))
def test_planted_layers_are_found_and_round_trip(seed: int, count: int, length: int, cycles: int) -> None:
    g, planted_count = planted(Random(seed), count, length, cycles)
    found = round_trip(g, param=is_weight)
    covered = {v for repeat in found for instance in repeat.instances for v in instance.nodes}
    assert len(covered) >= (planted_count - 1) * length


NETWORKS = {
    "gpt": networks.gpt(),
    "encoder": networks.encoder(),
    "towers": networks.towers(),
    "resnet": networks.resnet(),
    "small resnet": networks.resnet((2, 2, 2, 2)),
    "densenet": networks.densenet(),
}


def nested(random: Random, x: Node, depth: int, pattern: float) -> Node:
    """Return a chain of chains: what is repeated is itself made of repeats, now and then with something between."""
    choose = Random(pattern)
    if depth == 0:
        for _ in range(choose.randrange(1, 4)):
            x = node(choose.choice("abc"), x, inp("w"))
        return x
    count, inner = choose.randrange(2, 4), choose.random()
    for _ in range(count):
        x = nested(random, x, depth - 1, inner)
        if random.random() < 0.3:
            x = node("z", x, x)
    return x


@given(st.integers(), st.integers(1, 4), st.sampled_from([0, 0.1, 0.4]), st.integers(1, 6))
def test_repeats_of_repeats_with_varying_attributes(seed: int, depth: int, variation: float, min_len: int) -> None:
    random = Random(seed)

    def vary(v: Node) -> Node | None:
        return v if v.op == "input" else Node(v.op, v.inputs, {"channels": random.choice((1, 2, 3))})

    g = nested(random, inp("x"), depth, random.random())
    g = df.postwalk(lambda v: vary(v) if random.random() < variation else None, g)
    round_trip(g, param=is_weight, token=without_sizes, min_len=min_len)


def test_repeats_of_one_body_that_vary_in_different_nodes() -> None:
    def layers(x: Node, *sizes: tuple[int, int]) -> Node:
        for a, b in sizes:
            x = node("b", node("a", x, inp("w"), channels=a), inp("w"), channels=b)
        return x

    x = layers(inp("x"), (1, 1), (1, 1), (2, 1))
    g = layers(node("z", x, x), (1, 1), (1, 1), (1, 2))
    first, second = round_trip(g, param=is_weight, token=without_sizes, min_len=2)
    assert first.body is second.body
    assert (first.varying[0].at, second.varying[0].at) == (0, 1)
    assert len(df.lambdas(df.outline(g, [first, second]))) == 3


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_round_trip(name: str) -> None:
    g = NETWORKS[name]
    round_trip(g, param=is_weight)
    round_trip(g, param=is_weight, token=without_sizes)
    assert df.equal(df.inline(df.outline(g)), g)


def test_outlined_networks_are_written_once() -> None:
    g = networks.gpt(12)
    result = df.outline(g, df.repeats(g, param=is_weight), name=lambda repeat: f"layer{len(repeat.nodes)}")
    assert len([v for v in df.nodes(result) if v.op == "call"]) == 12
    assert len(df.lambdas(result)) == 3  # the layer, its norm, and a projection that is rotated
    assert {v.meta["name"] for v in df.nodes(result) if v.op == "function"} == {"layer63"}
    assert df.syntax(df.inline(df.parse(df.syntax(result)))) == df.syntax(df.inline(result))


def test_a_part_of_what_was_found_can_be_outlined() -> None:
    g = networks.towers()
    towers, *others = df.repeats(g, param=is_weight)
    for some in ([towers], others, others[:1], [towers, others[0]], []):
        assert df.equal(df.inline(df.outline(g, some)), g)


def test_the_same_is_found_under_any_hash_seed() -> None:
    script = (
        "import networks, dataflow_ir as df\n"
        "for make in (networks.gpt, networks.encoder, networks.towers, networks.resnet):\n"
        "    g = make()\n"
        "    print(df.repeats(g, param=networks.is_weight), df.syntax(df.outline(g)))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "42")
    }
    assert len(texts) == 1


# Sizes

DEEP = 70_000


def test_deep_graphs() -> None:
    chain = inp("x")
    ops = ["a", "b", "c", "d", "e", "f", "g"]
    for at in range(DEEP):
        chain = Node(ops[at % 7], (chain,))
    (layer,) = df.repeats(chain)
    assert len(layer.instances) == DEEP // 7
    result = df.outline(chain, [layer])
    assert df.equal(df.inline(result), chain)


@pytest.mark.parametrize("period", [1, 2, 30_000])
def test_deep_graphs_without_repeats(period: int) -> None:
    g = inp("x")
    for at in range(30_000):
        g = Node(f"op{at % period}", (g, g))
    assert df.repeats(g) == []
    assert df.outline(g) is g
    ring = df.fix(lambda self: df.subst({next(v for v in df.nodes(g) if v.op == "input"): self}, g))
    assert df.repeats(ring) == []
