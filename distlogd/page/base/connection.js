// Whether the daemon answers, and knows who asks. Who shows something asks anew when it is back.

/** How long to wait before it is asked again, in ms. */
const RETRY = 1000;

class Connection extends EventTarget {
  /** Whether it answered the last time. */
  isUp = true;
  /** Whether it knows who asks. Else he is to sign in again: the token was revoked, or is too old. */
  isSignedIn = true;
  /** @type {number | undefined} */
  #retry;

  /** The daemon answered. */
  answered() {
    if (this.isUp) return;
    this.isUp = true;
    clearTimeout(this.#retry);
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("back"));
  }

  /** The daemon does not know who asks. */
  signedOut() {
    if (!this.isSignedIn) return;
    this.isSignedIn = false;
    this.dispatchEvent(new Event("change"));
  }

  /** Asks whether it knows who asks. */
  async checkSignedIn() {
    const response = await fetch("/api/v1/names?prefix=severity", { cache: "no-store" }).catch(() => undefined);
    if (response?.status === 401) this.signedOut();
  }

  /** The daemon did not answer. */
  lost() {
    if (this.isUp) {
      this.isUp = false;
      this.dispatchEvent(new Event("change"));
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#ask(), RETRY);
  }

  async #ask() {
    try {
      await fetch("/healthz", { cache: "no-store" });
      this.answered();
    } catch {
      this.lost();
    }
  }
}

/** The one connection of the page. */
export const connection = new Connection();
