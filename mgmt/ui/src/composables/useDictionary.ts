// What the server's dictionary says of attributes: asked once for each name.
import { reactive } from 'vue'
import { api, ask, type Attribute } from '../api/client'

const known = reactive(new Map<string, Attribute | null>())

export function useDictionary() {
  async function search(text: string): Promise<Attribute[]> {
    const { items } = await ask(api.GET('/api/v1/dictionary/attributes', { params: { query: { search: text, limit: 20 } } }))
    for (const item of items) known.set(item.name, item)
    return items
  }

  /** Names are told apart without regard to case; one with a tag is the one before it. */
  async function learn(name: string): Promise<void> {
    const bare = name.split(':')[0] ?? name
    if (!bare || known.has(name)) return
    known.set(name, null)
    const found = (await search(bare)).find((one) => one.name.toLowerCase() === bare.toLowerCase())
    if (found) known.set(name, found)
  }

  return { search, learn, about: (name: string) => known.get(name) ?? null }
}
