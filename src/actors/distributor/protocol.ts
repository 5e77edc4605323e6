/**
 * What differs between the protocols of a body: how it is walked, where labels, metadata,
 * histograms and exemplars of a series are. Everything after that is the same for all (body.ts).
 */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { type Label, type Labels, METRIC_NAME } from '../../shared/model/labels.js'
import {
  createdTimestamp,
  decodeExemplar,
  decodeHistogram,
  decodeMetadata,
  decodeMetadataV2,
  eachExtra,
  type WriteHistogram,
  type WriteMetadata,
} from '../../shared/wire/remote-write/index.js'
import { labelsOfRefs } from './offender.js'

/** An exemplar, its labels in the sender's order. */
export interface SentExemplar {
  readonly t: number
  readonly value: number
  readonly labels: Labels
}

/** What a series may have beside floats; each is decoded when it is asked for. */
export interface ExtraVisitor {
  histogram(decode: () => WriteHistogram): void
  exemplar(decode: () => SentExemplar): void
}

/** A body's protocol. Methods work on the body, or chunk, that stands in the kernel. */
export interface Protocol {
  /** How `countItems` of the kernel reads it. */
  readonly itemFormat: number
  /** Series of one metric come with its metadata each. */
  readonly repeatsMetadata: boolean
  /** Reads what is needed before the walk; why the body is refused, '' when it is not. */
  begin(): string
  /** Walks on: a WALK code. */
  walk(): number
  /** Checks the framing of what was not walked. */
  verify(): boolean
  /** Gives rows that are about to be defined labels that the kernel can read. @throws */
  attend(): void
  /** Gives a row labels that can be read. @throws when they are malformed */
  describe(row: number): void
  /** A metadata record of the chunk; undefined when it is malformed. */
  metadataAt(index: number): WriteMetadata | undefined
  /** Visits what the walk noted with a series. @throws when it is malformed */
  eachExtra(fields: Uint8Array, kind: number, visitor: ExtraVisitor): void
}

/** prometheus.WriteRequest. */
export class RemoteWriteV1 implements Protocol {
  readonly itemFormat = 0
  readonly repeatsMetadata = false
  private readonly kernel: WriteRequestKernel

  constructor(kernel: WriteRequestKernel) {
    this.kernel = kernel
  }

  begin(): string {
    return ''
  }

  walk(): number {
    return this.kernel.exports.walk(this.kernel.context)
  }

  verify(): boolean {
    const { kernel } = this
    return kernel.exports.verify(kernel.get(layout.POS), kernel.get(layout.END)) === 0
  }

  attend(): void {}

  describe(): void {}

  metadataAt(index: number): WriteMetadata | undefined {
    const [at, length] = metadataWords(this.kernel, index)
    try {
      return decodeMetadata(this.kernel.bytes.subarray(at!, at! + length!))
    } catch {
      return undefined
    }
  }

  eachExtra(fields: Uint8Array, _kind: number, visitor: ExtraVisitor): void {
    eachExtra(fields, false, {
      // 1.0 knows no start times.
      histogram: (bytes) => visitor.histogram(() => ({ ...decodeHistogram(bytes), startMs: 0 })),
      exemplar: (bytes) => visitor.exemplar(() => decodeExemplar(bytes, false)),
    })
  }
}

/** io.prometheus.write.v2.Request. */
export class RemoteWriteV2 implements Protocol {
  readonly itemFormat = 1
  readonly repeatsMetadata = true
  private readonly kernel: WriteRequestKernel

  constructor(kernel: WriteRequestKernel) {
    this.kernel = kernel
  }

  begin(): string {
    const { kernel } = this
    return kernel.exports.symbols(kernel.context) === layout.WALK_DONE ? '' : MALFORMED
  }

  walk(): number {
    return this.kernel.exports.walkV2(this.kernel.context)
  }

  verify(): boolean {
    const { kernel } = this
    const [at, end] = [kernel.get(layout.POS), kernel.get(layout.END)]
    return kernel.exports.verifyV2(kernel.context, at, end) === 0
  }

  attend(): void {}

  describe(): void {}

  /** The kernel has checked it. */
  metadataAt(index: number): WriteMetadata {
    const { kernel } = this
    const [at, length, labels, refs] = metadataWords(kernel, index)
    const { type, help, unit } = decodeMetadataV2(kernel.bytes.subarray(at!, at! + length!))
    const found = labelsOfRefs(kernel, labels!, refs! ^ layout.REFS_FLAG)
    return {
      type,
      metric: found.find((label) => label.name === METRIC_NAME)?.value ?? '',
      help: kernel.findSymbol(help) ?? '',
      unit: kernel.findSymbol(unit) ?? '',
    }
  }

  eachExtra(fields: Uint8Array, _kind: number, visitor: ExtraVisitor): void {
    const seriesStart = createdTimestamp(fields)
    eachExtra(fields, true, {
      histogram: (bytes) =>
        visitor.histogram(() => {
          const read = decodeHistogram(bytes)
          return read.startMs > 0 ? read : { ...read, startMs: seriesStart }
        }),
      exemplar: (bytes) => visitor.exemplar(() => this.exemplar(bytes)),
    })
  }

  private exemplar(bytes: Uint8Array): SentExemplar {
    const { t, value, refs } = decodeExemplar(bytes, true)
    const labels: Label[] = []
    for (let i = 0; i < refs.length; i += 2) {
      const name = this.kernel.findSymbol(refs[i]!)
      const text = this.kernel.findSymbol(refs[i + 1] ?? Number.NaN)
      if (name === undefined || text === undefined) {
        throw new RangeError('exemplar: reference out of range')
      }
      labels.push({ name, value: text })
    }
    return { t, value, labels }
  }
}

/** Why a body is refused whose bytes are not what they should be. */
export const MALFORMED =
  'malformed write request: the protobuf message ends early or has a wrong type'

/** Words of a noted metadata record: message and its length, labels and their number. */
export function metadataWords(kernel: WriteRequestKernel, index: number): Uint32Array {
  const at = (kernel.metadata + index * layout.METADATA_BYTES) >>> 2
  return kernel.words.subarray(at, at + layout.METADATA_BYTES / 4)
}
