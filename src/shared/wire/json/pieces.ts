/**
 * Text to bytes in pieces of bounded size, for answers that need no kernel: lists of names, label
 * sets, errors. Each piece owns its ArrayBuffer.
 */

/** Characters gathered before they are encoded; a piece is at most three times as many bytes. */
const TEXT_MAX = 262_144

/** Collects text as byte pieces of bounded size. */
export class TextPieces {
  private readonly pieces: Uint8Array<ArrayBuffer>[] = []
  private text = ''

  write(text: string): void {
    this.text += text
    if (this.text.length >= TEXT_MAX) this.flush()
  }

  /** All that was written. */
  finish(): Uint8Array<ArrayBuffer>[] {
    this.flush()
    return this.pieces
  }

  private flush(): void {
    const text = this.text
    this.text = ''
    for (let from = 0; from < text.length; ) {
      const to = cutBefore(text, from + TEXT_MAX)
      this.pieces.push(new TextEncoder().encode(text.slice(from, to)))
      from = to
    }
  }
}

/** The offset, or the one before it where it would split a surrogate pair. */
export function cutBefore(text: string, offset: number): number {
  if (offset >= text.length) return text.length
  const code = text.charCodeAt(offset - 1)
  return code >= 0xd800 && code < 0xdc00 ? offset - 1 : offset
}
