// Makes a checkout ready to run: installs when the lock changed, compiles TypeScript and the
// AssemblyScript kernels when their sources changed. Runs before `npm start`, `npm test` and
// `npm run check`; needs nothing but Node and npm, and does nothing when nothing changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
process.chdir(root)
const lockDir = join(root, '.cache', 'prepare.lock')

checkNode()
takeLock()
try {
  install()
  await buildKernels()
  compile()
  await makeBundle()
} finally {
  rmSync(lockDir, { recursive: true, force: true })
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  fail(`Node ${process.versions.node} is too old: nilometer needs 20.19 or newer.`)
}

/** One prepare at a time; a lock whose owner is gone is taken over. */
function takeLock() {
  mkdirSync(dirname(lockDir), { recursive: true })
  const deadline = Date.now() + 300_000
  while (true) {
    try {
      mkdirSync(lockDir)
      writeFileSync(join(lockDir, 'pid'), String(process.pid))
      return
    } catch {
      if (!ownerAlive()) {
        rmSync(lockDir, { recursive: true, force: true })
        continue
      }
      if (Date.now() > deadline) fail(`another prepare holds ${lockDir}; remove it if it is stale.`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}

function ownerAlive() {
  try {
    const pid = Number(readFileSync(join(lockDir, 'pid'), 'utf8'))
    process.kill(pid, 0)
    return true
  } catch (error) {
    // No pid yet: the owner is between mkdir and write; a lock older than 10 s is stale.
    if (error.code === 'ENOENT')
      return existsSync(lockDir) && Date.now() - statSync(lockDir).mtimeMs < 10_000
    return error.code === 'EPERM'
  }
}

function install() {
  const stampFile = join('node_modules', '.lock-stamp')
  const stamp = createHash('sha256')
    .update(readFileSync('package-lock.json'))
    .update(`${process.versions.node.split('.')[0]} ${process.platform} ${process.arch}`)
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  console.error('prepare: installing packages ...')
  const args = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--include=dev',
    '--loglevel=error',
  ]
  const done = spawnSync('npm', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (done.status !== 0) fail('npm ci failed; see above. Is the npm registry reachable?')
  writeFileSync(stampFile, stamp)
}

/** Each `src/shared/kernels/assembly/<name>.kernel.ts` becomes `dist/src/shared/kernels/<name>.wasm`. */
async function buildKernels() {
  const from = join('src', 'shared', 'kernels', 'assembly')
  const to = join('dist', 'src', 'shared', 'kernels')
  if (!existsSync(from)) return
  const sources = readdirSync(from)
    .filter((file) => file.endsWith('.ts'))
    .sort()
  const hash = createHash('sha256').update(readFileSync('scripts/prepare.mjs'))
  for (const file of sources) hash.update(file).update(readFileSync(join(from, file)))
  // Offsets that a kernel shares with its TypeScript face stand beside the face.
  const layouts = readdirSync(join(from, '..')).filter((file) => file.endsWith('-layout.ts'))
  for (const file of layouts.sort()) hash.update(readFileSync(join(from, '..', file)))
  const stamp = hash.digest('hex')
  const stampFile = join(to, '.kernels-stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  mkdirSync(to, { recursive: true })
  await mendFence()
  const inlining = await adjustInlining()
  const { default: asc } = await import('assemblyscript/asc')
  for (const file of sources.filter((name) => name.endsWith('.kernel.ts'))) {
    const source = join(from, file)
    inlining.isMuch = /^\/\/ inline: much$/m.test(readFileSync(source, 'utf8'))
    await compileKernel(asc, source, join(to, file.replace('.kernel.ts', '.wasm')))
  }
  writeFileSync(stampFile, stamp)
}

/**
 * asc 0.28 passes 0 where its binaryen takes the memory order of `atomic.fence`, and validation
 * then refuses it. Supplies sequential consistency; must run before asc is loaded.
 */
async function mendFence() {
  const { default: binaryen } = await import('binaryen')
  const fence = binaryen._BinaryenAtomicFence
  binaryen._BinaryenAtomicFence = (module, order) =>
    fence(module, order || binaryen.MemoryOrder.seqcst)
}

/**
 * A kernel whose source holds the line `// inline: much` has far larger functions put into their
 * callers than asc would, which has no flag for it. V8 itself inlines nothing in WebAssembly.
 */
async function adjustInlining() {
  const { default: binaryen } = await import('binaryen')
  const inlining = { isMuch: false }
  const sizes = { Always: 60, Flexible: 500, OneCaller: 2000 }
  for (const [kind, much] of Object.entries(sizes)) {
    const name = `_BinaryenSet${kind}InlineMaxSize`
    const set = binaryen[name]
    binaryen[name] = (size) => set(inlining.isMuch ? much : size)
  }
  return inlining
}

/** A kernel whose source holds the line `// memory: shared` imports a shared memory. */
async function compileKernel(asc, source, output) {
  const shared = /^\/\/ memory: shared$/m.test(readFileSync(source, 'utf8'))
  const flags = [source, '-o', output, '--runtime', 'stub', '-O3', '--converge', '--noAssert']
  flags.push('--enable', 'simd', '--enable', 'bulk-memory', '--importMemory')
  flags.push('--initialMemory', '64', '--maximumMemory', '65536')
  if (shared) flags.push('--enable', 'threads', '--sharedMemory')
  const { error, stdout, stderr } = await asc.main(flags)
  // --converge says so when a further round of optimising made nothing smaller.
  const text = (stdout.toString() + stderr.toString()).replace('Last converge was suboptimal.', '')
  if (text.trim() !== '') console.error(text)
  if (error) fail(`${source}: ${error.message}`)
  console.error(`prepare: ${relative(root, output)}`)
}

function compile() {
  const done = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], {
    stdio: 'inherit',
  })
  if (done.status !== 0) fail('the TypeScript build failed; see above.')
  for (const part of ['src', 'bench', 'test']) removeStale(join('dist', part))
}

async function makeBundle() {
  const { bundle } = await import('./bundle.mjs')
  try {
    await bundle((path) => console.error(`prepare: ${path}`))
  } catch (error) {
    fail(error.message)
  }
}

/** tsc leaves the output of deleted sources behind; a stale test would still run. */
function removeStale(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(js|js\.map|d\.ts|d\.ts\.map)$/.test(entry.name)) continue
    const output = join(entry.parentPath ?? entry.path, entry.name)
    const source = relative('dist', output).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (!existsSync(source)) rmSync(output)
  }
}

function fail(message) {
  console.error(`prepare: ${message}`)
  rmSync(lockDir, { recursive: true, force: true })
  process.exit(1)
}
