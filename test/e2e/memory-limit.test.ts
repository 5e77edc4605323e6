import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startNilo } from '../support/nilo.js'
import { push } from '../support/remote-write.js'

test('near the memory limit the process lives, refuses new series and says so', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-memory-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const now = Date.now()
  const known = { __name__: 'known' }
  const first = await startNilo(folder)
  const taken = await push(first.pushUrl, [{ labels: known, samples: [[now - 2000, 1]] }], 't')
  assert.equal(taken.status, 200)
  await first.stop()

  // Less than a process takes in any case.
  const nilo = await startNilo(folder, ['-memory-limit=40MiB'])
  t.after(() => nilo.stop())
  const series = [
    { labels: known, samples: [[now - 1000, 2]] as const },
    { labels: { __name__: 'new' }, samples: [[now - 1000, 3]] as const },
  ]
  const refused = await push(nilo.pushUrl, series, 't')
  assert.equal(refused.status, 400, refused.text)
  assert.match(refused.text, /no new series are taken, since the memory limit/)
  const again = await push(nilo.pushUrl, [{ labels: known, samples: [[now, 4]] }], 't')
  assert.equal(again.status, 200, again.text)
  const metrics = await (await fetch(`${nilo.url}/metrics`)).text()
  assert.match(metrics, /^nilo_memory_limit_bytes 41943040$/m)
  assert.match(metrics, /^nilo_memory_claimed_bytes\{purpose="head"\} [1-9]\d+$/m)
  assert.match(metrics, /^process_resident_memory_bytes [1-9]\d+$/m)
  assert.match(metrics, /^cortex_discarded_samples_total\{reason="memory_limit",user="t"\} 1$/m)
})
