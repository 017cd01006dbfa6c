/* What part of the drawing is seen: a point of it in the upper left corner, and how large it is. */
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

class Camera {
  constructor(changed) {
    Object.assign(this, { x: 0, y: 0, k: 1, changed });
  }

  /* The point of the drawing at a point of the canvas. */
  at(x, y) { return { x: this.x + x / this.k, y: this.y + y / this.k }; }

  pan(dx, dy) {
    this.stop();
    this.x -= dx / this.k;
    this.y -= dy / this.k;
    this.changed();
  }

  zoom(factor, x, y) {
    this.stop();
    const fixed = this.at(x, y);
    this.k = Math.min(4, Math.max(0.005, this.k * factor));
    this.x = fixed.x - x / this.k;
    this.y = fixed.y - y / this.k;
    this.changed();
  }

  stop() { cancelAnimationFrame(this.frame); }

  /* Goes where the middle of the canvas shows a point of the drawing. */
  move(x, y, k, width, height) {
    this.stop();
    const goal = { x: x - width / 2 / k, y: y - height / 2 / k, k };
    if (CALM.matches || document.hidden) {
      Object.assign(this, goal);
      this.changed();
      return;
    }
    const from = { x: this.x, y: this.y, k: this.k }, began = performance.now();
    const step = (now) => {
      const part = Math.min(1, (now - began) / 220), eased = 1 - (1 - part) ** 3;
      for (const key of ["x", "y", "k"]) this[key] = from[key] + (goal[key] - from[key]) * eased;
      this.changed();
      if (part < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }
}
