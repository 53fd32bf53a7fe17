// Times and numbers as the reader's language and zone write them.
import { useI18n } from 'vue-i18n'

export function useFormat() {
  const { locale, t, te } = useI18n()

  function time(text: string): string {
    const style = { dateStyle: 'medium', timeStyle: 'short' } as const
    return new Intl.DateTimeFormat(locale.value, style).format(new Date(text))
  }

  function number(value: number): string {
    return new Intl.NumberFormat(locale.value).format(value)
  }

  function duration(seconds: number): string {
    const units = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]] as const
    const [unit, size] = units.find(([, one]) => seconds >= one) ?? units[3]
    const style = { style: 'unit', unit, unitDisplay: 'long' } as const
    return new Intl.NumberFormat(locale.value, style).format(Math.floor(seconds / size))
  }

  /** Octets in the unit that suits them. */
  function bytes(value: number | null | undefined): string {
    if (value === null || value === undefined) return '–'
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'] as const
    const power = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3))
    const style = { style: 'unit', unit: units[power], unitDisplay: 'short', maximumSignificantDigits: 3 } as const
    return new Intl.NumberFormat(locale.value, style).format(value / 1000 ** power)
  }

  function wordOf(group: string, key: string, otherwise: string): string {
    const path = `${group}.${key.replace(/[^a-z]/g, '_')}`
    return te(path) ? t(path) : otherwise
  }

  /** A permission in words; the server's own where a newer one is meant. */
  const permission = (name: string, otherwise = name) => wordOf('permission', name, otherwise)
  /** A built-in role's name in the reader's language. */
  const role = (id: string, otherwise = id) => wordOf('role', id, otherwise)
  const spelt = (name: string) => name.replace(/_/g, ' ')
  /** A part of the server, and what is counted of it. */
  const part = (name: string) => wordOf('part', name, spelt(name))
  const measure = (name: string) => wordOf('measure', name, spelt(name))

  /** Why a login was refused. */
  const reason = (name: string) => wordOf('reason', name, spelt(name.replace(/-/g, '_')))

  return { time, number, duration, bytes, reason, permission, role, part, measure }
}
