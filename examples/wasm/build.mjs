// Makes dist/: the page, SQLite's wasm, a database of stars, and all that peer-cdn needs beside them.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { build as bundle } from 'esbuild';
import { build } from 'peer-cdn/build';
import initSqlJs from 'sql.js';

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/data', { recursive: true });
copyFileSync('src/index.html', 'dist/index.html');
copyFileSync('node_modules/sql.js/dist/sql-wasm-browser.wasm', 'dist/sql-wasm-browser.wasm');
await bundle({ entryPoints: ['src/main.js'], bundle: true, minify: true, format: 'esm', splitting: true, outdir: 'dist' });

const { Database } = await initSqlJs();
const stars = new Database();
stars.run('CREATE TABLE stars (name TEXT, distance REAL)');
stars.run(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
  INSERT INTO stars SELECT hex(randomblob(16)), abs(random() % 100000) / 10.0 FROM n`);
writeFileSync('dist/data/stars.db', stars.export());

const { files } = await build('dist', { include: ['*.db'] });
console.log(`${files} files may be shared`);
