// Fragment shader of one slice: PET, CT or both, straight from their int16 voxels, so that a new window costs nothing.
// NiiVue's vertex shader gives `texPos`, 0..1 over the stage (the box that holds both images).
export const SLICE_SHADER = `#version 300 es
precision highp int;
precision highp float;
precision highp isampler3D;
uniform isampler3D pet;
uniform isampler3D ct;
uniform int axCorSag;
uniform int view;
uniform int inverted;
uniform float blend;
uniform vec3 stageMin;
uniform vec3 stageSize;
uniform vec3 petStart;
uniform vec3 petSize;
uniform vec3 ctStart;
uniform vec3 ctSize;
uniform vec2 petScale;
uniform vec2 ctScale;
uniform vec2 petWindow;
uniform vec2 ctWindow;
in vec3 texPos;
out vec4 color;

float at(isampler3D image, ivec3 voxel, ivec3 last) {
  return float(texelFetch(image, clamp(voxel, ivec3(0), last), 0).r);
}
// Linear between the four voxel centres around a point, in the slice that holds it: no slices are blended.
float inSlice(isampler3D image, vec3 fraction) {
  ivec3 size = textureSize(image, 0);
  ivec3 last = size - 1;
  vec3 voxel = fraction * vec3(size) - 0.5;
  vec3 low = floor(voxel);
  vec3 t = voxel - low;
  ivec3 across = axCorSag == 2 ? ivec3(0, 1, 0) : ivec3(1, 0, 0);
  ivec3 up = axCorSag == 0 ? ivec3(0, 1, 0) : ivec3(0, 0, 1);
  vec3 through = vec3(1 - across - up);
  ivec3 a = ivec3(low + through * step(0.5, t));
  float u = dot(t, vec3(across)), v = dot(t, vec3(up));
  float bottom = mix(at(image, a, last), at(image, a + across, last), u);
  float top = mix(at(image, a + up, last), at(image, a + across + up, last), u);
  return mix(bottom, top, v);
}
float windowed(float value, vec2 window) {
  return clamp((value - window.x) / max(window.y - window.x, 1e-6), 0.0, 1.0);
}
bool outside(vec3 fraction) {
  return any(lessThan(fraction, vec3(0.0))) || any(greaterThan(fraction, vec3(1.0)));
}
void main() {
  vec3 mm = stageMin + texPos * stageSize;
  vec3 inPet = (mm - petStart) / petSize;
  vec3 inCt = (mm - ctStart) / ctSize;
  float suv = 0.0;
  float grey = 0.0;
  if (view != 1 && !outside(inPet)) suv = windowed(petScale.x * inSlice(pet, inPet) + petScale.y, petWindow);
  if (view != 0 && !outside(inCt)) grey = windowed(ctScale.x * inSlice(ct, inCt) + ctScale.y, ctWindow);
  if (view == 0) {
    color = vec4(vec3(inverted == 1 ? 1.0 - suv : suv), 1.0);
  } else if (view == 1) {
    color = vec4(vec3(grey), 1.0);
  } else {
    vec3 hot = clamp(vec3(3.0 * suv, 3.0 * suv - 1.0, 3.0 * suv - 2.0), 0.0, 1.0);
    color = vec4(mix(vec3(grey), hot, blend * min(1.0, 4.0 * suv)), 1.0);
  }
}`;
