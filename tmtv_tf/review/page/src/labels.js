// The lesions as voxels: what the server sent, changed only by what it answers.
import { readVolume } from "./volume.js";

export class Labels {
  constructor(volume) {
    this.volume = volume; // uint16 on the PET's grid
    this.index = indexOf(volume.data);
  }
  static read(buffer, frame) {
    return new Labels(readVolume(buffer, frame));
  }
  copy() {
    return Object.assign(Object.create(Labels.prototype), { volume: { ...this.volume, data: this.volume.data.slice() }, index: this.index });
  }
  at([i, j, k]) {
    const [X, Y] = this.volume.dims;
    return this.volume.data[i + X * (j + Y * k)];
  }
  /** Put the answer to an edit in: all labels of a box, see `runsOf`. */
  update(box) {
    const { data, dims } = this.volume;
    const [X, Y] = dims;
    const [lo, hi] = cornersOf(box), [width, height] = hi.map((h, a) => h - lo[a]);
    const inside = (n) => {
      const i = n % X, j = Math.floor(n / X) % Y, k = Math.floor(n / (X * Y));
      return i >= lo[0] && i < hi[0] && j >= lo[1] && j < hi[1] && k >= lo[2] && k < hi[2];
    };
    const kept = [];
    for (const at of this.index)
      if (inside(at)) data[at] = 0;
      else kept.push(at);
    for (const [start, count, label] of runsOf(box)) {
      const i = start % width, j = Math.floor(start / width) % height, k = Math.floor(start / (width * height));
      const at = lo[0] + i + X * (lo[1] + j + Y * (lo[2] + k));
      data.fill(label, at, at + count);
      for (let n = at; n < at + count; n++) kept.push(n);
    }
    this.index = Uint32Array.from(kept);
  }
}

/** Corners (x, y, z) of a box; the second is not in it. */
const cornersOf = ({ lo, hi }) => [[...lo].reverse(), [...hi].reverse()];

/** The lines of voxels of an answer's box: first (counted in the box, x fastest), count, label; the rest is 0. */
function* runsOf({ runs }) {
  const text = atob(runs);
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const numbers = new Uint32Array(bytes.buffer);
  for (let n = 0; n < numbers.length; n += 3) yield [numbers[n], numbers[n + 1], numbers[n + 2]];
}

/** Labels of a box alone (a preview), as if a whole volume. */
export function boxLabels(box, like) {
  const [lo, hi] = cornersOf(box);
  const size = hi.map((h, a) => h - lo[a]);
  const data = new Uint16Array(size[0] * size[1] * size[2]);
  for (const [start, count, label] of runsOf(box)) data.fill(label, start, start + count);
  return {
    volume: {
      ...like,
      data,
      dims: size,
      first: like.first.map((f, a) => f + lo[a] * like.spacing[a]),
      start: like.start.map((s, a) => s + lo[a] * like.spacing[a]),
      size: size.map((n, a) => n * like.spacing[a]),
    },
  };
}

function indexOf(data) {
  const found = [];
  for (let n = 0; n < data.length; n++) if (data[n]) found.push(n);
  return Uint32Array.from(found);
}
