/**
 * Tells which parts of an expression are the same but for where they stand in the query: each has a
 * number, equal for equal parts. All of a node counts but its position and parentheses around it, so
 * that nothing can be forgotten here when a node gets another field. Linear in the expression.
 */
import type { Expr } from '../syntax/ast.js'

/** Numbers of the parts of one query. */
export class Shapes {
  private readonly known = new Map<object, number>()
  private readonly numbers = new Map<string, number>()

  /** The number of a part. */
  of(expr: Expr): number {
    return this.numberOf(expr)
  }

  private numberOf(node: object): number {
    const known = this.known.get(node)
    if (known !== undefined) return known
    const inner = node as { readonly kind?: string; readonly expr?: object }
    if (inner.kind === 'paren' && inner.expr !== undefined) return this.numberOf(inner.expr)
    const fields = Object.entries(node)
      .filter(([name]) => name !== 'pos')
      .map(([name, value]) => `${name}:${this.textOf(value)}`)
    const text = `${Array.isArray(node) ? 'list' : 'node'} ${fields.join(',')}`
    let number = this.numbers.get(text)
    if (number === undefined) {
      number = this.numbers.size
      this.numbers.set(text, number)
    }
    this.known.set(node, number)
    return number
  }

  private textOf(value: unknown): string {
    if (typeof value === 'object' && value !== null) return `#${this.numberOf(value)}`
    if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
    // Quoted, or without quotes: a text is never taken for anything else.
    return typeof value === 'string' ? JSON.stringify(value) : String(value)
  }
}
