/**
 * The reference page of the configuration (docs/reference/config.md), made from the table: every
 * key with its flag, type, default and doc line, those with effect first in each block.
 */
import { KNOWN, type Known } from './lookup.js'
import { printValue } from './print.js'

/** The page as Markdown. */
export function configReference(): string {
  const blocks = new Map<string, Known[]>()
  for (const known of KNOWN) {
    const name = known.key.includes('.') ? known.key.slice(0, known.key.indexOf('.')) : ''
    blocks.set(name, [...(blocks.get(name) ?? []), known])
  }
  const pages = [...blocks].map(([name, rows]) => section(name, rows))
  return `${[HEAD, ...pages].join('\n')}`
}

const HEAD = `# Configuration

Made from \`src/shared/config/table.ts\`; \`UPDATE=1 npm run tidy\` rewrites it.

A YAML file (\`-config.file=FILE\`, several with commas between) in Grafana Mimir's structure, and flags
in its spelling (\`-name=value\`, \`--name=value\`, \`-name value\`); flags win. With \`-config.expand-env\`
\`\${NAME}\` and \`\${NAME:default}\` in a file stand for environment variables. An unknown key or a bad
value stops the start. Durations are written \`30s\`, \`1h30m\`, \`7d\`; bytes \`104857600\` or \`100MiB\`
(suffixes are powers of 1024); lists in YAML or with commas between.

Keys under "accepted without effect" are checked, so that files written for Mimir load, and change
nothing so far.
`

function section(name: string, rows: readonly Known[]): string {
  const used = rows.filter((known) => known.row.effect === 'yes')
  const rest = rows.filter((known) => known.row.effect === 'none')
  const lines = [`## ${name === '' ? 'Top level' : `\`${name}\``}`, '']
  if (used.length > 0) lines.push(...table(used), '')
  if (rest.length > 0) lines.push('Accepted without effect:', '', ...table(rest), '')
  return lines.join('\n')
}

function table(rows: readonly Known[]): string[] {
  const lines = ['| key | flag | type | default | meaning |', '| --- | --- | --- | --- | --- |']
  for (const known of rows) {
    const flag = known.flag === '' ? '' : `\`-${known.flag}\``
    const type = known.row.choices
      ? known.row.choices.map((word) => (word === '' ? '""' : word)).join(', ')
      : known.row.type
    const value = known.row.type === 'open' ? '' : `\`${printValue(known, known.row.default)}\``
    lines.push(`| \`${known.key}\` | ${flag} | ${type} | ${value} | ${known.row.doc} |`)
  }
  return lines
}
