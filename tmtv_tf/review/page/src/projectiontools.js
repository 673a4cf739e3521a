// The mouse on the projection: turn it, pick on it, cut a region out; and the same region corner by corner by `Enter`.

export class ProjectionTools {
  constructor(tools) {
    Object.assign(this, { tools, corners: [] });
  }
  get viewer() {
    return this.tools.viewer;
  }

  handlers() {
    return {
      pointerdown: (at, event) => {
        this.viewer.mip.focus({ preventScroll: true });
        this.viewer.mip.setPointerCapture(event.pointerId);
        const cut = this.tools.name === "lasso" || this.tools.name === "box";
        this.tools.drag = { kind: cut ? this.tools.name : "rotate", from: at, angle: this.viewer.angle, path: [at], moved: false };
        if (cut) this.viewer.sketch = { drawMip: (context) => drawPath(context, this.region(), this.viewer.scale) };
      },
      pointermove: (at) => {
        const { viewer } = this, { drag } = this.tools;
        if (!drag || drag.tile) return;
        drag.moved ||= Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > 4 * viewer.scale;
        if (drag.kind === "rotate") {
          viewer.angle = (((drag.angle - 10 * Math.round((at[0] - drag.from[0]) / (12 * viewer.scale))) % 360) + 360) % 360;
        } else drag.path.push(at);
        viewer.redraw();
      },
      pointerup: async (at) => {
        const { drag } = this.tools;
        if (!drag || drag.tile) return;
        const path = this.region();
        this.tools.drag = this.viewer.sketch = null;
        if (drag.kind === "rotate") return drag.moved || this.pick(at);
        if (drag.moved) await this.cut(thinned(path).map((at) => this.toPicture(at)));
      },
      pointercancel: () => this.tools.cancel(),
      wheel: (_, event) => {
        event.preventDefault();
        if (event.deltaY) this.viewer.rotate(event.deltaY < 0 ? 1 : -1);
      },
    };
  }

  region() {
    const { kind, path, from } = this.tools.drag ?? { path: [] };
    if (kind !== "box") return path;
    const [x, y] = path.at(-1);
    return [from, [x, from[1]], [x, y], [from[0], y]];
  }

  toPicture([x, y]) {
    const { left, top, scaleX, scaleY } = this.viewer.mipFit;
    return [(x - left) / scaleX, (y - top) / scaleY];
  }

  /** `polygon`: in pixels of the picture. */
  async cut(polygon) {
    const { viewer } = this;
    await this.tools.actions.edit({ kind: "exclude_region", angle: viewer.angle, polygon });
    viewer.redraw();
  }

  pick(at) {
    const { viewer } = this, place = this.toPicture(at);
    const { width, height } = viewer.projector;
    const [c, r] = place.map(Math.floor);
    const { final, automatic } = viewer.mipOutlines();
    const inside = c >= 0 && r >= 0 && c < width && r < height;
    const before = inside ? automatic.picture[r * width + c] : 0;
    const label = inside ? final.picture[r * width + c] || (viewer.case.row(before)?.origin === "excluded" ? before : 0) : 0;
    const d = viewer.projector.hottest(place, viewer.angle);
    if (d) viewer.goTo(d);
    this.tools.actions.select(label);
    this.tools.actions.moved();
  }

  second(d, then) {
    const [from] = this.corners;
    if (!from) return this.mark([d], "First point. Move the crosshair and press Enter again.");
    this.dropCorners();
    return then(from);
  }

  cutBetween(a, b) {
    const [[left, top], [right, bottom]] = this.onPicture([a, b]);
    return this.cut([[left, top], [right, top], [right, bottom], [left, bottom]]);
  }

  /** One more corner of the lasso; the last one again closes it. */
  addCorner(d) {
    const { corners } = this, again = corners.length && corners.at(-1).every((v, a) => v === d[a]);
    if (!again) return this.mark([...corners, d], `Corner ${corners.length + 1}. Move the crosshair and press Enter; Enter at the last corner again cuts, Backspace takes it back.`);
    if (corners.length < 3) return this.tools.actions.tell("A region has at least three corners.");
    this.dropCorners();
    return this.cut(this.onPicture(corners));
  }

  /** Backspace: whether there was a corner to take back. */
  takeCornerBack() {
    if (!this.corners.length) return false;
    this.mark(this.corners.slice(0, -1), `${this.corners.length - 1} corners are left.`);
    return true;
  }

  dropCorners() {
    this.mark([], "");
  }

  mark(corners, text) {
    const { viewer } = this;
    this.corners = corners;
    viewer.sketch = corners.length ? { drawMip: (context) => drawPath(context, this.onPicture([...corners, viewer.settings.crosshair]).map((at) => this.toCanvas(at)), viewer.scale) } : null;
    if (text) this.tools.actions.tell(text);
    viewer.redraw();
  }

  onPicture(points) {
    const { projector, angle } = this.viewer;
    return points.map((d) => projector.toPicture(d, angle));
  }

  toCanvas([column, row]) {
    const { left, top, scaleX, scaleY } = this.viewer.mipFit;
    return [left + column * scaleX, top + row * scaleY];
  }
}

/** At most 200 corners. */
function thinned(path) {
  const every = Math.ceil(path.length / 200);
  return path.filter((_, i) => i % every === 0);
}

function drawPath(context, path, scale) {
  context.beginPath();
  path.forEach((at, i) => context[i ? "lineTo" : "moveTo"](...at));
  context.closePath();
  context.fillStyle = "rgba(255, 99, 99, 0.18)";
  context.fill();
  context.setLineDash([5 * scale, 3 * scale]);
  context.strokeStyle = "#ff3b3b";
  context.lineWidth = 1.5 * scale;
  context.stroke();
  context.setLineDash([]);
}
