// Which drawer is open stands in the address, too: ?open=add, ?open=ID.
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export function useOpen() {
  const route = useRoute()
  const router = useRouter()
  const open = computed(() => (typeof route.query.open === 'string' ? route.query.open : null))

  function show(what: string | null): Promise<unknown> {
    return router.push({ query: { ...route.query, open: what ?? undefined } })
  }

  return { open, show }
}
