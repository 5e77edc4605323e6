/** Label sets as Prometheus prints them in error texts. */
import { quoteGo } from '../base/go-string.js'
import type { LabelTable } from './label-table.js'

/** `{__name__="up", job="a"}`; names that need it are quoted. */
export function printSet(labels: LabelTable, set: number): string {
  const parts: string[] = []
  for (const pair of labels.pairs(set)) {
    const name = labels.pairName(pair)
    const shown = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quoteGo(name)
    parts.push(`${shown}=${quoteGo(labels.pairValue(pair))}`)
  }
  return `{${parts.join(', ')}}`
}
