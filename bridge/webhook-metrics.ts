/** The figures of webhooks, both ways. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface WebhookMetrics {
  attempt(outcome: 'taken' | 'gone' | 'stopped' | 'failed' | 'dead'): void;
  fellBehind(): void;
  alarm(): void;
}
export interface WebhookFacts {
  readonly senders: number;
  readonly down: number;
  readonly behind: number;
}

export function webhookMetrics(registry: Registry, facts: () => WebhookFacts): WebhookMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'lanes_webhook_attempts_total',
    help: 'Attempts to give an event to a webhook; dead: given up, and a dead letter',
    labelNames: ['outcome'],
    registers,
  });
  const behind = new Counter({
    name: 'lanes_webhook_fallen_behind_total',
    help: 'Conversations whose event a webhook did not take at its first attempt',
    registers,
  });
  const alarms = new Counter({
    name: 'lanes_webhook_disabled_total',
    help: 'Webhooks turned off by their receivers (410)',
    registers,
  });
  for (const [name, help, fact] of [
    ['lanes_webhook_senders', 'Webhooks that this process sends', 'senders'],
    ['lanes_webhook_receivers_down', 'Webhooks whose receiver takes nothing', 'down'],
    ['lanes_webhook_conversations_behind', 'Conversations that wait for a receiver', 'behind'],
  ] as const)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(facts()[fact]);
      },
    });
  return {
    attempt: (outcome) => attempts.inc({ outcome }),
    fellBehind: () => behind.inc(),
    alarm: () => alarms.inc(),
  };
}

/** `outcome`: `accepted`, a refusal's or an error's code, or `gone`: the caller went away. */
export function hookMetrics(registry: Registry): (outcome: string) => void {
  const received = new Counter({
    name: 'lanes_webhook_received_total',
    help: 'Webhooks that came in, by what became of them',
    labelNames: ['outcome'],
    registers: [registry],
  });
  return (outcome) => received.inc({ outcome });
}
