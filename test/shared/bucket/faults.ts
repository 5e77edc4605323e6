/** What every remote bucket must survive, as tests over a proxy that does it to them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Bucket } from '../../../src/shared/bucket/index.js'
import type { RetryPolicy } from '../../../src/shared/bucket/retrying.js'
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.js'
import { all, random, rejects, text } from './contract.js'

/** A remote bucket, reached through a given host. */
export interface FaultSubject {
  readonly name: string
  /** Host of the real server; undefined after the test was skipped. */
  readonly target: (t: TestContext) => Promise<string | undefined>
  /** A fresh bucket, asked for over `host`. Preparation must not go through the proxy. */
  readonly open: (host: string, policy: Partial<RetryPolicy>) => Promise<Bucket>
  /** Whether a request is of the object's own and not of, say, a log-in. */
  readonly isOfObject?: (path: string) => boolean
  readonly canPutIfAbsent?: boolean
}

const QUICK = { triesMax: 4, tryTimeoutMs: 400, backoffMs: 5 }
/** What throttling looks like. */
const THROTTLED = [429, 500, 503]

/** Runs them; call at the top of a test file. */
export function testBucketFaults(subject: FaultSubject): void {
  const isOfObject = subject.isOfObject ?? (() => true)
  const faulty = (
    name: string,
    run: (bucket: Bucket, proxy: FaultProxy, break_: (faults: FaultList) => void) => Promise<void>,
    policy: Partial<RetryPolicy> = QUICK,
  ) =>
    test(`${subject.name}: ${name}`, async (t) => {
      const target = await subject.target(t)
      if (target === undefined) return
      const proxy = await startFaultProxy(t, target)
      const bucket = await subject.open(proxy.host, policy)
      t.after(() => bucket.close())
      await run(bucket, proxy, (faults) => {
        const left = [...faults]
        proxy.decide = ({ path }) => (isOfObject(path) ? left.shift() : undefined)
      })
    })

  faulty('goes on after throttling and server errors', async (bucket, _proxy, break_) => {
    await bucket.put('a', Buffer.from('x'))
    for (const status of THROTTLED) {
      const fault = { kind: 'status', status } as const
      break_([fault, fault])
      assert.equal(text(await bucket.get('a')), 'x')
      break_([fault, fault])
      await bucket.put('b', Buffer.from('y'))
      break_([fault])
      assert.deepEqual(
        (await all(bucket.list(''))).map(({ key }) => key),
        ['a', 'b'],
      )
      break_([fault])
      await bucket.delete(['b'])
    }
  })

  faulty('goes on after connections that are cut', async (bucket, _proxy, break_) => {
    const bytes = random(300_000)
    break_([{ kind: 'refuse' }, { kind: 'refuse' }])
    await bucket.put('a', bytes)
    break_([{ kind: 'cut', afterBytes: 1000 }, { kind: 'refuse' }, { kind: 'cut', afterBytes: 0 }])
    assert.ok(Buffer.compare(await bucket.get('a'), bytes) === 0)
    break_([{ kind: 'cut', afterBytes: 70_000 }])
    const part = await bucket.getRange('a', 100_000, 100_000)
    assert.ok(Buffer.compare(part, bytes.subarray(100_000, 200_000)) === 0)
    break_([{ kind: 'cut', afterBytes: 50 }])
    assert.deepEqual(
      (await all(bucket.list(''))).map(({ key }) => key),
      ['a'],
    )
  })

  faulty('cuts a server that hangs, and asks again', async (bucket, _proxy, break_) => {
    const bytes = random(30_000)
    break_([{ kind: 'hang' }])
    await bucket.put('a', bytes)
    break_([{ kind: 'hang' }, { kind: 'stall', afterBytes: 1000 }])
    assert.ok(Buffer.compare(await bucket.getRange('a', 0, 30_000), bytes) === 0)
    break_([{ kind: 'hang' }])
    assert.equal((await bucket.attributes('a')).size, 30_000)
  })

  faulty('waits for a server that is slow', async (bucket, proxy, break_) => {
    await bucket.put('a', Buffer.from('x'))
    const requests: number[] = []
    // On a machine that is busy with other things an answer may be later than the limit of a try.
    for (let tries = 0; tries < 5 && !requests.includes(1); tries++) {
      const before = proxy.requests.length
      break_([{ kind: 'delay', ms: 200 }])
      assert.equal(text(await bucket.getRange('a', 0, 1)), 'x')
      requests.push(proxy.requests.length - before)
    }
    assert.equal(requests.at(-1), 1, `${requests} requests`)
  })

  faulty('gives up within bounds', async (bucket, proxy, break_) => {
    await bucket.put('a', Buffer.from('x'))
    const before = proxy.requests.length
    break_(Array.from({ length: 100 }, () => ({ kind: 'refuse' }) as const))
    await rejects(bucket.get('a'), 'bucket-unavailable')
    assert.equal(proxy.requests.length - before, QUICK.triesMax)
  })

  if (subject.canPutIfAbsent === false) return
  faulty('knows its own object when an answer was lost', async (bucket, _proxy, break_) => {
    break_([{ kind: 'lose-answer' }])
    await bucket.put('once', Buffer.from('mine'), { ifAbsent: true })
    await rejects(bucket.put('once', Buffer.from('other'), { ifAbsent: true }), 'bucket-exists')
    break_([{ kind: 'refuse' }])
    await rejects(bucket.put('once', Buffer.from('other'), { ifAbsent: true }), 'bucket-exists')
    assert.equal(text(await bucket.get('once')), 'mine')
  })
}

type FaultList = readonly NonNullable<ReturnType<FaultProxy['decide']>>[]
