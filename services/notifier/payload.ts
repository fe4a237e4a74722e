/** What a push carries, in its published form (schema/PROTOCOL.md): apps in stores parse it for years. Pure. */
import { createHash } from 'node:crypto';
import type { LaneId } from '../../schema/ids.ts';
import type { MessagePush, PushMessage } from './push.ts';

export type Payload = MessagePayload | ReadPayload;
export interface MessagePayload {
  readonly v: 1;
  readonly kind: 'message';
  readonly conversationId: string;
  readonly seq: number;
  readonly messageId: string;
  readonly senderId: string;
  readonly senderName?: string;
  readonly title?: string;
  readonly text?: string;
  /** The text is longer than what is here. */
  readonly cut?: true;
  readonly unread: number;
  readonly badge: number;
}
export interface ReadPayload {
  readonly v: 1;
  readonly kind: 'read';
  readonly conversationId: string;
  readonly readSeq: number;
  readonly badge: number;
}

/** Of names and titles, where the push does not fit without its text either. UTF-16 code units. */
const NAME_UNITS = 64;

/** The whole object, whatever its size. */
export function payloadOf(message: PushMessage): Payload {
  const { conversationId, badge } = message;
  if (message.kind === 'read') return { v: 1, kind: 'read', conversationId, readSeq: message.readSeq, badge };
  return messagePayload(message, message.text);
}

/**
 * The object with as much of the text as keeps `bytesOf` at or below `limit`: `bytesOf` says how many bytes the provider
 * counts for it, and has no more of it than so many copies. Cut between characters as people see them, with `cut: true`.
 * Undefined: not even without any text.
 */
export function fittedPayload(
  message: PushMessage,
  limit: number,
  bytesOf: (payload: Payload) => number,
  copies = 1,
): Payload | undefined {
  const whole = payloadOf(message);
  if (mostBytes(whole) * copies <= limit || bytesOf(whole) <= limit) return whole;
  if (message.kind === 'read' || message.privacy) return undefined;
  return shortened(message, limit, bytesOf) ?? shortened(withShortNames(message), limit, bytesOf);
}

/** Of everything but words: seven ids and numbers, and the names of the fields. */
const FORM_BYTES = 1024;
/** Of a code unit in JSON: `\\u0001`. */
const UNIT_BYTES = 6;

/** No object of this kind has more: enough to know that most fit, without writing them. */
function mostBytes(payload: Payload): number {
  if (payload.kind === 'read') return FORM_BYTES;
  const { senderName = '', title = '', text = '' } = payload;
  return FORM_BYTES + UNIT_BYTES * (senderName.length + title.length + text.length);
}

function shortened(message: MessagePush, limit: number, bytesOf: (payload: Payload) => number): Payload | undefined {
  const { text } = message;
  const fits = (units: number): boolean => bytesOf(messagePayload(message, text.slice(0, units), true)) <= limit;
  if (!fits(0)) return undefined;
  // A code unit is a byte or more, so no more than `limit` of them fit. A half of a pair costs more than the pair's part
  // does, which can only make the cut a character shorter.
  let [least, most] = [0, Math.min(text.length, limit)];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (fits(middle)) least = middle;
    else most = middle - 1;
  }
  return messagePayload(message, cutAt(text, least), true);
}

function withShortNames(message: MessagePush): MessagePush {
  const { senderName, title } = message;
  return {
    ...message,
    ...(senderName === undefined ? {} : { senderName: cutAt(senderName, NAME_UNITS) }),
    ...(title === undefined ? {} : { title: cutAt(title, NAME_UNITS) }),
  };
}

const CHARACTERS = new Intl.Segmenter('und', { granularity: 'grapheme' });
/** Longer clusters are cut inside: a text of one endless cluster is still a text. */
const CLUSTER_UNITS = 64;

/** The longest beginning of at most so many code units that ends between two characters. */
export function cutAt(text: string, units: number): string {
  if (units >= text.length) return text;
  const start = CHARACTERS.segment(text.slice(0, units + CLUSTER_UNITS)).containing(units)?.index ?? units;
  const end = units - start > CLUSTER_UNITS ? units : start;
  return text.slice(0, isLowSurrogate(text, end) ? end - 1 : end);
}

const isLowSurrogate = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** Field by field, in the published order: what is spread costs as much as the rest of a push. */
function messagePayload(message: MessagePush, text: string, cut = false): MessagePayload {
  const { conversationId, seq, messageId, senderId, senderName, title, unread, badge } = message;
  const head: Partial<Writable<MessagePayload>> = { v: 1, kind: 'message', conversationId, seq, messageId, senderId };
  if (!message.privacy) {
    if (senderName !== undefined) head.senderName = senderName;
    if (title !== undefined) head.title = title;
    head.text = text;
    if (cut) head.cut = true;
  }
  head.unread = unread;
  head.badge = badge;
  return head as MessagePayload;
}
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What is shown where the words may not be. */
export const NEW_MESSAGE = 'New message';

/** Bytes of UTF-8 of a value as JSON. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A name for (purpose, conversation) of `length` ≤ 43 characters of base64url, where the conversation's own id may not be used. */
export const conversationHash = (purpose: string, conversation: LaneId, length: number): string =>
  createHash('sha256').update(`${purpose}\n${conversation}`).digest('base64url').slice(0, length);
