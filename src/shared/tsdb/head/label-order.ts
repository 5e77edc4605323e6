/**
 * Series of a head in the order in which a block has them: by names and values of their labels, as
 * UTF-8 bytes. Labels are compared by the rank of their pairs, so that no text is looked at twice.
 */
import type { Label, Labels } from '../../model/labels.js'
import { compareUtf8 } from '../../model/labels.js'
import type { HeadView } from './head-view.js'

/** Refs in order, and their labels. */
export interface OrderedSeries {
  readonly refs: Uint32Array
  labels(ref: number): Labels
}

/**
 * Orders series by their labels. Their rows must stay while this is used (a lease).
 * @param refs is sorted in place
 */
export function orderByLabels(view: HeadView, refs: Uint32Array): OrderedSeries {
  const pairs = pairsOf(view, refs)
  const texts = new Map<number, Label>()
  for (const pair of pairs) {
    texts.set(pair, { name: view.pairName(pair), value: view.pairValue(pair) })
  }
  const order = [...pairs].sort((a, b) => compareLabel(texts.get(a)!, texts.get(b)!))
  const rankOf = new Uint32Array(pairs.reduce((most, pair) => Math.max(most, pair), 0) + 1)
  for (const [rank, pair] of order.entries()) rankOf[pair] = rank
  const { u32 } = view
  refs.sort((a, b) => {
    const [x, y] = [view.labelRow(a), view.labelRow(b)]
    const [m, n] = [u32[x]!, u32[y]!]
    const count = Math.min(m, n)
    for (let i = 1; i <= count; i++) {
      const [p, q] = [u32[x + i]!, u32[y + i]!]
      if (p !== q) return rankOf[p]! - rankOf[q]!
    }
    return m - n
  })
  return {
    refs,
    labels: (ref) => Array.from(view.pairs(ref), (pair) => texts.get(pair)!),
  }
}

/** The pairs that any of the series has. */
function pairsOf(view: HeadView, refs: Uint32Array): Uint32Array {
  let seen = new Uint8Array(1024)
  const pairs: number[] = []
  for (const ref of refs) {
    for (const pair of view.pairs(ref)) {
      if (pair >= seen.length) {
        const larger = new Uint8Array(Math.max(pair + 1, seen.length * 2))
        larger.set(seen)
        seen = larger
      }
      if (seen[pair] === 1) continue
      seen[pair] = 1
      pairs.push(pair)
    }
  }
  return Uint32Array.from(pairs)
}

function compareLabel(a: Label, b: Label): number {
  return compareUtf8(a.name, b.name) || compareUtf8(a.value, b.value)
}
