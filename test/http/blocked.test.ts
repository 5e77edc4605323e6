/** `blocked_requests`: what they refuse, by path, method and parameters of URL and form. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Ask, answerOf, ask, form, startFront, type TestFront } from './support.js'

const API = '/prometheus/api/v1'
const RULES = [
  { path: `${API}/labels` },
  { path: `${API}/series`, method: 'POST' },
  { query_params: { query: { value: 'secret.*', is_regexp: true }, limit: { value: '5' } } },
]

let front: TestFront
before(async () => {
  front = await startFront({}, undefined, {}, { fenced: { blocked_requests: RULES } })
  front.pool.answer = async () => answerOf('{"status":"success","data":[]}')
})
after(() => front.server.drain())

const FORM = form({ query: 'secret_total', limit: '5' })
const CASES: readonly (readonly [string, Ask, boolean])[] = [
  ['/labels', {}, true],
  ['/labels?match[]=x', FORM, true],
  ['/label/x/values', {}, false],
  ['/series?match[]=x', {}, false],
  ['/series?match[]=x', form({}), true],
  ['/query?query=secret_total&limit=5', {}, true],
  ['/query?query=secret_total&limit=6', {}, false],
  ['/query?query=secret_total', {}, false],
  ['/query?query=no_secret&limit=5', {}, false],
  ['/query', FORM, true],
  ['/query_range?start=0&end=1&step=1', FORM, true],
]

for (const [path, options, isBlocked] of CASES) {
  const name = `${options.method ?? 'GET'} ${path}`
  test(`${name}: ${isBlocked ? 'blocked' : 'answered'}`, async () => {
    const as = (tenant: string): Ask => {
      return { ...options, headers: { ...options.headers, 'x-scope-orgid': tenant } }
    }
    const answer = await ask(front.port, API + path, as('fenced'))
    assert.equal(answer.status, isBlocked ? 400 : 200)
    if (isBlocked) assert.match(answer.body, /"bad_data".*err-mimir-request-blocked/)
    // Another tenant has no such rules.
    assert.equal((await ask(front.port, API + path, as('free'))).status, 200)
  })
}
