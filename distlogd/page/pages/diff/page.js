// Diff.

import { fill, h } from "../../base/dom.js";

class DiffPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Diff"));
  }
}

customElements.define("dl-diff-page", DiffPage);
