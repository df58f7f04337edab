import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHART_COLUMNS, chartOf, wantsColour } from './chart.ts'
import { pictureOf } from './picture.ts'
import { svgOf } from './svg.ts'

const burst = pictureOf({ inMs: [0, 0, 0, 0], outMs: [0, 1_000, 2_000, 3_000] }, 4_000, 4)

describe('pictureOf', () => {
  it('gives rates per second and the most that waited', () => {
    expect(burst).toEqual({ columnMs: 1_000, input: [4, 0, 0, 0], depth: [4, 3, 2, 1], output: [1, 1, 1, 1] })
  })

  it('keeps waiting what never left, and lets go what left without coming out', () => {
    const picture = pictureOf({ inMs: [0, 0, 0], outMs: [0], leftMs: [0, 1_500] }, 3_000, 3)
    expect(picture.depth).toEqual([3, 2, 1])
    expect(picture.output).toEqual([1, 0, 0])
  })

  it('shows every request in some column', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 50 }), fc.integer({ min: 1, max: 80 }), (times, columns) => {
        const { input, columnMs } = pictureOf({ inMs: times, outMs: [] }, 10_000, columns)
        const shown = input.reduce((sum, rate) => sum + (rate * columnMs) / 1_000, 0)
        expect(shown).toBeCloseTo(times.length, 6)
      }),
    )
  })
})

describe('chartOf', () => {
  const wide = pictureOf({ inMs: [0, 1, 2], outMs: [3, 50_000, 119_000] }, 120_000, CHART_COLUMNS)

  it('draws three panels over a time axis, without colours, in 80 columns', () => {
    const chart = chartOf(burst, { title: 'A burst', rows: 2 })
    expect(chart).toBe(
      [
        'A burst',
        '    input/s 4 │█',
        '            0 │█',
        '    waiting 4 │█▄',
        '            0 │███▄',
        '   output/s 1 │████',
        '            0 │████',
        '              └────',
        '               0 24 s',
      ].join('\n'),
    )
    for (const line of chartOf(wide, { title: 'Wide' }).split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('colours only when asked', () => {
    expect(chartOf(wide, { title: 'x' })).not.toContain('\u001b')
    expect(chartOf(wide, { title: 'x', colour: true })).toContain('\u001b[32m')
  })
})

it('wants colours only of a terminal that was not asked to go without', () => {
  expect(wantsColour({ isTTY: true }, {})).toBe(true)
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false)
  expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false)
  expect(wantsColour({}, {})).toBe(false)
})

it('draws an SVG with the same scales for all columns and no markup from titles', () => {
  const column = { subtitle: '', picture: burst, labels: ['input', 'depth', 'output'] as const }
  const svg = svgOf([
    { ...column, title: '<script>' },
    { ...column, title: 'b', picture: { ...burst, depth: [40, 0, 0, 0] } },
  ])
  expect(svg).not.toContain('<script>')
  expect(svg.match(/>50</g)).toHaveLength(2)
  expect(svg.match(/<polygon/g)).toHaveLength(6)
})

it('leaves out the middle of a title or subtitle that is wider than its panel, and tells all of it in the SVG’s title', () => {
  const long = `${'a'.repeat(60)} and ${'b'.repeat(60)}`
  const column = { picture: burst, labels: ['input', 'depth', 'output'] as const }
  const svg = svgOf([{ ...column, title: `title ${long}`, subtitle: `subtitle ${long}` }])
  const [title = '', subtitle = ''] = [...svg.matchAll(/<text [^>]*y="(?:24|42)">(.*?)<\/text>/g)].map(
    ([, text]) => text,
  )
  expect([title.length, subtitle.length]).toEqual([44, 64])
  expect(title).toMatch(/^title a+…b+$/)
  expect(subtitle).toMatch(/^subtitle a+…b+$/)
  expect(svg).toContain(`<title>title ${long}: subtitle ${long}</title>`)
  const fits = 'c'.repeat(44)
  expect(svgOf([{ ...column, title: fits, subtitle: 'x' }])).toContain(`>${fits}</text>`)
})
