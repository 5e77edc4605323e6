/** The tables behind labels and series: they grow in parts, and lose nothing by it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  H_OUTGROWN,
  H_PAIR_TABLE,
  H_SERIES_TABLE,
  TABLE_SEGMENT_BITS,
  TABLE_SEGMENT_BYTES,
} from '../../../../src/shared/kernels/head-layout.js'
import { encodeLabels } from '../../../../src/shared/tsdb/head/label-bytes.js'
import type { Head } from '../../../../src/shared/tsdb/index.js'
import { createTestHead } from '../../../support/head-source.js'

const SERIES = 100_000

function labelsOfSeries(i: number): Uint8Array {
  return encodeLabels([
    { name: '__name__', value: `m_${i % 7}` },
    { name: 'id', value: `${i}` },
  ])
}

/** Places and entries of each segment of a table. */
function segmentsOf({ view }: Head, table: number): { places: number; entries: number }[] {
  const rows = view.word(table)
  return Array.from({ length: 1 << TABLE_SEGMENT_BITS }, (_, i) => {
    const row = rows + i * TABLE_SEGMENT_BYTES
    return { places: view.word(row + 4) + 1, entries: view.word(row + 8) }
  })
}

test('no growth moves more than a small part of a table, and all is found afterwards', () => {
  const head = createTestHead()
  const tenant = head.tenant('t')!
  let before = segmentsOf(head, H_SERIES_TABLE)
  let growths = 0
  for (let i = 0; i < SERIES; i++) {
    assert.equal(head.define(tenant, labelsOfSeries(i), 2), i)
    if (i % 500 !== 499) continue
    const after = segmentsOf(head, H_SERIES_TABLE)
    const grown = after.filter(({ places }, at) => places > before[at]!.places).length
    growths += grown
    before = after
  }
  const series = segmentsOf(head, H_SERIES_TABLE)
  const pairs = segmentsOf(head, H_PAIR_TABLE)
  assert.ok(growths > 256, `${growths} growths`)
  assert.equal(
    series.reduce((sum, { entries }) => sum + entries, 0),
    SERIES,
  )
  assert.equal(
    pairs.reduce((sum, { entries }) => sum + entries, 0),
    SERIES + 7,
  )
  for (const { places, entries } of [...series, ...pairs]) {
    assert.ok(
      entries <= (places * 3) / 4 && places <= SERIES / 32,
      `${entries} entries, ${places} places`,
    )
  }
  for (let i = 0; i < SERIES; i += 17) assert.equal(head.define(tenant, labelsOfSeries(i), 2), i)
})

/** Where the tables lie that were outgrown and are not in use again. */
function outgrown({ view }: Head): { from: number; end: number }[] {
  const pieces: { from: number; end: number }[] = []
  for (let at = view.word(H_OUTGROWN); at !== 0; at = view.word(at)) {
    pieces.push({ from: at, end: at + view.word(at + 4) })
  }
  return pieces
}

test('labels of new series go where an outgrown table was, and count as what is in use', () => {
  const head = createTestHead()
  const tenant = head.tenant('t')!
  const wasOutgrown = new Map<number, number>()
  let mostWaiting = 0
  for (let i = 0; i < 2 * SERIES; i++) {
    head.define(tenant, labelsOfSeries(i), 2)
    if (i % 500 !== 0) continue
    const waiting = outgrown(head)
    mostWaiting = Math.max(mostWaiting, waiting.length)
    for (const { from, end } of waiting) wasOutgrown.set(from, end)
    const bytes = waiting.reduce((sum, { from, end }) => sum + end - from, 0)
    assert.ok(head.reusableBytes() >= bytes)
  }
  assert.ok(mostWaiting > 10, `${mostWaiting} tables waited`)
  assert.ok(outgrown(head).length < mostWaiting, 'none was used again')
  const texts = Array.from({ length: 2 * SERIES }, (_, ref) => {
    const [pair] = Array.from(head.view.pairs(ref)).slice(-1)
    assert.equal(head.view.pairValue(pair!), `${ref}`)
    return head.view.word(head.view.pairRow(pair!))
  })
  const isReused = (at: number) => [...wasOutgrown].some(([from, end]) => at >= from && at < end)
  assert.ok(texts.filter((at, i) => i % 97 === 0 && isReused(at)).length > 10)
})
