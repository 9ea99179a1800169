// What differs and will: each kind with its sentence in README's Limits, and a test as narrow as it can be.
/** @type {{ kind: string, limit: string, applies: (difference: any) => boolean }[]} */
export const documented = [];
