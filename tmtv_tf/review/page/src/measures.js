// Distances and spheres on the slices. They are looks, not edits: nothing of them is saved.
import { number } from "./dom.js";
import { PLANES } from "./planes.js";
import { line } from "./viewer.js";

const INK = "#ffd60a";

export class Distance {
  constructor(plane, from, to = from) {
    Object.assign(this, { plane, from, to });
  }
  get mm() {
    return Math.hypot(...this.from.map((v, a) => v - this.to[a]));
  }
  get text() {
    return `${number(this.mm)} mm`;
  }
  draw(context, tile, viewer) {
    const { through } = PLANES[tile.plane];
    const thick = Math.abs(viewer.case.pet.spacing[through]);
    if (tile.plane !== this.plane || Math.abs(this.from[through] - viewer.settings.crosshair[through]) > thick / 2) return;
    const a = tile.toScreen(this.from), b = tile.toScreen(this.to), s = viewer.scale;
    outlined(context, s, () => {
      context.beginPath();
      line(context, ...a, ...b);
      for (const [x, y] of [a, b]) (line(context, x - 4 * s, y, x + 4 * s, y), line(context, x, y - 4 * s, x, y + 4 * s));
    });
    write(context, tile, this.text, b, s);
  }
}

export class Sphere {
  constructor(centre, radius = 0) {
    Object.assign(this, { centre, radius, answer: null });
  }
  get text() {
    const a = this.answer;
    if (!a) return `r ${number(this.radius)} mm`;
    return `mean ${number(a.suv_mean, 2)}, max ${number(a.suv_max, 2)}\nSD ${number(a.suv_sd, 2)}, ${number(a.volume_ml, 2)} mL`;
  }
  draw(context, tile, viewer) {
    const { through } = PLANES[tile.plane];
    const off = this.centre[through] - viewer.settings.crosshair[through];
    if (Math.abs(off) > Math.max(this.radius, Math.abs(viewer.case.pet.spacing[through]) / 2)) return;
    const radius = Math.sqrt(Math.max(0, this.radius ** 2 - off ** 2)) / tile.mmPerPixel, s = viewer.scale;
    const [x, y] = tile.toScreen(this.centre);
    outlined(context, s, () => {
      context.beginPath();
      context.arc(x, y, Math.max(radius, 1), 0, 2 * Math.PI);
    });
    write(context, tile, this.text, [x + radius, y - radius], s);
  }
}

function outlined(context, scale, path) {
  for (const [color, width] of [["rgba(0, 0, 0, 0.7)", 3.5], [INK, 1.5]]) {
    context.strokeStyle = color;
    context.lineWidth = width * scale;
    path();
    context.stroke();
  }
}

function write(context, tile, text, [x, y], scale) {
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  const lines = text.split("\n"), step = 15 * scale;
  const [left, top, width] = tile.rect;
  const wide = Math.max(...lines.map((one) => context.measureText(one).width));
  const at = Math.max(left + 4 * scale, Math.min(x + 4 * scale, left + width - wide - 4 * scale));
  const first = Math.max(top + 2 * scale, y - step * lines.length);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillStyle = "rgba(0, 0, 0, 0.7)";
  context.fillRect(at - 3 * scale, first, wide + 6 * scale, step * lines.length);
  context.fillStyle = INK;
  lines.forEach((one, i) => context.fillText(one, at, first + 2 * scale + i * step));
}
