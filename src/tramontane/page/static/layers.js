// What is drawn, made of the server's binary buffers; and which value lies under a ray.
import * as THREE from "three";

const TYPES = { f4: Float32Array, u4: Uint32Array, u2: Uint16Array };
const kept = new Map(); // the last buffers by address: going back to a field costs nothing

/** Fetch a buffer: a 4-byte length, that much JSON, then arrays, each at the offset that the JSON says. */
export async function fetchBuffer(url) {
  if (kept.has(url)) return kept.get(url);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const size = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size)));
  const arrays = { about: head.about };
  for (const [name, { type, offset, count }] of Object.entries(head.arrays))
    arrays[name] = new TYPES[type](bytes, offset, count);
  kept.set(url, arrays);
  while (kept.size > 12) kept.delete(kept.keys().next().value);
  return arrays;
}

/** A mesh of triangles; each has corners of its own where values are those of cells. */
export class Surface {
  constructor(buffer, byCell) {
    this.points = buffer.points;
    this.moved = this.points;
    this.shift = null;
    this.triangles = buffer.triangles;
    this.byCell = byCell;
    this.geometry = new THREE.BufferGeometry();
    const corners = this.triangles.length;
    if (byCell) {
      const positions = new Float32Array(3 * corners);
      for (let i = 0; i < corners; i++) {
        const from = 3 * this.triangles[i];
        positions[3 * i] = this.points[from];
        positions[3 * i + 1] = this.points[from + 1];
        positions[3 * i + 2] = this.points[from + 2];
      }
      this.geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    } else {
      this.geometry.setAttribute("position", new THREE.BufferAttribute(this.points, 3));
      this.geometry.setIndex(new THREE.BufferAttribute(this.triangles, 1));
    }
    const count = byCell ? corners : this.points.length / 3;
    this.attribute = new THREE.BufferAttribute(new Float32Array(count), 1).setUsage(THREE.DynamicDrawUsage);
    this.geometry.setAttribute("value", this.attribute);
    this.geometry.computeBoundingSphere();
  }

  /** Take new values: one a point, or one a triangle. */
  setValues(values) {
    const count = (this.byCell ? this.triangles.length : this.points.length) / 3;
    if (values.length !== count) throw new Error(`${values.length} values, ${count} places`);
    this.values = values;
    this.bounds = null; // those are of the values before
    const into = this.attribute.array;
    if (this.byCell) for (let i = 0; i < into.length; i++) into[i] = values[(i / 3) | 0];
    else into.set(values);
    this.attribute.needsUpdate = true;
  }

  /** Take how near each place is to being marked, one meaning that it is; or null. */
  setMarks(marks) {
    if (marks && marks.length !== this.values.length) throw new Error(`${marks.length} marks, ${this.values.length} values`);
    this.geometry.deleteAttribute("mark");
    if (!marks) return;
    const each = this.byCell ? Float32Array.from({ length: this.triangles.length }, (_, i) => marks[(i / 3) | 0]) : marks;
    this.geometry.setAttribute("mark", new THREE.BufferAttribute(each, 1));
  }

  /** Take a lower and an upper bound of each value, or null. */
  setBounds(bounds) {
    for (const each of bounds ? [bounds.low, bounds.high] : [])
      if (each.length !== this.values.length) throw new Error(`${each.length} bounds, ${this.values.length} values`);
    this.bounds = bounds;
  }

  /** Take how far each point moves, or null; the shape is drawn and probed with `warp` times that. */
  setShift(shift, warp) {
    if (shift && shift.length !== this.points.length) throw new Error(`${shift.length} shifts, ${this.points.length} numbers`);
    if (shift !== this.shift) {
      this.geometry.deleteAttribute("shift");
      if (shift) {
        const corners = this.byCell ? new Float32Array(3 * this.triangles.length) : shift;
        if (this.byCell) for (let i = 0; i < corners.length; i++) corners[i] = shift[3 * this.triangles[(i / 3) | 0] + (i % 3)];
        this.geometry.setAttribute("shift", new THREE.BufferAttribute(corners, 3));
      }
      this.shift = shift;
    }
    this.moved = shift ? this.points.map((x, i) => x + warp * shift[i]) : this.points;
  }

  /** The nearest crossing of a ray that a plane leaves: {value, low, high, point}, or null. Möller and Trumbore (1997). */
  probe(ray, plane) {
    const { moved: p, points: home, triangles: t } = this;
    const { origin: o, direction: d } = ray;
    let near = Infinity, found = null;
    for (let i = 0; i < t.length; i += 3) {
      const a = 3 * t[i], b = 3 * t[i + 1], c = 3 * t[i + 2];
      const ax = p[a], ay = p[a + 1], az = p[a + 2];
      const e1x = p[b] - ax, e1y = p[b + 1] - ay, e1z = p[b + 2] - az;
      const e2x = p[c] - ax, e2y = p[c + 1] - ay, e2z = p[c + 2] - az;
      const px = d.y * e2z - d.z * e2y, py = d.z * e2x - d.x * e2z, pz = d.x * e2y - d.y * e2x;
      const det = e1x * px + e1y * py + e1z * pz;
      if (det === 0) continue;
      const sx = o.x - ax, sy = o.y - ay, sz = o.z - az;
      const u = (sx * px + sy * py + sz * pz) / det;
      if (u < 0 || u > 1) continue;
      const qx = sy * e1z - sz * e1y, qy = sz * e1x - sx * e1z, qz = sx * e1y - sy * e1x;
      const v = (d.x * qx + d.y * qy + d.z * qz) / det;
      if (v < 0 || u + v > 1) continue;
      const s = (e2x * qx + e2y * qy + e2z * qz) / det;
      if (s <= 0 || s >= near) continue;
      // Where that is on the shape as it was: there a section cuts, and there the value is asked.
      const at = [0, 1, 2].map((k) => (1 - u - v) * home[a + k] + u * home[b + k] + v * home[c + k]);
      if (plane.x * at[0] + plane.y * at[1] + plane.z * at[2] + plane.w < 0) continue;
      near = s;
      found = [i, u, v, at];
    }
    if (!found || !this.values) return null;
    const [i, u, v, point] = found;
    const at = (f) => (this.byCell ? f[i / 3] : (1 - u - v) * f[t[i]] + u * f[t[i + 1]] + v * f[t[i + 2]]);
    const between = this.bounds ? { low: at(this.bounds.low), high: at(this.bounds.high) } : {};
    return { value: at(this.values), ...between, point, distance: near };
  }
}

/** Arrows at points along vectors; the longest is `length`. */
export function arrows(buffer, length, material) {
  const { points, vectors, values } = buffer;
  const shape = new THREE.BufferGeometry();
  const shaft = new THREE.CylinderGeometry(0.035, 0.035, 0.7, 6).translate(0, 0.35, 0).toNonIndexed();
  const head = new THREE.ConeGeometry(0.11, 0.3, 8).translate(0, 0.85, 0).toNonIndexed();
  const both = [...shaft.attributes.position.array, ...head.attributes.position.array];
  shape.setAttribute("position", new THREE.Float32BufferAttribute(both, 3));
  const count = values.length;
  let most = 1e-30;
  for (let i = 0; i < count; i++)
    most = Math.max(most, Math.hypot(vectors[3 * i], vectors[3 * i + 1], vectors[3 * i + 2]));
  shape.setAttribute("value", new THREE.InstancedBufferAttribute(values, 1));
  const mesh = new THREE.InstancedMesh(shape, material, count);
  const at = new THREE.Vector3(), along = new THREE.Vector3(), up = new THREE.Vector3(0, 1, 0);
  const turn = new THREE.Quaternion(), size = new THREE.Vector3(), matrix = new THREE.Matrix4();
  for (let i = 0; i < count; i++) {
    at.fromArray(points, 3 * i);
    along.fromArray(vectors, 3 * i);
    const scale = (length * along.length()) / most;
    turn.setFromUnitVectors(up, along.normalize());
    mesh.setMatrixAt(i, matrix.compose(at, turn, size.setScalar(scale || 1e-9)));
  }
  mesh.frustumCulled = false;
  return mesh;
}
