/** Whether something in an integration's stream has been read. Pure. */
import type { ConsumerInfo } from './lag.ts';

/** A durable consumer that is to get it has not acknowledged it; or nobody durable reads, and nobody knows. */
export function isUnread(
  { at, subject }: { readonly at: number; readonly subject: string },
  consumers: readonly ConsumerInfo[],
): boolean {
  const durable = consumers.filter(({ config }) => config.durable_name !== undefined);
  if (durable.length === 0) return true;
  return durable.some(
    (consumer) =>
      consumer.num_pending + consumer.num_ack_pending > 0 &&
      at > consumer.ack_floor.stream_seq &&
      filtersOf(consumer).some((filter) => matches(filter, subject)),
  );
}

const filtersOf = ({ config }: ConsumerInfo): readonly string[] => {
  if (config.filter_subjects && config.filter_subjects.length > 0) return config.filter_subjects;
  return [config.filter_subject || '>'];
};

/** As NATS has it: `*` is one token, `>` is one or more. */
export function matches(filter: string, subject: string): boolean {
  const wanted = filter.split('.');
  const tokens = subject.split('.');
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i;
    if (i >= tokens.length || (token !== '*' && token !== tokens[i])) return false;
  }
  return wanted.length === tokens.length;
}
