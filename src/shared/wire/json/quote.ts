/**
 * JSON strings as Prometheus' API writes them. Labels of results are escaped as little as JSON
 * allows; all other strings as Go's encoding/json does by default, where `<`, `>`, `&`, U+2028 and
 * U+2029 are escaped too. What cannot be written in UTF-8 becomes U+FFFD when the text is encoded.
 */

// All below U+0020, quotes and backslashes.
const PLAIN_ESCAPES = /[^ -\uffff]|["\\]/g
const HTML_ESCAPES = /[^ -\uffff]|["\\<>&\u2028\u2029]/g
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** A label's name or value in a result. */
export function quoteLabel(text: string): string {
  return `"${replaceAll(text, PLAIN_ESCAPES)}"`
}

/** Any other string. */
export function quoteText(text: string): string {
  return `"${replaceAll(text, HTML_ESCAPES)}"`
}

/** Whether `quoteText` would leave a text as it is, but for the quotes. */
export function isPlain(text: string): boolean {
  return text.search(HTML_ESCAPES) === -1
}

/** The result of a query that is a string: the two other short escapes of JSON are used as well. */
export function quoteStringResult(text: string): string {
  const parts = text.split(/([\b\f])/)
  const written = parts.map((part) =>
    part === '\b' ? '\\b' : part === '\f' ? '\\f' : replaceAll(part, HTML_ESCAPES),
  )
  return `"${written.join('')}"`
}

function replaceAll(text: string, escapes: RegExp): string {
  // Most strings need nothing, and a search is cheaper than a replacement that finds nothing.
  return text.search(escapes) === -1 ? text : text.replace(escapes, escapeUnit)
}

function escapeUnit(unit: string): string {
  return SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
