// CMakePresets.json, for the scripts: configures and builds what one of its presets names.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say, which } from './run.mjs';

// What a failed build says beside the compiler's words: progress, and the commands.
const noise = /^-- |^\[\d+\/\d+\]|^: && |^\/\S+\+\+ |^ninja: build stopped|^em\+\+: error: '.*' failed/;

async function cmake(args, onLine) {
  const { code, output } = await run('cmake', args, { onLine });
  const lines = output.split('\n').filter((line) => !noise.test(line));
  if (code !== 0) throw new Error(lines.slice(0, 80).join('\n').trim());
  if (lines.some((line) => /\bwarning:/.test(line))) say(lines.join('\n').trim());
}

// A build folder belongs to one checkout (CMake builds the first one in a copy's folder, without a word), one em++ and one text
// of its preset. CMake notices none of them when they change.
async function configureWasm(folder) {
  const { output } = await run('em++', ['--version']);
  const key = [root, which('em++'), output.split('\n')[0], readFileSync(join(root, 'CMakePresets.json'), 'utf8')].join('\n');
  const stamp = join(folder, 'configured.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  rmSync(folder, { recursive: true, force: true });
  await cmake(['--preset', 'wasm']);
  writeFileSync(stamp, key);
}

/**
 * Builds targets of a preset, all if none are named. Rejects with the compiler's words, after everything that does compile
 * was compiled.
 * @param {string} preset
 * @param {string[]} [targets]
 */
export async function buildPreset(preset, targets = []) {
  if (preset === 'wasm') await configureWasm(join(root, 'build/wasm'));
  else await cmake(['--preset', preset]);
  const chosen = targets.length > 0 ? ['--target', ...targets] : [];
  await cmake(['--build', '--preset', preset, ...chosen, '--', '-k', '0'], (line) => {
    if (/^\[\d+0\/\d+\]|^\[\d+\/\d+\] Linking/.test(line)) say(`  ${line.slice(0, 100)}`);
  });
}
