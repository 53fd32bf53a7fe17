import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

interface Chunk {
  file: string
  imports?: string[]
  css?: string[]
}

const LIMIT = 350 * 1024
const FIRST = ['index.html', 'src/pages/login/SignIn.vue', 'src/pages/dashboard/DashboardPage.vue']

test('what is loaded first stays below its limit', () => {
  const manifest = JSON.parse(readFileSync('dist/manifest.json', 'utf8')) as Record<string, Chunk>
  const files = new Set<string>(['index.html'])
  const seen = new Set<string>()
  const take = (name: string) => {
    const chunk = manifest[name]
    if (!chunk || seen.has(name)) return
    seen.add(name)
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file)
    chunk.imports?.forEach(take)
  }
  FIRST.forEach((name) => {
    expect(manifest[name], name).toBeDefined()
    take(name)
  })
  const sum = [...files].reduce((all, file) => all + gzipSync(readFileSync(`dist/${file}`)).length, 0)
  console.log(`first load: ${Math.round(sum / 1024)} kB gzip`)
  expect(sum).toBeLessThan(LIMIT)
})
