/**
 * What an integration may ask of a consumer of its own stream: a pull consumer, with the fields that are known here. A consumer that
 * pushes would write its messages to any subject; what a newer server adds is refused until somebody has looked at it.
 */

const REQUEST_FIELDS = ['stream_name', 'config', 'action'];
const CONFIG_FIELDS = [
  ...['name', 'durable_name', 'description', 'metadata', 'num_replicas', 'mem_storage', 'inactive_threshold'],
  ...['deliver_policy', 'opt_start_seq', 'opt_start_time', 'replay_policy', 'filter_subject', 'filter_subjects'],
  ...['ack_policy', 'ack_wait', 'max_deliver', 'backoff', 'max_ack_pending', 'max_waiting', 'max_batch'],
  ...['max_expires', 'max_bytes', 'headers_only', 'sample_freq', 'pause_until'],
  ...['priority_groups', 'priority_policy', 'priority_timeout'],
];
const ACK_POLICIES = ['none', 'all', 'explicit', undefined];
const ACK_PENDING_MAX = 20_000;
const WAITING_MAX = 512;
const FILTERS_MAX = 64;

export type ConsumerRequest =
  /** `body`: written anew, so that it is read as it was checked: the server takes the last of two equal fields, in any case. */
  { readonly kind: 'allowed'; readonly body: string } | { readonly kind: 'refused'; readonly why: string };

interface Request {
  readonly stream_name?: unknown;
  readonly config?: unknown;
}
interface ConsumerConfig {
  readonly ack_policy?: unknown;
  readonly max_ack_pending?: unknown;
  readonly max_waiting?: unknown;
  readonly filter_subjects?: unknown;
}

export function checkConsumerRequest(body: string, stream: string): ConsumerRequest {
  let request: Request | null;
  try {
    request = JSON.parse(body) as Request | null;
  } catch {
    return refused('the request is no JSON');
  }
  if (!isObject(request) || !isObject(request.config)) return refused('the request has no config');
  const unknown = Object.keys(request).find((field) => !REQUEST_FIELDS.includes(field));
  if (unknown !== undefined) return refused(`${JSON.stringify(unknown)} is not known here`);
  if (request.stream_name !== stream) return refused('stream_name is not the stream of the subject');
  const why = whyNot(request.config);
  return why === undefined ? { kind: 'allowed', body: JSON.stringify(request) } : refused(why);
}

function whyNot(config: ConsumerConfig): string | undefined {
  for (const [field, value] of Object.entries(config)) {
    if (CONFIG_FIELDS.includes(field) || isEmpty(value)) continue;
    if (/^deliver_(subject|group)$/i.test(field)) return 'only pull consumers: deliver_subject is not allowed';
    return `${JSON.stringify(field)} is not known here`;
  }
  if (!ACK_POLICIES.some((policy) => policy === config.ack_policy)) return 'ack_policy: none, all or explicit';
  if (!isAtMost(config.max_ack_pending, ACK_PENDING_MAX)) return `max_ack_pending: at most ${ACK_PENDING_MAX}`;
  if (!isAtMost(config.max_waiting, WAITING_MAX)) return `max_waiting: at most ${WAITING_MAX}`;
  const filters = config.filter_subjects;
  if (Array.isArray(filters) && filters.length > FILTERS_MAX) return `filter_subjects: at most ${FILTERS_MAX}`;
  return undefined;
}

/** -1 is "without a limit" to the server. */
const isAtMost = (value: unknown, most: number): boolean =>
  value === undefined || (typeof value === 'number' && value >= 0 && value <= most);

/** What the server reads as if it were not there. */
const isEmpty = (value: unknown): boolean => value === null || value === '' || value === 0 || value === false;
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const refused = (why: string): ConsumerRequest => ({ kind: 'refused', why });
