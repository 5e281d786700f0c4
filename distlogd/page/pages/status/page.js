// Status.

import { fill, h } from "../../base/dom.js";

class StatusPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Status"));
  }
}

customElements.define("dl-status-page", StatusPage);
