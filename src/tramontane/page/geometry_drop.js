// Takes a geometry file, by choosing or dropping, and sends it to the API.
export default {
  template: `
    <label class="geometry-drop" :class="{ over, busy }" @dragover.prevent="over = true" @dragleave="over = false"
           @drop.prevent="drop">
      <input type="file" :accept="accept" @change="choose" :aria-label="text">
      <span class="material-icons" aria-hidden="true">upload_file</span>
      <span>{{ busy ? sending : text }}</span>
    </label>`,
  props: { text: String, sending: String, accept: String, name: String },
  data: () => ({ over: false, busy: false }),
  mounted() {
    this.elsewhere = (event) => event.detail.name === this.name && this.$el.offsetParent && this.send(event.detail.file);
    window.addEventListener("tramontane-drop", this.elsewhere); // dropped on the picture
  },
  unmounted() {
    window.removeEventListener("tramontane-drop", this.elsewhere);
  },
  methods: {
    drop(event) {
      this.over = false;
      this.send(event.dataTransfer.files[0]);
    },
    choose(event) {
      this.send(event.target.files[0]);
      event.target.value = "";
    },
    async send(file) {
      if (!file || this.busy) return;
      this.busy = true;
      this.$emit("begun");
      try {
        const answer = await fetch(`/v1/geometries?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
        const said = await answer.json();
        if (answer.ok) this.$emit("stored", { hash: said.hash });
        else this.$emit("refused", { detail: said.detail });
      } catch (error) {
        this.$emit("refused", { detail: String(error.message || error) });
      } finally {
        this.busy = false;
      }
    },
  },
};
