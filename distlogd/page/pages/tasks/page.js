// Tasks.

import { fill, h } from "../../base/dom.js";

class TasksPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Tasks"));
  }
}

customElements.define("dl-tasks-page", TasksPage);
