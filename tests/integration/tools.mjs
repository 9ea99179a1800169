// Servers of Debian, unpacked into build/tools: nothing is installed on anybody's machine.
import fs from 'node:fs';
import path from 'node:path';
import { root, run } from '../../scripts/run.mjs';

const tools = path.join(root, 'build/tools');

/** A program of a package of Debian's, or null where there is none. */
export async function debianTool(name, file) {
  const folder = path.join(tools, name);
  const program = path.join(folder, file);
  if (fs.existsSync(program)) return program;
  fs.mkdirSync(folder, { recursive: true });
  const download = await run('apt-get', ['download', name], { cwd: folder });
  const [archive] = fs.readdirSync(folder).filter((each) => each.endsWith('.deb'));
  if (download.code !== 0 || !archive) return null;
  await run('dpkg', ['-x', archive, '.'], { cwd: folder });
  const { code } = fs.existsSync(program) ? await run('ldd', [program]) : { code: 1 };
  return code === 0 ? program : null;
}
