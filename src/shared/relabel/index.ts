/** Relabel rules. Promise: what Prometheus does with the same rules and labels. */
export { compileRelabel, type Relabeler } from './rules.js'
