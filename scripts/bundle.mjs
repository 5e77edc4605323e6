// Puts what each thread loads into one file: `dist/app/<thread>.js` of `dist/src`. V8 and Node keep
// much for each module of each thread, and there are hundreds, and V8 makes better code of what lies
// in one module. What is loaded later, when at all, stays in files of its own; packages do, too.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { rollup } from '@rollup/wasm-node'

const FROM = join('dist', 'src')
const TO = join('dist', 'app')

/** Bundles what is older than one of its modules. @param tell is told of what is written */
export async function bundle(tell) {
  mkdirSync(TO, { recursive: true })
  const entries = entriesOf()
  for (const file of readdirSync(TO)) {
    if (!entries.has(file.split('.')[0])) rmSync(join(TO, file))
  }
  let cache
  // One after the other: what two threads share is in both, so that each loads a single file.
  for (const [name, input] of entries) {
    if (isFresh(name)) continue
    for (const file of filesOf(name)) rmSync(join(TO, file))
    const built = await rollup({
      input: { [name]: input },
      external: isPackage,
      onLog: refuse,
      treeshake: { moduleSideEffects: hasEffects },
      plugins: [{ name: 'ascii', renderChunk: (code) => ({ code: escaped(code), map: null }) }],
      cache,
    })
    cache = built.cache
    await built.write({
      dir: TO,
      format: 'es',
      entryFileNames: '[name].js',
      chunkFileNames: `${name}.[name]-[hash].js`,
      sourcemap: true,
    })
    await built.close()
    writeFileSync(join(TO, inputsOf(name)), JSON.stringify(built.watchFiles))
    tell(join(TO, `${name}.js`))
  }
}

/** By the name of the thread, what it starts with. */
function entriesOf() {
  const entries = new Map([['main', join(FROM, 'main.js')]])
  for (const actor of readdirSync(join(FROM, 'actors'))) {
    const worker = join(FROM, 'actors', actor, 'worker.js')
    if (existsSync(worker)) entries.set(actor, worker)
  }
  return entries
}

function filesOf(name) {
  return readdirSync(TO).filter((file) => file.split('.')[0] === name)
}

/** The list of modules that a bundle was made of; written last. */
function inputsOf(name) {
  return `${name}.inputs.json`
}

function isFresh(name) {
  const list = join(TO, inputsOf(name))
  if (!existsSync(list)) return false
  const built = statSync(list).mtimeMs
  const inputs = [join('scripts', 'bundle.mjs'), ...JSON.parse(readFileSync(list, 'utf8'))]
  return inputs.every((path) => existsSync(path) && statSync(path).mtimeMs < built)
}

function isPackage(id) {
  return !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('dist')
}

/** Of what a thread takes nothing from it needs nothing: the table of keys takes 1 MB, and main alone reads it. */
function hasEffects(id) {
  return !id.includes(join('src', 'shared', 'config'))
}

/**
 * Without characters beyond ASCII: with a single one beyond Latin-1 V8 keeps two bytes for each character
 * of the file, for as long as the thread lives. Where they stand in strings, templates and patterns, escapes
 * mean the same.
 */
function escaped(code) {
  if (code.includes('String.raw`'))
    throw new Error('bundle: escapes mean something else in raw text')
  return code.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Nothing that the bundler finds wrong is small enough to go on. */
function refuse(level, log) {
  if (level === 'warn') throw new Error(`bundle: ${log.message}`)
}
