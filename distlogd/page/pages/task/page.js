// Task.

import { fill, h } from "../../base/dom.js";

class TaskPage extends HTMLElement {
  connectedCallback() {
    this.addressChanged();
  }

  addressChanged() {
    fill(this, h("h1", {}, "Task"));
  }
}

customElements.define("dl-task-page", TaskPage);
