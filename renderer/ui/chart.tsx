import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useLanguage, useWords } from '../i18n/index.ts'
import type { Format } from '../i18n/format.ts'
import { usePreferences } from '../state/preferences.ts'
import styles from './chart.module.css'

export interface ChartSeries {
  label: string
  /** 1…4: the palette's chart colours */
  colour: 1 | 2 | 3 | 4
  values: readonly (number | null)[]
}

export interface ChartProps {
  title: string
  /** the newest value in words, shown beside the title */
  now: string
  /** seconds since 1970, ascending; one per value */
  times: readonly number[]
  series: readonly ChartSeries[]
  format(value: number): string
  /** top of the scale; absent = by the data */
  max?: number | undefined
  /** steps of the scale: powers of two for bytes, whole numbers for counts */
  steps?: 'decimal' | 'bytes' | 'whole'
}

const steps = {
  decimal: Array.from({ length: 30 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** (i - 12))).flat(),
  bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
  whole: Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat(),
}

/** A custom property as a colour a canvas understands: the browser resolves light-dark() on an element. */
function resolveColour(host: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  host.append(probe)
  const colour = getComputedStyle(probe).color
  probe.remove()
  return colour
}

function options(host: HTMLElement, props: ChartProps, width: number, f: Format): uPlot.Options {
  const axis = resolveColour(host, '--text-faint')
  const grid = { stroke: resolveColour(host, '--line'), width: 1 }
  const font = `11px ${getComputedStyle(host).fontFamily}`
  const top = props.max
  return {
    width,
    height: 116,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      y: { range: (_u, _min, max) => [0, top ?? Math.max((max ?? 0) * 1.15, props.steps === 'whole' ? 2 : 1e-6)] },
    },
    axes: [
      {
        stroke: axis,
        grid: { show: false },
        ticks: { show: false },
        font,
        size: 20,
        space: 70,
        // Marks closer than a minute need their seconds.
        values: (_u, values, _axis, _space, step) =>
          values.map((v) => (step < 60 ? f.time(v * 1000) : f.clock(v * 1000))),
      },
      {
        stroke: axis,
        grid,
        ticks: { show: false },
        font,
        size: 62,
        space: 30,
        incrs: steps[props.steps ?? 'decimal'],
        ...(top !== undefined ? { splits: () => [0, top / 2, top] } : {}),
        values: (_u, values) => values.map((v) => props.format(v)),
      },
    ],
    series: [
      {},
      ...props.series.map((s) => {
        const stroke = resolveColour(host, `--chart-${s.colour}`)
        return {
          label: s.label,
          stroke,
          width: 1.75,
          points: { show: false },
          ...(props.series.length === 1 ? { fill: stroke.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.1)') } : {}),
        }
      }),
    ],
  }
}

/** A live line chart. Its newest values stand beside it as text; the drawing itself is decoration for screen readers. */
export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const latest = useRef(props)
  latest.current = props
  const theme = usePreferences((p) => p.theme)
  const language = useLanguage()
  const { f } = useWords()
  const shape = `${props.series.map((s) => s.label + s.colour).join()}${theme}${language}${props.max ?? ''}`

  useEffect(() => {
    const element = host.current
    if (!element) return
    const data = (): uPlot.AlignedData => [
      [...latest.current.times],
      ...latest.current.series.map((s) => [...s.values]),
    ]
    const build = (): void => {
      plot.current?.destroy()
      plot.current = new uPlot(options(element, latest.current, element.clientWidth, f), data(), element)
    }
    build()
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 116 }))
    resize.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', build)
    return () => {
      resize.disconnect()
      dark.removeEventListener('change', build)
      plot.current?.destroy()
      plot.current = null
    }
  }, [shape])

  useEffect(() => {
    plot.current?.setData([[...props.times], ...props.series.map((s) => [...s.values])])
  }, [props.times, props.series])

  return (
    <figure className={styles.chart} data-testid="chart">
      <figcaption>
        <span>{props.title}</span>
        {props.series.length > 1 &&
          props.series.map((s) => (
            <small key={s.label} style={{ '--colour': `var(--chart-${s.colour})` } as React.CSSProperties}>
              {s.label}
            </small>
          ))}
        <strong>{props.now}</strong>
      </figcaption>
      <div ref={host} className={styles.plot} aria-hidden="true" />
    </figure>
  )
}
