// Theme and language: a person's choice, kept in this browser.
import { defineStore } from 'pinia'
import { computed, ref, watchEffect } from 'vue'
import { i18n, languages, type Language } from '../locales'

export type Theme = 'light' | 'dark' | 'system'
export const themes: Theme[] = ['light', 'dark', 'system']

function kept<T extends string>(key: string, among: readonly T[]): T | undefined {
  return among.find((one) => one === localStorage.getItem(key))
}

export const useLook = defineStore('look', () => {
  const wanted = navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
  const theme = ref<Theme>(kept('theme', themes) ?? 'system')
  const language = ref<Language>(kept('language', languages) ?? wanted)
  const query = matchMedia('(prefers-color-scheme: dark)')
  const systemDark = ref(query.matches)
  query.addEventListener('change', (event) => (systemDark.value = event.matches))
  const dark = computed(() => theme.value === 'dark' || (theme.value === 'system' && systemDark.value))

  watchEffect(() => {
    document.documentElement.classList.toggle('dark', dark.value)
    localStorage.setItem('theme', theme.value)
  })
  watchEffect(() => {
    i18n.global.locale.value = language.value
    document.documentElement.lang = language.value
    localStorage.setItem('language', language.value)
  })
  return { theme, language, dark }
})
