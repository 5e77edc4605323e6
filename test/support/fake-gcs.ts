/**
 * The part of Google Cloud Storage's JSON API that we use, in memory: no emulator of it is packaged
 * anywhere that tests could fetch. Written after Google's reference of the API; it answers media
 * uploads, reads with ranges, listings, attributes, deletes, and generation-0 conditions.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ObjectServer } from './object-servers.js'

interface Held {
  readonly bytes: Buffer
  readonly updated: string
}

/** Starts the fake; buckets named `missing…` do not exist, all others do. */
export async function startFakeGcs(stops: (() => Promise<void>)[]): Promise<ObjectServer> {
  const buckets = new Map<string, Map<string, Held>>()
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    answer(buckets, request, Buffer.concat(parts), response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stops.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { host, url: `http://${host}` }
}

function answer(
  buckets: Map<string, Map<string, Held>>,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): unknown {
  const url = new URL(request.url!, 'http://x')
  const match = /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(url.pathname)
  if (match === null) return json(response, 404, { error: { message: 'no such path' } })
  const name = decodeURIComponent(match[2]!)
  if (name.startsWith('missing')) {
    return json(response, 404, { error: { message: 'The specified bucket does not exist.' } })
  }
  const objects = buckets.get(name) ?? new Map<string, Held>()
  buckets.set(name, objects)
  if (match[1] !== undefined) return upload(objects, url.searchParams, body, response)
  if (match[3] === undefined) return list(objects, url.searchParams, response)
  const key = decodeURIComponent(match[3])
  const held = objects.get(key)
  if (held === undefined)
    return json(response, 404, { error: { message: `No such object: ${key}` } })
  if (request.method === 'DELETE') {
    objects.delete(key)
    return response.writeHead(204).end()
  }
  if (url.searchParams.get('alt') === 'media') return media(held, request.headers.range, response)
  return json(response, 200, attributes(key, held))
}

function upload(
  objects: Map<string, Held>,
  query: URLSearchParams,
  bytes: Buffer,
  response: ServerResponse,
): unknown {
  const key = query.get('name')!
  if (query.get('ifGenerationMatch') === '0' && objects.has(key)) {
    return json(response, 412, { error: { message: 'conditionNotMet' } })
  }
  const held = { bytes, updated: new Date().toISOString() }
  objects.set(key, held)
  return json(response, 200, attributes(key, held))
}

function media({ bytes }: Held, range: string | undefined, response: ServerResponse): unknown {
  if (range === undefined) {
    return response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  }
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range)!
  if (Number(from) >= bytes.length) {
    return response.writeHead(416).end()
  }
  const part = bytes.subarray(Number(from), Number(to) + 1)
  return response.writeHead(206, { 'content-length': part.length }).end(part)
}

function list(
  objects: Map<string, Held>,
  query: URLSearchParams,
  response: ServerResponse,
): unknown {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const after = query.get('pageToken') ?? ''
  const limit = Number(query.get('maxResults') ?? 1000)
  const items: object[] = []
  const prefixes = new Set<string>()
  let last = ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix))
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const key of keys) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const folded = end < 0 ? key : key.slice(0, end + 1)
    if (after !== '' && Buffer.compare(Buffer.from(folded), Buffer.from(after)) <= 0) continue
    if (items.length + prefixes.size === limit && !prefixes.has(folded)) {
      return json(response, 200, { items, prefixes: [...prefixes], nextPageToken: last })
    }
    if (end < 0) items.push(attributes(key, objects.get(key)!))
    else prefixes.add(folded)
    last = folded
  }
  return json(response, 200, { items, prefixes: [...prefixes] })
}

function attributes(name: string, { bytes, updated }: Held): object {
  return { name, size: String(bytes.length), updated }
}

function json(response: ServerResponse, status: number, value: object): unknown {
  const text = JSON.stringify(value)
  return response.writeHead(status, { 'content-type': 'application/json' }).end(text)
}
