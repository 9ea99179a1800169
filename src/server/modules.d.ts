// What we use of packages that bring no types.

declare module 'mime-types' {
  const mime: { contentType(extension: string): string | false };
  export default mime;
}

declare module 'picomatch' {
  export default function picomatch(globs: string[]): (path: string) => boolean;
}

declare module 'send' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  interface SendError extends Error {
    status?: number;
    headers?: Record<string, string>;
  }
  interface SendStream {
    on(event: 'headers', listener: () => void): this;
    on(event: 'error', listener: (error: SendError) => void): this;
    pipe(response: ServerResponse): ServerResponse;
  }
  export interface SendOptions {
    root?: string;
    dotfiles?: 'allow' | 'deny' | 'ignore';
    index?: string | false;
  }
  export default function send(request: IncomingMessage, path: string, options: SendOptions): SendStream;
}

/** Node has it; its types come only with those of a browser. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, () => void>>);
    exports: object;
  }
  interface Memory {
    buffer: ArrayBuffer;
  }
}
