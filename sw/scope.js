/** The worker's global scope: TypeScript's own is that of any worker. */
export const scope = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));
