"""Strings that mean harm, and models that carry them wherever a file can carry a string."""

from __future__ import annotations

import random

import onnx
from onnx import TensorProto, helper

CANARY = "onnxgen_canary"
RUN = f"__import__('builtins').__dict__.setdefault('{CANARY}', []).append(1)"
TRICKS = [
    *("class", "lambda", "None", "match", "case", "type", "_", "print", "exec", "open", "self", "super"),
    *("training", "forward", "state_dict", "_parameters", "_modules", "parameters", "load_state_dict", "T", "Model"),
    *(
        "torch",
        "nn",
        "F",
        "np",
        "Path",
        "load_model",
        "load_weights",
        "__init__",
        "__class__",
        "__del__",
        "__builtins__",
    ),
    *(
        "\uff43lass",
        "\u212bngstr\u00f6m",
        "\ufb01lter",
        "x\u0301",
        "\u0430",
        "\u202e\u2066",
        "a\u200bb",
        "\ufeff",
        "\u00a0",
    ),
    *("a\nb", "a\rb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x0bb", "a\x0cb", "a\x85b", "a\x1cb", "\x00", "\x1b[2J"),
    *("'", '"', "'''", '"""', "\\", "\\'", '\\"', "\\n", "\\N{BEL}", "{", "}", "{{x}}", "{" + RUN + "}", "%s", "#"),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "a/b",
        "a\\b",
        "",
        " ",
        "0",
        "-1",
        "1e400",
        "x" * 10_000,
        "\u00e9" * 5_000,
    ),
    *(f'"""\n{RUN}\n"""', f"'+{RUN}+'", f'"+{RUN}+"', f"\n{RUN}\n", f"\\\n{RUN}", f"x=({RUN})", f"#\n{RUN}"),
    *(f"a.{RUN}.b", f"\r{RUN}#", f"]\n{RUN}\n[", f"): pass\n{RUN}\n#", f"\u2028{RUN}", f"\x0c{RUN}"),
]


class Words:
    """Hands out strings: a trick, two of them joined, or one with a number, each once where it has to be."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.taken: set[str] = set()
        self.count = 0

    def any(self) -> str:
        self.count += 1
        word = self.random.choice(TRICKS)
        return word + self.random.choice(TRICKS) if self.random.random() < 0.2 else word

    def name(self) -> str:
        """A string that no other value has, and that is not empty."""
        word = self.any()
        while not word or word in self.taken:
            word += self.random.choice(("'", " ", "\u200b", "_", "\n", "2"))
        self.taken.add(word)
        return word


def model(seed: int) -> tuple[onnx.ModelProto, Words]:
    """A small network with hostile strings in all places at once."""
    words = Words(seed)
    numbers = random.Random(seed)
    x, w1, b1, w2, h, g, k, f, s, y = (words.name() for _ in range(10))
    domain = words.name()
    function_name = words.name()
    dim = words.any() or "n"

    def tensor(name: str, *shape: int) -> TensorProto:
        size = 1
        for side in shape:
            size *= side
        made = helper.make_tensor(name, TensorProto.FLOAT, shape, [numbers.uniform(-1, 1) for _ in range(size)])
        made.doc_string = words.any()
        return made

    def node(op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> onnx.NodeProto:
        made = helper.make_node(op, inputs, outputs, name=words.any(), domain=domain, **attributes)
        made.doc_string = words.any()
        for each in made.attribute:
            each.doc_string = words.any()
        for key in ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy", words.name()):
            value = repr(["", words.any(), words.any()]) if numbers.random() < 0.7 else words.any()
            made.metadata_props.add(key=key, value=value)
        return made

    p, q, r = (words.name() for _ in range(3))
    function = helper.make_function(
        domain,
        function_name,
        [p],
        [r],
        [node("Relu", [p], [q]), node("Neg", [q], [r])],
        [helper.make_opsetid("", 20)],
    )
    function.doc_string = words.any()
    nodes = [
        node("Gemm", [x, w1, b1], [h], transB=1),
        node(function_name, [h], [g], domain),
        node("MatMul", [g, w2], [k]),
        node("Constant", [], [s], value=tensor(words.name(), 3)),
        node("Tanh", [k], [f]),
        node("Add", [f, s], [y]),
    ]
    first, last = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [dim, size]) for name, size in ((x, 4), (y, 3))
    )
    first.doc_string = words.any()
    graph = helper.make_graph(
        nodes, words.any() or "g", [first], [last], [tensor(w1, 5, 4), tensor(b1, 5), tensor(w2, 5, 3)]
    )
    graph.doc_string = words.any()
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(domain, 1)],
        functions=[function],
        ir_version=10,
    )
    made.producer_name, made.producer_version = words.any(), words.any()
    made.domain, made.doc_string = words.any(), words.any()
    for _ in range(2):
        made.metadata_props.add(key=words.name(), value=words.any())
    return made, words
