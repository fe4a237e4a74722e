/** How many inboxes are open, and how much they hold. */
import { Gauge, type Registry } from 'prom-client';
import type { Inboxes } from './inbox.ts';

export function registerInboxMetrics(registry: Registry, inboxes: () => Pick<Inboxes, 'size' | 'lanes'>): void {
  const registers = [registry];
  new Gauge({
    name: 'lanes_inboxes',
    help: 'Open inboxes.',
    registers,
    collect() {
      this.set(inboxes().size);
    },
  });
  new Gauge({
    name: 'lanes_inbox_conversations',
    help: 'Conversations of users with an open inbox, each for each user.',
    registers,
    collect() {
      this.set(inboxes().lanes);
    },
  });
}
