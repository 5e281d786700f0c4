// What is shown while the store is empty: how records come in.

import { get } from "../../base/api.js";
import { fill, h } from "../../base/dom.js";
import { counted } from "../../base/format.js";
import { isView } from "../../base/viewed.js";
import { copyButton } from "../../parts/copy-button.js";

const LAYER = (/** @type {string} */ address) => `let (layer, _guard) = distlog_layer::builder()
    .service("shop")
    .connect("${address}")?;
tracing_subscriber::registry().with(layer).init();`;

/** `<dl-welcome>` */
export class Welcome extends HTMLElement {
  connectedCallback() {
    this.classList.add("welcome");
    this.#read();
  }

  async #read() {
    /** @type {any[]} */
    let receivers = [];
    let records = 0;
    if (isView) return fill(this, h("h2", {}, "No task is in this database"), h("p", {}, "Daemons write them there."));
    try {
      const status = await get("/api/v1/status");
      [receivers, records] = [status.receivers, status.store.records];
    } catch {
      // The page says that the daemon is gone.
    }
    const of = (/** @type {string} */ name) =>
      receivers.find((/** @type {any} */ one) => one.receiver === name)?.addresses[0] ?? "";
    const [session, http, grpc] = [of("session"), of("otlp_http"), of("otlp_grpc")];
    fill(
      this,
      h("h2", {}, records ? "No task has come in yet" : "Nothing has come in yet"),
      records > 0 && h("p", {}, h("a", { href: "/find" }, counted(records, "record")), ", but none in a task."),
      h("p", {}, "The first task stands here as soon as it begins. Nothing else needs to be done on this page."),
      session && way("From Rust with tracing, by the crate distlog-layer", LAYER(reachable(session))),
      (http || grpc) && way("From any program with OpenTelemetry", otlp(http, grpc)),
    );
  }
}

/**
 * @param {string} http
 * @param {string} grpc
 */
function otlp(http, grpc) {
  const endpoint = (/** @type {string} */ address) => `OTEL_EXPORTER_OTLP_ENDPOINT=${reachable(`http://${address}`)}`;
  if (!http) return endpoint(grpc);
  return `${endpoint(http)}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`;
}

/** @param {string} address that is bound; who binds all addresses is reached here */
function reachable(address) {
  return address.replace(/\/\/(\*|0\.0\.0\.0|\[::\])/, `//${location.hostname}`);
}

/**
 * @param {string} title
 * @param {string} text
 */
function way(title, text) {
  const code = h(
    "div",
    { class: "welcome-code" },
    h("pre", { tabindex: 0 }, text),
    copyButton("Copy", () => text),
  );
  return h("section", {}, h("h3", {}, title), code);
}

customElements.define("dl-welcome", Welcome);
