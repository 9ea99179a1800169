// The configurations of deploy/, in the servers that they are for: TLS, WebSockets, and the visitor's address.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { root, which } from '../../scripts/run.mjs';
import { REPORT_PATH, SOCKET_PATH } from '../../build/border.js';
import { mintToken, serveCoordinator } from '../../src/server/index.js';
import { debianTool, freePort, listening, start } from '../server/debian.mjs';
import { Visitor } from '../server/visitor.mjs';

const host = 'coordinator.example.org';
const origin = 'https://a.example';
/** What stands behind the path must reach the coordinator too. */
const tokenKeys = ['a key of sixteen characters'];
const token = mintToken(tokenKeys, { site: origin });
/** Where visitors seem to come from: any of these is this machine's own. */
const addresses = ['127.0.0.77', '127.0.0.78'];

/** A folder for a server's files, with a certificate. */
function makePlace(t) {
  const folder = mkdtempSync(join(tmpdir(), 'peer-cdn-deploy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [key, chain] = ['privkey.pem', 'fullchain.pem'].map((name) => join(folder, name));
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...request, '-subj', `/CN=${host}`, '-keyout', key, '-out', chain], { stdio: 'ignore' });
  writeFileSync(join(folder, 'haproxy.pem'), readFileSync(chain, 'utf8') + readFileSync(key, 'utf8'));
  return folder;
}

/** What a file of deploy/ says, with other ports and places. */
function configured(name, folder, { port, ports, metricsPorts }) {
  const replaced = [
    ['127.0.0.1:8081', `127.0.0.1:${ports[0]}`],
    ['127.0.0.1:8082', `127.0.0.1:${ports[1]}`],
    ['maxconn 60000', 'maxconn 1000'],
    ['port 9081', `port ${metricsPorts[0]}`],
    ['port 9082', `port ${metricsPorts[1]}`],
    [`/etc/ssl/${host}`, folder],
    ['listen 443', `listen 127.0.0.1:${port}`],
    // Not every machine has IPv6.
    ['  listen [::]:443 ssl;\n', ''],
    ['bind :::443 v4v6', `bind 127.0.0.1:${port}`],
    ['*:443', `127.0.0.1:${port}`],
    [`\n${host} {`, `\nhttps://${host}:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/fullchain.pem ${folder}/privkey.pem`],
  ];
  return replaced.reduce((text, [from, to]) => text.replaceAll(from, to), readFileSync(join(root, 'deploy', name), 'utf8'));
}

const servers = {
  'nginx.conf': {
    tool: () => debianTool('nginx', 'usr/sbin/nginx', ['libpcre2-8-0', 'libssl3', 'zlib1g']),
    args(text, folder) {
      const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
      const main = `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}`;
      const around = `${main}\nhttp { access_log off; ${places.join(' ')}\n`;
      writeFileSync(join(folder, 'config'), `${around}${text}}`);
      return ['-c', join(folder, 'config'), '-p', folder];
    },
  },
  'haproxy.cfg': {
    tool: haproxy,
    args(text, folder) {
      writeFileSync(join(folder, 'config'), text);
      return ['-f', join(folder, 'config')];
    },
  },
  'haproxy-tcp.cfg': {
    tool: haproxy,
    proxyProtocol: true,
    args: (text, folder) => servers['haproxy.cfg'].args(text, folder),
  },
  Caddyfile: {
    tool: () => debianTool('caddy', 'usr/bin/caddy'),
    args(text, folder) {
      // Its own certificates are not asked for here.
      writeFileSync(join(folder, 'config'), `{\n\tadmin off\n\tauto_https off\n}\n${text}`);
      return ['run', '--adapter', 'caddyfile', '--config', join(folder, 'config')];
    },
  },
  'apache.conf': {
    tool: () => debianTool('apache2-bin', 'usr/sbin/apache2', ['libapr1', 'libaprutil1', 'libpcre2-8-0', 'libssl3']),
    args(text, folder, { path }) {
      const modules = path.replace(/usr\/sbin\/apache2$/, 'usr/lib/apache2/modules');
      // Those that the file asks for, and those that every Debian has on.
      const asked = /a2enmod (.*)/.exec(text)[1].split(' ');
      const loaded = ['mpm_event', 'authz_core', ...asked].map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`);
      const around = [`ServerRoot ${folder}`, `PidFile ${folder}/pid`, `ErrorLog ${folder}/log`, `DefaultRuntimeDir ${folder}`];
      const port = /<VirtualHost ([^>]*)>/.exec(text)[1];
      const user = process.getuid?.() === 0 ? ['User #65534', 'Group #65534'] : [];
      writeFileSync(
        join(folder, 'config'),
        [...loaded, ...around, ...user, `ServerName ${host}`, `Listen ${port}`, text].join('\n'),
      );
      return ['-X', '-f', join(folder, 'config')];
    },
  },
};

function haproxy() {
  const libraries = ['liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1', 'libpcre2-8-0', 'libssl3'];
  return debianTool('haproxy', 'usr/sbin/haproxy', libraries);
}

/** A coordinator, and what came for it. */
async function openCoordinator(t, options) {
  const served = await serveCoordinator({
    port: 0,
    metricsPort: 0,
    origins: [origin],
    tokenKeys,
    onWarning: () => {},
    ...options,
  });
  t.after(() => served.close());
  /** @type {{ address?: string, forwarded: string }[]} */
  const came = [];
  const { server } = served;
  const { emit } = server;
  server.emit = (name, ...args) => {
    const [request] = args;
    if (name === 'upgrade') {
      const forwarded = String(request.headers['x-forwarded-for'] ?? '');
      came.push({ address: request.socket.remoteAddress, forwarded: forwarded.split(',').at(-1).trim() });
    }
    return emit.call(server, name, ...args);
  };
  return { ...served, came };
}

for (const [name, { tool, args, proxyProtocol = false }] of Object.entries(servers)) {
  test(`deploy/${name}: sockets over TLS, each with its visitor's address, and one coordinator may end`, {
    timeout: 120_000,
  }, async (t) => {
    const found = await tool();
    if (!found || !which('openssl')) return t.skip('there is no such server, nor a Debian to fetch it from');
    const options = proxyProtocol ? { proxyProtocol } : { trustProxy: 1 };
    const coordinators = [await openCoordinator(t, options), await openCoordinator(t, options)];
    const folder = makePlace(t);
    const port = await freePort();
    const [ports, metricsPorts] = ['port', 'metricsPort'].map((which) => coordinators.map((each) => each[which]));
    const text = configured(name, folder, { port, ports, metricsPorts });
    const { output, exited } = start(t, found, args(text, folder, found));
    const failed = exited.then(() => assert.fail(output()));
    await Promise.race([listening(port), failed]);

    /** A visitor from an address of its own, which also says that it came from elsewhere. */
    const visit = (localAddress) => {
      const createConnection = () =>
        connect({ port, host: '127.0.0.1', localAddress, servername: host, rejectUnauthorized: false });
      const headers = { host, 'x-forwarded-for': '203.0.113.7' };
      return new Visitor(`https://${host}:${port}${SOCKET_PATH}?token=${token}`, {
        origin,
        createConnection,
        headers,
        browser: localAddress,
      });
    };
    /** Resolves when a visitor is in: the server may have to learn first who is there. */
    const enter = async (localAddress) => {
      for (;;) {
        const visitor = visit(localAddress);
        if (await Promise.race([visitor.next('welcome').catch(() => null), failed])) return visitor;
        await new Promise((go) => setTimeout(go, 100));
      }
    };
    await enter(addresses[0]);
    await enter(addresses[1]);
    const came = coordinators.flatMap((each) => each.came).map(({ address, forwarded }) => (proxyProtocol ? address : forwarded));
    assert.deepEqual([...new Set(came)].sort(), addresses);

    // Operators' paths are not for visitors, and reports of pages are taken.
    const ask = (line, more = '') =>
      new Promise((done) => {
        const socket = connect({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
        socket.write(`${line} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n${more || '\r\n'}`);
        socket.once('data', (data) => done(data.toString('latin1')));
      });
    assert.match(await ask('GET /metrics'), /^HTTP\/1\.1 404/);
    const report = '{"version":1,"wasted":7}';
    const body = `Origin: ${origin}\r\nContent-Length: ${report.length}\r\n\r\n${report}`;
    assert.match(await ask(`POST ${REPORT_PATH}`, body), /^HTTP\/1\.1 204/);
    assert.equal(
      coordinators.reduce((sum, { coordinator }) => sum + coordinator.stats().wasted, 0),
      7,
    );

    await coordinators[0].close();
    const before = coordinators[1].came.length;
    for (let i = 0; i < 3; i++) await enter(addresses[0]);
    assert.equal(coordinators[1].came.length - before >= 3, true);
  });
}
