/** Writes a file front to back through a buffer, with checksums of frames. */
import { crc32c } from '../../base/crc32c.js'
import type { Disk, DiskFile } from '../../env/index.js'
import { writeAll } from './block-file.js'
import { ByteList } from './lists.js'

const BUFFER_BYTES = 1 << 20

/** A file that is being written. Put bytes into `buffer`, and call `settle` now and then. */
export class FileWriter {
  readonly buffer = new ByteList(BUFFER_BYTES + (64 << 10))
  private readonly file: DiskFile
  private flushed = 0
  private frameAt = 0
  /** First byte in the buffer that the frame's checksum has not got. */
  private checkedTo = 0
  private checksum = 0

  constructor(disk: Disk, path: string) {
    this.file = disk.open(path, 'create')
  }

  /** Offset of the next byte. */
  at(): number {
    return this.flushed + this.buffer.size
  }

  /** Writes the buffer out when it is full. */
  settle(): void {
    if (this.buffer.size >= BUFFER_BYTES) this.flush()
  }

  /** Zeros up to a multiple of `bytes`. */
  align(bytes: number): void {
    for (let rest = this.at() % bytes; rest > 0 && rest < bytes; rest++) this.buffer.u8(0)
  }

  /** Begins a frame, whose length is written when it ends. */
  beginFrame(): void {
    this.frameAt = this.at()
    this.buffer.u32(0)
    this.checkedTo = this.buffer.size
    this.checksum = 0
  }

  /** Ends the frame: its length before it, its checksum after it. */
  endFrame(): void {
    const { buffer } = this
    const length = this.at() - this.frameAt - 4
    this.check()
    if (this.frameAt >= this.flushed) buffer.setU32(this.frameAt - this.flushed, length)
    else {
      this.flush()
      const bytes = new ByteList(4)
      bytes.u32(length)
      this.file.write(bytes.view(), this.frameAt)
    }
    buffer.u32(this.checksum)
    this.settle()
  }

  /** Writes what is left, syncs and closes. */
  close(): void {
    this.flush()
    this.file.sync()
    this.file.close()
  }

  /** Closes without a sync, after a failure. */
  abandon(): void {
    this.file.close()
  }

  private flush(): void {
    this.check()
    writeAll(this.file, this.buffer.view())
    this.flushed += this.buffer.size
    this.buffer.size = 0
    this.checkedTo = 0
  }

  /** Takes what is in the buffer into the frame's checksum. */
  private check(): void {
    const { buffer } = this
    const fresh = buffer.bytes.subarray(this.checkedTo, buffer.size)
    this.checksum = crc32c(fresh, this.checksum)
    this.checkedTo = buffer.size
  }
}
