/**
 * THE LIST of what a compactor does in between building blocks: uploads, cleaning, compaction. A row
 * is a task with its pause; each runs in a loop of its own (task-loop.ts).
 */
import type { Env } from '../../shared/env/index.js'
import type { CompactorBoot } from './contract.js'
import type { Task } from './task-loop.js'

/** What tasks are made of. */
export interface TaskParts {
  readonly env: Env
  readonly boot: CompactorBoot
}

/** The tasks of a compactor. */
export function compactorTasks(_parts: TaskParts): Task[] {
  return []
}
