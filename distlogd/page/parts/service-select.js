// A choice of the services that the store knows: `service` of the address.

import { get } from "../base/api.js";
import { change, parameters } from "../base/address.js";
import { fill, h } from "../base/dom.js";
import { visible } from "../base/format.js";

/** So many can be chosen. */
const MOST = 500;

/** `<dl-service-select>` */
export class ServiceSelect extends HTMLElement {
  #select = h("select", { "aria-label": "Service", onchange: () => change({ service: this.#select.value }) });
  /** @type {string[]} */
  #services = [];

  connectedCallback() {
    this.classList.add("service-select");
    fill(this, this.#select);
    this.#select.addEventListener("focus", this.#read);
    this.addressChanged();
    this.#read();
  }

  /** Shows what the address says. */
  addressChanged() {
    const chosen = parameters().get("service") ?? "";
    const all = chosen && !this.#services.includes(chosen) ? [chosen, ...this.#services] : this.#services;
    const options = [
      h("option", { value: "" }, "All services"),
      ...all.map((one) => h("option", { value: one }, visible(one))),
    ];
    fill(this.#select, ...options);
    this.#select.value = chosen;
  }

  #read = async () => {
    try {
      const { items } = await get("/api/v1/stats", { by: "service", limit: MOST });
      const services = items.map((/** @type {any} */ item) => item.service).filter(Boolean);
      services.sort();
      if (String(services) === String(this.#services)) return;
      this.#services = services;
      this.addressChanged();
    } catch {
      // The list beside it says what is wrong.
    }
  };
}

customElements.define("dl-service-select", ServiceSelect);
