// Makes site/ complete: the scripts that browsers load, and a map of 5 MB in vector tiles (noise, for an example).
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';

cpSync('node_modules/peer-cdn/dist/browser', 'site/peer-cdn', { recursive: true });
mkdirSync('site/maps', { recursive: true });
mkdirSync('logs', { recursive: true });
writeFileSync('site/maps/town.pmtiles', randomBytes(5_000_000));
