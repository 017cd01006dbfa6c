/* The drawing, and what pointer and keys do to it. Only what is in sight and large enough to be seen is drawn. */
const COLOURS = ["back", "panel", "line", "text", "dim", "accent", "mark", "mark-line", "edge", "box", "box-deep", "box-line",
  ...["layer", "norm", "activation", "pool", "math", "control", "quantization", "other", "end"].map((kind) => `k-${kind}`)];

class Canvas {
  constructor(graph, layout, actions) {
    Object.assign(this, { graph, layout, actions });
    this.canvas = byId("canvas");
    this.pen = this.canvas.getContext("2d");
    this.camera = new Camera(() => this.redraw());
    this.chosen = new Set();
    this.near = new Set();
    this.pointers = new Map();
    this.listen();
    this.paint();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
  }

  /* Reads the colours of the theme. */
  paint() {
    const probe = element("span", { style: { display: "none" } });
    document.body.append(probe);
    this.colours = {};
    for (const name of COLOURS) {
      probe.style.color = `var(--${name})`;
      this.colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    this.redraw();
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    Object.assign(this, { width, height });
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.redraw();
  }

  /* Arranges anew. A thing that is given stays where it was on the screen. */
  arrange(fixed) {
    const before = this.drawing?.places.get(fixed);
    this.drawing = this.layout.arrange();
    const after = this.drawing.places.get(fixed);
    if (before && after) {
      this.camera.stop();
      this.camera.x += after.x + after.w / 2 - before.x - before.w / 2;
      this.camera.y += after.y - before.y;
    }
    this.redraw();
  }

  fit() {
    const { w, h } = this.drawing;
    const k = Math.min(1.2, (this.width - 20) / w, (this.height - 20) / h);
    this.camera.move(w / 2, h / 2, k, this.width, this.height);
  }

  /* Shows the whole graph if it can be told apart then, else its beginning. */
  overview() {
    const { w, h } = this.drawing;
    if (Math.min((this.width - 20) / w, (this.height - 20) / h) > 0.3) this.fit();
    else this.start();
  }

  /* Shows the beginning at a size at which it can be read. */
  start() {
    const { w, h } = this.drawing, room = this.height;
    const k = Math.min(1, Math.max((this.width - 20) / w, 0.7), Math.max(room / h, 0.7));
    const first = this.drawing.places.get(this.graph.firstInput);
    const x = w * k > this.width && first ? first.x + first.w / 2 : w / 2;
    Object.assign(this.camera, { k, x: x - this.width / 2 / k, y: h * k < room ? h / 2 - room / 2 / k : -8 / k });
    this.redraw();
  }

  /* Brings things into sight, above the details. */
  show(things) {
    const places = things.map((thing) => this.drawing.places.get(thing)).filter(Boolean);
    if (!places.length) return;
    const room = this.height * (byId("details").childElementCount ? 0.58 : 1);
    const left = Math.min(...places.map((place) => place.x)), right = Math.max(...places.map((place) => place.x + place.w));
    const top = Math.min(...places.map((place) => place.y)), bottom = Math.max(...places.map((place) => place.y + place.h));
    const fits = Math.min((this.width - 60) / (right - left), (room - 40) / (bottom - top));
    const k = places.length > 1 || places[0].open ? Math.min(1, fits) : Math.max(0.7, Math.min(1.2, this.camera.k));
    this.camera.move((left + right) / 2, (top + bottom) / 2 + (this.height - room) / 2 / k, k, this.width, this.height);
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { pen, camera, ratio, width, height } = this, began = performance.now();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = this.colours.back;
    pen.fillRect(0, 0, width, height);
    if (!this.drawing) return;
    pen.setTransform(ratio * camera.k, 0, 0, ratio * camera.k, -camera.x * camera.k * ratio, -camera.y * camera.k * ratio);
    const { x: left, y: top } = camera.at(0, 0), { x: right, y: bottom } = camera.at(width, height);
    const inSight = (place) => place.x < right && place.x + place.w > left && place.y < bottom && place.y + place.h > top;
    const seen = this.drawing.things.filter((place) => inSight(place) && place.h * camera.k > 1.5);
    for (const place of seen) if (place.open) this.drawOpenBox(place);
    this.drawEdges((edge) => edge.left < right && edge.right > left && edge.top < bottom && edge.bottom > top);
    for (const place of seen) if (!place.open) this.drawThing(place);
    this.drawingTime = performance.now() - began;
  }

  drawOpenBox(place) {
    const { pen, colours, camera } = this;
    const deep = this.graph.around(place.thing).length % 2;
    this.outline(place, 8, deep ? colours["box-deep"] : colours.box, colours["box-line"]);
    if (HEAD * camera.k < 7) return;
    pen.font = FONT;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.fillStyle = colours.text;
    pen.fillText(`− ${place.title}`, place.x + 10, place.y + HEAD / 2);
    const after = pen.measureText(`− ${place.title}  `).width;
    const kind = this.graph.box(place.thing).cls;
    pen.font = SMALL;
    pen.fillStyle = colours.dim;
    if (kind && after + pen.measureText(kind).width + 20 < place.w) pen.fillText(kind, place.x + 10 + after, place.y + HEAD / 2);
  }

  drawThing(place) {
    const { pen, colours, camera, graph } = this;
    const kind = graph.kind(place.thing), fill = kind ? colours[`k-${kind}`] : colours.panel;
    pen.globalAlpha = graph.isGone(place.thing) && !this.chosen.has(place.thing) ? 0.55 : 1;
    this.outline(place, kind === "end" ? 14 : graph.isBox(place.thing) ? 7 : 4, fill, colours["box-line"]);
    if (camera.k > 0.28) this.drawLabel(place);
    pen.globalAlpha = 1;
  }

  drawLabel({ thing, title, sub, x, y, w, h }) {
    const { pen, colours, graph } = this;
    const opens = graph.isBox(thing) && !graph.isLayer(thing);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = FONT;
    pen.fillStyle = colours.text;
    pen.fillText(opens ? `+ ${title}` : title, x + w / 2, y + (sub ? 14 : h / 2));
    if (!sub) return;
    pen.font = SMALL;
    pen.fillStyle = colours.dim;
    pen.fillText(sub, x + w / 2, y + 28);
  }

  outline({ thing, x, y, w, h }, radius, fill, line) {
    const { pen, colours, camera } = this;
    const chosen = this.chosen.has(thing), near = this.near.has(thing);
    pen.fillStyle = fill;
    pen.strokeStyle = chosen ? colours["mark-line"] : near ? colours.accent : line;
    pen.lineWidth = (chosen ? 3 : near ? 2.5 : 1) / Math.min(1, Math.max(camera.k, 0.2));
    pen.beginPath();
    if (h * camera.k < 8) pen.rect(x, y, w, h);
    else pen.roundRect(x, y, w, h, radius);
    pen.fill();
    pen.stroke();
  }

  drawEdges(inSight) {
    const { pen, colours, camera } = this, special = [];
    pen.strokeStyle = pen.fillStyle = colours.edge;
    pen.lineWidth = 1.1 / Math.min(1, Math.max(camera.k, 0.3));
    for (const edge of this.drawing.edges) {
      if (!inSight(edge)) continue;
      if (this.touches(edge)) special.push(edge);
      else {
        pen.globalAlpha = this.graph.isGone(edge.from) || this.graph.isGone(edge.to) ? 0.45 : 1;
        this.drawEdge(edge);
      }
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = pen.fillStyle = colours.accent;
    pen.lineWidth *= 2;
    for (const edge of special) this.drawEdge(edge);
  }

  touches({ from, to, values }) {
    if (this.chosen.has(from) || this.chosen.has(to)) return true;
    return this.chosenValues !== undefined && [...values].some((value) => this.chosenValues.has(value));
  }

  drawEdge({ points, from, to }) {
    const { pen } = this, last = points.at(-1);
    pen.beginPath();
    pen.moveTo(points[0].x, points[0].y);
    if (this.camera.k < 0.15) pen.lineTo(last.x, last.y);
    else {
      for (let n = 1; n < points.length - 1; n += 1) {
        const next = n === points.length - 2 ? last : { x: (points[n].x + points[n + 1].x) / 2, y: (points[n].y + points[n + 1].y) / 2 };
        pen.quadraticCurveTo(points[n].x, points[n].y, next.x, next.y);
      }
      if (points.length === 2) pen.lineTo(last.x, last.y);
    }
    pen.stroke();
    if (this.camera.k < 0.3) return;
    pen.beginPath();
    if (to >= 0) {
      pen.moveTo(last.x, last.y);
      pen.lineTo(last.x - 3.5, last.y - 7);
      pen.lineTo(last.x + 3.5, last.y - 7);
    }
    for (const port of [from < 0 && points[0], to < 0 && last].filter(Boolean)) {
      pen.moveTo(port.x, port.y);
      pen.arc(port.x, port.y, 3, 0, 7);
    }
    pen.fill();
  }

  /* The innermost thing at a point of the canvas. */
  hit(x, y) {
    const point = this.camera.at(x, y), things = this.drawing.things;
    for (let n = things.length - 1; n >= 0; n -= 1) {
      const place = things[n];
      if (point.x < place.x || point.x > place.x + place.w || point.y < place.y || point.y > place.y + place.h) continue;
      return place.open && point.y > place.y + HEAD ? null : place.thing;
    }
    return null;
  }

  listen() {
    const { canvas } = this, place = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const step = event.deltaMode === 1 ? 20 : 1;
      if (event.shiftKey) this.camera.pan(-(event.deltaX || event.deltaY) * step, 0);
      else this.camera.zoom(Math.exp(-event.deltaY * step * (event.ctrlKey ? 0.01 : 0.0016)), ...place(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, place(event));
      this.travelled = 0;
    });
    canvas.addEventListener("pointermove", (event) => this.moved(event, place(event)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.released(event, place(event)));
    canvas.addEventListener("pointerleave", () => this.actions.point(null));
    canvas.addEventListener("dblclick", (event) => {
      const thing = this.hit(...place(event));
      if (thing !== null && this.graph.isBox(thing)) this.actions.toggle(thing);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  moved(event, [x, y]) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      const thing = this.hit(x, y);
      this.canvas.classList.toggle("over", thing !== null);
      this.actions.point(thing, x, y);
      return;
    }
    this.travelled += Math.hypot(x - before[0], y - before[1]);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length) {
      const [ox, oy] = others[0];
      const factor = Math.hypot(x - ox, y - oy) / Math.max(1, Math.hypot(before[0] - ox, before[1] - oy));
      this.camera.zoom(factor, (x + ox) / 2, (y + oy) / 2);
    } else if (this.travelled > 3) {
      this.canvas.classList.add("moving");
      this.camera.pan(x - before[0], y - before[1]);
    }
    this.pointers.set(event.pointerId, [x, y]);
  }

  released(event, [x, y]) {
    const clicked = this.pointers.delete(event.pointerId) && this.travelled <= 3 && event.type === "pointerup";
    this.canvas.classList.remove("moving");
    if (!clicked) return;
    const thing = this.hit(x, y);
    const place = thing === null ? null : this.drawing.places.get(thing);
    const onSign = place && this.graph.isBox(thing) && !this.graph.isLayer(thing) && this.isOnSign(place, x, y);
    if (onSign) this.actions.toggle(thing);
    else this.actions.choose(thing);
  }

  /* Whether a point is on the + or − of a box. */
  isOnSign(place, x, y) {
    const point = this.camera.at(x, y);
    if (place.open) return point.x < place.x + 24 && point.y < place.y + HEAD;
    this.pen.font = FONT;
    const wide = this.pen.measureText(`+ ${place.title}`).width, begin = place.x + (place.w - wide) / 2;
    return point.y < place.y + 21 && point.x > begin - 6 && point.x < begin + 12;
  }

  key(event) {
    const middle = [this.width / 2, this.height / 2];
    const keys = {
      ArrowLeft: () => this.camera.pan(60, 0), ArrowRight: () => this.camera.pan(-60, 0),
      ArrowUp: () => this.camera.pan(0, 60), ArrowDown: () => this.camera.pan(0, -60),
      "+": () => this.camera.zoom(1.25, ...middle), "=": () => this.camera.zoom(1.25, ...middle),
      "-": () => this.camera.zoom(0.8, ...middle), 0: () => this.fit(), Enter: () => this.actions.toggle(null),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }
}
