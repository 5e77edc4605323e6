/** The order in which answers list series: by their labels, name, value, name, value. */
import { compareUtf8 } from '../../shared/model/labels.js'
import type { LabelTable } from '../../shared/promql/index.js'

/** Set ids in the order of their labels: name, value, name, value; the shorter first. */
export function sortSets(sets: Uint32Array, labels: LabelTable): Uint32Array {
  return sets.slice().sort((a, b) => compareSets(labels.pairs(a), labels.pairs(b), labels))
}

function compareSets(a: Uint32Array, b: Uint32Array, labels: LabelTable): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a[i]!
    const y = b[i]!
    if (x === y) continue
    const byName = compareUtf8(labels.pairName(x), labels.pairName(y))
    return byName !== 0 ? byName : compareUtf8(labels.pairValue(x), labels.pairValue(y))
  }
  return a.length - b.length
}
