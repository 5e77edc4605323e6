/**
 * What a tenant has done to the labels of its series before they are checked: the replica label goes
 * where a pair is de-duplicated, then `drop_labels`, then `metric_relabel_configs`, then values over
 * their limit by strategy. Runs once per series that is to be defined, on the rows that the kernel
 * lists: their labels are put down anew, and the kernel reads those. Known series cost nothing.
 */
import { createHash } from 'node:crypto'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import type { TenantLimits } from '../../shared/limits/index.js'
import { compareUtf8, type Label, type Labels } from '../../shared/model/labels.js'
import { compileRelabel, type Relabeler } from '../../shared/relabel/index.js'
import { cutText } from '../../shared/wire/frames/index.js'
import { labelsOfRow } from './offender.js'

const TENANT_LABEL = '__meta_tenant_id'
/** Actions of rules that put nothing down; one without an action replaces. */
const SHRINKING = new Set(['keep', 'drop', 'keepequal', 'dropequal', 'labelkeep', 'labeldrop'])
/** Tags of a label among a series' fields, and of its name and value. */
const LABEL_TAG = 0x0a
const NAME_TAG = 0x0a
const VALUE_TAG = 0x12

/** Rewrites the labels of one tenant's series. */
export class LabelRewriter {
  private readonly tenant: string
  private readonly dropped: ReadonlySet<string>
  private readonly relabel: Relabeler | undefined
  /** Rules name the tenant's label, which is there only then. */
  private readonly knowsTenant: boolean
  private readonly strategy: TenantLimits['label_value_length_over_limit_strategy']
  private readonly valueMax: number
  private readonly isGrowing: boolean

  /** @param isPaired the body is one of a pair's: its replica label goes */
  constructor(tenant: string, limits: TenantLimits, isPaired: boolean) {
    this.tenant = tenant
    this.dropped = new Set([...limits.drop_labels, ...(isPaired ? [limits.ha_replica_label] : [])])
    const configs = limits.metric_relabel_configs
    const hasRules =
      limits.metric_relabeling_enabled && Array.isArray(configs) && configs.length > 0
    this.knowsTenant = hasRules && /__meta|labelmap/i.test(JSON.stringify(configs))
    this.relabel = hasRules ? compileRelabel(configs) : undefined
    this.isGrowing = hasRules && configs.some(grows)
    this.strategy = limits.label_value_length_over_limit_strategy
    this.valueMax = limits.max_label_value_length
  }

  /** Whether it does anything. */
  isNeeded(): boolean {
    return this.dropped.size > 0 || this.relabel !== undefined || this.strategy !== 'error'
  }

  /** Whether a series' labels may take more bytes than were sent: the walk must leave room then. */
  mayGrow(): boolean {
    return this.isGrowing
  }

  /** Rewrites the rows of the chunk that are about to be defined. */
  apply(kernel: WriteRequestKernel): void {
    const count = kernel.get(layout.ATTENTION_COUNT)
    const ids = kernel.get(layout.COLUMN_IDS) >>> 2
    const memory = Buffer.from(kernel.bytes.buffer)
    let at = kernel.rewrites
    // The walk left half of it where labels may grow.
    let room = kernel.labelRoom
    for (let i = 0; i < count; i++) {
      const row = kernel.rowAt(kernel.words[(kernel.attention >>> 2) + i]!) >>> 2
      const first = kernel.words[row + layout.ROW_FIRST / 4]!
      const id = kernel.words[ids + first]!
      if (id === 0) continue
      const sent = usualLabels(memory, kernel, row) ?? labelsOfRow(kernel, first)
      if (sent.some(isDoubtful) && !isUtf8(kernel, row)) continue
      const labels = this.rewrite(sent)
      if (labels === undefined || labels.length === 0) {
        kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | layout.REASON_RELABEL
        continue
      }
      const bytes = fieldBytes(labels)
      room -= bytes + layout.DEFINE_OVERHEAD
      if (room < 0) {
        kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | layout.REASON_VALUE_LONG
        continue
      }
      kernel.words[row + layout.ROW_LABELS / 4] = at
      kernel.words[row + layout.ROW_LENGTH / 4] = bytes
      at = writeFields(memory, at, labels)
    }
  }

  /** The labels to be checked and stored; undefined when the series is dropped. */
  rewrite(sent: Labels): Labels | undefined {
    let labels: Labels | undefined = sent
    if (this.dropped.size > 0) labels = labels.filter(({ name }) => !this.dropped.has(name))
    if (this.relabel !== undefined && !this.knowsTenant) labels = this.relabel(labels)
    else if (this.relabel !== undefined) {
      const own = [...labels, { name: TENANT_LABEL, value: this.tenant }]
      labels = this.relabel(own.sort((a, b) => compareUtf8(a.name, b.name)))
      labels = labels?.filter(({ name }) => name !== TENANT_LABEL)
    }
    if (labels === undefined || this.strategy === 'error') return labels
    return labels.map((label) => this.shortened(label))
  }

  private shortened(label: Label): Label {
    const { name, value } = label
    if (Buffer.byteLength(value) <= this.valueMax) return label
    const hash = `(hash:${createHash('sha256').update(value).digest('hex')})`
    const kept = this.strategy === 'drop' ? 0 : Math.max(0, this.valueMax - hash.length)
    const head = Buffer.from(cutText(value, kept)).toString('utf8')
    return { name, value: (head + hash).slice(0, this.valueMax) }
  }
}

function grows(rule: unknown): boolean {
  const action = (rule as { action?: unknown } | null)?.action
  return typeof action !== 'string' || !SHRINKING.has(action.toLowerCase())
}

/** Text that was no UTF-8 reads like this; it may have been sent so, too. */
function isDoubtful({ name, value }: Label): boolean {
  return name.includes('\ufffd') || value.includes('\ufffd')
}

/** The kernel refuses what is no UTF-8; it is asked before text is made of it. */
function isUtf8(kernel: WriteRequestKernel, row: number): boolean {
  const at = kernel.words[row + layout.ROW_LABELS / 4]!
  const length = kernel.words[row + layout.ROW_LENGTH / 4]!
  const code = kernel.exports.labelSet(kernel.context, at, length, kernel.stage)
  return code >= 0 && code !== layout.REASON_VALUE_INVALID && code !== layout.REASON_LABEL_INVALID
}

/**
 * Labels of a row as senders usually put them: name, value, lengths of two bytes at most, sorted.
 * Undefined when they are not like that: there is a reader that takes all that is allowed, at ten
 * times the cost.
 */
function usualLabels(memory: Buffer, kernel: WriteRequestKernel, row: number): Labels | undefined {
  const length = kernel.words[row + layout.ROW_LENGTH / 4]!
  if ((length & layout.REFS_FLAG) !== 0) return undefined
  let at = kernel.words[row + layout.ROW_LABELS / 4]!
  const end = at + length
  const labels: Label[] = []
  let last = ''
  while (at < end) {
    if (memory[at] !== LABEL_TAG) return undefined
    const inner = headEnd(memory, at)
    const innerEnd = inner + lengthAt(memory, at)
    if (memory[inner] !== NAME_TAG) return undefined
    const nameAt = headEnd(memory, inner)
    const second = nameAt + lengthAt(memory, inner)
    if (second >= innerEnd || memory[second] !== VALUE_TAG) return undefined
    const valueAt = headEnd(memory, second)
    if (valueAt + lengthAt(memory, second) !== innerEnd || innerEnd > end) return undefined
    const name = memory.toString('utf8', nameAt, second)
    if (valueAt === innerEnd || !(last < name)) return undefined
    last = name
    labels.push({ name, value: memory.toString('utf8', valueAt, innerEnd) })
    at = innerEnd
  }
  return labels
}

/** Where a field's bytes begin, after its tag and a length of one byte or two. */
function headEnd(memory: Buffer, at: number): number {
  return memory[at + 1]! < 128 ? at + 2 : at + 3
}

/** Its length; one of three bytes and more comes out too long to fit, and is left to the other reader. */
function lengthAt(memory: Buffer, at: number): number {
  const low = memory[at + 1]!
  if (low < 128) return low
  const high = memory[at + 2]!
  return high < 128 ? (low & 127) | (high << 7) : Number.MAX_SAFE_INTEGER
}

/** Bytes of label fields of a series of remote write 1.0; never more than any sender's own. */
function fieldBytes(labels: Labels): number {
  let bytes = 0
  for (const { name, value } of labels) {
    const inner = textBytes(name) + textBytes(value)
    bytes += 1 + varintBytes(inner) + inner
  }
  return bytes
}

/** Writes them; where they end. */
function writeFields(to: Buffer, from: number, labels: Labels): number {
  let at = from
  for (const { name, value } of labels) {
    at = writeHead(to, at, LABEL_TAG, textBytes(name) + textBytes(value))
    at = writeText(to, at, NAME_TAG, name)
    at = writeText(to, at, VALUE_TAG, value)
  }
  return at
}

/** An empty text is a field that is not there. */
function textBytes(text: string): number {
  if (text === '') return 0
  const length = Buffer.byteLength(text)
  return 1 + varintBytes(length) + length
}

function writeText(to: Buffer, at: number, tag: number, text: string): number {
  if (text === '') return at
  const from = writeHead(to, at, tag, Buffer.byteLength(text))
  return from + to.write(text, from, 'utf8')
}

function writeHead(to: Buffer, from: number, tag: number, length: number): number {
  let at = from
  to[at++] = tag
  let left = length
  while (left > 127) {
    to[at++] = (left & 127) | 128
    left >>>= 7
  }
  to[at++] = left
  return at
}

function varintBytes(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}
