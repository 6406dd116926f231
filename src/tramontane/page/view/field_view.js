// A field on a surface, with what else is shown of a case: a section, slices, lines and arrows.
//
// The server calls `show` with addresses of buffers; only those that are new are fetched. Everything else (camera, value
// under the pointer, picture) happens here. `data-*` attributes of the root say what is shown, for tests.
import * as THREE from "three";
import { OrbitControls } from "three/orbit";
import { Surface, arrows, fetchBuffer } from "three/layers";
import { NO_PLANE, colourMap, material, stops } from "three/shading";
import { SIZE, drawTriad, triad } from "three/triad";

// Where the camera stands: for `iso` the server says on which side (`eye`), so that a half model is not seen from
// within; the others look along an axis, and against it when they are pressed again.
const PRESETS = { iso: [1, 1, 1], front: [-1, 0, 0], left: [0, -1, 0], top: [0, 0, 1] };
const LAYERS = ["slice", "lines", "arrows", "level"];

// Sizes of what the views of a group show: the largest must fit, since they share a camera.
const groups = {};

export default {
  template: `
    <div class="field-view" :class="{ over }" :data-state="state" :data-shown="shown" :data-milliseconds="milliseconds"
         :data-triangles="triangles" @dragover.prevent="over = !!taker" @dragleave="over = false" @drop.prevent="dropped">
      <canvas ref="canvas" tabindex="0" role="img" :aria-label="title" @keydown="key" @pointermove="move"
              @pointerdown="hover = null" @pointerleave="hover = null"></canvas>
      <div class="field-view-tools" role="toolbar" :aria-label="labels.camera">
        <button v-for="name in presets" :key="name" type="button" :title="labels[name]" :aria-label="labels[name]"
                :data-preset="name" @click="preset(name)">{{ short[name] }}</button>
        <button type="button" :title="labels.screenshot" :aria-label="labels.screenshot" data-preset="screenshot"
                @click="screenshot"><span class="material-icons" aria-hidden="true">photo_camera</span></button>
      </div>
      <div v-if="state === 'ready'" class="field-view-bar" aria-hidden="true">
        <div class="field-view-bar-title">{{ title }}<span v-if="unit"> [{{ unit }}]</span></div>
        <div class="field-view-bar-body">
          <div class="field-view-bar-colours" :style="{ '--stops': colours }"></div>
          <div class="field-view-bar-ticks"><span v-for="(tick, i) in ticks" :key="i">{{ tick }}</span></div>
        </div>
      </div>
      <div class="field-view-value" :data-value="hover ? hover.value : ''" :data-point="hover ? hover.point.join(' ') : ''"
           :data-low="hover?.low" :data-high="hover?.high" aria-live="polite">
        <template v-if="hover">{{ format(hover.value * factor) }} {{ unit }}</template>
        <div v-if="hover && hover.low !== undefined" class="field-view-bounds">{{ format(hover.low * factor) }} …
          {{ format(hover.high * factor) }} {{ unit }} ({{ interval }})</div>
      </div>
      <div v-if="note && state === 'ready'" class="field-view-note">{{ note }}</div>
      <svg v-if="state === 'ready'" class="field-view-triad" :viewBox="'0 0 ' + size + ' ' + size" aria-hidden="true">
        <g v-for="axis in axes" :key="axis.name" :data-axis="axis.name" :data-end="axis.x - size / 2 + ' ' + (size / 2 - axis.y)"
           :stroke="axis.colour" :fill="axis.colour">
          <line :x1="size / 2" :y1="size / 2" :x2="axis.x" :y2="axis.y"/>
          <text :x="axis.textX" :y="axis.textY" stroke="none">{{ axis.name }}</text>
        </g>
      </svg>
      <div v-if="state !== 'ready'" class="field-view-state" :class="'is-' + state" role="status">
        <div v-if="state === 'loading'" class="field-view-spinner"></div>{{ message }}
      </div>
      <div v-if="busy && state === 'ready'" class="field-view-busy" role="status"></div>
    </div>`,

  props: { labels: Object, maps: Object, group: String, empty: String, remember: Boolean, taker: String },

  data() {
    return { state: "empty", message: this.empty, title: "", unit: "", factor: 1, ticks: [], colours: "", hover: null,
             shown: 0, milliseconds: 0, triangles: 0, busy: false, note: "", interval: "", axes: [], size: SIZE, over: false,
             presets: ["iso", "front", "left", "top"], short: { iso: "◪", front: "X", left: "Y", top: "Z" } };
  },

  mounted() {
    const canvas = this.$refs.canvas;
    // Not reactive: three.js objects must stay plain.
    const gl = (this.gl = { layers: {}, textures: {}, spec: {}, wanted: 0 });
    try {
      gl.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    } catch {
      this.fail(this.labels.no_webgl);
      return;
    }
    // Colours are written as the map has them: the bar beside the picture must agree.
    gl.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    gl.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    gl.scene = new THREE.Scene();
    gl.camera = new THREE.PerspectiveCamera(30, 1, 0.01, 1000);
    gl.camera.up.set(0, 0, 1);
    gl.controls = new OrbitControls(gl.camera, canvas);
    gl.controls.enableDamping = false;
    gl.controls.addEventListener("change", () => this.moved());
    gl.controls.addEventListener("end", () => this.rememberCamera());
    gl.shared = { map: { value: null }, range: { value: new THREE.Vector2(0, 1) }, bands: { value: 0 },
                  warp: { value: 0 } };
    gl.materials = { surface: material(gl.shared, 1), slice: material(gl.shared, 0), lines: material(gl.shared, 0.7),
                     arrows: material(gl.shared, 0.4), level: material(gl.shared, 1) };
    gl.observer = new ResizeObserver(() => this.resize());
    gl.observer.observe(this.$el);
    this.follow = (event) => {
      if (event.detail.group !== this.group || event.detail.from === this.gl) return;
      gl.following = true;
      this.setCamera(event.detail.camera);
      gl.following = false;
    };
    if (this.group) window.addEventListener("tramontane-camera", this.follow);
    this.resize();
    this.$emit("ready");
  },

  unmounted() {
    window.removeEventListener("tramontane-camera", this.follow);
    groups[this.group]?.delete(this.gl);
    this.gl.observer?.disconnect();
    this.gl.controls?.dispose();
    for (const layer of Object.values(this.gl.layers)) layer.object?.geometry.dispose();
    this.gl.renderer?.dispose();
  },

  methods: {
    // -- asked by the server ------------------------------------------------------------------------------------
    /** Show a case. `spec`: surface {mesh, values, cell}, slice, lines, arrows (addresses), plane, range, map, ... */
    async show(spec) {
      const gl = this.gl, mine = ++gl.wanted, begun = performance.now();
      if (!gl.renderer) return;
      try {
        const parts = {};
        const wanted = [];
        const get = (name, url) => url && wanted.push(fetchBuffer(url).then((buffer) => (parts[name] = buffer)));
        get("mesh", spec.surface?.mesh);
        get("values", spec.surface?.values);
        get("shift", spec.surface?.shift);
        get("marks", spec.surface?.marks);
        for (const name of LAYERS) get(name, spec[name]);
        await Promise.all(wanted);
        if (mine !== gl.wanted) return; // a newer question was asked meanwhile
        this.gl.spec.number = null; // until all of it is built, no picture is
        this.build(spec, parts);
        this.title = spec.title;
        this.unit = spec.unit;
        this.factor = spec.factor;
        this.note = spec.note || "";
        this.interval = spec.interval;
        this.colour(spec);
        this.state = "ready";
        this.busy = false;
        this.hover = null;
        this.render(true);
        this.milliseconds = performance.now() - begun;
        this.triangles = gl.layers.surface.data.triangles.length / 3;
        this.shown += 1;
        this.$emit("shown", { number: spec.number });
      } catch (error) {
        if (mine === gl.wanted) this.fail(`${this.labels.failed} (${error.message})`);
      }
    },
    /** Say that something is under way; where it is `anew`, what is shown belongs to another question and is hidden. */
    wait(message, anew) {
      if (anew) this.gl.wanted++;
      if (this.state === "ready" && !anew) this.busy = true;
      else [this.state, this.message, this.hover] = ["loading", message, null];
    },
    fail(message) {
      this.gl.wanted++; // a picture that is still being fetched is of an earlier question
      [this.state, this.message, this.busy] = ["error", message, false];
    },
    showNothing(message) {
      this.gl.wanted++;
      [this.state, this.message, this.busy] = ["empty", message, false];
      for (const name of Object.keys(this.gl.layers)) this.drop(name);
      this.drop("path");
      this.gl.meshUrl = this.gl.ends = null;
      this.gl.spec = {};
      this.render();
    },

    // -- what is drawn --------------------------------------------------------------------------------------------
    build(spec, parts) {
      const gl = this.gl;
      gl.clip = spec.clip ? spec.plane : null;
      gl.materials.surface.uniforms.opacity.value = spec.ghost ? 0.18 : 1;
      gl.materials.surface.transparent = !!spec.ghost;
      gl.materials.surface.depthWrite = !spec.ghost;
      gl.shared.warp.value = spec.warp?.scale || 0;
      const meshKey = `${spec.surface.mesh} ${spec.surface.cell}`;
      if (meshKey !== gl.meshUrl) {
        const first = !gl.meshUrl;
        this.drop("surface");
        const surface = new Surface(parts.mesh, spec.surface.cell);
        this.add("surface", new THREE.Mesh(surface.geometry, gl.materials.surface), surface);
        gl.meshUrl = meshKey;
        const sphere = surface.geometry.boundingSphere;
        gl.eye = spec.eye;
        (groups[this.group] ||= new Map()).set(gl, sphere.radius);
        const other = gl.sphere && sphere.center.distanceTo(gl.sphere.center) + Math.abs(sphere.radius - gl.sphere.radius);
        const another = spec.body !== gl.body; // a finer mesh of the same part leaves the camera where it is
        gl.sphere = sphere;
        if (first && spec.camera) this.setCamera(spec.camera);
        else if (first) this.preset("iso", false);
        else if (another || other > 0.5 * sphere.radius) this.fit();
        gl.body = spec.body;
      }
      gl.layers.surface.data.setValues(parts.values.values);
      gl.layers.surface.data.setMarks(parts.marks?.marks || null);
      gl.layers.surface.data.setShift(parts.shift?.shift || null, spec.warp?.scale || 0);
      this.path(spec.line);
      for (const name of LAYERS) {
        gl.layers[name]?.data?.setShift(gl.layers[name].data.shift, spec.warp?.scale || 0);
        if (spec[name] === gl.spec[name]) continue;
        this.drop(name);
        const buffer = parts[name];
        if (!buffer) continue;
        if (name === "arrows") this.add(name, arrows(buffer, buffer.about.length, gl.materials.arrows));
        else {
          const surface = new Surface(buffer, buffer.about.cell);
          surface.setValues(buffer.values);
          surface.setBounds(buffer.low ? buffer : null);
          surface.setShift(buffer.shift || null, spec.warp?.scale || 0);
          this.add(name, new THREE.Mesh(surface.geometry, gl.materials[name]), surface);
        }
      }
      gl.spec = spec;
    },
    /** The line along which values are plotted, seen through the part. */
    path(ends) {
      if (String(ends) === String(this.gl.ends)) return;
      this.drop("path");
      this.gl.ends = ends;
      if (!ends) return;
      const shape = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(ends, 3));
      const line = new THREE.Line(shape, new THREE.LineBasicMaterial({ color: 0xe0218a, depthTest: false, transparent: true }));
      line.renderOrder = 2;
      line.frustumCulled = false;
      this.add("path", line);
    },
    add(name, object, data) {
      this.gl.layers[name] = { object, data };
      this.gl.scene.add(object);
    },
    drop(name) {
      const layer = this.gl.layers[name];
      if (!layer) return;
      this.gl.scene.remove(layer.object);
      layer.object.geometry.dispose();
      delete this.gl.layers[name];
    },
    colour({ map, range, bands }) {
      const { shared, textures } = this.gl;
      textures[map] = textures[map] || colourMap(this.maps[map]);
      shared.map.value = textures[map];
      shared.range.value.set(...range);
      shared.bands.value = bands || 0;
      this.colours = stops(textures[map]);
      const [low, high] = range;
      this.ticks = [1, 0.75, 0.5, 0.25, 0].map((share) => this.format((low + share * (high - low)) * this.factor));
    },
    format(value) {
      if (!Number.isFinite(value)) return "–";
      const size = Math.abs(value);
      if (size && (size >= 1e5 || size < 1e-3)) return tramontaneNumber(value.toExponential(2));
      return tramontaneNumber(String(Number(value.toPrecision(4))));
    },
    /** Draw at the next frame, or at once; several reasons to draw make one picture. */
    render(now) {
      const gl = this.gl;
      const draw = () => {
        gl.frame = null;
        this.cut();
        gl.renderer.render(gl.scene, gl.camera);
      };
      if (now) draw();
      else gl.frame = gl.frame || requestAnimationFrame(draw);
    },
    /** Take away what lies between the eye and the section, from wherever one looks. */
    cut() {
      const { clip, camera, materials } = this.gl;
      const plane = clip ? new THREE.Vector4(...clip) : NO_PLANE;
      const { x, y, z } = camera.position;
      if (clip && plane.x * x + plane.y * y + plane.z * z + plane.w > 0) plane.negate();
      materials.surface.uniforms.plane.value.copy(plane);
    },
    resize() {
      const { clientWidth: width, clientHeight: height } = this.$el;
      const { renderer, camera } = this.gl;
      if (!renderer || !width || !height) return;
      renderer.setSize(width, height, false);
      camera.aspect = width / height;
      camera.updateProjectionMatrix();
      this.render(true);
    },

    // -- camera ---------------------------------------------------------------------------------------------------
    preset(name, remember = true) {
      const { camera, controls, sphere, eye } = this.gl;
      if (!sphere) return;
      const away = new THREE.Vector3(...PRESETS[name]);
      if (name === "iso") away.multiply(new THREE.Vector3(...eye));
      else {
        const now = camera.position.clone().sub(controls.target).normalize();
        if (now.dot(away) > 0.999) away.negate(); // pressed again: from the other side
      }
      this.fit(away);
      if (remember) this.rememberCamera();
    },
    /** Look at the whole part from a direction, or from where one looks already. */
    fit(away) {
      const { camera, controls, sphere } = this.gl;
      const narrow = this.group || this.$el.clientWidth <= 600; // the colour bar lies below then
      const radius = this.group ? Math.max(...groups[this.group].values()) : sphere.radius;
      const room = narrow ? 1.25 : 1.05;
      const angle = Math.atan(Math.tan((camera.fov * Math.PI) / 360) * Math.min(camera.aspect, 1));
      const towards = away || camera.position.clone().sub(controls.target);
      towards.normalize().multiplyScalar((room * radius) / Math.sin(angle));
      // Looking straight along the up axis has no orientation of its own.
      if (Math.abs(towards.z) > 0.9999 * towards.length()) towards.y -= 1e-4 * towards.length();
      controls.target.copy(sphere.center);
      camera.position.copy(sphere.center).add(towards);
      controls.update();
      this.moved();
    },
    getCamera() {
      const { camera, controls } = this.gl;
      return [...camera.position.toArray(), ...controls.target.toArray()];
    },
    setCamera(numbers) {
      const { camera, controls } = this.gl;
      camera.position.fromArray(numbers);
      controls.target.fromArray(numbers, 3);
      controls.update();
      this.moved();
    },
    moved() {
      const gl = this.gl, radius = gl.sphere?.radius || 1;
      const away = gl.camera.position.distanceTo(gl.controls.target);
      gl.camera.near = Math.max(away - 20 * radius, away / 500);
      gl.camera.far = away + 40 * radius;
      gl.camera.updateProjectionMatrix();
      this.axes = triad(gl.camera);
      this.$el.dataset.camera = this.getCamera().map((x) => +x.toPrecision(5)).join(",");
      this.render();
      if (this.group && !gl.following)
        window.dispatchEvent(new CustomEvent("tramontane-camera",
                             { detail: { group: this.group, from: gl, camera: this.getCamera() } }));
    },
    rememberCamera() {
      if (this.remember) window.tramontaneLink({ camera: this.getCamera().map((x) => +x.toPrecision(6)).join(",") });
    },
    key(event) {
      const { camera, controls } = this.gl;
      const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const zoom = { "+": 0.9, "=": 0.9, "-": 1 / 0.9 }[event.key];
      if (event.key === "0") return this.preset("iso");
      if (!turn && !zoom) return undefined;
      event.preventDefault();
      const away = camera.position.clone().sub(controls.target);
      if (zoom) away.multiplyScalar(zoom);
      else {
        const place = new THREE.Spherical().setFromVector3(new THREE.Vector3(away.x, away.z, -away.y));
        place.theta += 0.1 * turn[0];
        place.phi += 0.1 * turn[1];
        place.makeSafe();
        const turned = new THREE.Vector3().setFromSpherical(place);
        away.set(turned.x, -turned.z, turned.y);
      }
      camera.position.copy(controls.target).add(away);
      controls.update();
      this.moved();
      return this.rememberCamera();
    },

    // -- reading off ----------------------------------------------------------------------------------------------
    move(event) {
      if (event.buttons || this.state !== "ready") return;
      const box = this.$refs.canvas.getBoundingClientRect();
      this.gl.pointer = new THREE.Vector2(
        (2 * (event.clientX - box.left)) / box.width - 1, 1 - (2 * (event.clientY - box.top)) / box.height);
      this.gl.probing = this.gl.probing || requestAnimationFrame(() => this.probe());
    },
    probe() {
      const gl = this.gl;
      gl.probing = null;
      const caster = new THREE.Raycaster();
      caster.setFromCamera(gl.pointer, gl.camera);
      const plane = gl.materials.surface.uniforms.plane.value;
      const hits = Object.entries(gl.layers).map(([name, { data }]) =>
        name === "surface" && gl.spec.ghost ? null : data?.probe(caster.ray, name === "surface" ? plane : NO_PLANE));
      this.hover = hits.filter(Boolean).sort((a, b) => a.distance - b.distance)[0] || null;
      this.learnBounds();
    },
    /** Bounds are fetched when a value is first read off: a picture comes without them, and as fast. */
    async learnBounds() {
      const gl = this.gl, spec = gl.spec, surface = gl.layers.surface?.data, url = spec.surface?.bounds;
      if (!url || surface.bounds || gl.learning === url) return;
      gl.learning = url;
      const bounds = await fetchBuffer(url).catch(() => null);
      if (!bounds) return; // and they are not asked for again
      gl.learning = null;
      if (gl.spec !== spec) return; // they are of another picture
      surface.setBounds(bounds);
      if (this.hover) gl.probing = gl.probing || requestAnimationFrame(() => this.probe());
    },
    /** A file dropped on the picture is taken as one that is dropped on the field beside it. */
    dropped(event) {
      this.over = false;
      const file = event.dataTransfer.files[0];
      if (this.taker && file) window.dispatchEvent(new CustomEvent("tramontane-drop", { detail: { name: this.taker, file } }));
    },
    /** A small picture of the scene alone, for a model's card; empty where another picture than that number is shown. */
    thumbnail(number, width, height) {
      if (this.state !== "ready" || this.gl.spec.number !== number) return "";
      this.render(true);
      const source = this.$refs.canvas;
      const picture = Object.assign(document.createElement("canvas"), { width, height });
      const scale = 1.15 * Math.min(width / source.width, height / source.height);
      const [w, h] = [source.width * scale, source.height * scale];
      picture.getContext("2d").drawImage(source, (width - w) / 2, (height - h) / 2, w, h);
      return picture.toDataURL("image/webp", 0.85);
    },
    /** Save a picture: background, scene, colour bar. */
    screenshot() {
      this.render(true);
      const source = this.$refs.canvas, scale = source.width / source.clientWidth;
      const picture = Object.assign(document.createElement("canvas"), { width: source.width, height: source.height });
      const pen = picture.getContext("2d"), style = getComputedStyle(this.$el);
      pen.fillStyle = style.backgroundColor;
      pen.fillRect(0, 0, picture.width, picture.height);
      pen.drawImage(source, 0, 0);
      pen.scale(scale, scale);
      const height = Math.min(200, source.clientHeight / 2), top = source.clientHeight - height - 20;
      const texture = this.gl.shared.map.value.image.data;
      for (let i = 0; i < 256; i++) {
        pen.fillStyle = `rgb(${texture[4 * i]},${texture[4 * i + 1]},${texture[4 * i + 2]})`;
        pen.fillRect(16, top + height * (1 - (i + 1) / 256), 14, height / 256 + 1);
      }
      pen.fillStyle = style.color;
      pen.font = "13px sans-serif";
      pen.fillText(`${this.title} ${this.unit ? `[${this.unit}]` : ""}`, 16, top - 12);
      if (this.note) pen.fillText(this.note, 16, 24);
      drawTriad(pen, this.gl.camera, source.clientWidth - SIZE - 12, source.clientHeight - SIZE - 12);
      pen.fillStyle = style.color;
      this.ticks.forEach((tick, i) => pen.fillText(tick, 38, top + 5 + (height * i) / 4));
      picture.toBlob((blob) => {
        const link = Object.assign(document.createElement("a"),
                                   { href: URL.createObjectURL(blob), download: `${this.title || "view"}.png` });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      });
    },
  },
};
