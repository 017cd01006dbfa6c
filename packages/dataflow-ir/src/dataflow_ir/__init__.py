"""Expression graphs: build, walk, rewrite, print and evaluate them, cyclic ones too."""

from dataflow_ir._gc import gc_paused
from dataflow_ir.cycles import CycleError, fix
from dataflow_ir.nest import leaves, map_nest
from dataflow_ir.node import Forward, Node, const, inp, node, out, thread
from dataflow_ir.ops import CALL, CONST, FUNCTION, INPUT, OUT
from dataflow_ir.order import iscyclic, isreaching, sccs, topo, users
from dataflow_ir.values import NO_ATTRS, FrozenDict, Opaque, typed
from dataflow_ir.walk import (
    Stop,
    nodes,
    postfor,
    postwalk,
    postwalk_,
    prefor,
    prewalk,
    prewalk_,
    stop,
    walk,
)

__version__ = "0.1.0"

__all__ = [
    "CONST",
    "INPUT",
    "NO_ATTRS",
    "OUT",
    "CycleError",
    "Forward",
    "FrozenDict",
    "Node",
    "Opaque",
    "Stop",
    "const",
    "fix",
    "gc_paused",
    "inp",
    "iscyclic",
    "isreaching",
    "leaves",
    "map_nest",
    "node",
    "nodes",
    "out",
    "postfor",
    "postwalk",
    "postwalk_",
    "prefor",
    "prewalk",
    "prewalk_",
    "sccs",
    "stop",
    "thread",
    "topo",
    "typed",
    "users",
    "walk",
]
