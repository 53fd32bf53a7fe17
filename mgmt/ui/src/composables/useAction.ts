// Every button that asks the server for something: busy meanwhile, and what went wrong.
import { ref, shallowRef } from 'vue'
import { Failure } from '../api/client'

export function useAction() {
  const busy = ref(false)
  const failure = shallowRef<Failure | null>(null)

  /** Whether it was done. */
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    failure.value = null
    try {
      await work()
      return true
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      failure.value = error
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, failure, run }
}
