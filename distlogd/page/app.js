// Begin here. The address tells which page is shown (`pages/`, one folder each); `base/` has what all of them use: elements, the API, streams,
// the address, formats, keys. `parts/` has what several pages show: the list that is as long as the store, the histogram, and so on.

import { address } from "./base/api.js";
import { addressChanges, followLinks, navigate } from "./base/address.js";
import { connection } from "./base/connection.js";
import { fill, h } from "./base/dom.js";
import { zone } from "./base/format.js";
import { bind, listen, showKeys } from "./base/keys.js";

/**
 * What each page is: an element that shows what the address says, and is told by `addressChanged` when it says something else. Its modules
 * are loaded when it is shown first; those of the others when the browser has time, since after an update the daemon has others.
 *
 * @typedef {HTMLElement & { addressChanged?(): void }} Page
 * @type {[path: RegExp, element: string, title: string, load: () => Promise<unknown>][]}
 */
const PAGES = [
  [/^\/$/, "dl-tasks-page", "Tasks", () => import("./pages/tasks/page.js")],
  [/^\/task\/.+/, "dl-task-page", "Task", () => import("./pages/task/page.js")],
  [/^\/find$/, "dl-find-page", "Find", () => import("./pages/find/page.js")],
  [/^\/problems$/, "dl-problems-page", "Problems", () => import("./pages/problems/page.js")],
  [/^\/diff$/, "dl-diff-page", "Compare", () => import("./pages/diff/page.js")],
  [/^\/status$/, "dl-status-page", "Status", () => import("./pages/status/page.js")],
];

const main = /** @type {HTMLElement} */ (document.getElementById("main"));

function route() {
  const found = PAGES.find(([path]) => path.test(location.pathname));
  if (!found) {
    fill(main, h("p", { class: "empty" }, "Nothing is here. ", h("a", { href: "/" }, "All tasks")));
    return;
  }
  const [, name, title, load] = found;
  const shown = /** @type {Page | null} */ (main.firstElementChild);
  if (shown?.localName === name) {
    // Until its modules are there it is an element that knows nothing, and reads the address later.
    shown.addressChanged?.();
  } else {
    load().then(loadOthers, notLoaded);
    document.title = `${title} · distlog`;
    fill(main, document.createElement(name));
    if (shown) main.focus({ preventScroll: true });
  }
  for (const link of document.querySelectorAll(".top-nav a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function loadOthers() {
  const idle = globalThis.requestIdleCallback ?? setTimeout;
  idle(() => {
    // What fails here fails again when it is wanted.
    for (const [, , , load] of PAGES) load().catch(() => {});
  });
}

function notLoaded() {
  const why = "The files of this page cannot be loaded: the daemon is gone, or it is another version by now. ";
  fill(
    main,
    h("p", { class: "empty", role: "alert" }, why, h("a", { href: location.href, onclick: reload }, "Load anew")),
  );
}

/** @param {Event} click */
function reload(click) {
  click.preventDefault();
  location.reload();
}

function showConnection() {
  const place = /** @type {HTMLElement} */ (document.getElementById("connection"));
  const gone = "The daemon does not answer. What you see is what it last said; it is asked again each second.";
  fill(
    place,
    !connection.isUp && h("p", { class: "gone" }, gone),
    !connection.isSignedIn &&
      h(
        "p",
        { class: "gone" },
        "Nobody is signed in here any more. ",
        h("a", { href: "/sign-in", onclick: signIn }, "Sign in again"),
      ),
  );
}

/**
 * Leads to where one signs in, and from there back to what is shown now.
 *
 * @param {Event} event
 */
function signIn(event) {
  event.preventDefault();
  location.assign(address("/sign-in", { to: location.pathname + location.search }));
}

/** Light, dark, or as the system has it. */
const THEMES = ["", "light", "dark"];

function nextTheme() {
  const now = THEMES.indexOf(document.documentElement.dataset.theme ?? "");
  setTheme(THEMES[(now + 1) % THEMES.length]);
}

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

setTheme(localStorage.getItem("theme") ?? "");
fill(
  /** @type {HTMLElement} */ (document.getElementById("top-tools")),
  h("span", { class: "zone", title: "The zone of all times" }, zone),
  h("button", { class: "plain", onclick: nextTheme, "aria-label": "Light or dark", title: "Light or dark" }, "◐"),
  h("button", { class: "plain", onclick: showKeys, "aria-label": "Keys", title: "Keys (?)" }, "?"),
);
connection.addEventListener("change", showConnection);
addressChanges.addEventListener("change", route);
followLinks();
bind([
  { keys: "?", about: "These keys", run: showKeys },
  { keys: "g t", about: "Tasks", run: () => navigate("/") },
  { keys: "g f", about: "Find", run: () => navigate("/find") },
  { keys: "g p", about: "Problems", run: () => navigate("/problems") },
  { keys: "g s", about: "Status", run: () => navigate("/status") },
]);
listen();
route();
