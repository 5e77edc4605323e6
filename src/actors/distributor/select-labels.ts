/**
 * Takes labels, and whole series, away by bytes: most of what tenants have done to labels puts
 * nothing down, and text of labels costs ten times what telling them apart by their names does.
 * Names are known again by the name before them. Hot where series are created:
 * bench/actors/distributor/limits.bench.ts.
 */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import type { RelabelSelection, RelabelTest } from '../../shared/relabel/index.js'

/** Labels of one series; those of more are read otherwise. */
const PIECES_MAX = 128
/** Names of labels, and values that rules look at, that are remembered. */
const NAMES_MAX = 4_096
const VALUES_MAX = 4_096
/** Places for values of a single label, by their bytes: text of them takes ten times as long. */
const PLACES = 4_096
/** Bytes of a value that has a place. */
const PLACED_BYTES_MAX = 128
/** Tags of a label among a series' fields, and of its name and value. */
const LABEL_TAG = 0x0a
const NAME_TAG = 0x0a
const VALUE_TAG = 0x12

/** What `select` did where it put no labels down: nothing, for all stay; the series goes; it cannot tell. */
export const AS_SENT = -1
export const DROPPED = -2
export const UNUSUAL = -3

/** Where the labels of a row lie, when they are put as senders usually do. */
export class LabelPieces {
  count = 0
  /** Bytes of the label as sent. */
  readonly at = new Uint32Array(PIECES_MAX)
  readonly end = new Uint32Array(PIECES_MAX)
  readonly nameAt = new Uint32Array(PIECES_MAX)
  readonly nameEnd = new Uint32Array(PIECES_MAX)
  readonly valueAt = new Uint32Array(PIECES_MAX)
  readonly valueEnd = new Uint32Array(PIECES_MAX)
  /** They are references to symbols. */
  areRefs = false

  /** Finds those of a row (address in words); false when they are put another way. */
  read(kernel: WriteRequestKernel, memory: Buffer, row: number): boolean {
    const at = kernel.words[row + layout.ROW_LABELS / 4]!
    const length = kernel.words[row + layout.ROW_LENGTH / 4]!
    this.count = 0
    this.areRefs = (length & layout.REFS_FLAG) !== 0
    if (this.areRefs) return this.readRefs(kernel, memory, at, (length ^ layout.REFS_FLAG) >>> 1)
    return this.readFields(memory, at, at + length)
  }

  /** Name, then value, lengths of two bytes at most. */
  private readFields(memory: Buffer, from: number, end: number): boolean {
    let at = from
    while (at < end) {
      const i = this.count
      if (i === PIECES_MAX || memory[at] !== LABEL_TAG) return false
      const inner = headEnd(memory, at)
      const innerEnd = inner + lengthAt(memory, at)
      if (memory[inner] !== NAME_TAG) return false
      const nameAt = headEnd(memory, inner)
      const second = nameAt + lengthAt(memory, inner)
      if (second >= innerEnd || memory[second] !== VALUE_TAG) return false
      const valueAt = headEnd(memory, second)
      if (valueAt + lengthAt(memory, second) !== innerEnd || innerEnd > end) return false
      this.at[i] = at
      this.end[i] = innerEnd
      this.nameAt[i] = nameAt
      this.nameEnd[i] = second
      this.valueAt[i] = valueAt
      this.valueEnd[i] = innerEnd
      this.count++
      at = innerEnd
    }
    return true
  }

  private readRefs(
    kernel: WriteRequestKernel,
    memory: Buffer,
    from: number,
    pairs: number,
  ): boolean {
    if (pairs > PIECES_MAX) return false
    let at = from
    for (let i = 0; i < pairs; i++) {
      this.at[i] = at
      const name = symbolAt(kernel, memory, at)
      at = refEnd(memory, at)
      const value = symbolAt(kernel, memory, at)
      at = refEnd(memory, at)
      this.end[i] = at
      this.nameAt[i] = kernel.words[name + layout.SYMBOL_AT / 4]!
      this.nameEnd[i] = this.nameAt[i]! + kernel.words[name + layout.SYMBOL_LENGTH / 4]!
      this.valueAt[i] = kernel.words[value + layout.SYMBOL_AT / 4]!
      this.valueEnd[i] = this.valueAt[i]! + kernel.words[value + layout.SYMBOL_LENGTH / 4]!
    }
    this.count = pairs
    return true
  }
}

/** What becomes of labels of a name. */
class Name {
  readonly bytes: Uint8Array
  /** The rule that drops them; −1: they go before the rules; Infinity: they stay. */
  readonly droppedBy: number
  /** Its place among the names that rules read, −1 for none. */
  readonly read: number
  /** Names that came after it last: series of two kinds take turns most of the time. */
  next: Name | undefined
  other: Name | undefined

  constructor(bytes: Uint8Array, droppedBy: number, read: number) {
    this.bytes = bytes
    this.droppedBy = droppedBy
    this.read = read
    this.next = undefined
    this.other = undefined
  }
}

/** Takes away what a tenant wants to have taken away. */
export class LabelSelector {
  private readonly dropped: ReadonlySet<string>
  private readonly selection: RelabelSelection
  /** Values that are longer stop it; they are shortened by who makes text of them. */
  private readonly valueBytesMax: number
  private readonly names = new Map<string, Name>()
  /** Before the first name of a series. */
  private readonly start = new Name(new Uint8Array(), 0, -1)
  private readonly reads: readonly string[]
  private readonly tests: readonly Test[]
  /** The labels that rules read, by place of their names; −1: the series has none. */
  private readonly readAt: Int32Array
  private readonly droppedBy = new Float64Array(PIECES_MAX)
  /** Labels that stay, of the series looked at last. */
  kept = 0

  /** @param dropped labels that go before the rules */
  constructor(dropped: ReadonlySet<string>, selection: RelabelSelection, valueBytesMax: number) {
    this.dropped = dropped
    this.selection = selection
    this.valueBytesMax = valueBytesMax
    this.reads = [...new Set(selection.tests.flatMap(({ reads }) => reads))]
    this.readAt = new Int32Array(this.reads.length)
    this.tests = selection.tests.map((test) => new Test(test, this.reads))
  }

  /**
   * Puts what stays of the labels down at `to`.
   *
   * @returns its bytes, or AS_SENT, DROPPED or UNUSUAL, with nothing put down
   */
  select(memory: Buffer, pieces: LabelPieces, to: number): number {
    this.kept = this.name(memory, pieces)
    if (this.kept < 0) return UNUSUAL
    for (const test of this.tests) {
      const passes = test.passes(memory, pieces, this.readAt, this.droppedBy)
      if (passes === undefined) return UNUSUAL
      if (!passes) return DROPPED
    }
    if (this.kept === 0) return DROPPED
    return this.kept === pieces.count ? AS_SENT : this.copy(memory, pieces, to)
  }

  /** Finds out what becomes of each label; how many stay, −1 where one is too long. */
  private name(memory: Buffer, pieces: LabelPieces): number {
    this.readAt.fill(-1)
    let kept = 0
    let name = this.start
    for (let i = 0; i < pieces.count; i++) {
      name = this.after(name, memory, pieces.nameAt[i]!, pieces.nameEnd[i]!)
      this.droppedBy[i] = name.droppedBy
      if (name.read >= 0) this.readAt[name.read] = i
      if (name.droppedBy !== Number.POSITIVE_INFINITY) continue
      if (pieces.valueEnd[i]! - pieces.valueAt[i]! > this.valueBytesMax) return -1
      kept++
    }
    return kept
  }

  /** The name there, which comes after another one. */
  private after(last: Name, memory: Buffer, from: number, end: number): Name {
    const { next, other } = last
    if (next !== undefined && isEqual(memory, from, end, next.bytes)) return next
    if (other !== undefined && isEqual(memory, from, end, other.bytes)) return other
    last.other = next
    last.next = this.find(memory, from, end)
    return last.next
  }

  private find(memory: Buffer, from: number, end: number): Name {
    const key = memory.toString('latin1', from, end)
    const known = this.names.get(key)
    if (known !== undefined) return known
    const text = memory.toString('utf8', from, end)
    const bytes = Uint8Array.from(memory.subarray(from, end))
    const droppedBy = this.dropped.has(text) ? -1 : this.selection.droppedBy(text)
    const name = new Name(bytes, droppedBy, this.reads.indexOf(text))
    if (this.names.size >= NAMES_MAX) this.forgetNames()
    this.names.set(key, name)
    return name
  }

  /** All of them: those that follow one another hold one another. */
  private forgetNames(): void {
    this.names.clear()
    this.start.next = undefined
    this.start.other = undefined
  }

  private copy(memory: Buffer, pieces: LabelPieces, to: number): number {
    let at = to
    for (let i = 0; i < pieces.count; ) {
      const first = i
      while (i < pieces.count && this.droppedBy[i] === Number.POSITIVE_INFINITY) i++
      if (i === first) {
        i++
        continue
      }
      const [from, end] = [pieces.at[first]!, pieces.end[i - 1]!]
      memory.copyWithin(at, from, end)
      at += end - from
    }
    return at - to
  }
}

/** A value of the one label that a rule reads, and what the rule said. */
interface PlacedValue {
  readonly bytes: Uint8Array
  readonly passes: boolean
}

/** A rule that reads values, and what it said of those that came lately. */
class Test {
  private readonly test: RelabelTest
  /** Of each label that it reads, the place among all that are read. */
  private readonly places: readonly number[]
  private readonly known = new Map<string, boolean>()
  /** By a hash of their bytes. */
  private readonly placed: (PlacedValue | undefined)[] = new Array(PLACES).fill(undefined)

  constructor(test: RelabelTest, reads: readonly string[]) {
    this.test = test
    this.places = test.reads.map((name) => reads.indexOf(name))
  }

  /** Whether the series stays; undefined where a value is not sure to be text. */
  passes(
    memory: Buffer,
    pieces: LabelPieces,
    readAt: Int32Array,
    droppedBy: Float64Array,
  ): boolean | undefined {
    const i = this.places.length === 1 ? readAt[this.places[0]!]! : -1
    if (i < 0 || droppedBy[i]! < this.test.rule) {
      return this.passesText(memory, pieces, readAt, droppedBy)
    }
    const [from, end] = [pieces.valueAt[i]!, pieces.valueEnd[i]!]
    const place = placeOf(memory, from, end)
    const placed = this.placed[place]
    if (placed !== undefined && isEqual(memory, from, end, placed.bytes)) return placed.passes
    const passes = this.passesText(memory, pieces, readAt, droppedBy)
    if (passes !== undefined && end - from <= PLACED_BYTES_MAX) {
      this.placed[place] = { bytes: Uint8Array.from(memory.subarray(from, end)), passes }
    }
    return passes
  }

  private passesText(
    memory: Buffer,
    pieces: LabelPieces,
    readAt: Int32Array,
    droppedBy: Float64Array,
  ): boolean | undefined {
    const isOne = this.places.length === 1
    let key = ''
    for (const place of this.places) {
      const i = readAt[place]!
      // Each of several behind its length, so that no two lists of values are one text.
      if (i < 0 || droppedBy[i]! < this.test.rule) key += isOne ? '' : '0:'
      else {
        const [from, end] = [pieces.valueAt[i]!, pieces.valueEnd[i]!]
        key += `${end - from}:${memory.toString('latin1', from, end)}`
      }
    }
    const known = this.known.get(key)
    if (known !== undefined) return known
    const values = this.places.map((place) => {
      const i = readAt[place]!
      if (i < 0 || droppedBy[i]! < this.test.rule) return ''
      return memory.toString('utf8', pieces.valueAt[i]!, pieces.valueEnd[i]!)
    })
    if (values.some((value) => value.includes('\ufffd'))) return undefined
    const passes = this.test.passes(values)
    if (this.known.size >= VALUES_MAX) this.known.clear()
    this.known.set(key, passes)
    return passes
  }
}

/** FNV-1a, of what may be a few hundred bytes at most. */
function placeOf(memory: Buffer, from: number, end: number): number {
  let hash = 0
  const most = Math.min(end, from + PLACED_BYTES_MAX)
  for (let at = from; at < most; at++) hash = Math.imul(hash ^ memory[at]!, 0x01000193)
  return (hash ^ (hash >>> 15)) & (PLACES - 1)
}

/** Whether a part of memory is such bytes. */
export function isEqual(memory: Buffer, from: number, end: number, bytes: Uint8Array): boolean {
  if (end - from !== bytes.length) return false
  for (let i = 0; i < bytes.length; i++) if (memory[from + i] !== bytes[i]) return false
  return true
}

/** Where a field's bytes begin, after its tag and a length of one byte or two. */
function headEnd(memory: Buffer, at: number): number {
  return memory[at + 1]! < 128 ? at + 2 : at + 3
}

/** Its length; one of three bytes and more comes out too long to fit, and is left to another reader. */
function lengthAt(memory: Buffer, at: number): number {
  const low = memory[at + 1]!
  if (low < 128) return low
  const high = memory[at + 2]!
  return high < 128 ? (low & 127) | (high << 7) : Number.MAX_SAFE_INTEGER
}

/** The row, in words, of the symbol that a reference is to; the kernel has checked it. */
function symbolAt(kernel: WriteRequestKernel, memory: Buffer, at: number): number {
  let index = 0
  for (let i = at, shift = 0; ; i++, shift += 7) {
    index |= (memory[i]! & 127) << shift
    if (memory[i]! < 128) break
  }
  return (kernel.symbols + index * layout.SYMBOL_BYTES) >>> 2
}

function refEnd(memory: Buffer, at: number): number {
  let end = at
  while (memory[end]! >= 128) end++
  return end + 1
}
