/**
 * Warnings and infos of a query, as Prometheus words them (util/annotations): each text once, with
 * the position ` (line:column)` of the expression that caused it.
 */
import type { PosRange } from './syntax/ast.js'
import { printPosition } from './syntax/position.js'

/** The warnings and infos of one query, each once. */
export class Annotations {
  private readonly query: string
  private readonly warningTexts = new Set<string>()
  private readonly infoTexts = new Set<string>()

  /** @param query the query's text, for line and column */
  constructor(query: string) {
    this.query = query
  }

  warn(text: string, pos: PosRange): void {
    this.warningTexts.add(`PromQL warning: ${text} (${printPosition(this.query, pos.start)})`)
  }

  info(text: string, pos: PosRange): void {
    this.infoTexts.add(`PromQL info: ${text} (${printPosition(this.query, pos.start)})`)
  }

  /** Texts in the order in which they came up. */
  warnings(): string[] {
    return [...this.warningTexts]
  }

  infos(): string[] {
    return [...this.infoTexts]
  }
}
