/** A block made for a test, and its way through the block upload API. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { nodeDisk } from '../../src/shared/env/index.js'
import { type BlockMeta, writeBlock } from '../../src/shared/tsdb/index.js'
import { gridSeries } from './blocks.js'

/** Files of a written block with their bytes. */
export interface WrittenBlock {
  readonly meta: BlockMeta
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Writes a block of 20 counters, a sample a minute from `from` on, below `folder`. */
export async function writeUpload(
  folder: string,
  ulid: string,
  from: number,
  samples = 30,
): Promise<WrittenBlock> {
  const series = gridSeries({ series: 20, from, stepMs: 60_000, samples })
  const compaction = { level: 1, sources: [ulid] }
  const written = await writeBlock(nodeDisk(), folder, { ulid, series, compaction })
  const paths = ['chunks/000001', 'index']
  const files = new Map(
    paths.map((path) => [path, new Uint8Array(readFileSync(join(folder, ulid, path)))]),
  )
  const listed = paths.map((path) => ({
    rel_path: path,
    size_bytes: statSync(join(folder, ulid, path)).size,
  }))
  const thanos = { labels: {}, downsample: { resolution: 0 }, source: 'test', files: listed }
  return { meta: { ...written!, thanos }, files }
}

/** A call of the API; `step` with its query. */
export async function uploadStep(
  url: string,
  ulid: string,
  step: string,
  options: { readonly body?: Uint8Array | string; readonly tenant?: string } = {},
): Promise<{ status: number; text: string }> {
  const { body, tenant = 'anonymous' } = options
  const answer = await fetch(`${url}/api/v1/upload/block/${ulid}/${step}`, {
    method: step === 'check' ? 'GET' : 'POST',
    headers: { 'x-scope-orgid': tenant },
    ...(body === undefined ? {} : { body }),
  })
  return { status: answer.status, text: await answer.text() }
}

/** All steps; asserts that each goes well. */
export async function uploadWhole(
  url: string,
  { meta, files }: WrittenBlock,
  tenant = 'anonymous',
): Promise<void> {
  const step = async (name: string, body?: Uint8Array | string) => {
    const options = body === undefined ? { tenant } : { tenant, body }
    assert.deepEqual(await uploadStep(url, meta.ulid, name, options), { status: 200, text: '' })
  }
  await step('start', JSON.stringify(meta))
  for (const [path, bytes] of files) await step(`files?path=${encodeURIComponent(path)}`, bytes)
  await step('finish')
}
