import react from '@vitejs/plugin-react'
import path from 'node:path'
import { defineConfig } from 'vite'

const root = path.resolve(import.meta.dirname, '..')

export default defineConfig({
  root: path.join(root, 'renderer'),
  // Relative, so that the same files serve from app://ui/ and from the headless server.
  base: './',
  cacheDir: path.join(root, 'dist', 'cache', 'vite'),
  plugins: [react()],
  build: {
    outDir: path.join(root, 'dist', 'renderer'),
    emptyOutDir: true,
    target: 'chrome140',
    // The content policy has no data: for fonts and scripts: every asset is a file.
    assetsInlineLimit: 0,
    sourcemap: false,
    chunkSizeWarningLimit: 800,
  },
})
