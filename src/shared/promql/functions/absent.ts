/** absent(): 1 where a vector has no elements. After Prometheus promql/functions.go. */
import { absentSet } from '../operators/absent.js'
import type { MatrixKernel } from './kernel.js'
import { argumentVector, setValue } from './rows.js'

/** 1 at the steps where no series has a value, labelled with what the selector fixes. */
export const absent: MatrixKernel = (args, context) => {
  const input = argumentVector(args, 0)
  const out = context.matrix(1)
  out.sets[0] = absentSet(context.args[0]!, context.labels)
  const { words, present } = input
  for (let step = 0; step < out.steps; step++) {
    const word = step >>> 5
    let found = 0
    for (let row = 0; row < input.series && found === 0; row++) {
      found = (present[row * words + word]! >>> (step & 31)) & 1
    }
    if (found === 0) setValue(out, 0, step, 1)
  }
  return out
}
