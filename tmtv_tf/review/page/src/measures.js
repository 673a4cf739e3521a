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
    write(context, this.text, b, s);
  }
}

export class Sphere {
  constructor(centre, radius = 0) {
    Object.assign(this, { centre, radius, answer: null });
  }
  get text() {
    const a = this.answer;
    if (!a) return `r ${number(this.radius)} mm`;
    return `mean ${number(a.suv_mean, 2)} max ${number(a.suv_max, 2)} SD ${number(a.suv_sd, 2)}  ${number(a.volume_ml, 2)} mL`;
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
    write(context, this.text, [x + radius, y - radius], s);
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

function write(context, text, [x, y], scale) {
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  const width = context.measureText(text).width;
  const at = Math.min(x + 4 * scale, context.canvas.width - width - 4 * scale);
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillStyle = "rgba(0, 0, 0, 0.7)";
  context.fillRect(at - 3 * scale, y - 15 * scale, width + 6 * scale, 16 * scale);
  context.fillStyle = INK;
  context.fillText(text, at, y);
}
