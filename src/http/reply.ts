/** What is the same however a request came: who it is from, its handler, and errors as answers. */
import type { IncomingMessage } from 'node:http'
import type { StopSignal } from '../shared/base/stop-signal.js'
import { fail } from '../shared/errors/index.js'
import { errorReply, withRetryAfter } from './errors.js'
import type { Front, HttpRequest, MountedEndpoint, Reply } from './handler.js'

/** A request that has been routed. */
export interface RoutedRequest {
  /** Handlers of GET look at its method, url, headers and socket alone. */
  readonly incoming: IncomingMessage
  readonly endpoint: MountedEndpoint
  /** A path parameter, decoded. */
  param(name: string): string
  /** Aborted when the client goes away before it has the answer. */
  signal(): StopSignal
}

/** The reply of an endpoint, errors included. */
export async function replyTo(
  request: RoutedRequest,
  front: Front,
  state: { readonly isDraining: boolean },
): Promise<Reply> {
  const { incoming, endpoint } = request
  let reply: Reply
  try {
    if (state.isDraining && endpoint.whileDraining !== true) throw fail('shutting-down')
    const entered = front.gate.enter(incoming, endpoint)
    const tenant = typeof entered === 'string' ? entered : await entered
    reply = await endpoint.handler(requestOf(request, tenant), front)
  } catch (error) {
    reply = errorReply(error, endpoint.errors, front.env)
  }
  return withRetryAfter(reply, incoming, front)
}

function requestOf(request: RoutedRequest, tenant: string): HttpRequest {
  const { incoming, endpoint } = request
  let search: URLSearchParams | undefined
  let signal: StopSignal | undefined
  return {
    incoming,
    tenant,
    route: endpoint.route,
    param: (name) => request.param(name),
    search: () => {
      search ??= searchOf(incoming)
      return search
    },
    signal: () => {
      signal ??= request.signal()
      return signal
    },
  }
}

function searchOf(incoming: IncomingMessage): URLSearchParams {
  const url = incoming.url ?? ''
  const at = url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
}
