// Takes geometry files, by choosing or dropping, and sends them to the API, two at a time; a table is read here.
const TABLE = /\.(csv|tsv|txt)$/i;
const AT_ONCE = 2, PATIENCE = 20;

export default {
  template: `
    <label class="geometry-drop" :class="{ over, busy: left > 0 }" @dragover.prevent="over = true"
           @dragleave="over = false" @drop.prevent="drop">
      <input type="file" :accept="accept" :multiple="several" @change="choose" :aria-label="text">
      <span class="material-icons" aria-hidden="true">upload_file</span>
      <span>{{ left > 0 ? sending + (several ? " " + left : "") : text }}</span>
    </label>`,
  props: { text: String, sending: String, accept: String, name: String, several: Boolean, most: Number },
  data: () => ({ over: false, left: 0 }),
  mounted() {
    this.elsewhere = (event) => event.detail.name === this.name && this.$el.offsetParent && this.take([event.detail.file]);
    window.addEventListener("tramontane-drop", this.elsewhere); // dropped on the picture
  },
  unmounted() {
    window.removeEventListener("tramontane-drop", this.elsewhere);
  },
  methods: {
    drop(event) {
      this.over = false;
      this.take([...event.dataTransfer.files]);
    },
    choose(event) {
      this.take([...event.target.files]);
      event.target.value = "";
    },
    async take(files) {
      if (!files.length || this.left) return;
      const parts = files.filter((file) => !(this.several && TABLE.test(file.name)));
      const waiting = this.several ? parts.slice(0, this.most) : parts.slice(0, 1);
      if (waiting.length < parts.length && this.several) this.$emit("toomany", { count: parts.length });
      this.left = waiting.length;
      this.$emit("begun");
      const work = async () => {
        while (waiting.length) {
          await this.send(waiting.shift());
          this.left -= 1;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      this.left = 0;
      for (const file of files.filter((file) => this.several && TABLE.test(file.name)))
        if (file.size > 1e6) this.$emit("refused", { name: file.name, detail: "a table may have 1 MB" });
        else this.$emit("table", { name: file.name, content: await file.text() });
    },
    async send(file) {
      const name = file.name;
      try {
        for (let turn = 0; ; turn++) {
          const answer = await fetch(`/v1/geometries?name=${encodeURIComponent(name)}`, { method: "POST", body: file });
          const said = await answer.json();
          if (answer.ok) return this.$emit("stored", { hash: said.hash, name });
          // A server that has much to do says when to come back.
          const wait = [429, 503].includes(answer.status) ? Number(answer.headers.get("retry-after")) || 1 : 0;
          if (!wait || turn === PATIENCE) return this.$emit("refused", { detail: said.detail, name });
          await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
        }
      } catch (error) {
        this.$emit("refused", { detail: String(error.message || error), name });
      }
    },
  },
};
