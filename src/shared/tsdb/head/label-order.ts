/**
 * Series of a head in the order in which a block has them: by names and values of their labels, as
 * UTF-8 bytes. Texts go from the head's memory into the symbols of the blocks, once; from there on
 * labels are their numbers, and compared by the rank of those.
 */
import { SymbolTable } from '../block/symbol-table.js'
import type { HeadView } from './head-view.js'

/** Series in order, labels as symbols. */
export interface OrderedSeries {
  readonly refs: Uint32Array
  /** All texts of their labels. */
  readonly symbols: SymbolTable
  /** Symbols of a series' labels, name and value by turns; a view that the next one overwrites. */
  idsOf(ref: number): Uint32Array
}

/** Ranks are below: symbols of one tenant. */
const RANKS = 2 ** 26

/**
 * Orders series by their labels. Their rows must stay while this is used (a lease).
 * @param refs is sorted in place
 */
export function orderByLabels(view: HeadView, refs: Uint32Array): OrderedSeries {
  const { u32 } = view
  const symbols = new SymbolTable()
  const { indexOf, names, values } = internPairs(view, refs, symbols)
  const keys = keysOf(symbols, names, values)
  const compare = (a: number, b: number): number => {
    const [x, y] = [view.labelRow(a), view.labelRow(b)]
    const [m, n] = [u32[x]!, u32[y]!]
    const count = Math.min(m, n)
    for (let i = 1; i <= count; i++) {
      const [p, q] = [u32[x + i]!, u32[y + i]!]
      if (p !== q) return keys[indexOf[p]! - 1]! - keys[indexOf[q]! - 1]!
    }
    return m - n
  }
  refs.sort(compare)
  for (let i = 1; i < refs.length; i++) {
    if (compare(refs[i - 1]!, refs[i]!) >= 0) throw new Error(`series ${refs[i]} is there twice`)
  }
  let ids = new Uint32Array(64)
  const idsOf = (ref: number): Uint32Array => {
    const row = view.labelRow(ref)
    const count = u32[row]!
    if (count * 2 > ids.length) ids = new Uint32Array(count * 4)
    for (let i = 0; i < count; i++) {
      const pair = indexOf[u32[row + 1 + i]!]! - 1
      ids[i * 2] = names[pair]!
      ids[i * 2 + 1] = values[pair]!
    }
    return ids.subarray(0, count * 2)
  }
  return { refs, symbols, idsOf }
}

/** The pairs that any of the series has, numbered from 0 in the order in which they are met. */
interface Pairs {
  /** [pair] its number + 1; 0 of others. */
  readonly indexOf: Uint32Array
  /** [number] symbols. */
  readonly names: Uint32Array
  readonly values: Uint32Array
}

function internPairs(view: HeadView, refs: Uint32Array, symbols: SymbolTable): Pairs {
  const { u32, bytes } = view
  let indexOf = new Uint32Array(1024)
  let names = new Uint32Array(1024)
  let values = new Uint32Array(1024)
  const nameSymbols = new Map<number, number>()
  let count = 0
  for (const ref of refs) {
    const row = view.labelRow(ref)
    for (let at = row + 1; at <= row + u32[row]!; at++) {
      const pair = u32[at]!
      if (pair >= indexOf.length) indexOf = grown(indexOf, pair + 1)
      if (indexOf[pair] !== 0) continue
      if (count === names.length) {
        names = grown(names, count + 1)
        values = grown(values, count + 1)
      }
      const nameId = view.pairNameId(pair)
      let name = nameSymbols.get(nameId)
      if (name === undefined) {
        name = symbols.intern(view.pairName(pair))
        nameSymbols.set(nameId, name)
      }
      const { from, to } = view.pairValueBytes(pair)
      names[count] = name
      values[count] = symbols.internBytes(bytes, from, to)
      indexOf[pair] = ++count
    }
  }
  return { indexOf, names: names.subarray(0, count), values: values.subarray(0, count) }
}

/** [number of a pair] what pairs are ordered by. */
function keysOf(symbols: SymbolTable, names: Uint32Array, values: Uint32Array): Float64Array {
  if (symbols.size > RANKS) throw new Error(`${symbols.size} symbols are too many for a block`)
  const { order } = symbols.source()
  const ranks = new Uint32Array(symbols.size)
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank
  const keys = new Float64Array(names.length)
  for (let i = 0; i < keys.length; i++) keys[i] = ranks[names[i]!]! * RANKS + ranks[values[i]!]!
  return keys
}

function grown(list: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(size, list.length * 2))
  larger.set(list)
  return larger
}
