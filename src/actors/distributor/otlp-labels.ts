/**
 * Labels of OTLP series. The kernel knows a series by its bytes as sent; here, once per new series
 * (or to word an error), resource, scope, metric and attributes become label fields as remote write
 * 1.0 has them, which the kernel then validates and defines like any other's. Rules: docs of
 * Mimir's OTLP endpoint, and shared/wire/otlp/names.ts for names.
 *
 * Texts are byte strings (one character per byte), so that nothing is lost before validation.
 */
import { printFloatPlain } from '../../shared/base/go-number.js'
import * as otlp from '../../shared/kernels/assembly/otlp-layout.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { METRIC_NAME } from '../../shared/model/labels.js'
import { METADATA_TYPES } from '../../shared/wire/frames/index.js'
import {
  type Attribute,
  decodeAttributes,
  decodeAttributesOf,
  decodeScope,
  type NamedKind,
} from '../../shared/wire/otlp/index.js'
import type { WriteMetadata } from '../../shared/wire/remote-write/index.js'
import type { OtlpSettings } from './otlp-settings.js'

/** Metadata types by kind. */
const TYPES: Readonly<Record<number, (typeof METADATA_TYPES)[number]>> = {
  [otlp.KIND_GAUGE]: 'gauge',
  [otlp.KIND_COUNTER]: 'counter',
  [otlp.KIND_SUM]: 'gauge',
  [otlp.KIND_HISTOGRAM]: 'histogram',
  [otlp.KIND_EXPONENTIAL]: 'histogram',
  [otlp.KIND_SUMMARY]: 'summary',
}

/** Labels of a point that all its series share. */
interface PointLabels {
  readonly point: number
  readonly labels: ReadonlyMap<string, string>
  /** As label fields. */
  readonly fields: Buffer
}

/** Makes the labels of one body's series. */
export class OtlpLabels {
  private readonly kernel: WriteRequestKernel
  private readonly settings: OtlpSettings
  private readonly names: OtlpSettings['names']
  /** The kernel's memory. */
  private readonly memory: Buffer
  /** Of this body, by the address of their record. */
  private readonly resources = new Map<number, readonly Attribute[]>()
  private latest: PointLabels | undefined
  private at = 0

  constructor(kernel: WriteRequestKernel, settings: OtlpSettings) {
    this.kernel = kernel
    this.settings = settings
    this.names = settings.names
    this.memory = Buffer.from(kernel.bytes.buffer)
  }

  /**
   * Writes the labels of the rows that the kernel is about to define. One whose labels come out
   * longer than anybody could have foreseen is refused.
   *
   * @throws AppError `bad-data` when an attribute is malformed
   */
  attend(): void {
    const { kernel } = this
    const { words } = kernel
    const count = kernel.get(layout.ATTENTION_COUNT)
    this.at = 0
    this.latest = undefined
    for (let i = 0; i < count; i++) {
      const row = words[(kernel.attention >>> 2) + i]!
      const allowed = this.allowance(row)
      if (this.write(row, allowed)) continue
      const first = words[(kernel.rowAt(row) + layout.ROW_FIRST) >>> 2]!
      const id = words[(kernel.get(layout.COLUMN_IDS) >>> 2) + first]!
      kernel.bytes[kernel.routes + id] = layout.ROUTE_REJECTED | layout.REASON_VALUE_LONG
    }
  }

  /** Writes the labels of one row, so that they can be told to the sender. */
  describe(row: number): void {
    this.at = 0
    this.latest = undefined
    this.write(row, this.kernel.translatedBytes)
  }

  /** What the walk has reckoned with (assembly/write-request-otlp.ts, pointBytes). */
  private allowance(row: number): number {
    const { words } = this.kernel
    const point = words[(this.kernel.rowAt(row) + layout.ROW_LABELS) >>> 2]!
    const metric = words[(point + otlp.POINT_METRIC) >>> 2]!
    const resource = words[(point + otlp.POINT_RESOURCE) >>> 2]!
    const own = words[(resource + otlp.PART_LENGTH) >>> 2]!
    if (metric === 0) return 2 * own + 512
    const scope = words[(metric + otlp.METRIC_SCOPE) >>> 2]!
    const lengths = [
      point + otlp.POINT_ATTRS_LENGTH,
      metric + otlp.METRIC_NAME_LENGTH,
      metric + otlp.METRIC_UNIT_LENGTH,
      scope + otlp.PART_LENGTH,
    ]
    return 2 * lengths.reduce((sum, at) => sum + words[at >>> 2]!, own) + 512
  }

  /** Writes a row's label fields and points the row at them; false when they take too much room. */
  private write(row: number, allowed: number): boolean {
    const { kernel } = this
    const at = kernel.rowAt(row) >>> 2
    const flagged = kernel.words[at + layout.ROW_LENGTH / 4]!
    if ((flagged & otlp.OTLP_FLAG) === 0) return true
    const point = kernel.words[at + layout.ROW_LABELS / 4]!
    const sub = flagged ^ otlp.OTLP_FLAG
    const shared = this.sharedOf(point)
    const own = this.ownLabels(point, sub)
    const isApart = own.some(([name]) => shared.labels.has(name))
    const fields = isApart ? fieldsOf(without(shared.labels, own)) : shared.fields
    const more = fieldsOf(own)
    const length = fields.length + more.length
    if (length > allowed || this.at + length > kernel.translatedBytes) return false
    const to = kernel.translated + this.at
    kernel.bytes.set(fields, to)
    kernel.bytes.set(more, to + fields.length)
    this.at += length
    kernel.words[at + layout.ROW_LABELS / 4] = to
    kernel.words[at + layout.ROW_LENGTH / 4] = length
    return true
  }

  /** Name, and bucket or quantile, of series `sub` of a point. */
  private ownLabels(point: number, sub: number): [string, string][] {
    const { words } = this.kernel
    const metric = words[(point + otlp.POINT_METRIC) >>> 2]!
    if (metric === 0) return [[METRIC_NAME, 'target_info']]
    const kind = words[(metric + otlp.METRIC_KIND) >>> 2]!
    const name = this.nameOf(metric)
    const isNative = kind === otlp.KIND_EXPONENTIAL || this.settings.nhcb
    const isSplit = kind === otlp.KIND_SUMMARY || (kind === otlp.KIND_HISTOGRAM && !isNative)
    if (!isSplit) return [[METRIC_NAME, name]]
    if (sub === otlp.SUB_SUM) return [[METRIC_NAME, `${name}_sum`]]
    if (sub === otlp.SUB_COUNT) return [[METRIC_NAME, `${name}_count`]]
    const bounds = words[(point + otlp.POINT_BOUNDS_AT) >>> 2]!
    if (kind === otlp.KIND_SUMMARY) {
      const quantile = bounds === 0 ? 0 : this.memory.readDoubleLE(bounds)
      return [
        [METRIC_NAME, name],
        ['quantile', printFloatPlain(quantile)],
      ]
    }
    const index = sub - otlp.SUB_FIRST
    const isLast = index >= words[(point + otlp.POINT_BOUNDS_COUNT) >>> 2]!
    const bound = isLast ? Number.POSITIVE_INFINITY : this.memory.readDoubleLE(bounds + index * 8)
    return [
      [METRIC_NAME, `${name}_bucket`],
      ['le', printFloatPlain(bound)],
    ]
  }

  /** The Prometheus name of a metric, by its record. */
  nameOf(metric: number): string {
    const { words } = this.kernel
    const kind = words[(metric + otlp.METRIC_KIND) >>> 2]!
    return this.names.metric(this.textAt(metric + otlp.METRIC_NAME_AT), {
      unit: this.textAt(metric + otlp.METRIC_UNIT_AT),
      kind: namedKind(kind),
    })
  }

  /** What the names of refused metrics are, at most `most` of them; as senders wrote them. */
  refusedNames(most: number): string[] {
    const { words } = this.kernel
    const state = this.kernel.otlp
    const count = words[(state + otlp.OTLP_METRIC_COUNT) >>> 2]!
    const first = words[(state + otlp.OTLP_METRICS) >>> 2]!
    const names: string[] = []
    for (let i = 0; i < count && names.length < most; i++) {
      const metric = first + i * otlp.METRIC_BYTES
      if (words[(metric + otlp.METRIC_MODE) >>> 2] !== otlp.MODE_REFUSED) continue
      names.push(utf8(this.textAt(metric + otlp.METRIC_NAME_AT)))
    }
    return names
  }

  /** The metadata of a metric, by its record. */
  metadataOf(metric: number): WriteMetadata {
    const kind = this.kernel.words[(metric + otlp.METRIC_KIND) >>> 2]!
    return {
      type: METADATA_TYPES.indexOf(TYPES[kind] ?? 'unknown'),
      metric: utf8(this.nameOf(metric)),
      help: utf8(this.textAt(metric + otlp.METRIC_HELP_AT)),
      unit: utf8(this.textAt(metric + otlp.METRIC_UNIT_AT)),
    }
  }

  private sharedOf(point: number): PointLabels {
    if (this.latest?.point === point) return this.latest
    const { words } = this.kernel
    const metric = words[(point + otlp.POINT_METRIC) >>> 2]!
    const resource = words[(point + otlp.POINT_RESOURCE) >>> 2]!
    const labels =
      metric === 0 ? this.infoLabels(resource) : this.pointLabels(point, metric, resource)
    this.latest = { point, labels, fields: fieldsOf(labels) }
    return this.latest
  }

  private pointLabels(point: number, metric: number, resource: number): Map<string, string> {
    const { words, bytes } = this.kernel
    const at = words[(point + otlp.POINT_ATTRS_AT) >>> 2]!
    const length = words[(point + otlp.POINT_ATTRS_LENGTH) >>> 2]!
    const attributes = decodeAttributes(bytes.subarray(at, at + length))
    const labels = this.merged(attributes)
    const owners = this.resourceOf(resource)
    this.promote(owners, labels)
    if (this.settings.promoteScope) {
      this.promoteScope(words[(metric + otlp.METRIC_SCOPE) >>> 2]!, labels)
    }
    identify(owners, labels)
    return labels
  }

  /** Labels of target_info: all attributes of the resource that do not name it. */
  private infoLabels(resource: number): Map<string, string> {
    const owners = this.resourceOf(resource)
    const kept = this.settings.keepIdentifying
      ? owners
      : owners.filter(({ key }) => !IDENTIFYING.has(key))
    const labels = this.merged(kept)
    identify(owners, labels)
    return labels
  }

  /** Attributes as labels; values whose keys come to one name are joined, in the keys' order. */
  private merged(attributes: readonly Attribute[]): Map<string, string> {
    const labels = new Map<string, string>()
    for (const { key, value } of attributes) {
      const name = this.names.label(key)
      if (!labels.has(name)) labels.set(name, value)
      else if (this.settings.naming.escapes) return this.joined(attributes)
      else labels.set(name, value)
    }
    return labels
  }

  private joined(attributes: readonly Attribute[]): Map<string, string> {
    const sorted = [...attributes].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    const labels = new Map<string, string>()
    for (const { key, value } of sorted) {
      const name = this.names.label(key)
      const before = labels.get(name)
      labels.set(name, before === undefined || before === '' ? value : `${before};${value}`)
    }
    return labels
  }

  private promote(owners: readonly Attribute[], labels: Map<string, string>): void {
    if (this.settings.promoted.size === 0) return
    for (const { key, value } of owners) {
      if (!this.settings.promoted.has(key)) continue
      const name = this.names.label(key)
      if (!labels.has(name)) labels.set(name, value)
    }
  }

  private promoteScope(scope: number, labels: Map<string, string>): void {
    const { words, bytes } = this.kernel
    const at = words[(scope + otlp.PART_AT) >>> 2]!
    const message = bytes.subarray(at, at + words[(scope + otlp.PART_LENGTH) >>> 2]!)
    const { name, version, attributes } = decodeScope(message)
    if (name === '') return
    labels.set('otel_scope_name', name)
    labels.set('otel_scope_version', version)
    labels.set('otel_scope_schema_url', this.textAt(scope + otlp.PART_URL_AT))
    for (const { key, value } of attributes) {
      labels.set(this.names.label(`otel_scope_${key}`), value)
    }
  }

  private resourceOf(resource: number): readonly Attribute[] {
    const known = this.resources.get(resource)
    if (known !== undefined) return known
    const { words, bytes } = this.kernel
    const at = words[(resource + otlp.PART_AT) >>> 2]!
    const length = words[(resource + otlp.PART_LENGTH) >>> 2]!
    const attributes = decodeAttributesOf(bytes.subarray(at, at + length), 1)
    this.resources.set(resource, attributes)
    return attributes
  }

  /** A text by the address of its (address, length) pair. */
  private textAt(pair: number): string {
    const { words } = this.kernel
    const at = words[pair >>> 2]!
    return this.memory.toString('latin1', at, at + words[(pair >>> 2) + 1]!)
  }
}

/** What a resource is named by; it becomes `job` and `instance`. */
const IDENTIFYING: ReadonlySet<string> = new Set([
  'service.namespace',
  'service.name',
  'service.instance.id',
])

function identify(owners: readonly Attribute[], labels: Map<string, string>): void {
  const find = (wanted: string): string | undefined =>
    owners.find(({ key }) => key === wanted)?.value
  const service = find('service.name')
  const namespace = find('service.namespace')
  if (service !== undefined) {
    labels.set('job', namespace === undefined ? service : `${namespace}/${service}`)
  }
  const instance = find('service.instance.id')
  if (instance !== undefined) labels.set('instance', instance)
}

function without(
  labels: ReadonlyMap<string, string>,
  own: readonly (readonly [string, string])[],
): Map<string, string> {
  const rest = new Map(labels)
  for (const [name] of own) rest.delete(name)
  return rest
}

function namedKind(kind: number): NamedKind {
  if (kind === otlp.KIND_COUNTER) return 'counter'
  return kind === otlp.KIND_GAUGE ? 'gauge' : 'other'
}

/** A byte string as text. */
function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** Labels as fields of remote write 1.0: tag 10, length, Label. */
function fieldsOf(labels: Iterable<readonly [string, string]>): Buffer {
  const list = [...labels]
  let room = 0
  for (const [name, value] of list) room += name.length + value.length + 24
  const bytes = Buffer.allocUnsafe(room)
  let at = 0
  const head = (value: number): void => {
    let rest = value
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128
    bytes[at++] = rest
  }
  for (const [name, value] of list) {
    const inner = lengthBytes(name.length) + lengthBytes(value.length) + name.length + value.length
    bytes[at++] = 10
    head(inner + 2)
    bytes[at++] = 10
    head(name.length)
    at += bytes.write(name, at, 'latin1')
    bytes[at++] = 18
    head(value.length)
    at += bytes.write(value, at, 'latin1')
  }
  return bytes.subarray(0, at)
}

function lengthBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest >>>= 7) bytes++
  return bytes
}
