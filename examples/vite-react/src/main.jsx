import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Terrain } from './terrain.jsx';

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <h1>peer-cdn with Vite and React</h1>
    <Terrain url={`${import.meta.env.BASE_URL}terrain.bin`} side={1024} />
  </StrictMode>,
);
