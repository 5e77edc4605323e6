/** Small JSON files with a check sum in their second line, replaced as a whole. */
import { crc32c } from '../../shared/base/crc32c.js'
import type { Disk } from '../../shared/env/index.js'

/** What a note says; undefined when it is missing or damaged. */
export function readNoteFile(disk: Disk, path: string): unknown {
  if (!disk.exists(path)) return undefined
  const [text = '', check = ''] = Buffer.from(disk.readFile(path)).toString().split('\n')
  return check === checkOf(text) ? JSON.parse(text) : undefined
}

/** Writes a note, durably. @throws AppError `disk-failed` */
export function writeNoteFile(disk: Disk, path: string, value: object): void {
  const text = JSON.stringify(value)
  disk.replaceFile(path, Buffer.from(`${text}\n${checkOf(text)}\n`))
}

function checkOf(text: string): string {
  return crc32c(Buffer.from(text)).toString(16)
}
