// WebKitGTK's MiniBrowser over WebDriver, on a display of its own that nobody sees.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { until } from './until.mjs';

/** Where Debian puts it: it is in no folder of PATH, and the folder has the machine's name. */
function miniBrowser() {
  if (process.env.WEBKIT_PATH) return process.env.WEBKIT_PATH;
  for (const folder of fs.readdirSync('/usr/lib')) {
    const file = `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`;
    if (fs.existsSync(file)) return file;
  }
  throw new Error('MiniBrowser is missing: node scripts/setup.mjs all installs it');
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function openDisplay() {
  const options = ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'];
  const xvfb = spawn('Xvfb', options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const [number] = await Promise.race([
    once(xvfb.stdio[3], 'data'),
    once(xvfb, 'exit').then(() => Promise.reject(new Error('Xvfb does not start'))),
  ]);
  return { xvfb, display: `:${String(number).trim()}` };
}

// A function, and what it is to be given, as WebDriver takes them: as text. Its result comes back the same way, because
// WebDriver would change the order of fields, and lose what is undefined.
const asyncScript = (work) => `const [text, done] = arguments;
Promise.resolve().then(() => (${work})(...JSON.parse(text))).then(
  (value) => done(JSON.stringify({ value })),
  (error) => done(JSON.stringify({ error: String(error?.stack ?? error) })));`;

/** One tab, with the part of playwright's Page that the harness uses. */
class Tab {
  #driver;
  #handle;
  #turn;
  #init;

  constructor(driver, handle, turn, init) {
    this.#driver = driver;
    this.#handle = handle;
    this.#turn = turn;
    this.#init = init;
  }

  /** WebDriver has one tab at a time. */
  #inTurn(work) {
    return this.#turn(async () => {
      await this.#driver.switchTo().window(this.#handle);
      return work();
    });
  }

  async goto(url) {
    await this.#inTurn(() => this.#driver.get(url));
    // WebDriver cannot run anything before the page's own scripts: what is recorded begins here.
    for (const [work, argument] of this.#init) await this.evaluate(work, argument);
  }

  async evaluate(work, argument) {
    const text = JSON.stringify(argument === undefined ? [] : [argument]);
    const answer = JSON.parse(await this.#inTurn(() => this.#driver.executeAsyncScript(asyncScript(work), text)));
    if (answer.error) throw new Error(answer.error);
    return answer.value;
  }

  close() {
    return this.#inTurn(() => this.#driver.close());
  }
}

/**
 * A browser with a fresh profile: its first tab, and what opens another one and closes it all.
 * @param {string} profile an empty folder
 * @param {[Function, unknown?][]} init run in each page when it has loaded
 */
export async function launchWebKit(profile, init) {
  const { Builder } = await import('selenium-webdriver');
  const { xvfb, display } = await openDisplay();
  const port = await freePort();
  const folders = Object.fromEntries(['DATA', 'CACHE', 'CONFIG'].map((name) => [`XDG_${name}_HOME`, path.join(profile, name)]));
  const server = spawn('WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], {
    env: { ...process.env, ...folders, DISPLAY: display },
    stdio: 'ignore',
  });
  const address = `http://127.0.0.1:${port}`;
  const end = () => {
    server.kill();
    xvfb.kill();
  };
  try {
    await until('WebKitWebDriver answers', () =>
      fetch(`${address}/status`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const driver = await new Builder()
      .usingServer(address)
      .withCapabilities({
        browserName: 'MiniBrowser',
        'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] },
      })
      .build();
    await driver.manage().setTimeouts({ script: 600_000, pageLoad: 60_000 });
    let last = Promise.resolve();
    const turn = (work) => {
      const mine = last.then(work);
      last = mine.catch(() => {});
      return mine;
    };
    const tab = (handle) => new Tab(driver, handle, turn, init);
    const first = await driver.getWindowHandle();
    return {
      page: tab(first),
      newPage: () =>
        turn(async () => {
          // The last one that was used may be closed.
          await driver.switchTo().window(first);
          await driver.switchTo().newWindow('tab');
          return tab(await driver.getWindowHandle());
        }),
      close: () =>
        driver
          .quit()
          .catch(() => {})
          .then(end),
    };
  } catch (error) {
    end();
    throw error;
  }
}
