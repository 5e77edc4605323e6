/**
 * Remote read in a querier thread: the series of each query in the order of their labels, as samples
 * or as chunks made anew from them. The answer claims memory as a query's columns do.
 */
import { fail } from '../../shared/errors/index.js'
import { FetchMeter, type SampleBuffer } from '../../shared/promql/index.js'
import { encodeSamples } from '../../shared/tsdb/index.js'
import {
  ChunkedWriter,
  decodeReadRequest,
  type ReadQuery,
  SampledWriter,
} from '../../shared/wire/remote-read/index.js'
import type { QueryOf } from './contract.js'
import type { EvaluateContext } from './evaluate.js'
import type { Outcome } from './label-queries.js'
import { checkRules, textsOfMatchers } from './query-gate.js'
import { withinLookback } from './query-limits.js'

/** What the body of a request may unpack to. */
const REQUEST_BYTES_MAX = 10 << 20
const CHUNKED_TYPE = 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse'
const SAMPLED_TYPE = 'application/x-protobuf'
/** Series between two looks at the cancel flag. */
const SERIES_PER_CHECK = 64

/** Answers a remote read. */
export async function answerRemoteRead(
  context: EvaluateContext,
  { body }: QueryOf<'remote-read'>,
): Promise<Outcome> {
  const { queries, isStreamed } = decodeReadRequest(body, REQUEST_BYTES_MAX)
  const answer = new ReadAnswer(context, isStreamed)
  try {
    for (const [index, query] of queries.entries()) await answer.add(index, query)
    return answer.outcome(queries.length)
  } finally {
    context.reserve(0)
  }
}

/** An answer as it grows. */
class ReadAnswer {
  private readonly context: EvaluateContext
  private readonly isStreamed: boolean
  private readonly chunked = new ChunkedWriter()
  private readonly sampled = new SampledWriter()
  private readonly pieces: Uint8Array[] = []
  private readonly meter: FetchMeter
  private bytes = 0
  private samplesRead = 0

  constructor(context: EvaluateContext, isStreamed: boolean) {
    this.context = context
    this.isStreamed = isStreamed
    this.meter = new FetchMeter(context.limits.fetch)
  }

  /** Adds the series of a query. */
  async add(index: number, query: ReadQuery): Promise<void> {
    const { context } = this
    const { labels, limits, env } = context
    const { mint, maxt, matchers } = query
    checkRules(context, () => ({
      texts: textsOfMatchers(matchers),
      range: { startMs: mint, endMs: maxt, stepMs: 0 },
    }))
    const source = withinLookback(context.reads.source(context.tenant), limits, env.clock.now())
    const selected = await source.select({ ...query, meter: this.meter }, labels)
    try {
      const order = Uint32Array.from({ length: selected.count }, (_, row) => row)
      order.sort((a, b) => labels.compare(selected.sets[a]!, selected.sets[b]!))
      const buffer: SampleBuffer = {
        ts: new Float64Array(0),
        values: new Float64Array(0),
        count: 0,
        histograms: undefined,
      }
      for (const [at, row] of order.entries()) {
        if (at % SERIES_PER_CHECK === 0) await this.breathe()
        buffer.histograms = undefined
        selected.read(row, mint, maxt, buffer)
        if (buffer.count === 0) continue
        this.samplesRead += buffer.count
        this.write(index, selected.sets[row]!, buffer)
      }
    } finally {
      selected.release()
    }
  }

  outcome(queries: number): Outcome {
    const read = { samplesRead: this.samplesRead, seriesRead: this.meter.series }
    if (this.isStreamed) {
      // No piece at all would be an answer without a body.
      const pieces = this.pieces.length === 0 ? [new Uint8Array(0)] : this.pieces
      return { ...read, pieces, contentType: CHUNKED_TYPE }
    }
    const pieces = [this.sampled.finish(queries)]
    return { ...read, pieces, contentType: SAMPLED_TYPE, contentEncoding: 'snappy' }
  }

  private write(index: number, set: number, buffer: SampleBuffer): void {
    const labels = this.context.labels.labels(set)
    if (this.isStreamed) {
      this.chunked.add(index, labels, encodeSamples(buffer))
      for (const piece of this.chunked.take()) {
        this.pieces.push(piece)
        this.bytes += piece.length
      }
    } else {
      this.sampled.add(index, labels, buffer)
      this.bytes = this.sampled.length
    }
    const { memoryMax, memoryError } = this.context.limits
    if (this.bytes > memoryMax) throw fail(memoryError, { limit: memoryMax })
  }

  private async breathe(): Promise<void> {
    const { context } = this
    await context.env.timers.yieldNow()
    context.stop.check()
    if (context.reserve(this.bytes)) return
    const text = 'the memory limit of this server is reached; try again later'
    throw fail('overloaded', { text })
  }
}
