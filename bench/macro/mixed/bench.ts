/**
 * What the mixed benchmarks share: streams of the load tool at a steady rate, and verdicts. A stream
 * is a fleet scraped now, again and again, stamped with the wall clock (`ingest --loop` of the tool).
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningProcess } from '../../../test/support/processes.js'
import {
  type IngestFigures,
  type LoadTool,
  median,
  print,
  runTool,
  startTool,
} from '../load-tool.js'
import { type Server, startServer } from '../servers.js'

/** What a benchmark is told. */
export interface MixedOptions {
  readonly tool: LoadTool
  /** Folder for the tool's JSON. */
  readonly results: string
  /** As the tool reads them: `100k`. */
  readonly series: string
  readonly rate: string | undefined
  readonly rounds: number
  /** Length of a stream. */
  readonly seconds: number
  readonly serverCpus: string | undefined
}

/** A figure beside its bar. */
export interface Verdict {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** `most`: at most so much is good, `least`: at least so much. */
  readonly most?: number
  readonly least?: number
}

/** A mixed benchmark: its verdicts in the end; what it measured on the way it prints. */
export type MixedBench = (options: MixedOptions) => Promise<Verdict[]>

/** What a stream is, beside its rate. */
export interface StreamOptions {
  readonly name: string
  readonly tenant: string
  readonly seconds: number
  /** Samples a second; as fast as it goes without. */
  readonly rate?: string | number
  readonly series: string
  /** More options of the tool. */
  readonly more?: readonly string[]
}

/** A stream that runs. */
export interface Stream {
  /** Settles when its first samples have arrived. */
  readonly begun: Promise<void>
  /** @throws when the tool failed */
  readonly figures: Promise<IngestFigures>
}

/** How long a stream may take to begin: its fleet is generated first. */
const BEGIN_MS_MAX = 120_000

/** Starts nilometer for a benchmark. */
export function startOwn(options: MixedOptions, flags: readonly string[] = []): Promise<Server> {
  return startServer('nilometer', { cpus: options.serverCpus, flags })
}

/** Arguments of the tool that name a server. */
export function toolArgs(server: Server, tenant: string): string[] {
  const path = server.pushPath.slice(server.url.length)
  const place = ['--url', server.url, '--path', path, '--qurl', server.queryUrl]
  return [...place, '--pid', String(server.pid), '--tenant', tenant]
}

/** Starts a stream into a server. */
export function startStream(
  { tool, results }: MixedOptions,
  server: Server,
  stream: StreamOptions,
): Stream {
  mkdirSync(results, { recursive: true })
  const json = join(results, `${stream.name}.json`)
  const rate = stream.rate === undefined ? [] : ['--rate', String(stream.rate)]
  const args = ['ingest', '--name', stream.name, '--series', stream.series]
  args.push('--loop', `${stream.seconds}s`, ...rate, ...toolArgs(server, stream.tenant))
  args.push('--settle', '0', '--no-verify', '--json', json, ...(stream.more ?? []))
  const before = receivedSamples(server, stream.tenant)
  const running = startTool(tool, args)
  const begun = hasBegun(server, stream.tenant, before, running)
  // Who waits for the figures alone learns of a tool that failed by them.
  begun.catch(() => {})
  return { begun, figures: figuresOf(running, json) }
}

/** A stream from its beginning to its end. */
export async function runStream(
  options: MixedOptions,
  server: Server,
  stream: StreamOptions,
): Promise<IngestFigures> {
  return await startStream(options, server, stream).figures
}

/** Samples per second that a server takes from a stream as fast as both can on this machine. */
export async function measureCapacity(
  options: MixedOptions,
  server: Server,
  series: string,
): Promise<number> {
  const stream = { name: 'capacity', tenant: 'capacity', seconds: 20, series }
  const { samplesPerS } = await runStream(options, server, stream)
  print(`capacity, generator beside the server: ${samplesPerS.toFixed(0)} samples/s`)
  return samplesPerS
}

/** Makes a cached workload, unless it is there. */
export async function makeWorkload({ tool }: MixedOptions, args: readonly string[]): Promise<void> {
  const running = startTool(tool, ['gen', ...args])
  const { code } = await running.exited
  if (code !== 0) throw new Error(`gen ${args.join(' ')}:\n${running.output()}`)
}

/** Runs the tool to its end. @throws when it fails */
export async function mustRun(options: MixedOptions, args: readonly string[]): Promise<void> {
  if (!(await runTool(options.tool, args))) throw new Error(`the tool failed: ${args.join(' ')}`)
}

/** p99 from the due time, ms: a stalled server is not excused. */
export function pushP99(figures: IngestFigures): number {
  return figures.latencyFromDueMs?.p99 ?? figures.latencyMs.p99
}

/** Whether something else than 2xx was answered, as a verdict. */
export function refusals(what: string, runs: readonly IngestFigures[]): Verdict {
  const refused = runs.flatMap(({ status }) =>
    Object.entries(status).filter(([code]) => !code.startsWith('2')),
  )
  const value = refused.reduce((sum, [, count]) => sum + count, 0)
  return { what: `${what}: pushes not taken`, value, unit: '', most: 0 }
}

/** Prints verdicts. @returns whether all are good */
export function printVerdicts(verdicts: readonly Verdict[]): boolean {
  print('')
  for (const verdict of verdicts) {
    const { what, value, unit, most, least } = verdict
    const bar = most === undefined ? `at least ${least}` : `at most ${most}`
    print(`${isMet(verdict) ? 'met   ' : 'missed'}  ${what}: ${short(value)} ${unit} (bar: ${bar})`)
  }
  return verdicts.every(isMet)
}

/** Whether a figure keeps its bar; one that is not there does not. */
export function isMet({ value, most, least }: Verdict): boolean {
  return (
    (most === undefined || value <= most) &&
    (least === undefined || value >= least) &&
    !Number.isNaN(value)
  )
}

/** A number for people. */
export function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1)
}

export { median, print }

async function figuresOf(running: RunningProcess, json: string): Promise<IngestFigures> {
  const { code } = await running.exited
  if (code !== 0) throw new Error(`the tool ended with ${code}:\n${running.output()}`)
  print(running.output().trimEnd())
  return JSON.parse(readFileSync(json, 'utf8')) as IngestFigures
}

async function hasBegun(
  server: Server,
  tenant: string,
  before: Promise<number>,
  running: RunningProcess,
): Promise<void> {
  const first = await before
  const until = performance.now() + BEGIN_MS_MAX
  while (!running.hasExited() && performance.now() < until) {
    if ((await receivedSamples(server, tenant)) > first) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the stream of ${tenant} has not begun:\n${running.output()}`)
}

/** Samples that came for a tenant so far. */
async function receivedSamples(server: Server, tenant: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const line = `cortex_distributor_received_samples_total{user="${tenant}"} `
  const at = text.indexOf(`\n${line}`)
  return at < 0 ? 0 : Number.parseFloat(text.slice(at + 1 + line.length))
}
