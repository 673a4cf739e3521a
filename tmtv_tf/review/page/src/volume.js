// Images as the server sends them: NIfTI-1, int16 or uint16; voxel axes i, j, k along the patient's x, y, z, either way.

/** Read a volume. `frame` turns LPS mm into the frame of the screen (see `frameOf`). */
export function readVolume(buffer, frame) {
  const header = new DataView(buffer, 0, 352);
  const dims = [1, 2, 3].map((i) => header.getInt16(40 + 2 * i, true));
  const code = header.getInt16(70, true);
  const offset = header.getFloat32(108, true);
  const Type = { 4: Int16Array, 512: Uint16Array }[code];
  if (header.getInt32(0, true) !== 348 || !Type) throw new Error(`the server sent an image that is no NIfTI of int16 (type ${code})`);
  const count = dims[0] * dims[1] * dims[2];
  const affine = [0, 1, 2].map((row) => [0, 1, 2, 3].map((c) => header.getFloat32(280 + 16 * row + 4 * c, true)));
  const slope = header.getFloat32(112, true) || 1;
  return grid({ dims, data: new Type(buffer, offset, count), slope, intercept: header.getFloat32(116, true) || 0 }, affine, frame);
}

/** `spacing` and `size` of an axis that runs to Left, Posterior or Inferior are negative; `start` is the outer face of voxel 0. */
function grid(volume, affine, frame) {
  const spacing = [0, 1, 2].map((c) => Math.sign(affine[c][c]) * Math.hypot(affine[0][c], affine[1][c], affine[2][c]));
  const first = frame.fromRas([affine[0][3], affine[1][3], affine[2][3]]);
  const start = first.map((v, i) => v - spacing[i] / 2);
  const size = spacing.map((v, i) => v * volume.dims[i]);
  return { ...volume, spacing, first, start, size };
}

/** Lower and upper corner of a volume in mm. */
export const boxOf = ({ start, size }) => ({
  min: start.map((s, a) => Math.min(s, s + size[a])),
  max: start.map((s, a) => Math.max(s, s + size[a])),
});

/**
 * The frame of the screen: mm along the voxel axes of the PET, turned so that they point to Right, Anterior, Superior as
 * nearly as they can. Of a PET that is not oblique it is RAS itself. The axes of the CT are the same (the server sees to
 * that).
 */
export function frameOf(affine) {
  const axes = [0, 1, 2].map((c) => {
    const column = [affine[0][c], affine[1][c], affine[2][c]];
    const length = Math.sign(affine[c][c]) * Math.hypot(...column);
    return column.map((v) => v / length);
  });
  const fromRas = (p) => axes.map((a) => a[0] * p[0] + a[1] * p[1] + a[2] * p[2]);
  const toRas = (d) => [0, 1, 2].map((i) => axes[0][i] * d[0] + axes[1][i] * d[1] + axes[2][i] * d[2]);
  return {
    fromRas,
    fromLps: ([x, y, z]) => fromRas([-x, -y, z]),
    toLps: (d) => {
      const [x, y, z] = toRas(d);
      return [-x, -y, z];
    },
    oblique: axes.some((a, i) => a[i] < 0.9999),
  };
}

/** Voxel (i, j, k) whose box holds a point of the screen's frame, or null outside. */
export function voxelAt(volume, d) {
  const v = d.map((x, i) => Math.floor((x - volume.start[i]) / volume.spacing[i]));
  return v.every((n, i) => n >= 0 && n < volume.dims[i]) ? v : null;
}

export const centreOf = (volume, v) => v.map((n, i) => volume.first[i] + n * volume.spacing[i]);

export const flatIndex = ({ dims }, [i, j, k]) => i + dims[0] * (j + dims[1] * k);

/** The value at a point, or null outside. */
export function valueAt(volume, d) {
  const v = volume && voxelAt(volume, d);
  return v ? volume.slope * volume.data[flatIndex(volume, v)] + volume.intercept : null;
}

/** The box (min, max in mm) of what is above `level`, seen on every `step`-th voxel; the whole image if nothing is. */
export function boxAbove(volume, level, step = 4) {
  const [X, Y, Z] = volume.dims;
  const raw = (level - volume.intercept) / volume.slope;
  const low = [X, Y, Z], high = [-1, -1, -1];
  for (let k = 0; k < Z; k += step)
    for (let j = 0; j < Y; j += step)
      for (let i = 0; i < X; i += step)
        if (volume.data[i + X * (j + Y * k)] > raw) {
          const v = [i, j, k];
          for (let a = 0; a < 3; a++) {
            if (v[a] < low[a]) low[a] = v[a];
            if (v[a] > high[a]) high[a] = v[a];
          }
        }
  if (high[0] < 0) return boxOf(volume);
  const corner = (v) => v.map((n, a) => volume.start[a] + Math.max(0, Math.min(volume.dims[a], n)) * volume.spacing[a]);
  const a = corner(low.map((n) => n - step)), b = corner(high.map((n) => n + 1 + step));
  return { min: a.map((v, i) => Math.min(v, b[i])), max: a.map((v, i) => Math.max(v, b[i])) };
}
