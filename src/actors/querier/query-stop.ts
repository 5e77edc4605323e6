/**
 * Whether the query that a thread works on may go on. The frontend says so in a cell; whoever
 * loops looks at it, and whoever waits is woken. What was seen once stays: the cell is the next
 * query's as soon as this one has been answered.
 */
import type { HeapGuard } from '../../shared/actor/index.js'
import type { Timers } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { CANCEL_NONE, CANCEL_TIMEOUT, type CancelCell } from './contract.js'

/** How often the cell is looked at while the query waits for another thread, ms. */
const LOOK_MS = 20
/** Rows, texts or comparisons between two looks. */
const WORK_PER_LOOK = 4096

/** One query's. */
export class QueryStop {
  private readonly cell: Int32Array
  private readonly index: number
  private readonly timers: Timers
  private readonly heap: Pick<HeapGuard, 'isFull' | 'bytesMax'> | undefined
  private seen = CANCEL_NONE
  private work = 0

  /** @param heap bounds what the query may hold beside its columns */
  constructor({ cells, index }: CancelCell, timers: Timers, heap?: QueryStop['heap']) {
    this.cell = new Int32Array(cells)
    this.index = index
    this.timers = timers
    this.heap = heap
  }

  isCanceled(): boolean {
    if (this.seen === CANCEL_NONE) this.seen = Atomics.load(this.cell, this.index)
    return this.seen !== CANCEL_NONE
  }

  /** Whether it was its deadline that ended it. */
  isLate(): boolean {
    return this.isCanceled() && this.seen === CANCEL_TIMEOUT
  }

  /** @throws AppError `query-canceled`, or `query-memory` when the thread's heap is full */
  check(): void {
    if (this.isCanceled()) throw fail('query-canceled')
    if (this.heap?.isFull() === true) throw fail('query-memory', { limit: this.heap.bytesMax })
  }

  /** Notes one more row, text or comparison, and checks now and then. */
  tick(): void {
    if (++this.work < WORK_PER_LOOK) return
    this.work = 0
    this.check()
  }

  /** An order that ticks: sorting by it stops when the query does. */
  whileSorting<T>(compare: (a: T, b: T) => number): (a: T, b: T) => number {
    return (a, b) => {
      this.tick()
      return compare(a, b)
    }
  }

  /** The same items; taking them ticks. */
  *over<T>(items: Iterable<T>): Generator<T> {
    for (const item of items) {
      this.tick()
      yield item
    }
  }

  /**
   * What a promise comes to, while the query is wanted; what comes later is dropped.
   * @throws AppError `query-canceled`
   */
  during<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.isCanceled()) reject(fail('query-canceled'))
        else timer = this.timers.after(LOOK_MS, look)
      }
      let timer = this.timers.after(LOOK_MS, look)
      promise.then(resolve, reject).finally(() => timer.cancel())
    })
  }
}
