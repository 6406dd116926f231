// Colours by value: one material for surfaces, slices, lines and arrows.
import * as THREE from "three";

const VERTEX = `
attribute float value;
attribute vec3 shift;
attribute float mark;
uniform float warp;
varying float vValue;
varying float vMark;
varying vec3 vView;
varying vec3 vWorld;
void main() {
  vec4 home = vec4(position, 1.0);
  vec4 local = vec4(position + warp * shift, 1.0);
  #ifdef USE_INSTANCING
    home = instanceMatrix * home;
    local = instanceMatrix * local;
  #endif
  vec4 view = viewMatrix * modelMatrix * local;
  vValue = value;
  vMark = mark;
  vWorld = (modelMatrix * home).xyz; // a section cuts the shape as it was
  vView = view.xyz;
  gl_Position = projectionMatrix * view;
}`;

const FRAGMENT = `
uniform sampler2D map;
uniform vec2 range;
uniform vec4 plane;
uniform float lit;
uniform float bands;
uniform float opacity;
varying float vValue;
varying float vMark;
varying vec3 vView;
varying vec3 vWorld;
void main() {
  if (dot(plane.xyz, vWorld) + plane.w < 0.0) discard;
  // Where all values are one, it stands in the middle of the map, as on the bar.
  float share = range.y > range.x ? clamp((vValue - range.x) / (range.y - range.x), 0.0, 1.0) : 0.5;
  if (bands > 0.0) share = (min(floor(share * bands), bands - 1.0) + 0.5) / bands;
  vec3 colour = texture2D(map, vec2(share, 0.5)).rgb;
  if (vValue != vValue) colour = vec3(0.6);
  // Hatched from a mark of one on, dark on light colours and light on dark ones.
  bool line = mod(gl_FragCoord.x + gl_FragCoord.y, 9.0) < 3.0;
  if (vMark >= 1.0 && line) colour = vec3(dot(colour, vec3(0.3, 0.59, 0.11)) > 0.4 ? 0.05 : 0.95);
  // Flat normals from the picture itself: no normals are sent, and sharp edges stay sharp.
  vec3 normal = normalize(cross(dFdx(vView), dFdy(vView)));
  float facing = abs(dot(normal, normalize(vView)));
  float side = 0.5 + 0.5 * normal.y;
  float light = mix(1.0, 0.50 + 0.42 * facing + 0.10 * side, lit);
  gl_FragColor = vec4(colour * light, opacity);
}`;

export const NO_PLANE = new THREE.Vector4(0, 0, 0, 1);

/** A material whose uniforms `map`, `range`, `bands` and `warp` are shared by all layers of a view. */
export function material(shared, lit) {
  return new THREE.ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    side: THREE.DoubleSide,
    uniforms: { ...shared, plane: { value: NO_PLANE.clone() }, lit: { value: lit }, opacity: { value: 1 } },
    defaultAttributeValues: { shift: [0, 0, 0], mark: [0] }, // of what has no displacement, and no marks
  });
}

/** A texture of 256 colours from base64 of their RGB bytes. */
export function colourMap(base64) {
  const rgb = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const rgba = new Uint8Array((rgb.length / 3) * 4);
  for (let i = 0; i < rgb.length / 3; i++) rgba.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
  const texture = new THREE.DataTexture(rgba, rgb.length / 3, 1);
  texture.minFilter = texture.magFilter = THREE.LinearFilter;
  texture.needsUpdate = true;
  return texture;
}

/** The colours as stops of a CSS gradient, the lowest value first. */
export function stops(texture) {
  const data = texture.image.data;
  return Array.from({ length: 17 }, (_, i) => Math.round((i * (data.length / 4 - 1)) / 16))
    .map((i) => `rgb(${data[4 * i]},${data[4 * i + 1]},${data[4 * i + 2]})`)
    .join(", ");
}
