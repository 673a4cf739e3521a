// The lesions as voxels: what the server sent, changed only by what it answers.
import { readVolume } from "./volume.js";

export class Labels {
  constructor(volume) {
    this.volume = volume; // uint16 on the PET's grid
    this.index = indexOf(volume.data, volume.dims, [0, 0, 0], [...volume.dims]);
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
  /** Put the answer to an edit in: { lo: [z, y, x], hi: [z, y, x] (exclusive), labels: base64 of uint16 }. */
  update(box) {
    const { data, dims } = this.volume;
    const [X, Y] = dims;
    const part = decodeBox(box);
    const lo = [...box.lo].reverse(), hi = [...box.hi].reverse();
    const inside = (n) => {
      const i = n % X, j = Math.floor(n / X) % Y, k = Math.floor(n / (X * Y));
      return i >= lo[0] && i < hi[0] && j >= lo[1] && j < hi[1] && k >= lo[2] && k < hi[2];
    };
    let n = 0;
    for (let k = lo[2]; k < hi[2]; k++)
      for (let j = lo[1]; j < hi[1]; j++) {
        const row = X * (j + Y * k);
        for (let i = lo[0]; i < hi[0]; i++) data[row + i] = part[n++];
      }
    const kept = this.index.filter((at) => !inside(at));
    const fresh = indexOf(data, dims, lo, hi);
    this.index = new Uint32Array(kept.length + fresh.length);
    this.index.set(kept);
    this.index.set(fresh, kept.length);
  }
}

/** The voxels of an answer's box, in its order (x fastest). */
export function decodeBox({ labels }) {
  const text = atob(labels);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Uint16Array(bytes.buffer);
}

/** Labels of a box alone (a preview), as if a whole volume. */
export function boxLabels(box, like) {
  const part = decodeBox(box);
  const lo = [...box.lo].reverse(), hi = [...box.hi].reverse();
  const size = hi.map((h, a) => h - lo[a]);
  return {
    volume: {
      ...like,
      data: part,
      dims: size,
      first: like.first.map((f, a) => f + lo[a] * like.spacing[a]),
      start: like.start.map((s, a) => s + lo[a] * like.spacing[a]),
      size: size.map((n, a) => n * like.spacing[a]),
    },
  };
}

function indexOf(data, [X, Y], lo, hi) {
  const found = [];
  for (let k = lo[2]; k < hi[2]; k++)
    for (let j = lo[1]; j < hi[1]; j++) {
      const row = X * (j + Y * k);
      for (let n = row + lo[0]; n < row + hi[0]; n++) if (data[n]) found.push(n);
    }
  return Uint32Array.from(found);
}
