/** Takes one file out of a zip archive (PKWARE APPNOTE 6.3: end record, central directory, local header). */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const COMMENT_MAX = 65_535;
const MEMBER_MAX = 1024 ** 3;

/** The unpacked content of `member`. Throws where the archive has no such file, or is broken. */
export function unzipMember(archive: string, member: string): Buffer {
  const file = openSync(archive, 'r');
  try {
    const size = statSync(archive).size;
    const tail = read(file, Math.max(0, size - END_BYTES - COMMENT_MAX), size);
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
    if (end < 0 || tail.readUInt32LE(end) !== END) throw new Error(`${archive} is not a zip archive`);
    const start = tail.readUInt32LE(end + 16);
    const directory = read(file, start, start + tail.readUInt32LE(end + 12));
    for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === ENTRY; ) {
      const nameBytes = directory.readUInt16LE(at + 28);
      const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
      if (name === member) return inflated(file, directory, at);
      at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    throw new Error(`${archive} holds no ${member}`);
  } finally {
    closeSync(file);
  }
}

function inflated(file: number, directory: Buffer, at: number): Buffer {
  const method = directory.readUInt16LE(at + 10);
  const packedBytes = directory.readUInt32LE(at + 20);
  const bytes = directory.readUInt32LE(at + 24);
  if (bytes > MEMBER_MAX) throw new Error('an unpacked file of over 1 GiB is no server');
  const local = directory.readUInt32LE(at + 42);
  const header = read(file, local, local + 30);
  const from = local + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = read(file, from, from + packedBytes);
  const content = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: MEMBER_MAX });
  if (content.length !== bytes) throw new Error('the archive is broken');
  return content;
}

function read(file: number, from: number, to: number): Buffer {
  const buffer = Buffer.alloc(to - from);
  if (readSync(file, buffer, 0, buffer.length, from) !== buffer.length) throw new Error('the archive is cut short');
  return buffer;
}
