// The rotating projection: the server's picture, the lesions of the page's own labels over it.
import { MARKS, trace } from "./outlines.js";
import { boxOf, valueAt } from "./volume.js";

export const STEP = 10;

/** Where a point lies on the projection. At 0 degrees it is seen from the front, the patient's right at the left. */
export class Projector {
  constructor(pet, { width, height, mm_per_pixel: [across, down] }) {
    const { min, max } = boxOf(pet);
    Object.assign(this, { pet, width, height, across, down, top: max[2] });
    this.centre = min.map((m, a) => (m + max[a]) / 2);
    this.reach = Math.hypot(max[0] - min[0], max[1] - min[1]) / 2;
  }
  /** (column, row) with fractions; the first pixel reaches from 0 to 1. */
  toPicture(d, angle) {
    const [cos, sin] = turn(angle);
    const across = -(d[0] - this.centre[0]) * cos - (d[1] - this.centre[1]) * sin;
    return [this.width / 2 + across / this.across, (this.top - d[2]) / this.down];
  }
  /** Points of the line of sight through (column, row), from front to back, `step` mm apart. */
  *sight([column, row], angle, step) {
    const [cos, sin] = turn(angle);
    const across = (column - this.width / 2) * this.across;
    for (let t = -this.reach; t <= this.reach; t += step)
      yield [this.centre[0] - across * cos + t * sin, this.centre[1] - across * sin - t * cos, this.top - row * this.down];
  }
  /** The part of the picture that holds a box at every angle. */
  boxOf({ min, max }) {
    const far = [0, 1].map((a) => Math.max(Math.abs(min[a] - this.centre[a]), Math.abs(max[a] - this.centre[a])));
    const half = Math.min(this.width / 2, Math.max(...far) / this.across);
    return [this.width / 2 - half, (this.top - max[2]) / this.down, 2 * half, (max[2] - min[2]) / this.down];
  }
  /** The hottest point behind a pixel, or null outside the image. */
  hottest(at, angle) {
    let best = null, highest = -Infinity;
    for (const d of this.sight(at, angle, this.across / 2)) {
      const suv = valueAt(this.pet, d);
      if (suv !== null && suv > highest) [best, highest] = [d, suv];
    }
    return best;
  }
  /** Labels as they project, the hottest in front: uint16 of width * height. */
  project(labels, angle) {
    const { dims, data, spacing, start } = labels.volume;
    const [X, Y] = dims;
    const [cos, sin] = turn(angle);
    const picture = new Uint16Array(this.width * this.height);
    const heat = new Int16Array(this.width * this.height).fill(-32768);
    const half = (0.49 * (Math.abs(spacing[0] * cos) + Math.abs(spacing[1] * sin))) / this.across;
    for (const n of labels.index) {
      const i = n % X, j = Math.floor(n / X) % Y, k = Math.floor(n / (X * Y));
      const x = start[0] + (i + 0.5) * spacing[0] - this.centre[0];
      const y = start[1] + (j + 0.5) * spacing[1] - this.centre[1];
      const column = this.width / 2 - (x * cos + y * sin) / this.across;
      const row = Math.floor((this.top - start[2] - (k + 0.5) * spacing[2]) / this.down);
      const value = this.pet.data[n];
      const last = Math.min(this.width - 1, Math.floor(column + half));
      for (let c = Math.max(0, Math.floor(column - half)); c <= last; c++) {
        const at = row * this.width + c;
        if (value > heat[at]) [picture[at], heat[at]] = [data[n], value];
      }
    }
    return picture;
  }
  outlines(labels, angle) {
    const picture = this.project(labels, angle);
    const { width, height } = this;
    const at = (c, r) => (c < 0 || r < 0 || c >= width || r >= height ? 0 : picture[r * width + c]);
    return { picture, outlines: trace(at, width, height) };
  }
}

const turn = (angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];

/** How a part of the picture, [left, top, width, height] in its pixels, lies in a canvas of width * height pixels. */
export function fitPicture(projector, [left, top, wide, tall], width, height) {
  const scale = Math.min(width / (wide * projector.across), height / (tall * projector.down));
  const scaleX = scale * projector.across, scaleY = scale * projector.down;
  return { scaleX, scaleY, left: width / 2 - (left + wide / 2) * scaleX, top: height / 2 - (top + tall / 2) * scaleY };
}

export const markOf = (lesion) => `${MARKS[lesion.origin] ?? ""}${lesion.label}`;
