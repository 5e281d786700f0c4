// Problems.

import { fill, h } from "../../base/dom.js";

class ProblemsPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Problems"));
  }
}

customElements.define("dl-problems-page", ProblemsPage);
