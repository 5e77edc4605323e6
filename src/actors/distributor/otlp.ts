/** OTLP metrics as a protocol of bodies: opentelemetry.proto.collector.metrics.v1. */
import * as otlp from '../../shared/kernels/assembly/otlp-layout.js'
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import {
  decodeExplicit,
  decodeExponential,
  decodeOtlpExemplar,
  type OtlpHistogram,
} from '../../shared/wire/otlp/index.js'
import type { WriteMetadata } from '../../shared/wire/remote-write/index.js'
import { OtlpLabels } from './otlp-labels.js'
import type { OtlpSettings } from './otlp-settings.js'
import { type ExtraVisitor, metadataWords, type Protocol, type SentExemplar } from './protocol.js'

/** Metrics that are named when they are refused. */
const NAMES_TOLD_MAX = 10

/** The OTLP body in the kernel. */
export class Otlp implements Protocol {
  readonly itemFormat = 2
  readonly repeatsMetadata = false
  private readonly kernel: WriteRequestKernel
  private readonly options: number
  private readonly labels: OtlpLabels

  /** @param knows whether what was read before is known by its template: rows have no labels then */
  constructor(kernel: WriteRequestKernel, settings: OtlpSettings, knows: boolean) {
    this.kernel = kernel
    this.options = settings.options | (knows ? otlp.OPTION_KNOWS : 0)
    this.labels = new OtlpLabels(kernel, settings)
  }

  begin(): string {
    const { kernel } = this
    kernel.words[(kernel.otlp + otlp.OTLP_OPTIONS) >>> 2] = this.options
    const code = kernel.exports.otlpIndex(kernel.context)
    if (code === layout.WALK_DONE) return ''
    return code === otlp.WALK_TOO_MUCH
      ? 'OTLP request with too many metrics or resources, or a text of over 256 KiB'
      : 'malformed OTLP request: the protobuf message ends early or has a wrong type'
  }

  walk(): number {
    return this.kernel.exports.walkOtlp(this.kernel.context)
  }

  verify(): boolean {
    return this.kernel.exports.verifyOtlp(this.kernel.context) === 0
  }

  attend(): void {
    this.labels.attend()
  }

  describe(row: number): void {
    this.labels.describe(row)
  }

  metadataAt(index: number): WriteMetadata {
    return this.labels.metadataOf(metadataWords(this.kernel, index)[0]!)
  }

  eachExtra(fields: Uint8Array, kind: number, visitor: ExtraVisitor): void {
    if (kind === otlp.EXTRA_EXEMPLAR) {
      visitor.exemplar(() => exemplarOf(fields))
      return
    }
    let read: OtlpHistogram | undefined
    const isCustom = (kind & ~otlp.EXTRA_COUNTS) === otlp.EXTRA_CUSTOM
    const decode = (): OtlpHistogram => {
      if (read !== undefined) return read
      read = isCustom ? decodeExplicit(fields) : decodeExponential(fields)
      if ((kind & otlp.EXTRA_COUNTS) === 0) read = { ...read, startMs: 0 }
      return read
    }
    visitor.histogram(decode)
    for (const exemplar of decode().exemplars) visitor.exemplar(() => exemplarOf(exemplar))
  }

  /** Metrics of the body that are not taken for their temporality. */
  refusedCount(): number {
    return this.kernel.words[(this.kernel.otlp + otlp.OTLP_REFUSED) >>> 2]!
  }

  /** What the sender is told of them. */
  refusedText(): string {
    const names = this.labels.refusedNames(NAMES_TOLD_MAX)
    const told = names.map(
      (name) => `invalid temporality and type combination for metric ${JSON.stringify(name)}`,
    )
    const more = this.refusedCount() - names.length
    return told.join('; ') + (more > 0 ? `; and ${more} more metrics` : '')
  }

  /** Whether the chunk at hand holds increments. */
  isDelta(): boolean {
    return this.kernel.words[(this.kernel.otlp + otlp.OTLP_IS_DELTA) >>> 2] === 1
  }
}

function exemplarOf(bytes: Uint8Array): SentExemplar {
  const { t, value, labels } = decodeOtlpExemplar(bytes)
  const text = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8')
  return {
    t,
    value,
    labels: labels.map(({ key, value }) => ({ name: text(key), value: text(value) })),
  }
}
