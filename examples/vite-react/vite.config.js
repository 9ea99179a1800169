import react from '@vitejs/plugin-react';
import peerCdn from 'peer-cdn/vite';
import { defineConfig } from 'vite';

export default defineConfig({ plugins: [react(), peerCdn()] });
