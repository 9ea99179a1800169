export * from './answers.mjs';
export { chance } from './chance.mjs';
export { chain, scene, user } from './scene.mjs';
export { File, Origin, ORIGIN, someBytes } from './origin.mjs';
export { Ask, serving } from './page.mjs';
export { Browser, documented, startWorker } from './worker.mjs';
