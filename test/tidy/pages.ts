/** The generated pages of docs/reference: each a function of a table in src. */
import { ENDPOINTS } from '../../src/http/endpoints.js'
import { expectation } from '../../src/shared/config/coerce.js'
import { KNOWN, type Known } from '../../src/shared/config/lookup.js'
import { printValue } from '../../src/shared/config/print.js'
import { ERRORS, type ErrorRow } from '../../src/shared/errors/index.js'
import { AGGREGATIONS, type AggregationRow } from '../../src/shared/promql/aggregations/table.js'
import type { FunctionRow } from '../../src/shared/promql/functions/kernel.js'
import { FUNCTIONS } from '../../src/shared/promql/functions/table.js'
import { METRICS, type MetricRow } from '../../src/shared/telemetry/index.js'

/** File name in docs/reference → its text. */
export function referencePages(): Record<string, string> {
  return {
    'config.md': configPage(),
    'endpoints.md': endpointsPage(),
    'errors.md': errorsPage(),
    'metrics.md': metricsPage(),
    'promql.md': promqlPage(),
  }
}

function page(title: string, source: string, intro: string, body: readonly string[]): string {
  const made = `Made from \`${source}\`; \`UPDATE=1 npm run tidy\` rewrites it.`
  return `${[`# ${title}`, '', made, '', intro.trim(), '', ...body].join('\n').trimEnd()}\n`
}

function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cellText).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)]
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}

function configPage(): string {
  const blocks = new Map<string, Known[]>()
  for (const known of KNOWN) {
    const name = known.key.includes('.') ? known.key.slice(0, known.key.indexOf('.')) : ''
    blocks.set(name, [...(blocks.get(name) ?? []), known])
  }
  const intro = `
A YAML file (\`-config.file=FILE\`, several with commas between) in Grafana Mimir's structure, and flags
in its spelling (\`-name=value\`, \`--name=value\`, \`-name value\`); flags win. With \`-config.expand-env\`
\`\${NAME}\` and \`\${NAME:default}\` in a file stand for environment variables. An unknown key or a bad
value stops the start. Durations are written \`30s\`, \`1h30m\`, \`7d\`; bytes \`104857600\` or \`100MiB\`
(suffixes are powers of 1024); lists in YAML or with commas between.

Keys "accepted without effect" are checked, so that files written for Mimir load, and change nothing; "None:" says why,
where what they mean does not.`
  const body = [
    ...differingDefaults(),
    ...[...blocks].flatMap(([name, rows]) => configBlock(name, rows)),
  ]
  return page('Configuration', 'src/shared/config/table.ts', intro, body)
}

function differingDefaults(): string[] {
  const rows = KNOWN.filter(({ row }) => row.mimirDefault !== undefined).map((known) => [
    code(known.key),
    code(printValue(known, known.row.default)),
    code(printValue(known, known.row.mimirDefault)),
  ])
  return [
    "## Defaults that are not Mimir's",
    '',
    'They would surprise who runs one server for one purpose.',
    '',
    ...tableOf(['key', 'here', 'in Mimir'], rows),
    '',
  ]
}

function configBlock(name: string, rows: readonly Known[]): string[] {
  const heads = ['key', 'flag', 'default', 'takes', 'meaning']
  const cells = (known: Known) => [
    code(known.key),
    code(known.flag === '' ? '' : `-${known.flag}`),
    known.row.type === 'open' ? '' : code(printValue(known, known.row.default)),
    expectation(known.row),
    known.why === '' ? known.row.doc : `${known.row.doc} None: ${known.why}.`,
  ]
  const used = rows.filter(({ row }) => row.effect === 'yes').map(cells)
  const rest = rows.filter(({ row }) => row.effect === 'none').map(cells)
  const lines = [`## ${name === '' ? 'Top level' : code(name)}`, '']
  if (used.length > 0) lines.push(...tableOf(heads, used), '')
  if (rest.length > 0) lines.push('Accepted without effect:', '', ...tableOf(heads, rest), '')
  return lines
}

function endpointsPage(): string {
  const rows = ENDPOINTS.map((endpoint) => [
    endpoint.method,
    code(`${endpoint.prefix === 'prometheus' ? '/prometheus' : ''}${endpoint.path}`),
    endpoint.auth ? 'yes' : 'no',
    endpoint.doc,
  ])
  const intro = `
Paths stand below \`server.http_path_prefix\`; \`/prometheus\` is \`api.prometheus_http_prefix\`. Where a tenant
is wanted it is the header \`X-Scope-OrgID\`; without it the tenant is \`no_auth_tenant\`, unless
\`tenant_header_required\` is on.`
  const body = tableOf(['method', 'path', 'tenant', 'what'], rows)
  return page('Endpoints', 'src/http/endpoints.ts', intro, body)
}

function errorsPage(): string {
  const rows = Object.entries<ErrorRow>(ERRORS).map(([id, row]) => [
    `[${code(id)}](../runbook.md#${id})`,
    String(row.status),
    code(row.type),
    row.retryable ? 'yes' : 'no',
    row.message,
  ])
  const intro = `
Every error that leaves the process. Ids are public: they are never renamed or reused. "Again" says
whether the same request may succeed later.`
  const body = tableOf(['id', 'status', 'type', 'again', 'message'], rows)
  return page('Errors', 'src/shared/errors/catalogue.ts', intro, body)
}

function metricsPage(): string {
  const rows = Object.entries<MetricRow>(METRICS)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, row]) => [code(name), row.type, row.labels.map(code).join(', '), row.help])
  const intro = `
What \`/metrics\` shows of the process itself. Names are Mimir's where the meaning is; those that start
with \`nilo_\` are nilometer's own.`
  const body = tableOf(['metric', 'type', 'labels', 'meaning'], rows)
  return page('Metrics', 'src/shared/telemetry/table.ts', intro, body)
}

function promqlPage(): string {
  const functions = Object.entries<FunctionRow>(FUNCTIONS).map(([name, row]) => [
    code(`${name}(${signatureOf(row)})`),
    code(row.returns),
    row.experimental === true ? 'experimental' : '',
    row.doc,
  ])
  const aggregations = Object.entries<AggregationRow>(AGGREGATIONS).map(([name, row]) => [
    code(`${name}(${row.param === 'none' ? '' : `${row.param}, `}vector)`),
    row.experimental === true ? 'experimental' : '',
    row.doc,
  ])
  const intro = `
All of Prometheus' functions and aggregations. Experimental ones are taken where a tenant's limits name them
(\`enabled_promql_experimental_functions\`).`
  return page('PromQL', 'the tables of src/shared/promql', intro, [
    '## Functions',
    '',
    ...tableOf(['function', 'gives', '', 'what'], functions),
    '',
    '## Aggregations',
    '',
    ...tableOf(['aggregation', '', 'what'], aggregations),
  ])
}

/** `matrix, scalar?`, `string, string...`: optional and repeated arguments at the end. */
function signatureOf(row: FunctionRow): string {
  if (row.variadic === 0) return row.args.join(', ')
  const mark = row.variadic === 1 ? '?' : '...'
  return row.args.map((arg, at) => (at === row.args.length - 1 ? arg + mark : arg)).join(', ')
}
