/* What is known about the thing that was chosen: types, attributes, lines, and what its weights look like. */
class Details {
  constructor(graph, code, actions) {
    Object.assign(this, { graph, code, actions });
    this.element = byId("details");
  }

  show(thing) {
    const { graph } = this;
    if (thing === null) return this.element.replaceChildren();
    if (graph.isNode(thing)) return this.fill(...this.node(thing));
    if (graph.isBox(thing)) return this.fill(...this.box(thing));
    return this.fill(this.head(graph.nameOf(thing), thing < graph.firstOutput ? "input" : "output"), this.table([["type", graph.subtitle(thing)]]));
  }

  showLine(number, things) {
    const links = things.slice(0, 40).map((thing) => [this.link(this.name(thing), () => this.actions.choose(thing)), " "]).flat();
    const more = things.length > 40 ? [`and ${things.length - 40} more`] : [];
    this.fill(this.head(`line ${number}`, `${things.length} ${things.length === 1 ? "thing" : "things"} in the graph`),
      element("div", { class: "mono" }, this.code.text(number)), element("div", {}, ...links, ...more));
  }

  fill(...parts) {
    const close = element("button", { class: "close", "aria-label": "Close", on: { click: () => this.actions.choose(null) } }, "×");
    this.element.replaceChildren(close, ...parts.filter((part) => part !== null));
    this.element.scrollTop = 0;
  }

  head(title, hint) { return element("h2", {}, title, " ", element("small", {}, hint)); }

  name(thing) {
    const { graph } = this;
    if (graph.isBox(thing)) return graph.box(thing).path || graph.nameOf(thing);
    return graph.nodes[thing].name || `${graph.nodes[thing].op} ${graph.nodes[thing].at}`;
  }

  node(thing) {
    const { graph } = this, node = graph.nodes[thing];
    const lines = graph.linesOf(thing);
    const rows = [
      ["node", `${node.name || "(no name)"}, ${node.inside ? "inside " : ""}number ${node.at} of the file`],
      ["module", this.module(graph.parents[thing])],
      ["code", lines.length ? this.lineLinks(lines) : "none: it was computed during conversion, or left out"],
      ...node.in.map((value, n) => [n ? "" : "inputs", value < 0 ? "(none)" : this.value(value, graph.makers.get(value))]),
      ...node.out.filter((value) => value >= 0).map((value, n) => [n ? "" : "outputs", this.value(value)]),
      ...node.attrs.map(([name, text], n) => [n ? "" : "attributes", element("span", { class: "mono" }, `${name} = ${text}`)]),
    ];
    return [this.head(node.op, ""), this.table(rows), this.weights(node.keys)];
  }

  box(thing) {
    const { graph } = this, box = graph.box(thing), nodes = graph.nodesIn(thing);
    const counts = new Map();
    for (const node of nodes) counts.set(graph.nodes[node].op, (counts.get(graph.nodes[node].op) ?? 0) + 1);
    const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([op, count]) => (count > 1 ? `${count} ${op}` : op));
    const lines = [["class", box.lines.class], ["built", box.lines.built], ["used", box.lines.used]].filter(([, line]) => line);
    const rows = [["nodes", `${nodes.length}: ${common.join(", ")}${counts.size > 8 ? ", …" : ""}`]];
    if (lines.length) rows.push(["code", element("span", {}, ...lines.flatMap(([what, line]) => [`${what} in `, this.lineLink(line), "  "]))]);
    if (thing === graph.root) rows.unshift(...graph.facts);
    return [this.head(box.path || graph.nameOf(thing), box.cls), this.table(rows), this.weights(box.keys)];
  }

  module(thing) {
    return this.link(this.name(thing), () => this.actions.choose(thing));
  }

  value(number, maker) {
    const { name, type, elements } = this.graph.values[number];
    const label = maker === undefined ? name : this.link(name, () => this.actions.choose(maker));
    return element("span", { class: "mono" }, label, type ? `  ${type}` : "", elements ? `  = ${elements}` : "");
  }

  lineLinks(lines) { return element("span", {}, ...lines.flatMap((line) => [this.lineLink(line), "  "])); }

  lineLink(line) { return this.link(`line ${line}`, () => this.actions.chooseLine(line)); }

  link(text, action) {
    return element("a", { tabindex: "0", role: "button", on: { click: action, keydown: (event) => event.key === "Enter" && action() } }, text);
  }

  table(rows) {
    return element("table", {}, ...rows.map(([label, content]) => element("tr", {}, element("th", {}, label), element("td", {}, content))));
  }

  weights(keys) {
    if (!keys.length) return null;
    const titles = ["weight", "type", "mean", "std", "min", "max", "zeros", ""];
    const rows = keys.map((key) => this.weight(key, this.graph.weights[key]));
    return element("div", { class: "weights" }, element("table", {}, element("tr", {}, ...titles.map((title) => element("th", {}, title))), ...rows));
  }

  weight(key, found) {
    const cell = (text) => element("td", { class: "n" }, text);
    const name = key.split(".").slice(-2).join(".");
    const first = [element("td", { class: "mono", title: key }, found.tied ? `${name} (the parameter of ${found.tied})` : name), element("td", { class: "mono" }, found.type)];
    if (!found.numbers) return element("tr", {}, ...first);
    const numbers = found.numbers.map((number) => cell(number === null ? "–" : short(number)));
    const zeros = found.count ? `${Number(((100 * found.zeros) / found.count).toPrecision(3))} %` : "–";
    const odd = found.odd ? element("td", {}, `${found.odd} not finite`) : null;
    return element("tr", {}, ...first, ...numbers, cell(zeros), element("td", {}, this.bars(found.bins)), odd);
  }

  bars(bins) {
    const most = Math.max(...bins, 1);
    return element("span", { class: "bars", "aria-hidden": "true" }, ...bins.map((count) => element("span", { style: { height: `${Math.round((20 * count) / most)}px` } })));
  }
}

/* A number to four digits. */
function short(number) {
  const small = number !== 0 && Math.abs(number) < 1e-4;
  return small ? number.toExponential(3) : String(Number(number.toPrecision(4)));
}
