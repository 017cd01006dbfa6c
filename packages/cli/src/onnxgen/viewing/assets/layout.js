/* Where things stand. Each open box is laid out by itself, by dagre, and anew only when something in it has changed:
   opening a module costs what is in it and around it, never the whole graph. */
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const SMALL = '10.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const HEAD = 26, PAD = 14, PORT = 6, WIDEST = 240;

class Layout {
  constructor(graph) {
    this.graph = graph;
    this.pen = document.createElement("canvas").getContext("2d");
    this.known = new Map();
    this.labels = new Map();
  }

  /* Forgets a box and those around it. */
  change(thing) {
    for (const box of this.graph.around(thing)) this.known.delete(box);
  }

  /* All that is on the screen: things in front of the boxes they are in, and edges, with places of their own. */
  arrange() {
    const things = [], edges = [], places = new Map();
    const stack = [{ box: this.graph.root, x: 0, y: 0 }];
    while (stack.length) {
      const { box, x, y } = stack.pop();
      const plan = this.plan(box);
      for (const item of plan.items) {
        const placed = { ...item, x: x + item.x, y: y + item.y };
        things.push(placed);
        places.set(item.thing, placed);
        if (item.open) stack.push({ box: item.thing, x: placed.x, y: placed.y });
      }
      for (const edge of plan.edges) edges.push(moved(edge, x, y));
    }
    const { w, h } = this.plan(this.graph.root);
    return { things, edges, places, w, h };
  }

  /* The layout of one open box, from its upper left corner. Boxes inside are planned first, without recursion. */
  plan(top) {
    const stack = [top];
    while (stack.length) {
      const box = stack.at(-1);
      const missing = this.known.has(box) ? [] : this.graph.inside(box).filter((each) => this.isOpen(each) && !this.known.has(each));
      if (missing.length) stack.push(...missing);
      else {
        if (!this.known.has(box)) this.known.set(box, this.planned(box));
        stack.pop();
      }
    }
    return this.known.get(top);
  }

  isOpen(thing) { return this.graph.isBox(thing) && this.graph.open.has(thing); }

  planned(box) {
    const things = this.graph.inside(box);
    const drawing = new dagre.graphlib.Graph();
    drawing.setGraph({ rankdir: "TB", nodesep: 16, edgesep: 8, ranksep: 26 });
    for (const thing of things) drawing.setNode(String(thing), this.size(thing));
    const edges = [...(this.graph.edges.get(box)?.values() ?? [])];
    for (const { from, to } of edges) {
      for (const end of [from, to]) if (end < 0) drawing.setNode(String(end), { width: PORT, height: PORT });
      if (from !== to) drawing.setEdge(String(from), String(to), { weight: this.weight(from, to) });
    }
    dagre.layout(drawing, { disableOptimalOrderHeuristic: things.length > 60 });
    return this.framed(box, things, edges, drawing);
  }

  weight(from, to) { return from < 0 || to < 0 || !this.graph.isNode(from) ? 1 : 2; }

  /* The finished drawing of a box with the room for its frame; the model has none. */
  framed(box, things, edges, drawing) {
    const { width, height } = drawing.graph();
    const left = PAD, above = box === this.graph.root ? PAD : HEAD + 8;
    const items = things.map((thing) => {
      const { x, y, width: w, height: h } = drawing.node(String(thing));
      return { thing, x: x - w / 2 + left, y: y - h / 2 + above, w, h, open: this.isOpen(thing), ...this.label(thing) };
    });
    const w = Math.max(Number.isFinite(width) ? width : 0, this.label(box).wide) + 2 * PAD;
    const h = (Number.isFinite(height) ? height : 0) + above + PAD;
    const ports = {};
    for (const port of [-1, -2]) {
      const found = drawing.node(String(port));
      if (found) ports[port] = { x: found.x + left, y: found.y + above };
    }
    const lines = edges.filter(({ from, to }) => from !== to).map(({ from, to, values }) => {
      const points = drawing.edge(String(from), String(to)).points.map(({ x, y }) => ({ x: x + left, y: y + above }));
      points[0] = this.end(from, drawing, left, above, 1);
      points[points.length - 1] = this.end(to, drawing, left, above, -1);
      return { from, to, values, points };
    });
    return { items, edges: lines, w, h, ports };
  }

  /* Edges leave things below and enter them above: at the port of an open box, else in the middle. */
  end(thing, drawing, left, above, side) {
    const { x, y, width, height } = drawing.node(String(thing));
    const port = this.isOpen(thing) ? this.known.get(thing).ports[side > 0 ? -2 : -1] : null;
    return { x: (port ? x - width / 2 + port.x : x) + left, y: y + (side * height) / 2 + above };
  }

  size(thing) {
    if (this.isOpen(thing)) {
      const { w, h } = this.known.get(thing);
      return { width: w, height: h };
    }
    const { wide, sub } = this.label(thing);
    return { width: wide + 22, height: sub ? 40 : 28 };
  }

  label(thing) {
    if (!this.labels.has(thing)) {
      this.pen.font = FONT;
      const room = this.graph.isNode(thing) ? WIDEST : WIDEST - 16;
      const title = this.cut(this.graph.nameOf(thing), room), wide = this.pen.measureText(title).width;
      this.pen.font = SMALL;
      const sub = this.cut(this.graph.subtitle(thing), room);
      const more = this.graph.isBox(thing) && !this.graph.isLayer(thing) ? 16 : 0;
      this.labels.set(thing, { title, sub, wide: Math.max(wide, this.pen.measureText(sub).width, 34) + more });
    }
    return this.labels.get(thing);
  }

  cut(text, room) {
    if (text.length < 12 || this.pen.measureText(text).width <= room) return text;
    const middle = Math.max(8, Math.floor((text.length * room) / this.pen.measureText(text).width) - 1);
    return `${text.slice(0, Math.ceil(middle * 0.6))}…${text.slice(-Math.floor(middle * 0.4))}`;
  }
}

function moved(edge, x, y) {
  const points = edge.points.map((point) => ({ x: point.x + x, y: point.y + y }));
  const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { ...edge, points, left, right, top, bottom };
}
