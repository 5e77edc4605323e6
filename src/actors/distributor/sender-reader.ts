/**
 * Who sends a body, by the labels of its first series as they were sent. Each body of a tenant whose pairs are
 * looked for is asked, and few begin with a series that one began with lately; but there are few senders: text is
 * made for a new one alone. Hot, per body: bench/actors/distributor/limits.bench.ts.
 */
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import type { TenantLimits } from '../../shared/limits/index.js'
import type { HaTracker, Sender } from './ha-tracker.js'
import { labelsOfRow } from './offender.js'
import { isEqual, LabelPieces } from './select-labels.js'

/** Senders that are remembered; a few more come and go. */
const KNOWN_MAX = 16

const NONE = new Uint8Array()

/** A sender, and the values that say so under the labels that its tenant's limits name. */
interface KnownSender {
  readonly limits: TenantLimits
  readonly cluster: Uint8Array
  readonly replica: Uint8Array
  readonly sender: Sender
}

/** Where the value of a label lies. */
interface Place {
  from: number
  end: number
}

/** Reads senders for one distributor. */
export class SenderReader {
  private readonly kernel: WriteRequestKernel
  private readonly ha: HaTracker
  private memory: Buffer
  private readonly pieces = new LabelPieces()
  private readonly known: KnownSender[] = []
  private next = 0
  /** Whose label names the next two are. */
  private limits: TenantLimits | undefined
  private clusterName = NONE
  private replicaName = NONE
  private readonly cluster: Place = { from: 0, end: 0 }
  private readonly replica: Place = { from: 0, end: 0 }

  constructor(kernel: WriteRequestKernel, ha: HaTracker) {
    this.kernel = kernel
    this.ha = ha
    this.memory = Buffer.from(kernel.bytes.buffer)
  }

  /** Who sent the chunk's first series, whose labels the kernel can read. */
  read(limits: TenantLimits): Sender {
    const { kernel, known, cluster, replica } = this
    // It may have grown.
    if (this.memory.buffer !== kernel.bytes.buffer) this.memory = Buffer.from(kernel.bytes.buffer)
    const { memory } = this
    if (!this.pieces.read(kernel, memory, kernel.rowAt(kernel.rowOfSample(0)) >>> 2)) {
      return this.ha.senderOf(labelsOfRow(kernel, 0), limits)
    }
    this.takeNames(limits)
    this.find(this.clusterName, cluster)
    this.find(this.replicaName, replica)
    for (let i = 0; i < known.length; i++) {
      const one = known[i]!
      const isOne =
        one.limits === limits &&
        isEqual(memory, cluster.from, cluster.end, one.cluster) &&
        isEqual(memory, replica.from, replica.end, one.replica)
      if (isOne) return one.sender
    }
    return this.learn(limits)
  }

  private takeNames(limits: TenantLimits): void {
    if (this.limits === limits) return
    this.limits = limits
    this.clusterName = Buffer.from(limits.ha_cluster_label)
    this.replicaName = Buffer.from(limits.ha_replica_label)
  }

  /** Finds a value: nothing where the series has none. */
  private find(name: Uint8Array, place: Place): void {
    const { pieces, memory } = this
    place.from = 0
    place.end = 0
    for (let i = 0; i < pieces.count; i++) {
      if (!isEqual(memory, pieces.nameAt[i]!, pieces.nameEnd[i]!, name)) continue
      place.from = pieces.valueAt[i]!
      place.end = pieces.valueEnd[i]!
      // Of labels that come twice the first that says something.
      if (place.end > place.from) return
    }
  }

  private learn(limits: TenantLimits): Sender {
    const { kernel, memory, cluster, replica } = this
    const sender = this.ha.senderOf(labelsOfRow(kernel, 0), limits)
    this.known[this.next] = {
      limits,
      cluster: Uint8Array.from(memory.subarray(cluster.from, cluster.end)),
      replica: Uint8Array.from(memory.subarray(replica.from, replica.end)),
      sender,
    }
    this.next = (this.next + 1) % KNOWN_MAX
    return sender
  }
}
