/**
 * THE LIST of what a compactor does in between building blocks: uploads, cleaning, compaction. A row
 * is a task with its pause; each runs in a loop of its own (task-loop.ts). Of several compactors all
 * compact, each the jobs that it owns; the first one does the rest.
 */
import type { Bucket } from '../../shared/bucket/index.js'
import type { Env } from '../../shared/env/index.js'
import type { Limits } from '../../shared/limits/index.js'
import type { BlockListCalls } from '../supervisor/contract.js'
import { Cleaner } from './cleaner.js'
import type { Compactions } from './compaction.js'
import type { CompactorBoot } from './contract.js'
import { Shipper } from './shipper.js'
import type { Task } from './task-loop.js'

/** What tasks are made of. */
export interface TaskParts {
  readonly env: Env
  readonly boot: CompactorBoot
  readonly bucket: Bucket
  readonly list: BlockListCalls
  readonly limits: Limits
  readonly compactions: Compactions
}

/** The tasks of a compactor. */
export function compactorTasks(parts: TaskParts): Task[] {
  const { env, boot, bucket, list, limits } = parts
  const { config } = boot
  if (boot.index > 0) return [parts.compactions.task()]
  return [
    new Shipper({ env, bucket, list, config }).task(),
    new Cleaner({ env, bucket, list, limits, config }).task(),
    parts.compactions.task(),
  ]
}
