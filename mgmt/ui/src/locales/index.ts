// Every language is complete; a test says so.
import { createI18n } from 'vue-i18n'
import en from './en.json'
import zh from './zh-CN.json'

export const languages = ['en', 'zh-CN'] as const
export type Language = (typeof languages)[number]

export const i18n = createI18n({
  legacy: false,
  locale: 'en' as Language,
  fallbackLocale: 'en' as Language,
  messages: { en, 'zh-CN': zh } as Record<Language, typeof en>,
})
