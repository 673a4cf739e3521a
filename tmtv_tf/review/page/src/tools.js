// The mouse on the slices, and `Enter` at the crosshair for those who work without a mouse.
import { Distance, Sphere } from "./measures.js";
import { PLANES } from "./planes.js";
import { ProjectionTools } from "./projectiontools.js";

export const TOOLS = {
  look: { key: "Escape", label: "Look", icon: "M8 1v5M8 10v5M1 8h5M10 8h5", hint: "Click: crosshair, or choose a lesion. Wheel: scroll. Right drag: window. Shift drag: move. Ctrl wheel: zoom. Double click: one image alone." },
  add: { key: "a", label: "Add", icon: "M8 2v12M2 8h12", hint: "Click a missed lesion (or Enter at the crosshair): you see the region first. [ and ] change how far it may reach." },
  brush: { key: "b", label: "Brush", icon: "M13 3 7 9M6 9c-2 0-2 3-4 4 3 1 6 0 6-2z", hint: "Draw (or Enter at the crosshair). [ and ] change the radius." },
  eraser: { key: "r", label: "Eraser", icon: "M6 13 2 9l7-7 5 5-6 6H5M6 5l5 5", hint: "Wipe (or Enter at the crosshair). [ and ] change the radius." },
  lasso: { key: "l", label: "Lasso", icon: "M8 2c4 0 6 2 6 4s-2 4-6 4-6-2-6-4 2-4 6-4M5 10c-2 1-2 4 1 4", hint: "Draw around a region on the MIP (or Enter at each corner, and once more at the last): lesions in it are cut out along the line of sight." },
  box: { key: "x", label: "Box", icon: "M2 4h12v8H2z", hint: "Drag a box on the MIP (or Enter at two corners): lesions in it are cut out along the line of sight." },
  distance: { key: "d", label: "Distance", icon: "M2 8h12M4 5 2 8l2 3M12 5l2 3-2 3", hint: "Drag from one point to the other (or Enter at both)." },
  sphere: { key: "o", label: "Sphere", icon: "M8 2a6 6 0 1 0 .01 0M8 7.5v1M7.5 8h1", hint: "Drag from the centre outwards (or Enter at the crosshair; [ and ] change the radius)." },
};

export class Tools {
  /** `actions`: edit(edit), preview(edit), select(label, additive), moved(), tell(text), changed(). */
  constructor(viewer, actions) {
    Object.assign(this, { viewer, actions, name: "look", radius_mm: 8, limit_mm: 60, drag: null, projection: new ProjectionTools(this) });
    const { over, mip } = viewer;
    this.listen(over, this.slices());
    this.listen(mip, this.projection.handlers());
    for (const canvas of [over, mip]) canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  listen(canvas, handlers) {
    for (const [name, handler] of Object.entries(handlers))
      canvas.addEventListener(name, (event) => {
        if (!this.viewer.case?.pet || !this.viewer.tiles) return;
        const box = canvas.getBoundingClientRect(), { ratio } = this.viewer;
        handler([(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio], event);
      }, { passive: false });
  }

  choose(name) {
    this.name = name;
    this.drag = this.viewer.sketch = null;
    this.projection.corners = [];
    this.dropPreview();
    this.actions.changed();
    this.viewer.redraw();
  }

  get cursor() {
    return { look: "crosshair", add: "copy", brush: "none", eraser: "none" }[this.name] ?? "crosshair";
  }

  /** `[` and `]`. */
  resize(by) {
    if (this.name === "add") {
      this.limit_mm = clamp(this.limit_mm + 10 * by, 10, 300);
      if (this.asked) this.ask(this.asked);
    } else this.radius_mm = clamp(this.radius_mm + by, 1, 60);
    this.actions.changed();
    this.viewer.redraw();
  }

  // Slices

  slices() {
    return {
      pointerdown: (at, event) => this.press(at, event),
      pointermove: (at, event) => this.move(at, event),
      pointerup: (at, event) => this.release(at, event),
      pointercancel: () => this.cancel(),
      pointerleave: () => this.hover(null),
      dblclick: (at) => this.alone(at),
      wheel: (at, event) => this.wheel(at, event),
    };
  }

  press(at, event) {
    const { viewer } = this, tile = viewer.tileAt(at);
    if (!tile) return;
    event.preventDefault();
    viewer.over.focus({ preventScroll: true });
    viewer.over.setPointerCapture(event.pointerId);
    viewer.plane = tile.plane;
    const d = tile.toFrame(at, viewer.settings.crosshair);
    const kind = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : this.name;
    this.drag = { kind, tile, from: at, last: at, start: d, points: [d], moved: false, settings: { ...viewer.settings }, centre: [...viewer.centre] };
    if (kind === "look") this.goTo(d);
    else if (kind === "distance") viewer.sketch = new Distance(tile.plane, d);
    else if (kind === "sphere") viewer.sketch = new Sphere(d);
    else if (kind === "brush" || kind === "eraser") this.sketchStroke();
    viewer.redraw();
  }

  move(at, event) {
    const { viewer, drag } = this;
    const tile = drag?.tile ?? viewer.tileAt(at);
    const d = tile?.toFrame(at, viewer.settings.crosshair) ?? null;
    this.hover(d, tile);
    if (!drag || !drag.tile) return;
    drag.moved ||= Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > 4 * viewer.scale;
    if (drag.kind === "look") this.goTo(d);
    else if (drag.kind === "window") this.dragWindow(at);
    else if (drag.kind === "pan") {
      viewer.centre[tile.across] = drag.centre[tile.across] + (at[0] - drag.from[0]) * tile.mmPerPixel;
      viewer.centre[tile.up] = drag.centre[tile.up] + (at[1] - drag.from[1]) * tile.mmPerPixel;
    } else if (drag.kind === "distance") viewer.sketch.to = d;
    else if (drag.kind === "sphere") viewer.sketch.radius = Math.hypot(...d.map((v, a) => v - drag.start[a]));
    else if (drag.kind === "brush" || drag.kind === "eraser") for (const e of event.getCoalescedEvents?.() ?? [event]) this.addPoint(e, tile);
    drag.last = at;
    viewer.redraw();
  }

  async release(at) {
    const { viewer, drag } = this;
    this.drag = null;
    if (!drag?.tile) return;
    if (drag.kind === "look" && !drag.moved) this.actions.select(viewer.labelAt(drag.start));
    else if (drag.kind === "add") await this.ask(drag.start);
    else if (drag.kind === "distance") this.keep(viewer.sketch, viewer.sketch.mm > 0);
    else if (drag.kind === "sphere") await this.measureSphere(viewer.sketch);
    else if (drag.kind === "brush" || drag.kind === "eraser") await this.sendStroke(drag);
  }

  cancel() {
    this.drag = null;
    this.viewer.sketch = null;
    this.viewer.redraw();
  }

  alone(at) {
    const { viewer } = this, tile = viewer.tileAt(at);
    if (!tile || this.name !== "look") return;
    viewer.layout = typeof viewer.layout === "object" ? viewer.before ?? "all" : ((viewer.before = viewer.layout), { plane: tile.plane, image: tile.image });
    viewer.redraw();
  }

  wheel(at, event) {
    event.preventDefault();
    const { viewer } = this, tile = viewer.tileAt(at);
    if (!tile || !event.deltaY) return;
    if (event.ctrlKey) return viewer.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, tile.toFrame(at, viewer.settings.crosshair));
    viewer.plane = tile.plane;
    const { through } = PLANES[tile.plane];
    viewer.step(through, (event.deltaY < 0 ? 1 : -1) * (through === 1 ? -1 : 1));
    this.actions.moved();
  }

  goTo(d) {
    const zoom = this.viewer.zoom;
    this.viewer.zoom = 1; // a click moves the crosshair, not the picture
    this.viewer.goTo(d);
    this.viewer.zoom = zoom;
    this.actions.moved();
  }

  hover(d, tile) {
    const { viewer } = this;
    this.pointer = d && { d, tile };
    viewer.hovered = d && this.name === "look" ? viewer.labelAt(d) || null : null;
    this.actions.moved(d);
    if (this.name === "brush" || this.name === "eraser") viewer.sketch ??= { draw: (...a) => this.drawBrush(...a) };
    viewer.redraw();
  }

  dragWindow(at) {
    const { viewer, drag } = this;
    const across = (at[0] - drag.from[0]) / viewer.scale, down = (at[1] - drag.from[1]) / viewer.scale;
    if (drag.tile.image === 1) {
      const [low, high] = drag.settings.ctWindow;
      const level = (low + high) / 2 - 2 * down, width = Math.max(20, high - low + 4 * across);
      viewer.settings.ctWindow = [level - width / 2, level + width / 2];
    } else viewer.settings.petWindow = [0, clamp(Math.round((drag.settings.petWindow[1] - down / 20) * 2) / 2, 1, 60)];
    this.actions.changed();
  }

  // Brush

  addPoint(event, tile) {
    const box = this.viewer.over.getBoundingClientRect(), s = this.viewer.ratio;
    const d = tile.toFrame([(event.clientX - box.left) * s, (event.clientY - box.top) * s], this.viewer.settings.crosshair);
    const last = this.drag.points.at(-1);
    if (Math.hypot(...d.map((v, a) => v - last[a])) > 0.5) this.drag.points.push(d);
  }

  sketchStroke() {
    this.viewer.sketch = { draw: (...a) => (this.drawStroke(...a), this.drawBrush(...a)) };
  }

  drawStroke(context, tile) {
    const stroke = this.drag ?? this.sending;
    if (!stroke?.points || stroke.tile.plane !== tile.plane) return;
    context.strokeStyle = stroke.kind === "brush" ? "rgba(76, 194, 255, 0.4)" : "rgba(255, 99, 99, 0.4)";
    context.lineWidth = (2 * this.radius_mm) / tile.mmPerPixel;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    stroke.points.forEach((d, i) => context[i ? "lineTo" : "moveTo"](...tile.toScreen(d)));
    if (stroke.points.length === 1) context.lineTo(...tile.toScreen(stroke.points[0]));
    context.stroke();
  }

  drawBrush(context, tile, viewer) {
    const at = this.pointer?.tile ? this.pointer : { d: viewer.settings.crosshair, tile: viewer.tiles.find((t) => t.plane === viewer.plane) };
    if (!at.d || at.tile?.plane !== tile.plane) return;
    const [x, y] = tile.toScreen(at.d);
    context.beginPath();
    context.arc(x, y, this.radius_mm / tile.mmPerPixel, 0, 2 * Math.PI);
    for (const [color, width] of [["#000", 3], [this.name === "brush" ? "#4cc2ff" : "#ff6363", 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = width * viewer.scale;
      context.stroke();
    }
  }

  async sendStroke({ kind, tile, points }) {
    const { frame } = this.viewer.case;
    this.sending = { kind, tile, points };
    const edit = { kind: "brush", add: kind === "brush", plane: PLANES[tile.plane].name, radius_mm: this.radius_mm, points_mm: points.map(frame.toLps) };
    try {
      await this.actions.edit(edit);
    } finally {
      this.sending = null;
      this.viewer.redraw();
    }
  }

  // Add by a click

  async ask(d) {
    const { viewer } = this;
    const edit = { kind: "add_point", point_mm: viewer.case.frame.toLps(d), limit_mm: this.limit_mm };
    const answer = await this.actions.preview(edit);
    if (!answer) return;
    this.asked = d;
    viewer.preview = { ...answer, edit };
    viewer.goTo(d);
    this.actions.changed();
  }

  async accept() {
    const { preview } = this.viewer;
    this.dropPreview();
    if (preview?.voxels) await this.actions.edit(preview.edit);
  }

  dropPreview() {
    this.viewer.preview = this.asked = null;
    this.actions.changed();
    this.viewer.redraw();
  }

  // Measures

  keep(measure, worth) {
    this.viewer.sketch = null;
    if (worth) {
      this.viewer.measures.push(measure);
      this.actions.tell(measure.text);
    }
    this.viewer.redraw();
  }

  async measureSphere(sphere) {
    if (!sphere.radius) sphere.radius = this.radius_mm;
    this.keep(sphere, true);
    sphere.answer = await this.actions.measure(sphere.centre, sphere.radius);
    if (sphere.answer) this.actions.tell(`Sphere of ${Math.round(2 * sphere.radius)} mm: ${sphere.text.replace("\n", ", ")}`);
    this.viewer.redraw();
  }

  // Without a mouse

  async enter() {
    const { viewer } = this, d = [...viewer.settings.crosshair];
    if (viewer.preview) return this.accept();
    if (this.name === "add") return this.ask(d);
    if (this.name === "brush" || this.name === "eraser") return this.sendStroke({ kind: this.name, tile: viewer.tiles.find((t) => t.plane === viewer.plane) ?? viewer.tiles[0], points: [d] });
    if (this.name === "sphere") return this.measureSphere(new Sphere(d, this.radius_mm));
    if (this.name === "distance") return this.projection.second(d, (from) => this.keep(new Distance(viewer.plane, from, d), true));
    if (this.name === "box") return this.projection.second(d, (from) => this.projection.cutBetween(from, d));
    if (this.name === "lasso") return this.projection.addCorner(d);
    return this.actions.select(viewer.labelAt(d));
  }
}

const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
