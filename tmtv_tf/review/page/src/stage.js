// The slices, drawn by NiiVue: one canvas, up to nine tiles, one shader that reads PET and CT as they come.
import { Niivue, NVImage } from "@niivue/niivue";
import { banner, element } from "./dom.js";
import { PLANES } from "./planes.js";
import { SLICE_SHADER } from "./shader.js";
import { boxOf } from "./volume.js";

const PET_UNIT = 12, CT_UNIT = 13; // NiiVue uses 0 to 10
const NIFTI_BYTES = 352;

export class Stage extends Niivue {
  constructor() {
    super({
      interactive: false,
      isResizeCanvas: false,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      isSliceMM: true,
      crosshairWidth: 0,
      isOrientationTextVisible: false,
      dragAndDropEnabled: false,
      logLevel: "error",
    });
    this.tiles = [];
    this.settings = null;
    this.images = {};
  }

  // All text on the page is HTML or drawn on the canvas above this one, so NiiVue needs no font texture.
  async initText() {}

  /** Show the images of a case (`ct` may be null). The graphics card holds int16 voxels; nothing else is copied. */
  async show(pet, ct) {
    this.clear();
    const boxes = [pet, ct].filter(Boolean).map(boxOf);
    const min = [0, 1, 2].map((a) => Math.min(...boxes.map((b) => b.min[a])));
    this.box = { min, size: min.map((m, a) => Math.max(...boxes.map((b) => b.max[a])) - m) };
    this.setBox(await emptyImage(this.box));
    this.images = { pet, ct };
    this.textures = [upload(this.gl, PET_UNIT, pet), upload(this.gl, CT_UNIT, ct ?? NOTHING)];
    if (!this.customSliceShader) this.setCustomSliceShader(SLICE_SHADER);
  }

  setBox(image) {
    while (this.volumes.length) this.removeVolumeByIndex(0);
    this.addVolume(image);
  }

  /** Give the graphics card its memory back. */
  clear() {
    for (const texture of this.textures ?? []) this.gl.deleteTexture(texture);
    this.textures = [];
    this.images = {};
    this.tiles = [];
  }

  draw(tiles, settings) {
    this.tiles = tiles;
    this.settings = settings;
    this.drawScene();
  }

  screenFieldOfViewExtendedMM(axCorSag) {
    const { rect, high, top, mmPerPixel } = this.tile;
    const { through } = PLANES[axCorSag];
    const low = high - rect[2] * mmPerPixel, bottom = top - rect[3] * mmPerPixel;
    const { min, size } = this.box;
    return {
      mnMM: [low, bottom, min[through]],
      mxMM: [high, top, min[through] + size[through]],
      fovMM: [high - low, top - bottom, size[through]],
    };
  }

  drawSceneCore() {
    const gl = this.gl;
    if (!this.initialized) return;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(...this.opts.backColor);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.screenSlices = [];
    if (!this.images.pet || !this.tiles.length) return;
    this.setUniforms();
    for (const tile of this.tiles) {
      this.tile = tile;
      this.customSliceShader.use(gl);
      gl.uniform1i(this.customSliceShader.uniforms.view, tile.image);
      this.background(tile);
      this.draw2DMain([...tile.rect], tile.plane);
    }
  }

  background({ rect: [left, top, width, height], image }) {
    const gl = this.gl, shade = image === 0 && this.settings.inverted ? 1 : 0;
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(left, gl.canvas.height - top - height, width, height);
    gl.clearColor(shade, shade, shade, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.disable(gl.SCISSOR_TEST);
  }

  setUniforms() {
    const { gl, box, settings } = this;
    const shader = this.customSliceShader;
    const pet = this.images.pet, ct = this.images.ct ?? NOTHING;
    shader.use(gl);
    const u = shader.uniforms;
    gl.uniform1i(u.pet, PET_UNIT);
    gl.uniform1i(u.ct, CT_UNIT);
    gl.uniform1i(u.inverted, settings.inverted ? 1 : 0);
    gl.uniform1f(u.blend, settings.blend);
    const three = { stageMin: box.min, stageSize: box.size, petStart: pet.start, petSize: pet.size, ctStart: ct.start, ctSize: ct.size };
    for (const [name, value] of Object.entries(three)) gl.uniform3fv(u[name], value);
    gl.uniform2f(u.petScale, pet.slope, pet.intercept);
    gl.uniform2f(u.ctScale, ct.slope, ct.intercept);
    gl.uniform2fv(u.petWindow, settings.petWindow);
    gl.uniform2fv(u.ctWindow, settings.ctWindow);
    this.scene.crosshairPos = settings.crosshair.map((v, a) => (v - box.min[a]) / box.size[a]);
    this.scene.pan2Dxyzmm = [0, 0, 0, 1];
  }
}

// Stands for the CT of a case without one; no tile asks for it.
const NOTHING = { dims: [1, 1, 1], data: new Int16Array(1), slope: 1, intercept: 0, start: [0, 0, 0], size: [1, 1, 1] };

function upload(gl, unit, { dims, data }) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_3D, texture);
  for (const side of ["MIN", "MAG"]) gl.texParameteri(gl.TEXTURE_3D, gl[`TEXTURE_${side}_FILTER`], gl.NEAREST);
  for (const axis of "RST") gl.texParameteri(gl.TEXTURE_3D, gl[`TEXTURE_WRAP_${axis}`], gl.CLAMP_TO_EDGE);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
  while (gl.getError()); // of earlier calls
  gl.texStorage3D(gl.TEXTURE_3D, 1, gl.R16I, ...dims);
  gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, 0, ...dims, gl.RED_INTEGER, gl.SHORT, data);
  if (gl.getError()) throw new Error("the graphics card has no room for this case; close other windows and reload");
  return texture;
}

let stage = null; // NiiVue compiles its shaders once

/** The stage on its canvas; the same one for every case. */
export function readyStage() {
  if (stage && !stage.lost) return stage.ready;
  stage = new Stage();
  const canvas = element("canvas", { id: "slices", "aria-hidden": "true" });
  element("div", {}, canvas);
  canvas.addEventListener("webglcontextlost", () => {
    stage.lost = true;
    banner("The graphics card stopped. Nothing that was saved is lost.", "problem", { label: "Reload", run: () => location.reload() });
  });
  stage.ready = stage.attachToCanvas(canvas, false);
  return stage.ready;
}

/** An image of 2x2x2 empty voxels that fills the box: it tells NiiVue where the stage is. */
async function emptyImage({ min, size }) {
  const buffer = new ArrayBuffer(NIFTI_BYTES + 8);
  const header = new DataView(buffer);
  header.setInt32(0, 348, true);
  [3, 2, 2, 2, 1, 1, 1, 1].forEach((v, i) => header.setInt16(40 + 2 * i, v, true));
  header.setInt16(70, 2, true);
  header.setInt16(72, 8, true);
  [1, ...size.map((v) => v / 2), 1].forEach((v, i) => header.setFloat32(76 + 4 * i, v, true));
  header.setFloat32(108, NIFTI_BYTES, true);
  header.setFloat32(112, 1, true);
  header.setUint8(123, 2);
  header.setInt16(254, 1, true);
  for (let row = 0; row < 3; row++) {
    header.setFloat32(280 + 16 * row + 4 * row, size[row] / 2, true);
    header.setFloat32(280 + 16 * row + 12, min[row] + size[row] / 4, true);
  }
  new Uint8Array(buffer, 344, 3).set([110, 43, 49]);
  return NVImage.new(buffer, "stage.nii", "gray", 1, null, 0, 1);
}
