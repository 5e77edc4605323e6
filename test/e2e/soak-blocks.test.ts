/** Short soaks over blocks; `npm run soak -- --blocks --minutes 30` is the long one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type SoakBucketKind, startSoakBucket } from '../../bench/macro/soak/blocks/bucket.js'
import { runBlocksSoak } from '../../bench/macro/soak/blocks/run.js'
import { hasComponent } from '../support/object-servers.js'

for (const kind of ['filesystem', 's3'] as const) {
  test(`blocks come, move and go under queries and kills: every answer is whole (${kind})`, async (t) => {
    if (kind === 's3' && !hasComponent(t, 'moto')) return
    await soak(kind, (line) => t.diagnostic(line))
  })
}

async function soak(kind: SoakBucketKind, say: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nilo-soak-blocks-'))
  const bucket = await startSoakBucket(kind, folder, SEED)
  try {
    const result = await runBlocksSoak({
      kills: kind === 's3' ? 2 : 4,
      seed: SEED,
      betweenMsMax: 4_000,
      writers: 1,
      pauseMs: 20,
      folder: join(folder, 'data'),
      bucketFlags: bucket.flags,
      calm: () => bucket.calm(),
      say,
    })
    assert.deepEqual(result.wrong, [])
    assert.ok(result.answers > 5, `${result.answers} answers`)
    assert.ok(result.samplesChecked > 1_000, `${result.samplesChecked} samples`)
  } finally {
    await bucket.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const SEED = 20_261_125
