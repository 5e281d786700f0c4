// Find.

import { fill, h } from "../../base/dom.js";

class FindPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Find"));
  }
}

customElements.define("dl-find-page", FindPage);
