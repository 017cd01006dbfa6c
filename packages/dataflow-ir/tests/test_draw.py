import dataflow_ir as df
from dataflow_ir import call, inp, node, parse, to_dot, to_mermaid


def test_to_dot_and_mermaid_of_cycles_functions_and_odd_names() -> None:
    g = parse('a = add(x, delay(a))\n"odd \\"op\\""(a, None, text="<b>")')
    dot, mermaid = to_dot(g), to_mermaid(g)
    assert dot.count(" -> ") == mermaid.count("-->") == 4
    assert '\\"odd' in dot or "odd" in dot
    assert "<b>" not in mermaid
    f = to_dot(call(df.fn(lambda a: node("sqrt", a)), inp("x")))
    assert "subgraph cluster_f0_" in f
    assert "sqrt" in f
    assert "subgraph f0_" in to_mermaid(call(df.fn(lambda a: node("sqrt", a)), inp("x")))
