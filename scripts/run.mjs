// What the scripts share: the repository's root, progress on standard error, and running a command. Imports nothing from
// npm, so that it works before anything was installed.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// Whoever reads the output may have read enough (`| head -1`). The work goes on to its own exit code.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});

// Standard output belongs to results (`npm run demo -- --json` prints JSON and nothing else).
export function say(text) {
  process.stderr.write(`${text}\n`);
}

export function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** The path of a program on PATH, or null. */
export function which(program) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    if (folder && existsSync(path)) return path;
  }
  return null;
}

/** Writes a file that a build makes. One that is the same keeps its time, so that nothing is made of it anew. */
export function writeIfChanged(path, content) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

/**
 * Runs a command and resolves to `{ code, output }`; `output` is standard output and error together.
 * `echo` also shows them as they come, `onLine` is told each line, `timeoutMs` kills the command.
 */
export function run(command, args, { cwd = root, env, echo = false, onLine, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: timeoutMs !== undefined,
    });
    let output = '';
    let pending = '';
    const take = (chunk) => {
      output += chunk;
      if (echo) process.stderr.write(chunk);
      if (!onLine) return;
      const lines = (pending + chunk).split('\n');
      pending = lines.pop();
      lines.forEach(onLine);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    // The command's own children (browsers, servers) die with it.
    const timer =
      timeoutMs &&
      setTimeout(() => {
        output += `\nstopped after ${timeoutMs / 1000} s\n`;
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          child.kill('SIGKILL');
        }
      }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: `${output}${error.message}\n` });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (pending && onLine) onLine(pending);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** Runs `work` on every item, `width` at a time; rejects on the first failure. */
export async function inParallel(items, width, work) {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}
