/** The thread of a compactor: it stands back before it loads anything, which takes more than its first job. */
import { lowerThreadPriority } from '../../shared/env/index.js'

// Intake and queries go first where cores are short.
lowerThreadPriority()
await import('./actor.js')
