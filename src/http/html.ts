/** Pages for people, as plain as they can be. */
import type { Reply } from './handler.js'

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}td,th{padding:.15rem 1rem .15rem 0;text-align:left;vertical-align:top}'

/** A whole page; `lines` are HTML. */
export function pageReply(title: string, lines: readonly string[]): Reply {
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>nilometer: ${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(title)}</h1>
${lines.join('\n')}
</body>
</html>
`
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body }
}

/** Text as it may stand in HTML, attributes included. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
