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

/** Rewrites the labels of one tenant's series. */
export class LabelRewriter {
  private readonly tenant: string
  private readonly dropped: ReadonlySet<string>
  private readonly relabel: Relabeler | undefined
  private readonly strategy: TenantLimits['label_value_length_over_limit_strategy']
  private readonly valueMax: number

  /** @param isPaired the body is one of a pair's: its replica label goes */
  constructor(tenant: string, limits: TenantLimits, isPaired: boolean) {
    this.tenant = tenant
    this.dropped = new Set([...limits.drop_labels, ...(isPaired ? [limits.ha_replica_label] : [])])
    const configs = limits.metric_relabel_configs
    const hasRules =
      limits.metric_relabeling_enabled && Array.isArray(configs) && configs.length > 0
    this.relabel = hasRules ? compileRelabel(configs) : undefined
    this.strategy = limits.label_value_length_over_limit_strategy
    this.valueMax = limits.max_label_value_length
  }

  /** Whether it does anything. */
  isNeeded(): boolean {
    return this.dropped.size > 0 || this.relabel !== undefined || this.strategy !== 'error'
  }

  /** Rewrites the rows of the chunk that are about to be defined. */
  apply(kernel: WriteRequestKernel): void {
    const count = kernel.get(layout.ATTENTION_COUNT)
    const ids = kernel.get(layout.COLUMN_IDS) >>> 2
    let at = kernel.rewrites
    // The walk left half of it for what grows.
    let room = kernel.labelRoom
    for (let i = 0; i < count; i++) {
      const row = kernel.rowAt(kernel.words[(kernel.attention >>> 2) + i]!) >>> 2
      const first = kernel.words[row + layout.ROW_FIRST / 4]!
      const id = kernel.words[ids + first]!
      if (id === 0) continue
      const sent = labelsOfRow(kernel, first)
      if (sent.some(isDoubtful) && !isUtf8(kernel, row)) continue
      const labels = this.rewrite(sent)
      if (labels === undefined || labels.length === 0) {
        kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | layout.REASON_RELABEL
        continue
      }
      const bytes = encodeFields(labels)
      room -= bytes.length + layout.DEFINE_OVERHEAD
      if (room < 0) {
        kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | layout.REASON_VALUE_LONG
        continue
      }
      kernel.bytes.set(bytes, at)
      kernel.words[row + layout.ROW_LABELS / 4] = at
      kernel.words[row + layout.ROW_LENGTH / 4] = bytes.length
      at += bytes.length
    }
  }

  /** The labels to be checked and stored; undefined when the series is dropped. */
  rewrite(sent: Labels): Labels | undefined {
    let labels: Labels | undefined = sent
    if (this.dropped.size > 0) labels = labels.filter(({ name }) => !this.dropped.has(name))
    if (this.relabel !== undefined) {
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

/** Label fields of a series of remote write 1.0. */
function encodeFields(labels: Labels): Buffer {
  const parts: Buffer[] = []
  for (const { name, value } of labels) {
    const inner = Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.from(value))])
    parts.push(field(0x0a, inner))
  }
  return Buffer.concat(parts)
}

function field(tag: number, bytes: Buffer): Buffer {
  const head = [tag]
  let length = bytes.length
  while (length > 127) {
    head.push((length & 127) | 128)
    length >>>= 7
  }
  head.push(length)
  return Buffer.concat([Buffer.from(head), bytes])
}
