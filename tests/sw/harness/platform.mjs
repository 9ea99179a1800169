// Where Node's Request and Response differ from those of a service worker, in one place.
//
// - Node refuses the mode 'navigate', knows no destination, and resolves no relative URL: `request()`.
// - A response that Node makes has the type 'default' and no URL; one that a browser fetched has both: `fetched()`. What is
//   opaque has the status 0, which no constructor takes.
// - A port of Node is delivered by its event loop at a time of its own, and keeps the process alive: `Channel`.

/** A request as a page makes it. `destination`, `mode` and `referrer` are a browser's to say. */
export function request(url, { destination = '', mode = 'cors', ...init } = {}) {
  const made = new Request(url, { ...init, mode: init.cache === 'only-if-cached' ? 'same-origin' : undefined });
  Object.defineProperties(made, { destination: { value: destination }, mode: { value: mode } });
  return made;
}

/** A response as fetch() gives it. */
export function fetched(body, { status, headers, type = 'basic', url, redirected = false, statusText = '' }) {
  const isOpaque = type.startsWith('opaque');
  const hasBody = !isOpaque && body !== null && ![204, 205, 304].includes(status);
  const made = new Response(hasBody ? body : null, isOpaque ? {} : { status, headers });
  const dress = (response) => {
    const clone = response.clone.bind(response);
    const told = { type, url: isOpaque ? '' : url, redirected, statusText, clone: () => dress(clone()) };
    if (isOpaque) Object.assign(told, { status: 0, ok: false });
    for (const [name, value] of Object.entries(told)) Object.defineProperty(response, name, { value, configurable: true });
    return response;
  };
  return dress(made);
}

const clone = (data, transfer) => structuredClone(data, { transfer: transfer.filter((each) => !(each instanceof Port)) });

class Port {
  onmessage = null;
  closed = false;
  /** @type {Port} */
  twin;
  #clock;

  constructor(clock) {
    this.#clock = clock;
  }

  postMessage(data, transfer = []) {
    const copy = clone(data, Array.isArray(transfer) ? transfer : (transfer.transfer ?? []));
    if (this.closed) return;
    const ports = transfer.filter?.((each) => each instanceof Port) ?? [];
    this.#clock.task(() => this.twin.closed || this.twin.onmessage?.({ data: copy, ports }));
  }

  // What was posted before is delivered, as browsers do.
  close() {
    this.closed = true;
  }
}

/** MessageChannel over the clock's tasks: in order, and over before time passes. */
export const channelOf = (clock) =>
  class {
    constructor() {
      this.port1 = new Port(clock);
      this.port2 = new Port(clock);
      [this.port1.twin, this.port2.twin] = [this.port2, this.port1];
    }
  };

/** A message with ports, as the other side gets it. */
export const delivered = (data, transfer = []) => ({
  data: clone(data, transfer),
  ports: transfer.filter((each) => each instanceof Port),
});
