import preact from '@preact/preset-vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false })],
  // Relative, so that the page also works behind a proxy that mounts the gateway under a path.
  base: './',
  build: {
    outDir: '../forebay/dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // Everything comes from files of its own: the page's Content-Security-Policy allows neither inline scripts nor data URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
