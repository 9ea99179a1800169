// A visitor's socket, as the tests drive it.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocket } from 'ws';
import { protocolVersion, SOCKET_PATH } from '../../build/border.js';
import { attach } from '../../src/server/index.js';

export const rootOf = (name) => createHash('sha256').update(name).digest('hex');
export const browserOf = (name) => rootOf(name).slice(0, 32);

export class Visitor {
  #messages = [];
  #waiting = [];

  constructor(url, { origin, browser = 'a', isSilent = false, headers, createConnection, again = {} } = {}) {
    const { protocol, host } = new URL(url);
    const options = { origin: origin ?? `${protocol}//${host}`, headers, createConnection };
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), options);
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => {
        if (!isSilent) this.say({ type: 'hello', version: protocolVersion, browser: browserOf(browser), ...again });
        resolve();
      });
      this.socket.once('unexpected-response', async (request, response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        reject(
          Object.assign(new Error('refused'), { status: response.statusCode, body, retryAfter: response.headers['retry-after'] }),
        );
        request.destroy();
      });
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (status, reason) => {
        resolve({ status, reason: reason.toString() });
        for (const { type, reject } of this.#waiting) reject(new Error(`closed (${status} ${reason}) before '${type}'`));
      });
    });
    this.socket.on('message', (data) => {
      this.#messages.push(JSON.parse(data.toString()));
      this.#match();
    });
  }

  say(message) {
    this.socket.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  /** The next message of a type; what came before it is dropped. */
  next(type) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ type, resolve, reject });
      this.#match();
    });
  }

  #match() {
    while (this.#waiting.length) {
      const at = this.#messages.findIndex((message) => message.type === this.#waiting[0].type);
      if (at < 0) return;
      const [message] = this.#messages.splice(0, at + 1).slice(-1);
      this.#waiting.shift().resolve(message);
    }
  }
}

/** A server with a coordinator, closed when the test ends. */
export async function coordinatorFor(test, options) {
  const server = createServer((_request, response) => response.end('site'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  let coordinator;
  test.after(async () => {
    await coordinator?.close();
    server.closeAllConnections();
    server.close();
  });
  coordinator = attach(server, options);
  const origin = `http://localhost:${server.address().port}`;
  return { server, coordinator, origin, url: origin + SOCKET_PATH };
}
