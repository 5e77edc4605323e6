/** Profiles of a running server's threads over HTTP. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startSystem, type TestSystem } from '../support/system.js'

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: { readonly functionName: string } }[]
  readonly samples: readonly number[]
}

describe('profiles', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-profiles-'))
  let running: TestSystem

  before(async () => {
    running = await startSystem(join(folder, 'data'))
  })
  after(async () => {
    await running.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const get = (path: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${running.url}/debug/pprof/${path}`, signal === undefined ? {} : { signal })

  test('tell which threads there are, and what each holds', async () => {
    const index = await (await get('')).text()
    const threads = /^threads: (.*)$/m.exec(index)![1]!.split(' ')
    for (const name of ['main', 'distributor/0', 'ingester/0', 'querier/0']) {
      assert.ok(threads.includes(name), index)
    }
    const heap = (await (await get('heap')).json()) as {
      process: { rss: number }
      main: { used_heap_size: number }
      threads: { thread: string; used: number; total: number }[]
    }
    assert.deepEqual(heap.threads.map(({ thread }) => thread).sort(), [...threads].sort())
    for (const { used, total } of heap.threads) assert.ok(used > 100_000 && total >= used)
    assert.ok(heap.process.rss > heap.main.used_heap_size)
  })

  test('of the main thread, an actor and a querier, one after the other', async () => {
    for (const thread of ['', 'ingester/0', 'querier/0']) {
      const response = await get(`profile?seconds=1${thread === '' ? '' : `&thread=${thread}`}`)
      assert.equal(response.status, 200)
      const file = `${thread === '' ? 'main' : thread.replace('/', '-')}.cpuprofile`
      assert.match(response.headers.get('content-disposition')!, new RegExp(`"${file}"`))
      const { nodes, samples } = (await response.json()) as CpuProfile
      assert.equal(nodes[0]?.callFrame.functionName, '(root)')
      assert.ok(samples.length > 0, thread)
    }
    const { head } = (await (await get('allocs?seconds=1&thread=distributor/0')).json()) as {
      head: { callFrame: { functionName: string } }
    }
    assert.equal(head.callFrame.functionName, '(root)')
  })

  test('one at a time; a client that goes ends its own', async () => {
    const client = new AbortController()
    const first = get('profile?seconds=60', client.signal)
    first.catch(() => {})
    let second = await get('heap')
    while (second.status === 200) second = await get('heap')
    assert.equal(second.status, 503)
    assert.match(await second.text(), /another profile is being taken/)
    client.abort()
    while ((await get('heap')).status !== 200) {}
  })

  test('what cannot be taken is refused', async () => {
    for (const [path, text] of [
      ['profile?seconds=0', /seconds is to be a whole number from 1 to 60/],
      ['profile?seconds=61', /seconds/],
      ['allocs?seconds=x', /seconds/],
      ['profile?thread=nobody/0', /no thread nobody\/0; there are: main, /],
    ] as const) {
      const response = await get(path)
      assert.equal(response.status, 400)
      assert.match(await response.text(), text)
    }
    assert.equal((await get('goroutine')).status, 404)
  })
})
