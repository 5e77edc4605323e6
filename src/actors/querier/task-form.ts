/**
 * Queries and their answers as they cross between main and a querier thread (shared/actor, TaskForm): flat, a
 * small answer as text, which costs less than bytes and is what main writes to the socket, and the
 * cancel cells, which a frontend never changes, once.
 *
 *   task    tenant | query | index of its cancel cell | waited ms | cells, where they are not the last task's |
 *           queryables | is rehearsed
 *   answer  text or pieces | samples read | series read | took ms | content type | content encoding |
 *           what it cost: nothing, or eleven numbers
 */
import type { Packed, TaskForm } from '../../shared/actor/index.js'
import type { AnswerStats, QuerierAnswer, QuerierQuery, QuerierTask } from './contract.js'

/** Bodies below are sent as text; others have pieces that are moved. */
export const TEXT_BYTES_MAX = 8_192

/** Takes any bytes, and needs no Buffer around them. */
const latin1Of = Buffer.prototype.latin1Slice as (this: Uint8Array) => string
const NO_PIECES: readonly Uint8Array[] = []
const WORDS_WITHOUT_STATS = 6

type PackedTask = [
  tenant: string,
  query: QuerierQuery,
  index: number,
  waitedMs: number,
  cells: SharedArrayBuffer | undefined,
  queryables: readonly string[] | undefined,
  isRehearsed: true | undefined,
]

type PackedAnswer = [
  body: string | readonly Uint8Array[],
  samplesRead: number,
  seriesRead: number,
  tookMs: number,
  contentType?: string | undefined,
  contentEncoding?: string | undefined,
  chunks?: number,
  chunkBytes?: number,
  cacheHits?: number,
  cacheMisses?: number,
  samplesPeak?: number,
  bytesPeak?: number,
  prepareMs?: number,
  evalMs?: number,
  encodeMs?: number,
  responseSeries?: number,
  responseSamples?: number,
]

/** One thread's, at either end. */
export class QueryForm implements TaskForm<QuerierTask, QuerierAnswer> {
  /** Of the last task. */
  private cells: SharedArrayBuffer | undefined

  packTask(task: QuerierTask): PackedTask {
    const { cells, index } = task.cancel
    const newCells = cells === this.cells ? undefined : cells
    this.cells = cells
    const { tenant, query, waitedMs = 0, queryables, isRehearsed } = task
    return [tenant, query, index, waitedMs, newCells, queryables, isRehearsed]
  }

  unpackTask(packed: Packed): QuerierTask {
    const [tenant, query, index, waitedMs, newCells, queryables, isRehearsed] = packed as PackedTask
    const cells = newCells ?? this.cells
    if (cells === undefined) throw new Error('a task without cancel cells')
    this.cells = cells
    return { tenant, query, cancel: { cells, index }, waitedMs, queryables, isRehearsed }
  }

  packAnswer(answer: QuerierAnswer): PackedAnswer {
    const { pieces, samplesRead, seriesRead, tookMs, contentType, contentEncoding, stats } = answer
    const body = isText(pieces) ? textOf(pieces) : pieces
    if (stats === undefined) {
      return [body, samplesRead, seriesRead, tookMs, contentType, contentEncoding]
    }
    return [
      body,
      samplesRead,
      seriesRead,
      tookMs,
      contentType,
      contentEncoding,
      stats.chunks,
      stats.chunkBytes,
      stats.cacheHits,
      stats.cacheMisses,
      stats.samplesPeak,
      stats.bytesPeak,
      stats.prepareMs,
      stats.evalMs,
      stats.encodeMs,
      stats.responseSeries,
      stats.responseSamples,
    ]
  }

  unpackAnswer(packed: Packed): QuerierAnswer {
    const words = packed as PackedAnswer
    const body = words[0]
    const isBodyText = typeof body === 'string'
    return {
      pieces: isBodyText ? NO_PIECES : body,
      text: isBodyText ? body : undefined,
      samplesRead: words[1],
      seriesRead: words[2],
      tookMs: words[3],
      contentType: words[4],
      contentEncoding: words[5],
      stats: words.length > WORDS_WITHOUT_STATS ? statsOf(words) : undefined,
    }
  }
}

function statsOf(words: PackedAnswer): AnswerStats {
  return {
    chunks: words[6]!,
    chunkBytes: words[7]!,
    cacheHits: words[8]!,
    cacheMisses: words[9]!,
    samplesPeak: words[10]!,
    bytesPeak: words[11]!,
    prepareMs: words[12]!,
    evalMs: words[13]!,
    encodeMs: words[14]!,
    responseSeries: words[15]!,
    responseSamples: words[16]!,
  }
}

/** Whether a body is sent as text. */
export function isText(pieces: readonly Uint8Array[]): boolean {
  let bytes = 0
  for (let at = 0; at < pieces.length; at++) bytes += pieces[at]!.length
  return bytes > 0 && bytes < TEXT_BYTES_MAX
}

function textOf(pieces: readonly Uint8Array[]): string {
  let text = ''
  for (let at = 0; at < pieces.length; at++) {
    text += latin1Of.call(pieces[at]!)
  }
  return text
}
