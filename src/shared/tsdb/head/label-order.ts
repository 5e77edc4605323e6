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

/** Series whose labels are looked at between two pauses: part of a millisecond of work. */
const SLICE = 4096
/** Series that are sorted at once, before they are merged: likewise. */
const RUN = 512

/**
 * Orders series by their labels. Their rows must stay while this is used (a lease).
 * @param refs is sorted in place
 * @param pause is awaited between slices of about a millisecond
 */
export async function orderByLabels(
  view: HeadView,
  refs: Uint32Array,
  pause: () => Promise<void>,
): Promise<OrderedSeries> {
  const { u32 } = view
  const symbols = new SymbolTable()
  const { indexOf, names, values } = await internPairs(view, refs, symbols, pause)
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
  await sortInSlices(refs, compare, pause)
  for (let i = 1; i < refs.length; i++) {
    if (compare(refs[i - 1]!, refs[i]!) >= 0) throw new Error(`series ${refs[i]} is there twice`)
    if (i % SLICE === 0) await pause()
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

/** Sorts runs, then merges neighbours until one is left; those that follow each other already are not compared. */
async function sortInSlices(
  list: Uint32Array,
  compare: (a: number, b: number) => number,
  pause: () => Promise<void>,
): Promise<void> {
  for (let from = 0; from < list.length; from += RUN) {
    list.subarray(from, from + RUN).sort(compare)
    await pause()
  }
  const left = new Uint32Array(list.length)
  let done = 0
  for (let run = RUN; run < list.length; run *= 2) {
    for (let from = 0; from + run < list.length; from += run * 2) {
      const middle = from + run
      const end = Math.min(list.length, middle + run)
      if (compare(list[middle - 1]!, list[middle]!) <= 0) continue
      left.set(list.subarray(from, middle))
      let [x, y, to] = [0, middle, from]
      while (x < run && y < end) {
        list[to++] = compare(left[x]!, list[y]!) <= 0 ? left[x++]! : list[y++]!
        if (++done % SLICE === 0) await pause()
      }
      // What is left of the second run is in its place.
      list.set(left.subarray(x, run), to)
    }
  }
}

/** The pairs that any of the series has, numbered from 0 in the order in which they are met. */
interface Pairs {
  /** [pair] its number + 1; 0 of others. */
  readonly indexOf: Uint32Array
  /** [number] symbols. */
  readonly names: Uint32Array
  readonly values: Uint32Array
}

async function internPairs(
  view: HeadView,
  refs: Uint32Array,
  symbols: SymbolTable,
  pause: () => Promise<void>,
): Promise<Pairs> {
  const { u32, bytes } = view
  let indexOf = new Uint32Array(1024)
  let names = new Uint32Array(1024)
  let values = new Uint32Array(1024)
  const nameSymbols = new Map<number, number>()
  let count = 0
  for (let i = 0; i < refs.length; i++) {
    if (i % SLICE === SLICE - 1) await pause()
    const row = view.labelRow(refs[i]!)
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
