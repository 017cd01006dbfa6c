"""Expression graphs: build, walk, rewrite, print and evaluate them, cyclic ones too."""

from dataflow_ir._gc import gc_paused
from dataflow_ir.antiunify import antiunify
from dataflow_ir.cycles import CycleError, fix
from dataflow_ir.dominance import dominators
from dataflow_ir.draw import to_dot, to_mermaid
from dataflow_ir.evaluate import Closure, evaluate
from dataflow_ir.explain import explain
from dataflow_ir.fingerprint import fingerprint
from dataflow_ir.flow import flow, ops
from dataflow_ir.functions import Lambda, call, close, fn, lambdas, map_bodies
from dataflow_ir.interner import Interner
from dataflow_ir.interpret import Interpreter
from dataflow_ir.match import Match, find_all, match
from dataflow_ir.nest import leaves, map_nest
from dataflow_ir.node import Forward, Node, const, inp, node, out, thread
from dataflow_ir.ops import BUILTIN, CALL, CONST, FUNCTION, INPUT, OUT
from dataflow_ir.order import iscyclic, isreaching, sccs, topo, users
from dataflow_ir.outline import inline, outline
from dataflow_ir.parse import TextError, parse
from dataflow_ir.pattern import C, P, V, alt, chain, once, opt, rest
from dataflow_ir.repeats import Hole, Instance, Repeat, Varying, repeats
from dataflow_ir.rewrite import RewriteError, Step, rewrite
from dataflow_ir.rules import Rule, Rules
from dataflow_ir.structure import (
    common,
    contains,
    copy,
    cse,
    duplicates,
    equal,
    isomorphic,
    map_ops,
    replace,
    subst,
)
from dataflow_ir.table import Table, dumps, from_table, loads, to_table
from dataflow_ir.text import bindings, syntax
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
    "BUILTIN",
    "CALL",
    "CONST",
    "FUNCTION",
    "INPUT",
    "NO_ATTRS",
    "OUT",
    "C",
    "Closure",
    "CycleError",
    "Forward",
    "FrozenDict",
    "Hole",
    "Instance",
    "Interner",
    "Interpreter",
    "Lambda",
    "Match",
    "Node",
    "Opaque",
    "P",
    "Repeat",
    "RewriteError",
    "Rule",
    "Rules",
    "Step",
    "Stop",
    "Table",
    "TextError",
    "V",
    "Varying",
    "alt",
    "antiunify",
    "bindings",
    "call",
    "chain",
    "close",
    "common",
    "const",
    "contains",
    "copy",
    "cse",
    "dominators",
    "dumps",
    "duplicates",
    "equal",
    "evaluate",
    "explain",
    "find_all",
    "fingerprint",
    "fix",
    "flow",
    "fn",
    "from_table",
    "gc_paused",
    "inline",
    "inp",
    "iscyclic",
    "isomorphic",
    "isreaching",
    "lambdas",
    "leaves",
    "loads",
    "map_bodies",
    "map_nest",
    "map_ops",
    "match",
    "node",
    "nodes",
    "once",
    "ops",
    "opt",
    "out",
    "outline",
    "parse",
    "postfor",
    "postwalk",
    "postwalk_",
    "prefor",
    "prewalk",
    "prewalk_",
    "repeats",
    "replace",
    "rest",
    "rewrite",
    "sccs",
    "stop",
    "subst",
    "syntax",
    "thread",
    "to_dot",
    "to_mermaid",
    "to_table",
    "topo",
    "typed",
    "users",
    "walk",
]
