/** The worker's global scope: TypeScript's own `self` is that of any worker. */
export const scope = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
