// What `import ... from 'peer-cdn/server'` gives.
export { attach, AttachedCoordinator } from './coordinator.js';
export { makeManifest, writeManifest } from './manifest.js';
export { handler } from './handler.js';
export { serve } from './serve.js';
export { serveCoordinator } from './standalone.js';
