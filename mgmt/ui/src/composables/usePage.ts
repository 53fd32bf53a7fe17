// Lists: filters and cursor live in the address, so that a link can be sent.
import { computed, ref, shallowRef, watch } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import { Failure } from '../api/client'

export interface Page<T> {
  items: T[]
  next?: string | null
}

export function usePage<T, K extends string = never>(
  load: (query: Partial<Record<K | 'cursor', string>>) => Promise<Page<T>>,
  filters: readonly K[] = [],
) {
  const route = useRoute()
  const router = useRouter()
  const name = route.name
  const items = shallowRef<T[]>([])
  const next = ref<string | null>(null)
  const loading = ref(true)
  const failure = shallowRef<Failure | null>(null)
  const keys: (K | 'cursor')[] = [...filters, 'cursor']
  let turn = 0

  function query(): Partial<Record<K | 'cursor', string>> {
    const pairs = keys.map((key) => [key, route.query[key]] as const)
    const given = pairs.filter(([, value]) => typeof value === 'string' && value !== '')
    return Object.fromEntries(given) as Partial<Record<K | 'cursor', string>>
  }

  /** Quietly: what is there stays as it looks until what is new comes. */
  async function refresh(quietly = false): Promise<void> {
    const mine = ++turn
    loading.value = !quietly
    failure.value = null
    try {
      const page = await load(query())
      if (mine !== turn) return
      items.value = page.items
      next.value = page.next ?? null
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (mine === turn) failure.value = error
    } finally {
      if (mine === turn) loading.value = false
    }
  }

  /** Another filter begins at the first page. */
  function filter(changed: Partial<Record<K, string | undefined>>): void {
    const rest: LocationQueryRaw = { ...route.query, ...changed, cursor: undefined }
    void router.push({ query: Object.fromEntries(Object.entries(rest).filter(([, value]) => value)) })
  }

  function turnTo(cursor: string | null): void {
    void router.push({ query: { ...route.query, cursor: cursor ?? undefined } })
  }

  const filtered = computed(() => filters.some((key) => route.query[key]))
  const first = computed(() => !route.query.cursor)
  watch(
    () => (route.name === name ? JSON.stringify(query()) : null),
    (now) => {
      if (now !== null) void refresh()
    },
    { immediate: true },
  )
  return { items, next, loading, failure, filtered, first, refresh, filter, turnTo }
}
