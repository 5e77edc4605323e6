/**
 * A link from a distributor, as the ingester sees it: its ring ends, its dictionary of series ids,
 * and the acks of bodies that came in several frames. A new generation of a link is a new state:
 * the distributor defines everything anew (architecture §8.8–9).
 */
import {
  ACK_BYTES_MAX,
  ACK_HEADER_BYTES,
  ACK_OK,
  ACK_REJECTED,
  cutText,
  DISCARD_REASONS,
  encodeForget,
  FORGET_IDS_MAX,
  FRAME_ACK,
  FRAME_FORGET,
  forgetFrameBytes,
  viewOf,
} from '../../shared/wire/frames/index.js'
import type { LinkEnds } from './contract.js'

/** In place of a ref: the id was never defined on this link. */
export const REF_UNBOUND = 0xffffffff
/** The series could not be created: memory is full. */
export const REF_FULL = 0xfffffffe
/** The define was malformed. */
export const REF_BAD = 0xfffffffd
/** The series would be over a limit: the tenant's, its metric's, the process'. */
export const REF_USER_LIMIT = 0xfffffffc
export const REF_METRIC_LIMIT = 0xfffffffb
export const REF_INSTANCE_LIMIT = 0xfffffffa
/** Refs are below. */
export const REFS_END = 0xfffffffa

/** Of an id that is to be forgotten: the distributor has not been told yet, or has. */
const DYING_UNTOLD = 1
const DYING_TOLD = 2

/** Ids that one step goes through. */
const STEP_IDS = 32_768

/** Ids are dense, so a larger one is a fault, not a series. */
const IDS_MAX = 1 << 26

/** What a body is answered with, gathered over its frames. */
export interface BodyAck {
  status: number
  /** [reason] samples discarded, by the codes of DISCARD_REASONS; absent while there are none. */
  counts: Uint32Array | undefined
  /** The first error; '' without. */
  text: string
}

/** A fresh answer: everything is fine so far. */
export function newAck(): BodyAck {
  return { status: ACK_OK, counts: undefined, text: '' }
}

/** Notes discarded samples. */
export function reject(ack: BodyAck, reason: number, count: number): void {
  ack.counts ??= new Uint32Array(DISCARD_REASONS.length)
  ack.counts[reason]! += count
  if (ack.status === ACK_OK) ack.status = ACK_REJECTED
}

/** Worsens an answer: OK < REJECTED < RETRY < UNBOUND, as their numbers are; the text goes along. */
export function worsen(ack: BodyAck, status: number, text: string): void {
  if (status <= ack.status) return
  ack.status = status
  ack.text = text
}

/** One generation of a link. */
export class DistributorLink {
  readonly ends: LinkEnds
  /** [id] ref, or REF_… */
  refs = new Uint32Array(256).fill(REF_UNBOUND)
  /** Bodies of which the last frame has not come yet. */
  readonly open = new Map<number, BodyAck>()
  /** [id] DYING_UNTOLD, DYING_TOLD: the distributor is to forget it, and has not said that it has. */
  private dying = new Uint8Array(0)
  private dyingCount = 0
  /** More of them are being found. */
  private isMarking = false
  /** No id below is to be told of. */
  private untoldFrom = 0
  private readonly unsent: { requestId: number; ack: BodyAck }[] = []

  constructor(ends: LinkEnds) {
    this.ends = ends
  }

  /** Binds an id, in place of what it stood for before. False when the id cannot be one. */
  bind(id: number, ref: number): boolean {
    if (id >= IDS_MAX) return false
    if (id >= this.refs.length) {
      const larger = new Uint32Array(Math.max(id + 1, this.refs.length * 2)).fill(REF_UNBOUND)
      larger.set(this.refs)
      this.refs = larger
    }
    this.refs[id] = ref
    if (this.dyingCount > 0) this.spare(id)
    return true
  }

  /** Takes an id off those that are forgotten; false when it is none of them. */
  private spare(id: number): boolean {
    if (id >= this.dying.length || this.dying[id] === 0) return false
    this.dying[id] = 0
    this.dyingCount--
    return true
  }

  /** Makes ids of series that were refused for want of memory unknown: they are defined anew. */
  forgetFull(): void {
    this.forget(REF_FULL)
  }

  /** The same for those over the limit of the process. */
  forgetInstanceLimit(): void {
    this.forget(REF_INSTANCE_LIMIT)
  }

  private forget(code: number): void {
    for (let id = 0; id < this.refs.length; id++) {
      if (this.refs[id] === code) this.refs[id] = REF_UNBOUND
    }
  }

  /**
   * Has the distributor forget the ids of some refs; yields between steps of a part of a millisecond.
   * @param isDying [ref] 1 of those; of one that is bound meanwhile 0 again
   */
  *forgetSteps(isDying: Uint8Array): Generator<void, void> {
    // Ids that come later are bound to what is wanted.
    const end = this.refs.length
    const dying = new Uint8Array(end)
    dying.set(this.dying)
    this.dying = dying
    this.isMarking = true
    for (let from = 0; from < end; from += STEP_IDS) {
      const { refs } = this
      let count = 0
      for (let id = from; id < Math.min(end, from + STEP_IDS); id++) {
        const ref = refs[id]!
        if (ref >= isDying.length || isDying[ref] !== 1 || dying[id] !== 0) continue
        dying[id] = DYING_UNTOLD
        count++
      }
      this.dyingCount += count
      yield
    }
    this.isMarking = false
    this.untoldFrom = 0
  }

  /** Whether the distributor has ids of such refs that it was not heard to have forgotten. */
  isForgetting(): boolean {
    return this.dyingCount > 0
  }

  /** The distributor has forgotten ids: those that were not defined anew meanwhile are unbound. */
  takeForgotten(ids: Uint32Array): void {
    for (const id of ids) if (this.spare(id)) this.refs[id] = REF_UNBOUND
    if (this.dyingCount === 0 && !this.isMarking) this.dying = new Uint8Array(0)
  }

  /** Takes refs that ids stand for off a list of dying ones, in such steps; ids that come later see to it themselves. */
  *keepSteps(isDying: Uint8Array): Generator<void, void> {
    const end = this.refs.length
    for (let from = 0; from < end; from += STEP_IDS) {
      const { refs } = this
      for (let id = from; id < Math.min(end, from + STEP_IDS); id++) {
        const ref = refs[id]!
        if (ref < isDying.length) isDying[ref] = 0
      }
      yield
    }
  }

  /** Sends ids to be forgotten while the ack ring has much room: acks are never to wait for them. */
  private sendForgets(): void {
    const { writer } = this.ends
    if (writer.spare() < writer.data.length * 0.75) return
    const { dying } = this
    const ids: number[] = []
    let id = this.untoldFrom
    for (; id < dying.length && ids.length < FORGET_IDS_MAX; id++) {
      if (dying[id] === DYING_UNTOLD) ids.push(id)
    }
    if (ids.length > 0) {
      const offset = writer.reserve(FRAME_FORGET, forgetFrameBytes(ids.length))
      if (offset < 0) return
      encodeForget(writer.data, offset, ids)
      writer.commit()
      for (const told of ids) dying[told] = DYING_TOLD
    }
    this.untoldFrom = id
  }

  /** Sends an ack, now or as soon as there is room (the distributor sees to it that there is). */
  send(requestId: number, ack: BodyAck): void {
    if (this.unsent.length > 0 || !this.trySend(requestId, ack)) {
      this.unsent.push({ requestId, ack })
    }
  }

  /** Sends what found no room before; false when some is left. */
  flush(): boolean {
    let sent = 0
    for (const { requestId, ack } of this.unsent) {
      if (!this.trySend(requestId, ack)) break
      sent++
    }
    this.unsent.splice(0, sent)
    if (this.unsent.length === 0 && this.untoldFrom < this.dying.length) this.sendForgets()
    return this.unsent.length === 0
  }

  private trySend(requestId: number, ack: BodyAck): boolean {
    const reasons: number[] = []
    const { counts } = ack
    counts?.forEach((count, reason) => {
      if (count > 0) reasons.push(reason)
    })
    const textRoom = ACK_BYTES_MAX - ACK_HEADER_BYTES - reasons.length * 8
    const text = cutText(ack.text, textRoom)
    const length = ACK_HEADER_BYTES + reasons.length * 8 + text.length
    const { writer } = this.ends
    const at = writer.reserve(FRAME_ACK, length)
    if (at < 0) return false
    const view = viewOf(writer.data)
    view.setUint32(at, requestId, true)
    view.setUint32(at + 4, ack.status, true)
    view.setUint32(at + 8, reasons.length, true)
    view.setUint32(at + 12, text.length, true)
    for (let i = 0; i < reasons.length; i++) {
      const to = at + ACK_HEADER_BYTES + i * 8
      view.setUint32(to, reasons[i]!, true)
      view.setUint32(to + 4, counts![reasons[i]!]!, true)
    }
    if (text.length > 0) writer.data.set(text, at + length - text.length)
    writer.commit()
    return true
  }
}
