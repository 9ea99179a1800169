import { useEffect, useRef, useState } from 'react';
import { peers } from './peers.js';

export function Terrain({ url, side }) {
  const canvas = useRef(null);
  const [from, setFrom] = useState('Nothing has come yet.');

  useEffect(() => {
    const gone = new AbortController();
    const { signal } = gone;
    const onTransfer = ({ detail }) => {
      if (detail.done) setFrom(`${detail.fromPeers} bytes from peers, ${detail.fromOrigin} from the origin`);
    };
    const show = async () => {
      (await peers).addEventListener('transfer', onTransfer, { signal });
      const response = await fetch(url, { signal });
      draw(canvas.current, new Float32Array(await response.arrayBuffer()), side);
    };
    show().catch((error) => signal.aborted || setFrom(error.message));
    return () => gone.abort();
  }, [url, side]);

  return (
    <>
      <canvas ref={canvas} width={side} height={side} style={{ width: 512, maxWidth: '100%' }} />
      <p>{from}</p>
    </>
  );
}

function draw(canvas, heights, side) {
  const image = new ImageData(side, side);
  heights.forEach((height, i) => {
    image.data.set([80 * height, 200 * height, 120, 255], 4 * i);
  });
  canvas.getContext('2d').putImageData(image, 0, 0);
}
