// Reads the WebSocket text that passes through a proxy (RFC 6455), without changing a byte of it.

/** Splits one direction of a WebSocket into its text messages. No extensions: the site uses none. */
export class FrameReader {
  #buffer = Buffer.alloc(0);
  #parts = [];
  #onText;
  #onOther;

  /**
   * @param {(text: string) => void} onText
   * @param {(frame: Buffer) => void} [onOther] Every other frame (ping, close), as it came.
   */
  constructor(onText, onOther = () => {}) {
    this.#onText = onText;
    this.#onOther = onOther;
  }

  /** @param {Buffer} bytes */
  push(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (this.#take()) {}
  }

  /** Takes one whole frame from the buffer (RFC 6455 5.2). */
  #take() {
    const b = this.#buffer;
    if (b.length < 2) return false;
    let length = b[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (b.length < 4) return false;
      length = b.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (b.length < 10) return false;
      length = Number(b.readBigUInt64BE(2));
      at = 10;
    }
    const isMasked = (b[1] & 0x80) !== 0;
    const end = at + (isMasked ? 4 : 0) + length;
    if (b.length < end) return false;
    let payload = b.subarray(end - length, end);
    if (isMasked) {
      const key = b.subarray(at, at + 4);
      payload = Buffer.from(payload.map((byte, i) => byte ^ key[i & 3]));
    }
    this.#buffer = b.subarray(end);
    const opcode = b[0] & 0x0f;
    if (opcode > 2) {
      this.#onOther(b.subarray(0, end));
      return true;
    }
    this.#parts.push(payload);
    if (b[0] & 0x80) {
      const text = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#onText(text);
    }
    return true;
  }
}

/** A client's text message as one frame. Its mask is zero: what it protects from is no danger here. @param {string} text */
export function clientFrame(text) {
  const payload = Buffer.from(text);
  const isLong = payload.length > 125;
  const head = Buffer.alloc(isLong ? 8 : 6);
  head[0] = 0x81;
  head[1] = 0x80 | (isLong ? 126 : payload.length);
  if (isLong) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
