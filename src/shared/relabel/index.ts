/** Relabel rules. Promise: what Prometheus does with the same rules and labels. */
export {
  compileRelabel,
  compileSelection,
  type Relabeler,
  type RelabelSelection,
  type RelabelTest,
} from './rules.js'
