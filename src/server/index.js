// What `import ... from 'peer-cdn/server'` gives.
export { attach, AttachedCoordinator } from './attach.js';
export { makeManifest, writeManifest } from './manifest.js';
export { handler } from './handler.js';
export { serve } from './serve.js';
export { serveCoordinator } from './standalone.js';
export { mintToken, turnCredentials } from './tokens.js';
