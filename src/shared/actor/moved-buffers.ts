/** For threads that practise: V8's code, and buffers that are moved to other threads. */

/**
 * V8 makes code that counts on buffers never being moved away, until one is: the first answer would make
 * all that void that a thread has practised. To be called before.
 */
export function moveOnce(): void {
  const buffer = new ArrayBuffer(8)
  structuredClone(buffer, { transfer: [buffer] })
}
