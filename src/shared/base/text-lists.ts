/**
 * Lists of texts that stay as they are until what they were made of changes: label names and values of
 * an index, which people ask for again and again. Bounded by the length of all texts; the list that was
 * kept longest ago makes room.
 */

/** Characters held at most, and those that a text takes beside its own. */
const CHARS_MAX = 1_000_000
const TEXT_CHARS = 16

/** A list and what it was made of. */
interface Kept {
  readonly state: number | string
  readonly texts: readonly string[]
  readonly chars: number
}

/** Lists by what they are called. */
export class TextLists {
  private readonly lists = new Map<string, Kept>()
  private chars = 0

  /** A list; undefined when there is none of this state. Not to be changed. */
  find(name: string, state: number | string): readonly string[] | undefined {
    const known = this.lists.get(name)
    return known !== undefined && known.state === state ? known.texts : undefined
  }

  /** Keeps a list, which nobody is to change from now on. */
  keep(name: string, state: number | string, texts: readonly string[]): void {
    this.drop(name)
    let chars = name.length + String(state).length + TEXT_CHARS
    for (const text of texts) chars += text.length + TEXT_CHARS
    if (chars > CHARS_MAX) return
    for (const oldest of this.lists.keys()) {
      if (this.chars + chars <= CHARS_MAX) break
      this.drop(oldest)
    }
    this.lists.set(name, { state, texts, chars })
    this.chars += chars
  }

  private drop(name: string): void {
    const known = this.lists.get(name)
    if (known === undefined) return
    this.lists.delete(name)
    this.chars -= known.chars
  }
}
