/**
 * An empty array that is one of objects from the beginning. One made by `[]` is of small integers for
 * V8 until the first object is put in, and optimised code that has met only such as were used before is
 * thrown away for each new one.
 */
export function emptyList<T extends object>(): T[] {
  const list: object[] = [{}]
  list.length = 0
  return list as T[]
}
