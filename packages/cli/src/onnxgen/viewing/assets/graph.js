/* Who reads whose values, and what is in which box.

   Nodes, boxes, inputs and outputs are things with numbers: nodes come first, then boxes, inputs and outputs. */
class Graph {
  constructor(data) {
    Object.assign(this, data);
    this.firstBox = this.nodes.length;
    this.firstInput = this.firstBox + this.boxes.length;
    this.firstOutput = this.firstInput + this.inputs.length;
    this.count = this.firstOutput + this.outputs.length;
    this.root = this.firstBox;
    this.parents = new Int32Array(this.count).fill(this.root);
    this.open = new Set();
    this.boxes.forEach((box, number) => {
      this.parents[this.firstBox + number] = box.parent < 0 ? -1 : this.firstBox + box.parent;
      for (const node of box.nodes) this.parents[node] = this.firstBox + number;
      if (box.open) this.open.add(this.firstBox + number);
    });
    this.findEdges();
    this.findLines();
  }

  isNode(thing) { return thing < this.firstBox; }
  isBox(thing) { return thing >= this.firstBox && thing < this.firstInput; }
  box(thing) { return this.boxes[thing - this.firstBox]; }

  /* What is directly in a box. */
  inside(thing) {
    const box = this.box(thing);
    const things = [...box.nodes, ...box.children.map((child) => this.firstBox + child)];
    if (thing !== this.root) return things;
    const inputs = this.inputs.map((_, number) => this.firstInput + number);
    return [...inputs, ...things, ...this.outputs.map((_, number) => this.firstOutput + number)];
  }

  /* The nodes in a box and in all boxes inside it. */
  nodesIn(thing) {
    const found = [], stack = [thing];
    while (stack.length) {
      const box = this.box(stack.pop());
      for (const node of box.nodes) found.push(node);
      for (const child of box.children) stack.push(this.firstBox + child);
    }
    return found;
  }

  around(thing) {
    const chain = [];
    for (; thing >= 0; thing = this.parents[thing]) chain.push(thing);
    return chain.reverse();
  }

  /* The box or node on the screen that stands for a thing: the outermost closed box around it, or itself. */
  standIn(thing) {
    const chain = this.around(thing);
    return chain.find((each) => this.isBox(each) && !this.open.has(each)) ?? thing;
  }

  /* Every edge is kept where both of its ends are seen: in the innermost box around both. In the boxes between, it
     leads from the port above or to the port below (numbers -1 and -2). */
  findEdges() {
    this.edges = new Map();
    const makers = new Map();
    this.inputs.forEach((value, number) => makers.set(value, this.firstInput + number));
    this.nodes.forEach((node, number) => node.out.forEach((value) => value >= 0 && makers.set(value, number)));
    this.makers = makers;
    this.readers = new Map();
    const read = (value, reader) => {
      if (!makers.has(value)) return;
      if (!this.readers.has(value)) this.readers.set(value, []);
      this.readers.get(value).push(reader);
      this.addEdge(makers.get(value), reader, value);
    };
    this.nodes.forEach((node, number) => new Set([...node.in, ...node.more]).forEach((value) => read(value, number)));
    this.outputs.forEach((value, number) => read(value, this.firstOutput + number));
  }

  addEdge(from, to, value) {
    const above = this.around(from), below = this.around(to);
    let shared = 0;
    while (above[shared + 1] === below[shared + 1] && shared + 1 < Math.min(above.length, below.length)) shared += 1;
    this.keepEdge(above[shared], above[shared + 1], below[shared + 1], value);
    for (let level = shared + 1; level + 1 < above.length; level += 1) this.keepEdge(above[level], above[level + 1], -2, value);
    for (let level = shared + 1; level + 1 < below.length; level += 1) this.keepEdge(below[level], -1, below[level + 1], value);
  }

  keepEdge(box, from, to, value) {
    if (!this.edges.has(box)) this.edges.set(box, new Map());
    const edges = this.edges.get(box), key = `${from} ${to}`;
    if (!edges.has(key)) edges.set(key, { from, to, values: new Set() });
    edges.get(key).values.add(value);
  }

  /* What each line of the code stands for. */
  findLines() {
    this.lines = new Map();
    const note = (line, thing) => {
      if (!this.lines.has(line)) this.lines.set(line, []);
      this.lines.get(line).push(thing);
    };
    this.nodes.forEach((node, number) => node.lines.forEach((line) => note(line, number)));
    this.boxes.forEach((box, number) => {
      if (number === 0) return;
      for (const line of new Set([box.lines.class, box.lines.built])) if (line) note(line, this.firstBox + number);
    });
  }

  /* The lines of a thing: its own, else those that build and call what it is in. */
  linesOf(thing) {
    if (this.isNode(thing) && this.nodes[thing].lines.length) return this.nodes[thing].lines;
    if (this.isBox(thing)) {
      const { class: own, built, used } = this.box(thing).lines;
      return [own, built, used].filter(Boolean);
    }
    if (!this.isNode(thing) || !this.isLayer(this.parents[thing])) return [];
    return this.linesOf(this.parents[thing]);
  }

  /* Whether a node left no line of code: it was computed during conversion, or left out. */
  isGone(thing) { return thing >= 0 && this.isNode(thing) && !this.linesOf(thing).length; }

  isLayer(thing) { return this.isBox(thing) && this.box(thing).cls.startsWith("nn."); }

  nameOf(thing) {
    if (this.isNode(thing)) return this.nodes[thing].op;
    if (this.isBox(thing)) return this.box(thing).name || this.title0;
    return this.values[this.valueOf(thing)].name;
  }

  get title0() { return this.boxes[0].cls || "model"; }

  valueOf(thing) {
    return thing < this.firstOutput ? this.inputs[thing - this.firstInput] : this.outputs[thing - this.firstOutput];
  }

  /* The second line of a thing's label: a class, or the type of what it gives. */
  subtitle(thing) {
    if (this.isBox(thing)) {
      const box = this.box(thing);
      if (this.isLayer(thing)) return box.cls;
      const count = this.nodesIn(thing).length;
      return `${box.cls ? `${box.cls} · ` : ""}${count} node${count === 1 ? "" : "s"}`;
    }
    const value = this.isNode(thing) ? this.nodes[thing].out.find((each) => each >= 0) : this.valueOf(thing);
    return (value !== undefined && this.values[value].type) || "";
  }

  kind(thing) {
    if (this.isNode(thing)) return this.nodes[thing].kind;
    if (!this.isBox(thing)) return "end";
    if (!this.isLayer(thing)) return "";
    const nodes = this.box(thing).nodes, kinds = nodes.map((node) => this.nodes[node].kind);
    return ["norm", "activation", "pool"].find((kind) => kinds.includes(kind)) || "layer";
  }
}
