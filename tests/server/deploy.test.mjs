// What operators copy from deploy/: the names in it are those of the code.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPORT_PATH, SOCKET_PATH } from '../../build/border.js';
import { root, which } from '../../scripts/run.mjs';
import { serveCoordinator } from '../../src/server/index.js';
import { readSettings, settings } from '../../src/server/settings.js';

const folder = join(root, 'deploy');
const read = (name) => readFileSync(join(folder, name), 'utf8');

test("the dashboard's queries name metrics that there are, and all of them", async (t) => {
  const served = await serveCoordinator({
    port: 0,
    origins: ['https://a.example'],
    redis: 'redis://127.0.0.1:1',
    onWarning: () => {},
  });
  t.after(() => served.close());
  const text = await (await fetch(`http://127.0.0.1:${served.port}/metrics`)).text();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const { panels, templating } = JSON.parse(read('grafana-dashboard.json'));
  const queries = [...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)), templating.list[1].query];
  const named = new Set();
  for (const query of queries) {
    const [, rate, name] = /^(rate\(|label_values\()?([a-z_]+)/.exec(query);
    assert.equal(types.has(name), true, query);
    // What only grows is shown as a rate, and nothing else is.
    assert.equal(rate === 'rate(', types.get(name) === 'counter', query);
    named.add(name);
  }
  assert.deepEqual([...named].sort(), [...types.keys()].sort());
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
});

test("the file's settings are settings", () => {
  assert.deepEqual(readSettings({ config: join(folder, 'coordinator.json') }, true, {}).origins, ['https://example.org']);
});

test('flags and variables that the files name are there', () => {
  const flags = new Set(['config', ...Object.values(settings).map(({ flag }) => flag)]);
  const names = ['config', ...Object.keys(settings)];
  const variables = new Set(names.map((name) => `PEER_CDN_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`));
  for (const name of readdirSync(folder)) {
    for (const line of read(name)
      .split('\n')
      .filter((each) => /The coordinators: |ExecStart=/.test(each))) {
      for (const [, flag] of line.matchAll(/--([a-z-]+)/g)) assert.equal(flags.has(flag), true, `${name}: ${flag}`);
    }
    for (const [variable] of read(name).matchAll(/\bPEER_CDN_[A-Z_]+/g)) assert.equal(variables.has(variable), true, variable);
  }
});

test('the unit and the container keep the young generation small by an option that node takes there', async () => {
  const heapBytes = async (options) => {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const script = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit)';
    return Number((await promisify(execFile)(process.execPath, ['-e', script], { env: { ...env, ...options } })).stdout);
  };
  const usual = await heapBytes({});
  for (const name of ['peer-cdn-coordinator@.service', 'Containerfile']) {
    const [, options] = /\bNODE_OPTIONS=(\S+)/.exec(read(name)) ?? assert.fail(`${name} sets no NODE_OPTIONS`);
    assert.equal((await heapBytes({ NODE_OPTIONS: options })) < usual, true, name);
  }
});

test('every balancer passes on the path of the sockets, and asks for health where it can', () => {
  for (const name of ['nginx.conf', 'haproxy.cfg', 'Caddyfile', 'apache.conf', 'traefik.yml']) {
    for (const path of [SOCKET_PATH, REPORT_PATH]) assert.equal(read(name).includes(path), true, name);
  }
  for (const name of ['haproxy.cfg', 'haproxy-tcp.cfg', 'Caddyfile', 'apache.conf', 'traefik.yml']) {
    assert.match(read(name), /\/health\/ready/, name);
  }
});

test('systemd takes the unit', async (t) => {
  if (!which('systemd-analyze')) return t.skip('there is no systemd-analyze');
  const unit = join(folder, 'peer-cdn-coordinator@.service');
  const said = await new Promise((done) =>
    execFile('systemd-analyze', ['verify', unit], (error, stdout, stderr) => done(`${error?.code ?? ''}${stdout}${stderr}`)),
  );
  // A machine without its user or without systemd's own units says more than we mean.
  const ours = said.split('\n').filter((line) => line.includes('peer-cdn-coordinator'));
  assert.deepEqual(ours, []);
});
