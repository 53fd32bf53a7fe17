// How the daemon is, asked every few seconds as long as somebody looks.
import { onMounted, onUnmounted, ref, shallowRef } from 'vue'
import { readHealth, type Health } from '../api/client'

const EVERY_MS = 5_000
const health = shallowRef<Health | null>(null)
const away = ref(false)
let watchers = 0
let timer: ReturnType<typeof setInterval> | undefined

async function read(): Promise<void> {
  if (document.hidden) return
  try {
    health.value = await readHealth()
    away.value = false
  } catch {
    away.value = true
  }
}

export function useHealth() {
  onMounted(() => {
    if (watchers++ === 0) {
      void read()
      timer = setInterval(() => void read(), EVERY_MS)
    }
  })
  onUnmounted(() => {
    if (--watchers === 0) clearInterval(timer)
  })
  return { health, away, read }
}
