// The two channels of each pair: what comes in goes to the core, what the core decides goes out. They may have been transferred
// from another thread: then a message that comes before its handler is set is lost, and `bufferedAmount` stands still within a
// task.
import {
  blockBytes,
  PEER_BLOCK,
  PEER_BLOCK_SENT,
  PEER_BUFFERED,
  PEER_CONTROL,
  PEER_CONTROL_SENT,
  PEER_PAIR,
  peerMessageBytes,
} from '../build/border.js';

const headerBytes = peerMessageBytes - blockBytes;
const nothing = new ArrayBuffer(0);

/** What a channel brought; a text is no frame. @param {unknown} data */
const bytesOf = (data) => (data instanceof ArrayBuffer ? data : nothing);

/**
 * @typedef {object} Pair
 * @property {RTCDataChannel} control
 * @property {RTCDataChannel} data
 * @property {number} uncounted bytes that were sent on `data` in this task, and that `bufferedAmount` does not show yet
 */

export class Channels {
  #core;
  /** @type {Map<number, Pair>} */
  #pairs = new Map();
  /** The message on `data` that the core is told of. @type {ArrayBuffer | null} */
  #message = null;
  // send() copies, so one buffer serves all messages. With a buffer for each, collecting them took a tenth of all the time.
  #scratch = new Uint8Array(peerMessageBytes);
  #onWaste;
  /** Payload bytes that went to peers. */
  sent = 0;

  /**
   * @param {import('./core.js').Core} core
   * @param {(bytes: number) => void} onWaste a message came that nobody needs
   */
  constructor(core, onWaste) {
    this.#core = core;
    this.#onWaste = onWaste;
  }

  /**
   * In the task in which they come: whatever they bring is heard.
   * @param {number} id
   * @param {RTCDataChannel} control
   * @param {RTCDataChannel} data
   */
  add(id, control, data) {
    this.#pairs.set(id, { control, data, uncounted: 0 });
    const look = () => {
      if (control.readyState === 'open' && data.readyState === 'open') this.#core.tell(PEER_PAIR, id, true);
    };
    const end = () => {
      this.#core.tell(PEER_PAIR, id, false);
      // The core may have forgotten the pair before its channels came: then nothing else drops them.
      this.drop(id);
    };
    for (const channel of [control, data]) {
      channel.binaryType = 'arraybuffer';
      channel.onopen = look;
      channel.onclose = end;
    }
    control.onmessage = (event) => {
      const frame = bytesOf(event.data);
      // Of a frame that is too long the core needs no more than to see that.
      this.#core.tell(PEER_CONTROL, frame.byteLength > peerMessageBytes ? frame.slice(0, peerMessageBytes + 1) : frame, id);
    };
    data.onmessage = (event) => this.#receive(id, bytesOf(event.data));
    data.onbufferedamountlow = () => this.#tellUnsent(id);
    if ([control, data].some(({ readyState }) => readyState === 'closing' || readyState === 'closed')) end();
    else look();
  }

  /** The core has forgotten it. @param {number} id */
  drop(id) {
    const pair = this.#pairs.get(id);
    this.#pairs.delete(id);
    for (const channel of pair ? [pair.control, pair.data] : []) {
      channel.onopen = channel.onclose = channel.onmessage = channel.onbufferedamountlow = null;
    }
  }

  /** The message that the core takes a block of. */
  takeMessage() {
    const message = this.#message ?? nothing;
    this.#message = null;
    return message;
  }

  /** @param {number} id @param {Uint8Array<ArrayBuffer>} frame */
  sendControl(id, frame) {
    const pair = this.#pairs.get(id);
    if (!pair) return;
    if (send(pair.control, frame)) this.#core.tell(PEER_CONTROL_SENT, id, pair.control.bufferedAmount);
    else this.#core.tell(PEER_PAIR, id, false);
  }

  /** @param {number} id @param {Uint8Array<ArrayBuffer>} header @param {Uint8Array<ArrayBuffer>} payload */
  sendBlock(id, header, payload) {
    const pair = this.#pairs.get(id);
    if (!pair) return;
    this.#scratch.set(header);
    this.#scratch.set(payload, header.length);
    const message = this.#scratch.subarray(0, header.length + payload.length);
    const { bufferedAmount } = pair.data;
    if (!send(pair.data, message)) return void this.#core.tell(PEER_PAIR, id, false);
    this.sent += payload.length;
    if (pair.data.bufferedAmount === bufferedAmount) {
      // In the next task it has moved, or they are on the line.
      if (pair.uncounted === 0) setTimeout(() => this.#tellUnsent(id));
      pair.uncounted += message.length;
    }
    const left = pair.data.bufferedAmount + pair.uncounted;
    pair.data.bufferedAmountLowThreshold = this.#core.call(PEER_BLOCK_SENT, id, left, performance.now());
    this.#core.drain();
  }

  /** In a task of its own. @param {number} id */
  #tellUnsent(id) {
    const pair = this.#pairs.get(id);
    if (!pair) return;
    pair.uncounted = 0;
    this.#core.tell(PEER_BUFFERED, id, pair.data.bufferedAmount);
  }

  /** One call a block: its header is read where it arrives. @param {number} id @param {ArrayBuffer} message */
  #receive(id, message) {
    this.#message = message;
    this.#core.tell(PEER_BLOCK, message.slice(0, headerBytes), id, message.byteLength);
    if (this.#message) this.#onWaste(message.byteLength);
    this.#message = null;
  }
}

/** @param {RTCDataChannel} channel @param {Uint8Array<ArrayBuffer>} message */
function send(channel, message) {
  try {
    channel.send(message);
    return true;
  } catch {
    return false;
  }
}
