/**
 * Set operations on sorted lists of refs, each without duplicates. Inputs are never changed; a
 * result may be one of the inputs.
 */

const EMPTY = new Uint32Array(0)

/** What is in both. Gallops through the longer list when it is much longer. */
export function intersect(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (a.length > b.length) return intersect(b, a)
  if (a.length === 0) return EMPTY
  const out = new Uint32Array(a.length)
  let count = 0
  let j = 0
  const isSparse = b.length > a.length * 8
  for (let i = 0; i < a.length; i++) {
    const ref = a[i]!
    if (isSparse) j = gallop(b, j, ref)
    else while (j < b.length && b[j]! < ref) j++
    if (j === b.length) break
    if (b[j] === ref) out[count++] = ref
  }
  return out.subarray(0, count)
}

/** What is in `a` and not in `b`. */
export function subtract(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (a.length === 0 || b.length === 0) return a
  const out = new Uint32Array(a.length)
  let count = 0
  let j = 0
  for (let i = 0; i < a.length; i++) {
    const ref = a[i]!
    while (j < b.length && b[j]! < ref) j++
    if (j === b.length || b[j] !== ref) out[count++] = ref
  }
  return out.subarray(0, count)
}

/** What is in any of the lists. */
export function union(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 0) return EMPTY
  if (lists.length === 1) return lists[0]!
  let total = 0
  for (const list of lists) total += list.length
  const out = new Uint32Array(total)
  let at = 0
  for (const list of lists) {
    out.set(list, at)
    at += list.length
  }
  out.sort()
  let count = 0
  for (let i = 0; i < total; i++) if (i === 0 || out[i] !== out[i - 1]) out[count++] = out[i]!
  return out.subarray(0, count)
}

/** First index from `from` on whose ref is not below `ref`. */
function gallop(list: Uint32Array, from: number, ref: number): number {
  let step = 1
  let low = from
  while (from < list.length && list[from]! < ref) {
    low = from + 1
    from += step
    step *= 2
  }
  let high = Math.min(from, list.length)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]! < ref) low = middle + 1
    else high = middle
  }
  return low
}
