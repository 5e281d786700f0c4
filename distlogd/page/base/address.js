// The address of the page holds what is shown, so that it can be shared.

/** Tells that the address has changed. */
export const addressChanges = new EventTarget();

/** The parameters of the address. */
export function parameters() {
  return new URLSearchParams(location.search);
}

/**
 * Goes to another address within the page.
 *
 * @param {string} href
 */
export function navigate(href) {
  if (href === location.pathname + location.search) return;
  history.pushState(null, "", href);
  addressChanges.dispatchEvent(new Event("change"));
}

/**
 * Changes parameters of the address; those that are empty go. Listeners are told unless `quiet`.
 *
 * @param {Record<string, string | number | boolean | null | undefined>} changes
 * @param {{ replace?: boolean, quiet?: boolean }} [how] `replace`: the step before is not one to go back to
 */
export function change(changes, { replace = false, quiet = false } = {}) {
  const now = parameters();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "" || value === false) now.delete(name);
    else now.set(name, String(value));
  }
  const query = now.toString();
  const href = location.pathname + (query ? `?${query}` : "");
  if (href === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  if (!quiet) addressChanges.dispatchEvent(new Event("change"));
}

/** @param {string} id of a task */
export function taskHref(id) {
  return `/task/${id.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * The tree of a whole trace, with one of its tasks selected where its id tells its span.
 *
 * @param {string} id of the task
 */
export function selectedHref(id) {
  const found = /^([^/]+)\/(?:.*\/)?~([0-9a-f]{16})$/.exec(id);
  return found ? `${taskHref(found[1])}?span=${found[2]}` : taskHref(id);
}

/**
 * The id of a task in the address of its page; undefined where there is none.
 *
 * @param {string} text
 */
export function taskIn(text) {
  const [, path] = /\/task\/([^?#]+)/.exec(text) ?? [];
  try {
    return path && decodeURIComponent(path);
  } catch {
    // What is no UTF-8 is refused as it is.
    return path;
  }
}

/** Makes links and the browser's buttons work within the page. */
export function followLinks() {
  addEventListener("popstate", () => addressChanges.dispatchEvent(new Event("change")));
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || link.target || link.download || link.origin !== location.origin) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    if (/^\/(api|metrics|page|healthz|sign-in)\b/.test(link.pathname)) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
