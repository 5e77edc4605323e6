#!/usr/bin/env node
/**
 * Entry of the process: its commands. What a command does lives in the module that it is about, and is
 * loaded when it is given.
 */
import { readFileSync } from 'node:fs'
import { holdNewSpace } from './shared/actor/new-space.js'
import { packageFile } from './shared/base/own-files.js'
import { AppError, fail } from './shared/errors/index.js'

const HELP = `usage: nilo [command] [flags]

  serve          runs the server (the default)
  block          lists, inspects, verifies and dumps blocks (nilo block help)
  bench          load on any server that takes remote write, and what it costs that (nilo bench help)
  import         makes blocks of OpenMetrics text, or copies a Prometheus' (nilo import help)
  new-token      makes a bearer token and its line for access.file
  hash-password  reads a password from stdin, prints its hash for access.file
  check-config   checks files and flags, prints what differs from the defaults
  version        prints the version
  help           prints this

Flags are Mimir's: -config.file=FILE, -server.http-listen-port=9009, -data.dir=DIR …
All of them: docs/reference/config.md`

/** Commands that tell more of themselves. */
const TELLING = new Set(['block', 'bench', 'import'])

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  const hasCommand = args[0] !== undefined && !args[0].startsWith('-')
  const isHelp = args[0] === 'help' || args.some((flag) => /^--?(h|help|help-all)$/.test(flag))
  const told = isHelp ? args.find((name) => TELLING.has(name)) : undefined
  const command = told ?? (hasCommand ? args[0] : 'serve')
  const flags = told !== undefined ? ['help'] : hasCommand ? args.slice(1) : args
  try {
    if (isHelp && told === undefined) console.log(HELP)
    else if (command === 'version' || flags.some((flag) => /^--?version$/.test(flag))) {
      console.log(`nilometer ${version()} (Node ${process.versions.node})`)
    } else if (command === 'check-config') await checkConfig(flags)
    else if (command === 'new-token' || command === 'hash-password') {
      const { runSecrets } = await import('./http/access/secrets.js')
      await runSecrets(command, { stdin: process.stdin, print: (line) => console.log(line) })
    } else if (command === 'block') {
      await (await import('./commands/block.js')).runBlock(flags, (line) => console.log(line))
    } else if (command === 'import') await importData(flags)
    else if (command === 'bench') {
      const { createMainEnv } = await import('./actors/supervisor/system.js')
      const { clock, timers } = createMainEnv('warn').env
      const world = { clock, timers, print: (line: string) => console.log(line) }
      if (!(await (await import('./commands/bench.js')).runBench(flags, world))) process.exit(1)
    } else if (command === 'serve') {
      holdNewSpace()
      await (await import('./serve.js')).serve(flags, version())
    } else throw fail('bad-data', { text: `unknown command ${command}; \`nilo help\` lists them` })
  } catch (error) {
    complain(error)
    process.exit(1)
  }
}

async function checkConfig(flags: readonly string[]): Promise<void> {
  const { loadConfig, printConfig } = await import('./shared/config/index.js')
  const { checkConfig: checkSystem } = await import('./actors/supervisor/system.js')
  const { checkHttpFiles, httpConfigOf } = await import('./http/config.js')
  const { nodeDisk } = await import('./shared/env/index.js')
  const { config, ignored } = await loadConfig(flags, process.env)
  const disk = nodeDisk()
  await checkSystem(config, { disk })
  checkHttpFiles(httpConfigOf(config), disk)
  console.log(`# The configuration is good. What differs from the defaults:`)
  console.log(printConfig(config, 'diff').trimEnd())
  if (ignored.length > 0) console.log(`# Accepted without effect: ${ignored.join(', ')}`)
}

async function importData(flags: readonly string[]): Promise<void> {
  const { runImport } = await import('./commands/import.js')
  const { createMainEnv } = await import('./actors/supervisor/system.js')
  await runImport(flags, {
    env: createMainEnv('warn').env,
    variables: process.env,
    stdin: process.stdin,
    print: (line) => console.log(line),
    progress: (line) => console.error(line),
  })
}

function version(): string {
  return (JSON.parse(readFileSync(packageFile(), 'utf8')) as { version: string }).version
}

/** The caller's and the world's errors by their text, ours with the stack. */
function complain(error: unknown): void {
  const isPlain = error instanceof AppError && error.id !== 'internal'
  const text = isPlain ? error.message : error instanceof Error ? error.stack : String(error)
  for (const line of (text ?? '').split('\n')) console.error(`nilo: ${line}`)
}
