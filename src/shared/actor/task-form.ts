/**
 * How tasks and answers cross between main and a pool's threads. V8 copies a flat array in half to two
 * thirds of the time that the same takes as objects in objects, and both ends of a small task wait for it.
 */

/** What is posted. Has nothing in it that cannot be cloned. */
export type Packed = readonly unknown[]

/** One thread's, one instance at each end: what both have seen need not be sent again. */
export interface TaskForm<Task, Answer> {
  packTask(task: Task): Packed
  unpackTask(packed: Packed): Task
  packAnswer(answer: Answer): Packed
  unpackAnswer(packed: Packed): Answer
}

/** Tasks and answers as they are. */
export function plainForm<Task, Answer>(): TaskForm<Task, Answer> {
  return {
    packTask: (task) => [task],
    unpackTask: ([task]) => task as Task,
    packAnswer: (answer) => [answer],
    unpackAnswer: ([answer]) => answer as Answer,
  }
}

/** Whether it is a task or an answer, and nothing else that is said. */
export function isPacked<Other extends object>(word: Packed | Other): word is Packed {
  return Array.isArray(word)
}
