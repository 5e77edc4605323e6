/**
 * The process' memory as its threads claim it, by purpose, against one limit (architecture §8.23).
 * A claim that is refused changes nothing; whoever made it fails alone.
 */
export { createBudget, MemoryBudget, type MemoryPurpose, PURPOSES } from './budget.js'
