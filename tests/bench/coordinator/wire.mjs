// A browser's side of a WebSocket, as little of it as a load needs: a load must take less of the machine than its server.
import { once } from 'node:events';
import { connect } from 'node:net';

const [text, close, ping, pong] = [1, 8, 9, 10];
/** Browsers choose one at random for each frame; for the server each is as much work. */
const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** @param {string} payload @param {number} [opcode] a frame as a client sends it */
export function frameOf(payload, opcode = text) {
  const bytes = Buffer.from(payload);
  const head =
    bytes.length < 126 ? [0x80 | opcode, 0x80 | bytes.length] : [0x80 | opcode, 0xfe, bytes.length >> 8, bytes.length & 255];
  for (let i = 0; i < bytes.length; i++) bytes[i] ^= mask[i & 3];
  return Buffer.concat([Buffer.from(head), mask, bytes]);
}

const pongFrame = frameOf('', pong);

export class Wire {
  #socket;
  #rest = Buffer.alloc(0);
  #onText;

  /** @param {import('node:net').Socket} socket @param {(payload: Buffer) => void} onText */
  constructor(socket, onText) {
    this.#socket = socket;
    this.#onText = onText;
    socket.on('data', (data) => this.#read(data));
  }

  /**
   * Resolves when the server has accepted it.
   * @param {number} port
   * @param {string} path
   * @param {(payload: Buffer) => void} onText
   */
  static async open(port, path, onText) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: http://a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const [data] = await once(socket, 'data');
    const end = data.indexOf('\r\n\r\n') + 4;
    if (!data.toString('latin1', 0, end).startsWith('HTTP/1.1 101 ')) throw new Error(`no WebSocket: ${data}`);
    const wire = new Wire(socket, onText);
    if (data.length > end) wire.#read(data.subarray(end));
    return wire;
  }

  /** @param {Buffer} frame */
  send(frame) {
    this.#socket.write(frame);
  }

  terminate() {
    this.#socket.destroy();
  }

  /** @param {Buffer} data */
  #read(data) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    let at = 0;
    while (bytes.length - at >= 2) {
      const short = bytes[at + 1];
      if (short === 127) throw new Error('a frame that is longer than any message');
      const begin = at + (short === 126 ? 4 : 2);
      if (bytes.length < begin) break;
      const end = begin + (short === 126 ? bytes.readUInt16BE(at + 2) : short);
      if (bytes.length < end) break;
      const opcode = bytes[at] & 15;
      const payload = bytes.subarray(begin, end);
      at = end;
      if (opcode === text) this.#onText(payload);
      else if (opcode === ping) this.send(pongFrame);
      else if (opcode === close) throw new Error(`a socket was closed: ${payload.subarray(2)}`);
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : bytes.subarray(0, 0);
  }
}
