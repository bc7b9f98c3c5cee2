import { button, byId, element } from "/page/dom.js";

const KINDS = ["image", "audio", "video"];

/** Files that go with the next message, as far as the model takes their kind. */
export class Attachments {
  constructor() {
    this._kinds = [];
    this._files = [];
    byId("attach").onclick = () => byId("files").click();
    byId("files").onchange = async () => {
      await this.add(byId("files").files);
      byId("files").value = "";
    };
    byId("prompt").addEventListener("paste", (event) => this.add(event.clipboardData.files));
    byId("composer").addEventListener("dragover", (event) => event.preventDefault());
    byId("composer").addEventListener("drop", (event) => {
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
  }

  /** Only these kinds are taken from now on. */
  allow(modalities) {
    this._kinds = KINDS.filter((kind) => modalities.includes(kind));
    byId("attach").hidden = !this._kinds.length;
    byId("files").accept = this._kinds.map((kind) => `${kind}/*`).join(",");
    this._files = this._files.filter((file) => this._kinds.includes(file.kind));
    this._show();
  }

  async add(files) {
    for (const file of files) {
      const kind = file.type.split("/")[0];
      if (this._kinds.includes(kind)) this._files.push({ kind, name: file.name, url: await dataUrl(file) });
    }
    this._show();
  }

  /** These go with the next message as well. */
  put(files) {
    this._files.push(...files);
    this._show();
  }

  /** All of them, which are then gone from here. */
  take() {
    const taken = this._files;
    this._files = [];
    this._show();
    return taken;
  }

  _show() {
    byId("attachments").replaceChildren(...this._files.map((file) =>
      element("li", {}, preview(file), button("×", () => {
        this._files = this._files.filter((other) => other !== file);
        this._show();
      }, { "aria-label": `Remove ${file.name}` }))));
  }
}

/** A picture, sound or film as the page shows it. */
export function preview({ kind, name, url }) {
  if (kind === "image") return element("img", { src: url, alt: name });
  return element(kind, { src: url, controls: true, "aria-label": name });
}

const dataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});
