// Changes what is shown into something new, and touches only what differs: nothing flickers, and what is selected or has the focus keeps it.

/**
 * @param {Node} shown
 * @param {Node} wanted is used up
 */
export function morph(shown, wanted) {
  if (shown.isEqualNode(wanted)) return;
  if (shown.nodeType === Node.TEXT_NODE && wanted.nodeType === Node.TEXT_NODE) {
    shown.nodeValue = wanted.nodeValue;
    return;
  }
  if (!(shown instanceof Element) || !(wanted instanceof Element) || shown.tagName !== wanted.tagName) {
    shown.parentNode?.replaceChild(wanted, shown);
    return;
  }
  for (const { name } of [...shown.attributes]) if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const [before, after] = [[...shown.childNodes], [...wanted.childNodes]];
  after.forEach((node, at) => (at < before.length ? morph(before[at], node) : shown.append(node)));
  for (const node of before.slice(after.length)) node.remove();
}
