// When somebody last looked at the problems: kept by the browser.

import { connection } from "../base/connection.js";

const NAME = "problems-looked-at";

/** In ms since the epoch; 0: never. */
export function lookedAtProblems() {
  return Number(localStorage.getItem(NAME)) || 0;
}

/** Somebody looks at them now. */
export function lookAtProblems() {
  if (connection.isUp && !document.hidden) localStorage.setItem(NAME, String(Date.now()));
}
