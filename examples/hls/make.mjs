// Makes site/film: 24 s of a test picture in segments of 4 s, about 1 MB each; and puts hls.js beside the page.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';

cpSync('node_modules/hls.js/dist/hls.mjs', 'site/hls.mjs');
mkdirSync('site/film', { recursive: true });
const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=24,noise=alls=30:allf=t'];
const sound = ['-f', 'lavfi', '-i', 'sine=frequency=220'];
const coding = '-t 24 -c:v libx264 -preset ultrafast -b:v 2M -pix_fmt yuv420p -g 96 -c:a aac'.split(' ');
const segments = '-f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4 site/film/index.m3u8'.split(' ');
const { status, error } = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', ...picture, ...sound, ...coding, ...segments], {
  stdio: 'inherit',
});
if (status !== 0) throw new Error(`ffmpeg made no film: ${error?.message ?? `status ${status}`}`);
