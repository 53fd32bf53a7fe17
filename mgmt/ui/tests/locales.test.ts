import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import en from '../src/locales/en.json'
import zh from '../src/locales/zh-CN.json'

function leaves(value: object, prefix = ''): Map<string, string> {
  const pairs = Object.entries(value).flatMap(([key, one]) => (typeof one === 'string' ? [[prefix + key, one] as const] : [...leaves(one, `${prefix}${key}.`)]))
  return new Map(pairs)
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return sources(path)
    return /\.(vue|ts)$/.test(name) && name !== 'schema.d.ts' ? [readFileSync(path, 'utf8')] : []
  })
}

const [english, chinese] = [leaves(en), leaves(zh)]

test('every text stands in every language', () => {
  expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  for (const text of [...english.values(), ...chinese.values()]) expect(text.trim()).not.toBe('')
})

test('a text has the same parameters in every language', () => {
  const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort()
  for (const [key, text] of english) expect(names(chinese.get(key) ?? ''), key).toEqual(names(text))
})

test('every text that the code asks for is there', () => {
  const asked = sources('src').flatMap((text) => [...text.matchAll(/\bt\('([\w.-]+)'/g)].map((found) => found[1] ?? ''))
  expect(asked.length).toBeGreaterThan(100)
  expect(asked.filter((key) => !english.has(key))).toEqual([])
})
