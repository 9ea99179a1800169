'use client';

import { start } from 'peer-cdn';
import { useEffect, useRef, useState } from 'react';

const side = 512;

export function Points({ url }) {
  const canvas = useRef(null);
  const [from, setFrom] = useState('Nothing has come yet.');

  useEffect(() => {
    const gone = new AbortController();
    const { signal } = gone;
    const show = async () => {
      // A page has one engine, however often a component is mounted.
      const peers = await start({ worker: '/sw.js' });
      if (signal.aborted) return peers.close();
      signal.addEventListener('abort', () => peers.close());
      peers.addEventListener('transfer', ({ detail }) => {
        if (detail.done) setFrom(`${detail.fromPeers} bytes from peers, ${detail.fromOrigin} from the origin`);
      });
      const response = await fetch(url, { signal });
      const context = canvas.current.getContext('2d');
      const places = new Float32Array(await response.arrayBuffer());
      for (let i = 0; i < places.length; i += 2) context.fillRect(side * places[i], side * places[i + 1], 1, 1);
      return undefined;
    };
    show().catch((error) => signal.aborted || setFrom(error.message));
    return () => gone.abort();
  }, [url]);

  return (
    <>
      <canvas ref={canvas} width={side} height={side} />
      <p>{from}</p>
    </>
  );
}
