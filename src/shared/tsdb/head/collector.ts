/**
 * Takes series without samples out of a head, label pairs and names that none has any more: out of the
 * tables, the postings, the names' chains; then, when no reader has a lease from before, their rows
 * and numbers go back for use by others (architecture §8.11–12). The caller has seen to it that no
 * link stands for such a series any more.
 *
 * A generator in small steps: everything is whole after each, and readers' selections that met one
 * are made again (H_INDEX_SEQUENCE). Series whose removal was begun get another ref when they return.
 */
import {
  H_PAIR_COUNT,
  H_REUSES,
  H_TENANTS,
  NAME_DIRECTORY,
  NAME_ROW_BYTES,
  NAME_SLAB_SHIFT,
  POSTINGS_FIRST,
  POSTINGS_MAX,
  TENANT_ROW_BYTES,
} from '../../kernels/head-layout.js'
import type { Head } from './head.js'

/** Series, pairs or entries of postings per step: pushes wait for it, a millisecond or so. */
const STEP_SERIES = 128
const STEP_PAIRS = 256
const STEP_ENTRIES = 8192
/** Marks that are only looked through. */
const STEP_MARKS = 65_536
/** What a list of postings costs beside its entries, in entries. */
const LIST_ENTRIES = 32

/** Of a pair's row, in words. */
const PAIR_NEXT = 3
const PAIR_COUNT = 4
const PAIR_FIRST = 5
const PAIR_LAST = 6
const PAIR_AT = 7
/** Of a name's row. */
const NAME_NEXT = 3
const NAME_FIRST = 4
const NAME_COUNT = 5

/** Of a tenant's row, in bytes: the newest name. */
const TENANT_NAMES = 12

/** What a collection came to. */
export interface Collected {
  series: number
  pairs: number
}

/**
 * Removes series of one tenant.
 *
 * @param refs without samples; those that have got some are left alone
 * @param isWanted says of a ref that it is used again
 * @returns what was removed; yields true when there is more to do at once, false to wait for readers
 */
export function* collectSteps(
  head: Head,
  tenant: number,
  refs: ArrayLike<number>,
  isWanted: (ref: number) => boolean,
): Generator<boolean, Collected> {
  const gone = yield* unlinkSteps(head, refs, isWanted)
  if (gone.length === 0) return { series: 0, pairs: 0 }
  const isGone = yield* markSteps(gone)
  const pairs = yield* pairSteps(head, gone)
  yield* postingsSteps(head, [pairs, Uint32Array.of(head.view.allPair(tenant))], isGone)
  const unused = yield* chainSteps(head, pairs)
  const names = yield* nameSteps(head, tenant, unused)
  const epoch = head.kernel.nextEpoch() >>> 0
  while (head.kernel.oldestLease() >>> 0 < epoch) yield false
  Atomics.add(head.view.u32, H_REUSES / 4, 1)
  head.exemplars.forget(isGone)
  yield* releaseSteps(head, { refs: gone, pairs: unused, names })
  return { series: gone.length, pairs: unused.length }
}

/**
 * Takes a tenant out that has no series any more, and gives its row back for another one.
 *
 * @returns false when it has series; yields false to wait for readers
 */
export function* dropTenantSteps(head: Head, tenant: number): Generator<boolean, boolean> {
  let isOut = false
  change(head, () => {
    isOut = head.unlinkTenant(tenant)
  })
  if (!isOut) return false
  const epoch = head.kernel.nextEpoch() >>> 0
  while (head.kernel.oldestLease() >>> 0 < epoch) yield false
  Atomics.add(head.view.u32, H_REUSES / 4, 1)
  head.kernel.releaseTenant(tenant)
  return true
}

/** [number] 1 for each of some numbers. */
function* markSteps(numbers: Uint32Array): Generator<boolean, Uint8Array> {
  let most = 0
  for (const number of numbers) if (number > most) most = number
  yield true
  const marks = new Uint8Array(most + 1)
  for (let i = 0; i < numbers.length; i++) {
    marks[numbers[i]!] = 1
    if (i % STEP_MARKS === STEP_MARKS - 1) yield true
  }
  return marks
}

function* unlinkSteps(
  head: Head,
  refs: ArrayLike<number>,
  isWanted: (ref: number) => boolean,
): Generator<boolean, Uint32Array> {
  const gone = new Uint32Array(refs.length)
  let count = 0
  for (let from = 0; from < refs.length; from += STEP_SERIES) {
    change(head, () => {
      const end = Math.min(refs.length, from + STEP_SERIES)
      for (let i = from; i < end; i++) {
        const ref = refs[i]!
        if (!isWanted(ref) && head.kernel.unlinkSeries(ref) !== 0) gone[count++] = ref
      }
    })
    yield true
  }
  return gone.subarray(0, count)
}

/** The pairs of some series. */
function* pairSteps({ view }: Head, refs: Uint32Array): Generator<boolean, Uint32Array> {
  const isSeen = new Uint8Array(view.word(H_PAIR_COUNT) + 1)
  const { u32 } = view
  let count = 0
  for (let from = 0; from < refs.length; from += STEP_SERIES) {
    for (const ref of refs.subarray(from, from + STEP_SERIES)) {
      const row = view.labelRow(ref)
      for (let i = row + u32[row]!; i > row; i--) {
        const pair = u32[i]!
        if (isSeen[pair] === 1) continue
        isSeen[pair] = 1
        count++
      }
    }
    yield true
  }
  const pairs = new Uint32Array(count)
  let at = 0
  for (let pair = 0; pair < isSeen.length; pair++) {
    if (isSeen[pair] === 1) pairs[at++] = pair
    if (pair % STEP_MARKS === STEP_MARKS - 1) yield true
  }
  return pairs
}

/** Takes refs out of lists of postings. */
function* postingsSteps(
  head: Head,
  lists: readonly Uint32Array[],
  isGone: Uint8Array,
): Generator<boolean, void> {
  let entries = 0
  for (const pairs of lists) {
    for (const pair of pairs) {
      entries += head.view.postingsCount(pair) + LIST_ENTRIES
      change(head, () => filterPostings(head, pair, isGone))
      if (entries < STEP_ENTRIES) continue
      entries = 0
      yield true
    }
  }
}

/** Leaves of a list what is not gone, in order, in the blocks that it has; the rest go back. */
function filterPostings(head: Head, pair: number, isGone: Uint8Array): void {
  const { view, kernel } = head
  const row = view.pairRow(pair) >>> 2
  const { u32 } = view
  const all = view.postings(pair)
  const count = all.length
  const kept = withoutMarked(all, isGone)
  if (kept.length === count) return
  const first = u32[row + PAIR_FIRST]!
  u32[row + PAIR_COUNT] = kept.length
  if (kept.length === 1) u32[row + PAIR_FIRST] = kept[0]!
  if (count < 2) return
  let at = 0
  let words = POSTINGS_FIRST
  for (let block = first, entries = 0; entries < count; ) {
    const next = u32[block >>> 2]!
    const size = words
    const isUsed = kept.length > 1 && at < kept.length
    if (isUsed) {
      const part = kept.subarray(at, at + size - 1)
      u32.set(part, (block >>> 2) + 1)
      at += part.length
      if (at === kept.length) {
        u32[block >>> 2] = size
        u32[row + PAIR_LAST] = block
        u32[row + PAIR_AT] = block + (part.length + 1) * 4
      }
    } else kernel.giveBack(block, size * 4)
    entries += size - 1
    words = entries < 4 ? POSTINGS_FIRST : Math.min(words * 2, POSTINGS_MAX)
    block = next
  }
}

/** Moves what is not marked to the front; that part. */
function withoutMarked(refs: Uint32Array, isMarked: Uint8Array): Uint32Array {
  let kept = 0
  for (let i = 0; i < refs.length; i++) {
    const ref = refs[i]!
    if (ref < isMarked.length && isMarked[ref] === 1) continue
    refs[kept++] = ref
  }
  return refs.subarray(0, kept)
}

/** Takes pairs without series out of their names' chains and the table; those that were. */
function* chainSteps(head: Head, pairs: Uint32Array): Generator<boolean, Uint32Array> {
  const { view } = head
  const isUnused = new Uint8Array((pairs.at(-1) ?? 0) + 1)
  const names = new Set<number>()
  for (let at = 0; at < pairs.length; at++) {
    if (at % STEP_PAIRS === STEP_PAIRS - 1) yield true
    const pair = pairs[at]!
    if (view.postingsCount(pair) > 0) continue
    isUnused[pair] = 1
    names.add(view.pairNameId(pair))
  }
  const gone: number[] = []
  for (const name of names) {
    // New pairs come in front of what was the first one: the walk is not disturbed.
    let before = 0
    let pair = view.firstPair(name)
    while (pair !== 0) {
      change(head, () => {
        for (let left = STEP_PAIRS; left > 0 && pair !== 0; left--) {
          const next = view.nextPair(pair)
          if (isUnused[pair] === 1 && view.postingsCount(pair) === 0) {
            unchain(head, { name, before, pair, next })
            gone.push(pair)
          } else before = pair
          pair = next
        }
      })
      yield true
    }
  }
  return Uint32Array.from(gone)
}

function unchain(
  { view, kernel }: Head,
  at: { name: number; before: number; pair: number; next: number },
): void {
  const row = nameRow(view.u32, at.name)
  kernel.unlinkPair(at.pair)
  view.u32[row + NAME_COUNT]!--
  let { before } = at
  if (before === 0 && view.firstPair(at.name) !== at.pair) {
    // Pairs were added in front since the walk began.
    before = view.firstPair(at.name)
    while (view.nextPair(before) !== at.pair) before = view.nextPair(before)
  }
  if (before === 0) view.u32[row + NAME_FIRST] = at.next
  else view.u32[(view.pairRow(before) >>> 2) + PAIR_NEXT] = at.next
}

/** Takes names without pairs out of the tenant's chain and the table; those that were. */
function* nameSteps(
  head: Head,
  tenant: number,
  pairs: Uint32Array,
): Generator<boolean, Uint32Array> {
  const { view, kernel } = head
  const isUnused = (name: number): boolean => view.u32[nameRow(view.u32, name) + NAME_COUNT] === 0
  const unused = new Set<number>()
  for (const pair of pairs) unused.add(view.pairNameId(pair))
  for (const name of unused) if (!isUnused(name)) unused.delete(name)
  const gone: number[] = []
  const first = (view.word(H_TENANTS) + tenant * TENANT_ROW_BYTES + TENANT_NAMES) >>> 2
  // As with pairs, new names come in front.
  let before = 0
  for (let name = unused.size > 0 ? view.firstName(tenant) : 0; name !== 0; ) {
    change(head, () => {
      for (let left = STEP_PAIRS; left > 0 && name !== 0; left--) {
        const next = view.nextName(name)
        if (!unused.has(name) || !isUnused(name)) before = name
        else {
          if (before === 0) before = nameBefore(head, tenant, name)
          const link = before === 0 ? first : nameRow(view.u32, before) + NAME_NEXT
          view.u32[link] = next
          kernel.unlinkName(name)
          gone.push(name)
        }
        name = next
      }
    })
    yield true
  }
  return Uint32Array.from(gone)
}

/** The name ahead of one in a tenant's chain; 0 when that is the newest. */
function nameBefore({ view }: Head, tenant: number, name: number): number {
  let before = 0
  for (let at = view.firstName(tenant); at !== name; at = view.nextName(at)) before = at
  return before
}

function nameRow(u32: Uint32Array, name: number): number {
  const slab = u32[(NAME_DIRECTORY >>> 2) + (name >>> NAME_SLAB_SHIFT)]!
  return (slab + (name & ((1 << NAME_SLAB_SHIFT) - 1)) * NAME_ROW_BYTES) >>> 2
}

function* releaseSteps(
  head: Head,
  { refs, pairs, names }: Readonly<Record<'refs' | 'pairs' | 'names', Uint32Array>>,
): Generator<boolean, void> {
  for (let from = 0; from < Math.max(refs.length, pairs.length); from += STEP_SERIES) {
    change(head, () => {
      for (const ref of refs.subarray(from, from + STEP_SERIES)) {
        head.histograms.forget(ref)
        head.kernel.releaseSeries(ref)
      }
      for (const pair of pairs.subarray(from, from + STEP_SERIES)) head.kernel.releasePair(pair)
    })
    yield true
  }
  for (let from = 0; from < names.length; from += STEP_SERIES) {
    change(head, () => {
      for (const name of names.subarray(from, from + STEP_SERIES)) head.kernel.releaseName(name)
    })
    yield true
  }
}

/** Changes what selections look at. */
function change(head: Head, run: () => void): void {
  head.kernel.beginChange()
  run()
  head.kernel.endChange()
  head.changes++
}
