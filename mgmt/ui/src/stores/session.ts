// Who is signed in, and what that permits.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { api, ask, Failure, type Me } from '../api/client'

export const useSession = defineStore('session', () => {
  const me = ref<Me | null>(null)
  const asked = ref(false)

  async function load(): Promise<void> {
    try {
      me.value = await ask(api.GET('/api/v1/login'))
    } catch (error) {
      if (!(error instanceof Failure) || error.status !== 401) throw error
      me.value = null
    }
    asked.value = true
  }

  async function signIn(name: string, password: string, code: string): Promise<void> {
    const body = { name, password, ...(code ? { code } : {}) }
    me.value = await ask(api.POST('/api/v1/login', { body }))
    asked.value = true
  }

  async function signOut(): Promise<void> {
    await ask(api.DELETE('/api/v1/login'))
    me.value = null
  }

  function forget(): void {
    me.value = null
  }

  function may(permission: string | undefined): boolean {
    return permission === undefined || (me.value?.permissions.includes(permission) ?? false)
  }

  return { me, asked, load, signIn, signOut, forget, may }
})
