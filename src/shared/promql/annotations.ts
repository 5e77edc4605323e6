/**
 * Warnings and infos of a query, as Prometheus words them (util/annotations): each text once, with
 * the position ` (line:column)` of the expression that caused it; where several did, of the one
 * that was evaluated last, as there.
 */
import type { PosRange } from './syntax/ast.js'
import { printPosition } from './syntax/position.js'

/** The warnings and infos of one query, each once. */
export class Annotations {
  private readonly query: string
  /** Text → offset into the query. */
  private readonly warningOffsets = new Map<string, number>()
  private readonly infoOffsets = new Map<string, number>()
  /** How often there was anything to note, known texts included. */
  count = 0

  /** @param query the query's text, for line and column */
  constructor(query: string) {
    this.query = query
  }

  warn(text: string, pos: PosRange): void {
    this.count++
    this.warningOffsets.set(`PromQL warning: ${text}`, pos.start)
  }

  info(text: string, pos: PosRange): void {
    this.count++
    this.infoOffsets.set(`PromQL info: ${text}`, pos.start)
  }

  /** Texts in the order in which they came up. */
  warnings(): string[] {
    return this.print(this.warningOffsets)
  }

  infos(): string[] {
    return this.print(this.infoOffsets)
  }

  private print(offsets: ReadonlyMap<string, number>): string[] {
    return Array.from(offsets, ([text, at]) => `${text} (${printPosition(this.query, at)})`)
  }
}
