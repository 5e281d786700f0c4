// Makes elements. Texts become text nodes, so nothing from the store is ever markup.

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Attributes
 */

/**
 * Makes an element. Of the attributes `on…` are listeners, `class`, `data-…`, `aria-…` and the like are set as such, booleans are there
 * or not, and what is null or undefined is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/**
 * Makes an element of SVG.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/**
 * Replaces all children of an element.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * Sets the text of an element, and touches the document only where it differs.
 *
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (value === null || value === undefined || value === false) {
      element.removeAttribute(name);
    } else if (name === "href") {
      element.setAttribute(name, safeLink(String(value)));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * A link of another scheme than those of pages is none: a record can hold `javascript:`.
 *
 * @param {string} href
 */
export function safeLink(href) {
  return /^(https?:\/\/|\/(?!\/)|#|\?)/i.test(href) ? href : "#";
}

/** @param {Child[]} children */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const all = [];
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    all.push(typeof child === "number" ? String(child) : child);
  }
  return all;
}
