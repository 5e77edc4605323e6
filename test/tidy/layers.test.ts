/** The import rules of docs/architecture.md ("Who may import whom"), checked line by line. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

/** Layer of each module in src/shared: a module imports lower layers only. */
const LAYERS: Record<string, number> = {
  base: 0,
  errors: 0,
  model: 1,
  kernels: 1,
  telemetry: 1,
  env: 2,
  slab: 2,
  ringbuf: 3,
  config: 3,
  limits: 4,
  hashring: 3,
  cache: 3,
  bucket: 3,
  wire: 3,
  relabel: 3,
  tsdb: 4,
  promql: 4,
  blocks: 5,
  actor: 5,
}
/** Modules whose files are imported one by one. */
const NO_INDEX = new Set(['base', 'model', 'kernels'])
/** What is imported of modules that have more than one index. */
const INDEXES: Record<string, RegExp> = {
  wire: /^[\w-]+\/index\.ts$/,
  // Threads that only parse do without the engine.
  promql: /^(syntax\/)?index\.ts$/,
}
const PACKAGES: Record<string, RegExp> = {
  hono: /^src\/http\//,
  '@hono/node-server': /^src\/http\//,
  snappy: /^src\/shared\/wire\//,
  protobufjs: /^src\/shared\/wire\//,
  fzstd: /^src\/shared\/wire\//,
  comlink: /^src\/shared\/actor\//,
  piscina: /^src\/shared\/actor\//,
  re2js: /^src\/shared\/model\/regex\.ts$/,
  '@node-rs/crc32': /^src\/shared\/base\/crc32c?\.ts$/,
  '@aws-sdk/client-s3': /^src\/shared\/bucket\/s3\.ts$/,
  '@azure/storage-blob': /^src\/shared\/bucket\/azure\.ts$/,
  'google-auth-library': /^src\/shared\/bucket\/gcs\.ts$/,
  yaml: /^src\/shared\/config\//,
}

test('every import in src follows the layers', () => {
  const offences: string[] = []
  for (const name of readdirSync('src', { recursive: true })) {
    const file = join('src', String(name))
    if (!file.endsWith('.ts') || file.includes('/assembly/')) continue
    for (const [line, target] of importsOf(file)) {
      const why = offence(file, target)
      if (why !== undefined) offences.push(`${file}:${line}: imports ${target}: ${why}`)
    }
  }
  assert.deepEqual(offences, [])
})

function importsOf(file: string): [number, string][] {
  const found: [number, string][] = []
  const lines = readFileSync(file, 'utf8').split('\n')
  for (const [index, text] of lines.entries()) {
    const match = /(?:^\s*import\s+|\bfrom\s+|\bimport\()['"]([^'"]+)['"]/.exec(text)
    if (match !== null && !/^\s*(\/\/|\*)/.test(text)) found.push([index + 1, match[1]!])
  }
  return found
}

function offence(file: string, target: string): string | undefined {
  if (target.startsWith('node:')) return nodeOffence(file, target)
  if (!target.startsWith('.')) {
    const name = target.startsWith('@')
      ? target.split('/').slice(0, 2).join('/')
      : target.split('/')[0]!
    const place = PACKAGES[name]
    if (place === undefined) return 'a package without a place in this test'
    return place.test(file) ? undefined : `the package belongs to ${place}`
  }
  return localOffence(file, normalize(join(dirname(file), target)).replace(/\.js$/, '.ts'))
}

function nodeOffence(file: string, target: string): string | undefined {
  if (
    target === 'node:worker_threads' &&
    !/^src\/(shared\/actor|actors\/supervisor)\//.test(file)
  ) {
    return 'threads are the business of shared/actor and the supervisor'
  }
  const isWorld = target === 'node:fs' || target === 'node:fs/promises'
  if (isWorld && !/^src\/(shared\/(env|kernels|config)\/|main\.ts)/.test(file)) {
    return 'the disk is reached through Env'
  }
  return undefined
}

function localOffence(file: string, to: string): string | undefined {
  if (/\/worker\.ts$|^src\/main\.ts$/.test(to)) return 'a thread entry is imported by nobody'
  if (file === 'src/main.ts' || file === 'src/serve.ts') return undefined
  const [, area, from] = file.split('/') as [string, string, string]
  const [, toArea, toPart, ...rest] = to.split('/') as [string, string, string, ...string[]]
  if (toArea === area && toPart === from) return undefined
  if ((area === 'http' || area === 'commands') && toArea === area) return undefined
  if (toArea === 'http') return 'nothing below imports http'
  if (toArea === 'actors') {
    if (area === 'shared') return 'shared never imports actors'
    const isFace = /^(contract|client)\.ts$/.test(rest.join('/'))
    if (isFace || to === 'src/actors/query-frontend/query-frontend.ts') return undefined
    return 'of another actor only contract.ts and client.ts'
  }
  const wanted = INDEXES[toPart] ?? /^index\.ts$/
  if (!NO_INDEX.has(toPart) && !wanted.test(rest.join('/'))) return 'import its index.ts'
  if (area !== 'shared') return undefined
  const fromLayer = LAYERS[from]
  const toLayer = LAYERS[toPart]
  if (fromLayer === undefined || toLayer === undefined) return 'a module without a layer'
  return toLayer < fromLayer || (toLayer === fromLayer && fromLayer === 0)
    ? undefined
    : `layer ${fromLayer} imports layer ${toLayer}`
}
