import vue from '@vitejs/plugin-vue'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import Components from 'unplugin-vue-components/vite'
import { compression } from 'vite-plugin-compression2'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    vue(),
    Components({ dirs: [], dts: false, resolvers: [ElementPlusResolver({ importStyle: 'css' })] }),
    compression({ algorithms: ['gzip', 'brotliCompress'], exclude: [/\.woff2$/], threshold: 512 }),
  ],
  define: { __VUE_I18N_LEGACY_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  // What is served may not hold data: URLs, so nothing is inlined.
  build: { assetsInlineLimit: 0, manifest: 'manifest.json', modulePreload: { polyfill: false } },
  server: { proxy: { '/api': 'http://localhost:8080', '/health': 'http://localhost:8080' } },
  test: { environment: 'happy-dom', include: ['tests/*.test.ts'] },
})
