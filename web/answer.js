// What the long form's get() gives: one resource as one answer that can be cloned to the worker.

/** @typedef {import('./whole.js').Whole} Whole */

/** Own data properties survive structured cloning; methods on the prototype do not get in its way. */
export class Answer {
  /** @param {Whole} whole */
  constructor({ root, type, body }) {
    this.status = 200;
    /** @type {[string, string][]} */
    this.headers = [
      ['content-length', `${body.byteLength}`],
      ['etag', `"${root}"`],
    ];
    if (type) this.headers.push(['content-type', type]);
    this.body = body;
  }

  /** For pages that want it themselves. */
  toResponse() {
    return new Response(this.body, { status: this.status, headers: this.headers });
  }
}
