// The axes x, y, z in a corner of the picture, as the camera sees them.
import * as THREE from "three";

const AXES = [["x", "#d64545"], ["y", "#2e9e5b"], ["z", "#3b7dd8"]];
const SIZE = 76, LENGTH = 24; // of the corner, and of an axis that lies in the picture's plane

/** Ends of the axes in the corner, the nearest to the eye last: {name, colour, x, y, textX, textY}. */
export function triad(camera) {
  const back = camera.quaternion.clone().invert();
  return AXES.map(([name, colour], i) => {
    const end = new THREE.Vector3().setComponent(i, 1).applyQuaternion(back);
    const [x, y] = [SIZE / 2 + LENGTH * end.x, SIZE / 2 - LENGTH * end.y];
    // A letter stands beyond the end; where the axis points at the eye, a little aside.
    const flat = Math.hypot(end.x, end.y);
    const [dx, dy] = flat > 0.25 ? [end.x / flat, -end.y / flat] : [-0.7, 0.7];
    return { name, colour, x, y, textX: x + 8 * dx, textY: y + 8 * dy, depth: end.z };
  }).sort((a, b) => a.depth - b.depth);
}

/** The same on a canvas, for a saved picture. */
export function drawTriad(pen, camera, left, top) {
  pen.lineWidth = 2.5;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { name, colour, x, y, textX, textY } of triad(camera)) {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(left + SIZE / 2, top + SIZE / 2);
    pen.lineTo(left + x, top + y);
    pen.stroke();
    pen.fillText(name, left + textX, top + textY);
  }
  pen.textAlign = "start";
  pen.textBaseline = "alphabetic";
}

export { SIZE };
