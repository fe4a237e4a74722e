/** What a client says, built so that saying it costs the generator little: fixed parts are made once. */

export const SEND =
  'mutation Send($input:SendMessageInput!){sendMessage(input:$input){accepted{conversationId seq acceptedAt repeated}refused{code message}}}';
export const FOLLOW =
  'subscription Follow($id:ID!){conversation(id:$id){__typename conversationId seq ...on MessageSent{at message{id seq text sentAt clientKey sender{id}}}}}';

/** Bytes of the text of every message sent. */
export const TEXT_BYTES = 100;
export const TEXT = 'x'.repeat(TEXT_BYTES);

/** JSON of a request body in three parts: the lane's id goes after the first, the key after the second, the text after the third. */
export const SEND_PARTS = [
  `{"query":${JSON.stringify(SEND)},"variables":{"input":{"conversationId":"`,
  '","clientKey":"',
  '","text":"',
  '"}}}',
] as const;
export const sendBody = (lane: string, key: string, text: string): string =>
  SEND_PARTS[0] + lane + SEND_PARTS[1] + key + SEND_PARTS[2] + text + SEND_PARTS[3];
export const followBody = (lane: string): string => `{"query":${JSON.stringify(FOLLOW)},"variables":{"id":"${lane}"}}`;
const INBOX =
  'subscription I($device:ID!){inbox(device:$device){__typename conversationId seq ...on MessageSent{message{id sender{id} text sentAt}} ...on InboxCaughtUp{cursor}}}';
export const inboxBody = (device: string): string =>
  `{"query":${JSON.stringify(INBOX)},"variables":{"device":"${device}"}}`;

/** UUIDv7 (RFC 9562): the form that PROTOCOL.md recommends for client keys. Unique between processes by its random part. */
export function keyMaker(): () => string {
  const own = Math.floor(Math.random() * 2 ** 36)
    .toString(16)
    .padStart(9, '0');
  let [count, lastMs, prefix] = [0, 0, ''];
  return () => {
    const ms = Date.now();
    if (ms !== lastMs) {
      const hex = ms.toString(16).padStart(12, '0');
      [lastMs, prefix] = [ms, `${hex.slice(0, 8)}-${hex.slice(8)}-7`];
    }
    count = (count + 1) % 0x1000000;
    const hex = count.toString(16).padStart(6, '0');
    return `${prefix}${hex.slice(0, 3)}-8${hex.slice(3)}-${own}000`;
  };
}

/** Whose send a generator's connection makes, and where it goes: its lanes in turn. */
export interface Sender {
  readonly token: string;
  readonly lanes: readonly string[];
}

export const authorizationOf = (token: string): string => `Bearer ${token}`;
