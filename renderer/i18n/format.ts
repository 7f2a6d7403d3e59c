/** Figures for people, in the language shown. Sizes are GiB, MiB, KiB everywhere. */

export interface Format {
  /** 1536 → "1.5 KiB" */
  bytes(n: number): string
  /** bytes per second */
  rate(n: number): string
  /** 7.24e9 → "7.2 B" */
  parameters(n: number): string
  number(n: number, digits?: number): string
  /** 0…1 → "43 %" */
  percent(n: number, digits?: number): string
  /** "31.4" under 100, whole numbers above */
  speed(n: number): string
  /** milliseconds as "85 ms", "1.2 s", "3 min 05 s" */
  duration(ms: number): string
  time(at: number): string
  /** hours and minutes */
  clock(at: number): string
  dateTime(at: number): string
  /** "3 minutes ago" */
  ago(at: number, now?: number): string
  day(at: number): string
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function createFormat(locale: string): Format {
  const fixed = [0, 1, 2, 3].map(
    (digits) => new Intl.NumberFormat(locale, { minimumFractionDigits: 0, maximumFractionDigits: digits }),
  )
  const number = (n: number, digits = 0): string => (fixed[digits] ?? fixed[0]!).format(Number.isFinite(n) ? n : 0)
  const bytes = (n: number): string => {
    let value = Math.max(0, n)
    let unit = 0
    // 1023.95 would be shown as "1,024.0": step up before rounding gets there.
    while (value >= 1023.95 && unit < units.length - 1) {
      value /= 1024
      unit++
    }
    return `${number(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`
  }
  const clock = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  const hourMinute = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  const dayFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  return {
    bytes,
    number,
    rate: (n) => `${bytes(n)}/s`,
    parameters: (n) =>
      n >= 1e9 ? `${number(n / 1e9, 1)} B` : n >= 1e6 ? `${number(n / 1e6, 1)} M` : `${number(n / 1e3, 1)} k`,
    percent: (n, digits = 0) => `${number(n * 100, digits)} %`,
    speed: (n) => number(n, n >= 100 ? 0 : 1),
    duration: (ms) => {
      if (ms < 1000) return `${number(Math.max(0, ms))} ms`
      if (ms < 60_000) return `${number(ms / 1000, 1)} s`
      const seconds = Math.round(ms / 1000)
      return `${number(Math.floor(seconds / 60))} min ${String(seconds % 60).padStart(2, '0')} s`
    },
    time: (at) => clock.format(at),
    clock: (at) => hourMinute.format(at),
    dateTime: (at) => full.format(at),
    ago: (at, now = Date.now()) => {
      const seconds = Math.round((at - now) / 1000)
      if (Math.abs(seconds) < 60) return relative.format(seconds, 'second')
      if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), 'minute')
      if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), 'hour')
      return relative.format(Math.round(seconds / 86_400), 'day')
    },
    day: (at) => dayFormat.format(at),
  }
}
