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
import { compileRelabel, compileSelection, type Relabeler } from '../../shared/relabel/index.js'
import { cutText } from '../../shared/wire/frames/index.js'
import { labelsOfRow } from './offender.js'
import { AS_SENT, DROPPED, LabelPieces, LabelSelector, UNUSUAL } from './select-labels.js'

const TENANT_LABEL = '__meta_tenant_id'
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
  /** Does without text what puts nothing down. */
  private readonly selector: LabelSelector | undefined
  private readonly pieces = new LabelPieces()
  /** Length, as rows have it, of the labels put down last. */
  private rowLength = 0

  /** @param isPaired the body is one of a pair's: its replica label goes */
  constructor(tenant: string, limits: TenantLimits, isPaired: boolean) {
    this.tenant = tenant
    this.dropped = new Set([...limits.drop_labels, ...(isPaired ? [limits.ha_replica_label] : [])])
    const configs = limits.metric_relabel_configs
    const hasRules =
      limits.metric_relabeling_enabled && Array.isArray(configs) && configs.length > 0
    this.knowsTenant = hasRules && /__meta|labelmap/i.test(JSON.stringify(configs))
    this.relabel = hasRules ? compileRelabel(configs) : undefined
    this.strategy = limits.label_value_length_over_limit_strategy
    this.valueMax = limits.max_label_value_length
    const selection = compileSelection(hasRules ? configs : [])
    this.isGrowing = selection === undefined
    if (selection === undefined || this.knowsTenant) return
    const valueBytesMax = this.strategy === 'error' ? Number.POSITIVE_INFINITY : this.valueMax
    this.selector = new LabelSelector(this.dropped, selection, valueBytesMax)
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
    if (count === 0) return
    const ids = kernel.get(layout.COLUMN_IDS) >>> 2
    const memory = Buffer.from(kernel.bytes.buffer)
    // The walk left half of it where labels may grow.
    const to = { at: kernel.rewrites, room: kernel.labelRoom }
    for (let i = 0; i < count; i++) {
      const row = kernel.rowAt(kernel.words[(kernel.attention >>> 2) + i]!) >>> 2
      const first = kernel.words[row + layout.ROW_FIRST / 4]!
      const id = kernel.words[ids + first]!
      if (id === 0) continue
      let bytes = this.select(kernel, memory, row, to.at)
      if (bytes === UNUSUAL) bytes = this.rewriteRow(kernel, memory, row, to)
      if (bytes === AS_SENT) continue
      to.room -= bytes + layout.DEFINE_OVERHEAD
      if (bytes === DROPPED || to.room < 0) {
        const reason = bytes === DROPPED ? layout.REASON_RELABEL : layout.REASON_VALUE_LONG
        kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | reason
        continue
      }
      kernel.words[row + layout.ROW_LABELS / 4] = to.at
      kernel.words[row + layout.ROW_LENGTH / 4] = this.rowLength
      to.at += bytes
    }
  }

  /** Does to a row what takes no text; see `LabelSelector.select`. */
  private select(kernel: WriteRequestKernel, memory: Buffer, row: number, to: number): number {
    const { selector, pieces } = this
    if (selector === undefined || !pieces.read(kernel, memory, row)) return UNUSUAL
    const bytes = selector.select(memory, pieces, to)
    this.rowLength = pieces.areRefs ? layout.REFS_FLAG | (2 * selector.kept) : bytes
    return bytes
  }

  /** Does to a row what takes text: bytes to put down, done where there is room; AS_SENT or DROPPED. */
  private rewriteRow(
    kernel: WriteRequestKernel,
    memory: Buffer,
    row: number,
    to: { readonly at: number; readonly room: number },
  ): number {
    const sent =
      this.usualLabels(kernel, memory, row) ??
      labelsOfRow(kernel, kernel.words[row + layout.ROW_FIRST / 4]!)
    if (sent.some(isDoubtful) && !isUtf8(kernel, row)) return AS_SENT
    const labels = this.rewrite(sent)
    if (labels === undefined || labels.length === 0) return DROPPED
    const bytes = fieldBytes(labels)
    this.rowLength = bytes
    if (bytes + layout.DEFINE_OVERHEAD <= to.room) writeFields(memory, to.at, labels)
    return bytes
  }

  /**
   * Labels of a row that are put as senders usually do, sorted. Undefined when they are not like
   * that: there is a reader that takes all that is allowed, at ten times the cost.
   */
  private usualLabels(kernel: WriteRequestKernel, memory: Buffer, row: number): Labels | undefined {
    const { pieces } = this
    if (!pieces.read(kernel, memory, row)) return undefined
    const labels: Label[] = []
    let last = ''
    for (let i = 0; i < pieces.count; i++) {
      const name = memory.toString('utf8', pieces.nameAt[i]!, pieces.nameEnd[i]!)
      const value = memory.toString('utf8', pieces.valueAt[i]!, pieces.valueEnd[i]!)
      if (value === '' || !(last < name)) return undefined
      last = name
      labels.push({ name, value })
    }
    return labels
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

/** Bytes of label fields of a series of remote write 1.0; never more than any sender's own. */
function fieldBytes(labels: Labels): number {
  let bytes = 0
  for (const { name, value } of labels) {
    const inner = textBytes(name) + textBytes(value)
    bytes += 1 + varintBytes(inner) + inner
  }
  return bytes
}

/** Writes them. */
function writeFields(to: Buffer, from: number, labels: Labels): void {
  let at = from
  for (const { name, value } of labels) {
    at = writeHead(to, at, LABEL_TAG, textBytes(name) + textBytes(value))
    at = writeText(to, at, NAME_TAG, name)
    at = writeText(to, at, VALUE_TAG, value)
  }
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
