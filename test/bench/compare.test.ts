/** `npm run bench -- --compare` and the history, on a small repository with two commits. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildSide, compareRuns, compareSides, findCommit } from '../../bench/compare.js'
import type { Figure } from '../../bench/figures.js'
import { appendHistory, HISTORY_FILE, readHistory } from '../../bench/history.js'
import { listBenches } from '../../bench/suite.js'

const ns = (name: string, value: number): Figure => ({ name, value, unit: 'ns' })

test('the ratio is the median of the rounds, not a ratio of medians', () => {
  // The machine is three times slower in the second round; the change halves the time in each.
  const rounds = [100, 300, 110].map(
    (value) => [[ns('a', value)], [ns('a', value / 2)]] as [Figure[], Figure[]],
  )
  const [row] = compareRuns(rounds)
  assert.deepEqual(row, { name: 'a', unit: 'ns', before: 110, after: 55, ratio: [0.5, 0.5, 0.5] })
})

test('figures that one side lacks, or tells in another unit, are left out', () => {
  const other: Figure = { name: 'b', value: 1, unit: 'B' }
  const rows = compareRuns([
    [
      [ns('a', 1), ns('b', 1), ns('c', 2)],
      [ns('c', 3), other],
    ],
  ])
  assert.deepEqual(
    rows.map(({ name, ratio }) => [name, ratio[1]]),
    [['c', 1.5]],
  )
})

test('two commits are built and run side by side', async () => {
  await withRepository(async (root, commit) => {
    const [first, second] = [commit('figure 200'), commit('figure 300')]
    assert.equal(findCommit(root, 'HEAD'), second)
    assert.equal(findCommit(root, 'HEAD~1'), first)
    assert.equal(findCommit(root, 'shared/tsdb'), undefined)
    assert.equal(findCommit(root, '--all'), undefined)
    const sides = [buildSide(root, 'HEAD~1', first), buildSide(root, 'HEAD', second)] as const
    assert.deepEqual(listBenches(sides[0].root, ['bench/one.bench.ts']), ['one.bench.js'])
    assert.deepEqual(listBenches(sides[0].root, ['two']), [])
    const rows = await compareSides(sides, [], 3)
    assert.deepEqual(rows, [
      { name: 'one', unit: 'ns', before: 200, after: 300, ratio: [1.5, 1.5, 1.5] },
    ])
    // What has been built is used again, and the checkout is as it was.
    assert.deepEqual(buildSide(root, 'HEAD', second), sides[1])
    assert.equal(execFileSync('git', ['status', '--porcelain'], { cwd: root }).toString(), '')
  })
})

test('history lines tell commit, machine and figures, and damaged ones do not hide the others', async () => {
  await withRepository(async (root, commit) => {
    const head = commit('figure 1')
    appendHistory(root, 'one.bench.js', [ns('one', 123.4567)])
    appendFileSync(join(root, HISTORY_FILE), '{"half\n')
    writeFileSync(join(root, 'new.txt'), 'not committed')
    appendHistory(root, 'one.bench.js', [ns('one', 5)])
    const lines = readHistory(root)
    assert.equal(lines.length, 2)
    assert.equal(lines[0]!.commit, head.slice(0, 12))
    assert.equal(lines[0]!.bench, 'one')
    assert.deepEqual(lines[0]!.figures, { one: [123.5, 'ns'] })
    assert.equal(lines[0]!.machine.node, process.versions.node)
    assert.deepEqual(
      lines.map(({ isDirty }) => isDirty),
      [false, true],
    )
  })
})

/** A checkout whose build writes one benchmark, which tells what the file `figure` says. */
async function withRepository(
  use: (root: string, commit: (figure: string) => string) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'nilo-compare-'))
  const git = (...args: string[]) => {
    const who = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
    return execFileSync('git', [...who, ...args], { cwd: root })
      .toString()
      .trim()
  }
  try {
    git('init', '-q')
    mkdirSync(join(root, 'scripts'))
    writeFileSync(join(root, '.gitignore'), '.cache\ndist\nnode_modules\n')
    writeFileSync(join(root, 'package-lock.json'), '{}')
    writeFileSync(
      join(root, 'scripts/prepare.mjs'),
      `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
       mkdirSync('dist/bench', { recursive: true })
       const value = Number(readFileSync('figure', 'utf8').split(' ')[1])
       const figure = JSON.stringify({ name: 'one', value, unit: 'ns' })
       writeFileSync('dist/bench/one.bench.js', 'process.send(' + figure + ')')`,
    )
    await use(root, (figure) => {
      writeFileSync(join(root, 'figure'), figure)
      git('add', '-A')
      git('commit', '-q', '-m', figure)
      return git('rev-parse', 'HEAD')
    })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
