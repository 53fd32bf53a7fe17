// A page that follows what happens: it is read again soon after, not for every event.
import { onMounted, onUnmounted, ref, watch } from 'vue'
import { listen, type Happening } from '../api/client'

/** Between two readings at least. */
const PAUSE_MS = 1_500

export function useLive(kinds: readonly Happening[], refresh: () => Promise<unknown>) {
  const live = ref(false)
  const paused = ref(false)
  let stop: () => void = () => undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let missed = false

  function soon() {
    if (paused.value || document.hidden) {
      missed = true
      return
    }
    timer ??= setTimeout(() => {
      timer = undefined
      void refresh()
    }, PAUSE_MS)
  }
  const seen = () => {
    if (missed && !document.hidden && !paused.value) {
      missed = false
      soon()
    }
  }

  watch(paused, seen)
  onMounted(() => {
    stop = listen([...kinds, 'lost'], soon, (now) => (live.value = now))
    document.addEventListener('visibilitychange', seen)
  })
  onUnmounted(() => {
    stop()
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  })
  return { live, paused }
}
